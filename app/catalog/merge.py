"""From the parts of all regions to one entry per model: pure, so that a refresh and a load give the same answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.entries import (
    APPLICATION,
    INFERENCE_PROFILE,
    INVOKE_ORDER,
    ON_DEMAND,
    UNKNOWN_PROFILE,
    CatalogEntry,
    RowGroup,
    kind_of_profile,
    profile_ids,
)
from app.catalog.joining import facts_of
from app.catalog.lifecycle import has_ended
from app.catalog.paging import sort_key
from app.catalog.records import (
    APPLICATION_PROFILES,
    MODELS,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    Invocation,
    PartListing,
)
from app.catalog.records import INFERENCE_PROFILE as BY_PROFILE
from app.catalog.records import ON_DEMAND as BY_MODEL

Parts = Mapping[str, PartListing]
Interned = dict[tuple[str, ...], tuple[str, ...]]
# A profile's id, its destinations, and whether the model has ended where they are so.
Way = tuple[str, tuple[str, ...], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedCatalog:
    """All models and the account's own profiles, newest first, then by id, and what other optional parts bring.

    `account_models` are the account's own, `project_entries` what a project alone opens. `profile_names` are AWS's, by
    profile id; `orphan_profiles` counts the rows of profiles whose models their region does not list: they make nothing
    callable.
    """

    models: tuple[CatalogEntry, ...]
    application_profiles: tuple[CatalogEntry, ...]
    profile_names: Mapping[str, str]
    orphan_profiles: int
    account_models: tuple[CatalogEntry, ...] = ()
    project_entries: tuple[CatalogEntry, ...] = ()

    @property
    def profile_ids(self) -> frozenset[str]:
        """Those of all profiles that call a model, or did until its end of life."""
        return frozenset(profile_ids(*(ways for it in self.models for ways in (it.invocations, it.former_invocations))))


class _ModelRows:
    """Equal rows of one model, and their regions."""

    __slots__ = ("by_model", "by_profile", "ended", "regions", "row")

    def __init__(self, row: FoundationModel, at: datetime) -> None:
        types = row.inference_types or ()
        self.row = row
        self.ended = has_ended(row, at)
        self.by_model, self.by_profile = BY_MODEL in types, BY_PROFILE in types
        self.regions: list[str] = []


class _Gathered:
    """What the regions seen so far list of one model.

    `here` are the rows that the last of these regions, `region`, is among. `ways` are the source regions of each way
    through a profile, `unknown` the regions where the profiles are not known, by whether the model has ended there.
    """

    __slots__ = ("groups", "here", "region", "unknown", "ways")

    def __init__(self) -> None:
        self.groups: list[_ModelRows] = []
        self.here: _ModelRows | None = None
        self.region = ""
        self.ways: dict[Way, list[str]] = {}
        self.unknown: dict[bool, list[str]] = {}


def merge_listings(
    listings: Iterable[PartListing],
    *,
    at: datetime,
    regions: Sequence[str] = (),
    invoke_order: Sequence[str] = INVOKE_ORDER,
    cards: CardBook = NO_CARDS,
    prefers_cards: bool = False,
) -> MergedCatalog:
    """Merge the listings of all parts into one entry per model id.

    Args:
        listings: at most one per region and part.
        at: the moment that lifecycles are of.
        regions: in order of preference, in which rows describe a model (joining.py).
        invoke_order: the kinds of invocations, the preferred first; one that is left out is no invocation.
        cards: what is known beyond the listings.
        prefers_cards: names and dates of cards win over those of the listings.

    Raises:
        ValueError: two listings are of the same region and part.

    Source:
        Input: Bedrock ListFoundationModels (FoundationModelSummary) and ListInferenceProfiles.
        Order: the Anthropic Models API lists recent releases first.
    """
    by_region = _by_region(listings)
    gathered: dict[str, _Gathered] = {}
    names: dict[str, str] = {}
    orphans = 0
    for region in sorted(by_region):
        parts = by_region[region]
        if MODELS in parts:
            _gather_models(parts[MODELS], gathered, at)
            _gather_unknown(parts[MODELS], gathered, knows_profiles=PROFILES in parts)
            if PROFILES in parts:
                orphans += _gather_profiles(parts[PROFILES], gathered, names)
    rank = {region: place for place, region in enumerate(regions)}
    order = {kind: place for place, kind in enumerate(invoke_order)}
    interned: Interned = {}
    models = []
    for model_id, found in gathered.items():
        rows = row_groups(((it.row, it.regions) for it in found.groups), rank, interned)
        ways = _invocations(found, order, interned, ended=False)
        former = _invocations(found, order, interned, ended=True)
        facts = facts_of([row for row, _ in rows], at, cards, ways, former, prefers_cards=prefers_cards)
        models.append(
            CatalogEntry(
                id=model_id, model_id=model_id, invocations=ways, former_invocations=former, rows=rows, **facts
            )
        )
    models.sort(key=sort_key)
    by_id = {model.id: model for model in models}
    return MergedCatalog(
        models=tuple(models),
        application_profiles=tuple(sorted(_application_profiles(by_region, by_id, order, cards, at), key=sort_key)),
        profile_names=names,
        orphan_profiles=orphans,
    )


def is_usable(profile: InferenceProfile) -> bool:
    return profile.status in (None, "ACTIVE")


def geography_of(profile_id: str, model_id: str) -> str | None:
    """What stands before the model's id in a profile's; None where it is not built so."""
    prefix = profile_id.removesuffix(f".{model_id}")
    return prefix if prefix and prefix != profile_id else None


def row_groups(
    groups: Iterable[tuple[FoundationModel, Sequence[str]]], rank: Mapping[str, int], interned: Interned
) -> tuple[RowGroup, ...]:
    """Groups of equal rows in order of preference; a region that is not ranked comes last, by its name."""

    def place(group: RowGroup) -> tuple[int, str]:
        return min((rank.get(region, len(rank)), region) for region in group[1])

    kept = [(row, _once(names, interned)) for row, names in groups]
    return tuple(sorted(kept, key=place) if len(kept) > 1 else kept)


def row_in(model: CatalogEntry, region: str) -> FoundationModel | None:
    return next((row for row, regions in model.rows if region in regions), None)


def _by_region(listings: Iterable[PartListing]) -> dict[str, dict[str, PartListing]]:
    by_region: dict[str, dict[str, PartListing]] = {}
    for listing in listings:
        parts = by_region.setdefault(listing.region, {})
        if listing.part in parts:
            raise ValueError(f"two listings are of {listing.part} in {listing.region}")
        parts[listing.part] = listing
    return by_region


def _gather_models(listing: PartListing, gathered: dict[str, _Gathered], at: datetime) -> None:
    region = listing.region
    for row in listing.rows:
        if not isinstance(row, FoundationModel):
            continue
        found = gathered.get(row.id)
        if found is None:
            found = gathered[row.id] = _Gathered()
        here = found.here
        # Equal rows are one object where they were read together (codec.py), so most models have one group.
        if here is None or (here.row is not row and here.row != row):
            here = next((it for it in found.groups if it.row == row), None)
            if here is None:
                here = _ModelRows(row, at)
                found.groups.append(here)
            found.here = here
        found.region = region
        here.regions.append(region)


def _gather_unknown(listing: PartListing, gathered: Mapping[str, _Gathered], *, knows_profiles: bool) -> None:
    """Where profiles were never listed, a row is taken at its word; where the model has ended, for what it was."""
    for row in listing.rows:
        found = gathered[row.id]
        here = found.here
        if here is not None and here.by_profile and (here.ended or not knows_profiles):
            found.unknown.setdefault(here.ended, []).append(listing.region)


def _gather_profiles(listing: PartListing, gathered: Mapping[str, _Gathered], names: dict[str, str]) -> int:
    """Add the ways through a region's profiles to the models that it lists; the number of profiles without one."""
    region = listing.region
    orphans = 0
    for profile in listing.rows:
        if not isinstance(profile, InferenceProfile) or not is_usable(profile):
            continue
        if profile.name:
            names.setdefault(profile.id, profile.name)
        is_orphan = True
        for model_id, destinations in profile.models:
            found = gathered.get(model_id)
            if found is None or found.here is None or found.region != region:
                continue
            is_orphan = False
            key = profile.id, destinations, found.here.ended
            found.ways.setdefault(key, []).append(region)
        orphans += is_orphan
    return orphans


