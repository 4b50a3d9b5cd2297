"""From the parts of all regions to one entry per model: pure, so that a refresh and a load give the same answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.catalog.entries import (
    APPLICATION,
    INFERENCE_PROFILE,
    INVOKE_ORDER,
    ON_DEMAND,
    UNKNOWN_PROFILE,
    CatalogEntry,
    Invocation,
    RowGroup,
    profile_invocation,
)
from app.catalog.lifecycle import has_ended, lifecycle_of
from app.catalog.paging import sort_key
from app.catalog.records import (
    APPLICATION_PROFILES,
    EPOCH,
    MODELS,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    PartListing,
)
from app.catalog.records import INFERENCE_PROFILE as BY_PROFILE
from app.catalog.records import ON_DEMAND as BY_MODEL

Parts = Mapping[str, PartListing]
Interned = dict[tuple[Any, ...], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedCatalog:
    """All models and the account's own profiles, newest first, then by id.

    `profile_names` are AWS's, by profile id; `orphan_profiles` counts the rows of profiles whose models their region
    does not list: they make nothing callable.
    """

    models: tuple[CatalogEntry, ...]
    application_profiles: tuple[CatalogEntry, ...]
    profile_names: Mapping[str, str]
    orphan_profiles: int


class _Gathered:
    """What the regions seen so far list of one model."""

    __slots__ = ("former", "groups", "invocations")

    def __init__(self) -> None:
        self.groups: list[tuple[FoundationModel, list[str], bool, bool, bool]] = []
        self.invocations: list[Invocation] = []
        self.former: list[Invocation] = []


def merge_listings(
    listings: Iterable[PartListing],
    *,
    at: datetime,
    regions: Sequence[str] = (),
    invoke_order: Sequence[str] = INVOKE_ORDER,
) -> MergedCatalog:
    """Merge the listings of all parts into one entry per model id.

    Args:
        listings: at most one per region and part.
        at: the moment that lifecycles are of.
        regions: in order of preference: where rows differ, the first one that has a value describes the model.
            Modalities are the union, streaming is true if one says so, `created_at` is the earliest start.
        invoke_order: the kinds of invocations, the preferred first; one that is left out is no invocation.

    Raises:
        ValueError: two listings are of the same region and part.

    Source:
        Input: Bedrock ListFoundationModels (FoundationModelSummary) and ListInferenceProfiles.
        Order: the Anthropic Models API lists recent releases first.
    """
    by_region = _by_region(listings)
    gathered: dict[str, _Gathered] = {}
    orphans = 0
    for region in sorted(by_region):
        parts = by_region[region]
        ways = _ways(region, parts.get(PROFILES), invoke_order)
        orphans += _gather(region, parts, ways, gathered, at, invoke_order)
    rank = {region: place for place, region in enumerate(regions)}
    interned: Interned = {}
    models = [_entry(model_id, found, rank, interned, at) for model_id, found in gathered.items()]
    models.sort(key=sort_key)
    by_id = {model.id: model for model in models}
    return MergedCatalog(
        models=tuple(models),
        application_profiles=tuple(sorted(_application_profiles(by_region, by_id, invoke_order, at), key=sort_key)),
        profile_names=_profile_names(by_region),
        orphan_profiles=orphans,
    )


def is_usable(profile: InferenceProfile) -> bool:
    return profile.status in (None, "ACTIVE")


def facts_of(rows: Sequence[FoundationModel], at: datetime) -> dict[str, Any]:
    """The fields of an entry that its rows, in order of preference, decide."""
    lifecycle, deprecated_at, retires_at = lifecycle_of(rows, at)
    streaming = {row.response_streaming for row in rows} - {None}
    return {
        "name": next((row.name for row in rows if row.name), rows[0].id),
        "provider": next((row.provider for row in rows if row.provider), None),
        # Whole seconds, as it is served: models of equal dates are in the order of their ids.
        "created_at": min((row.start_of_life_at for row in rows if row.start_of_life_at), default=EPOCH).replace(
            microsecond=0
        ),
        "lifecycle": lifecycle,
        "deprecated_at": deprecated_at,
        "retires_at": retires_at,
        "input_modalities": tuple(dict.fromkeys(word for row in rows for word in row.input_modalities or ())),
        "output_modalities": tuple(dict.fromkeys(word for row in rows for word in row.output_modalities or ())),
        "response_streaming": any(streaming) if streaming else None,
    }


def geography_of(profile_id: str, model_id: str) -> str | None:
    """What stands before the model's id in a profile's; None where it is not built so."""
    prefix = profile_id.removesuffix(f".{model_id}")
    return prefix if prefix and prefix != profile_id else None


def _by_region(listings: Iterable[PartListing]) -> dict[str, dict[str, PartListing]]:
    by_region: dict[str, dict[str, PartListing]] = {}
    for listing in listings:
        parts = by_region.setdefault(listing.region, {})
        if listing.part in parts:
            raise ValueError(f"two listings are of {listing.part} in {listing.region}")
        parts[listing.part] = listing
    return by_region


def _ways(region: str, listing: PartListing | None, invoke_order: Sequence[str]) -> dict[str, list[Invocation]]:
    """The region's invocations through profiles by model id, the preferred first."""
    ways: dict[str, list[Invocation]] = {}
    for profile in listing.rows if listing is not None else ():
        if isinstance(profile, InferenceProfile) and is_usable(profile):
            for model_id, destinations in profile.models:
                ways.setdefault(model_id, []).append(profile_invocation(region, profile.id, destinations))
    for model_id, found in ways.items():
        if len(found) > 1 or found[0].kind not in invoke_order:
            ways[model_id] = sorted(
                (way for way in found if way.kind in invoke_order),
                key=lambda way: (invoke_order.index(way.kind), len(way.destinations), way.profile_id or ""),
            )
    return ways


def _gather(
    region: str,
    parts: Parts,
    ways: Mapping[str, list[Invocation]],
    gathered: dict[str, _Gathered],
    at: datetime,
    invoke_order: Sequence[str],
) -> int:
    """Add a region's models and their invocations; the number of its orphaned profiles."""
    listing = parts.get(MODELS)
    if listing is None:
        return 0
    on_demand = Invocation(region, ON_DEMAND, None, (region,)) if ON_DEMAND in invoke_order else None
    may_use_profiles = any(kind != ON_DEMAND for kind in invoke_order)
    unknown = Invocation(region, UNKNOWN_PROFILE) if may_use_profiles else None
    on_demand_first = invoke_order[:1] == INVOKE_ORDER[:1]
    knows_profiles = PROFILES in parts
    for row in listing.rows:
        if not isinstance(row, FoundationModel):
            continue
        found = gathered.get(row.id)
        if found is None:
            found = gathered[row.id] = _Gathered()
        # Equal rows are one object (codec.py), so that most models have one group.
        group = next((it for it in found.groups if it[0] is row), None)
        if group is None:
            types = row.inference_types or ()
            group = (row, [], has_ended(row, at), BY_MODEL in types, BY_PROFILE in types)
            found.groups.append(group)
        _, names, ended, by_model, by_profile = group
        names.append(region)
        here = found.former if ended else found.invocations
        start = len(here)
        if by_model and on_demand is not None:
            here.append(on_demand)
        through_profiles = ways.get(row.id)
        if through_profiles:
            here.extend(through_profiles)
        elif by_profile and unknown is not None and (ended or not knows_profiles):
            here.append(unknown)
        if not on_demand_first and len(here) > start + 1:
            here[start:] = sorted(here[start:], key=lambda way: _place(way.kind, invoke_order))
    listed = {row.id for row in listing.rows}
    usable = (
        (row for row in parts[PROFILES].rows if isinstance(row, InferenceProfile) and is_usable(row))
        if (knows_profiles)
        else ()
    )
    return sum(1 for profile in usable if all(model_id not in listed for model_id, _ in profile.models))


def _profile_names(by_region: Mapping[str, Parts]) -> dict[str, str]:
    listings = (parts[PROFILES] for _, parts in sorted(by_region.items()) if PROFILES in parts)
    rows = (row for listing in listings for row in listing.rows)
    return {row.id: row.name for row in rows if isinstance(row, InferenceProfile) and row.name}


def _place(kind: str, invoke_order: Sequence[str]) -> int:
    return invoke_order.index(kind) if kind in invoke_order else len(invoke_order)


def _entry(model_id: str, found: _Gathered, rank: Mapping[str, int], interned: Interned, at: datetime) -> CatalogEntry:
    groups = row_groups(((row, names) for row, names, *_ in found.groups), rank, interned)
    return CatalogEntry(
        id=model_id,
        model_id=model_id,
        invocations=_once(tuple(found.invocations), interned),
        former_invocations=_once(tuple(found.former), interned),
        rows=groups,
        **facts_of([row for row, _ in groups], at),
    )


def row_groups(
    groups: Iterable[tuple[FoundationModel, Sequence[str]]], rank: Mapping[str, int], interned: Interned
) -> tuple[RowGroup, ...]:
    """Groups of equal rows in order of preference; a region that is not ranked comes last, by its name."""

    def place(group: RowGroup) -> tuple[int, str]:
        return min((rank.get(region, len(rank)), region) for region in group[1])

    kept = [(row, _once(tuple(names), interned)) for row, names in groups]
    return tuple(sorted(kept, key=place) if len(kept) > 1 else kept)


def _once(items: tuple[Any, ...], interned: Interned) -> Any:
    """An equal tuple that was met before: most models are in the same regions."""
    return interned.setdefault(tuple(map(id, items)), items)


def _application_profiles(
    by_region: Mapping[str, Parts], models: Mapping[str, CatalogEntry], invoke_order: Sequence[str], at: datetime
) -> Iterable[CatalogEntry]:
    for region, parts in by_region.items():
        listing = parts.get(APPLICATION_PROFILES)
        for profile in listing.rows if listing is not None else ():
            if not isinstance(profile, InferenceProfile) or not is_usable(profile):
                continue
            for model_id, destinations in profile.models[:1]:
                model = models.get(model_id)
                row = None if model is None else row_in(model, region)
                way = profile_invocation(region, profile.id, destinations)
                if model is None or row is None or way.kind not in invoke_order:
                    continue
                ended = has_ended(row, at)
                yield replace(
                    model,
                    kind=INFERENCE_PROFILE,
                    id=profile.id,
                    name=profile.name or model.name,
                    geography=APPLICATION,
                    invocations=() if ended else (way,),
                    former_invocations=(way,) if ended else (),
                )


def row_in(model: CatalogEntry, region: str) -> FoundationModel | None:
    return next((row for row, regions in model.rows if region in regions), None)