def _invocations(
    found: _Gathered, order: Mapping[str, int], interned: Interned, *, ended: bool
) -> tuple[Invocation, ...]:
    """The ways to call a model of the kinds that are wanted, the preferred first."""
    ways: list[Invocation] = []
    if ON_DEMAND in order:
        regions = [region for it in found.groups if it.by_model and it.ended is ended for region in it.regions]
        if regions:
            ways.append(Invocation(kind=ON_DEMAND, regions=_once(regions, interned)))
    for (profile_id, destinations, was_ended), names in found.ways.items():
        kind = kind_of_profile(destinations)
        if was_ended is ended and kind in order:
            ways.append(
                Invocation(kind=kind, regions=_once(names, interned), profile_id=profile_id, destinations=destinations)
            )
    if ended in found.unknown and order.keys() - {ON_DEMAND}:
        ways.append(Invocation(kind=UNKNOWN_PROFILE, regions=_once(found.unknown[ended], interned)))
    if len(ways) > 1:
        ways.sort(key=lambda way: (order.get(way.kind, len(order)), len(way.destinations), way.profile_id or ""))
    return tuple(ways)


def _once(regions: Sequence[str], interned: Interned) -> tuple[str, ...]:
    """The regions, sorted, as one object for all models that are in the same ones."""
    key = tuple(sorted(regions) if len(regions) > 1 else regions)
    return interned.setdefault(key, key)


def _application_profiles(
    by_region: Mapping[str, Parts],
    models: Mapping[str, CatalogEntry],
    order: Mapping[str, int],
    cards: CardBook,
    at: datetime,
) -> Iterable[CatalogEntry]:
    for region, parts in by_region.items():
        listing = parts.get(APPLICATION_PROFILES)
        for profile in listing.rows if listing is not None else ():
            if not isinstance(profile, InferenceProfile) or not is_usable(profile):
                continue
            for model_id, destinations in profile.models[:1]:
                model = models.get(model_id)
                row = None if model is None else row_in(model, region)
                kind = kind_of_profile(destinations)
                if model is None or row is None or kind not in order:
                    continue
                way = Invocation(kind=kind, regions=(region,), profile_id=profile.id, destinations=destinations)
                ended = has_ended(row, at)
                # A profile of one region: what other regions state of its model is not of it.
                facts = facts_of([row], at, cards)
                facts["name"] = profile.name or facts["name"]
                facts["card"] = cards.card_for_profile(model.card, profile.id)
                yield CatalogEntry(
                    kind=INFERENCE_PROFILE,
                    id=profile.id,
                    model_id=model_id,
                    geography=APPLICATION,
                    invocations=() if ended else (way,),
                    former_invocations=(way,) if ended else (),
                    rows=((row, way.regions),),
                    **facts,
                )
