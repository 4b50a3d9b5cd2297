"""From what the regions said to one catalog: pure, so that a refresh and a load give the same answer."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from app.catalog.paging import sort_key
from app.catalog.records import (
    ACTIVE,
    DEPRECATED,
    EPOCH,
    INFERENCE_PROFILE,
    ON_DEMAND,
    RETIRED,
    CatalogModel,
    CatalogSnapshot,
    CatalogState,
    Departed,
    FoundationModel,
    InferenceProfile,
    RegionFailure,
    RegionListing,
)

RowT = TypeVar("RowT", FoundationModel, InferenceProfile)

CALLABLE_TYPES = frozenset({ON_DEMAND, INFERENCE_PROFILE})

OPTIONAL = ("name", "provider", "input_modalities", "output_modalities", "response_streaming", "inference_types")
LIFECYCLE = ("lifecycle_status", "start_of_life_at", "legacy_at", "extended_access_at", "end_of_life_at")

# A client that pages is done in minutes; a day also covers one that was suspended overnight.
DEPARTED_KEPT = timedelta(days=1)
DEPARTED_AT_MOST = 10_000


def merge_listings(listings: Iterable[RegionListing], *, at: datetime) -> tuple[CatalogModel, ...]:
    """Merge what each region listed into one entry per model id.

    Args:
        listings: at most one per region, in order of preference: where regions differ, the first one that says
            something describes the model. Modalities and streaming are the union, `created_at` is the earliest
            start, a model is active if any region says ACTIVE, and retires when it does so in the last region.
        at: the moment that lifecycles are told for.

    Returns:
        Models newest first, then by id, each with its regions sorted.

    Raises:
        ValueError: two listings are for the same region.

    Source:
        Input: Bedrock ListFoundationModels (FoundationModelSummary) and ListInferenceProfiles.
        Order: the Anthropic Models API lists recent releases first.
    """
    seen: set[str] = set()
    rows: dict[str, list[FoundationModel]] = {}
    regions: dict[str, set[str]] = {}
    profiles: dict[str, dict[str, set[str]]] = {}
    for listing in listings:
        if listing.region in seen:
            raise ValueError(f"two listings are for the region {listing.region}")
        seen.add(listing.region)
        for model in listing.models:
            rows.setdefault(model.id, []).append(model)
            if not CALLABLE_TYPES.isdisjoint(model.inference_types or ()):
                regions.setdefault(model.id, set()).add(listing.region)
        for profile in listing.profiles:
            if is_usable(profile):
                for model_id in profile.model_ids:
                    profiles.setdefault(model_id, {}).setdefault(profile.id, set()).add(listing.region)
    merged = [
        _merge_model(said, regions.get(model_id, set()), profiles.get(model_id, {}), at)
        for model_id, said in rows.items()
    ]
    return tuple(sorted(merged, key=sort_key))


def is_usable(profile: InferenceProfile) -> bool:
    return profile.status in (None, "ACTIVE")


def _merge_model(
    said: Sequence[FoundationModel], on_regions: set[str], profiles: dict[str, set[str]], at: datetime
) -> CatalogModel:
    first = said[0]
    lifecycle, deprecated_at, retires_at = _lifecycle(said, at)
    return CatalogModel(
        id=first.id,
        name=next((row.name for row in said if row.name), first.id),
        provider=next((row.provider for row in said if row.provider), None),
        # Whole seconds, as it is told: models of equal dates are in the order of their ids.
        created_at=min((row.start_of_life_at for row in said if row.start_of_life_at), default=EPOCH).replace(
            microsecond=0
        ),
        lifecycle=lifecycle,
        deprecated_at=deprecated_at,
        retires_at=retires_at,
        input_modalities=tuple(dict.fromkeys(word for row in said for word in row.input_modalities or ())),
        output_modalities=tuple(dict.fromkeys(word for row in said for word in row.output_modalities or ())),
        response_streaming=any(row.response_streaming for row in said),
        regions=tuple(sorted(on_regions.union(*profiles.values()))),
        inference_profiles=tuple((profile_id, tuple(sorted(names))) for profile_id, names in sorted(profiles.items())),
    )


def _is_active(said: Sequence[FoundationModel]) -> bool:
    """A region that says nothing, or a word that AWS has not used yet, is no reason to call a model deprecated."""
    statuses = {row.lifecycle_status for row in said}
    return "ACTIVE" in statuses or "LEGACY" not in statuses


def _lifecycle(said: Sequence[FoundationModel], at: datetime) -> tuple[str, datetime | None, datetime | None]:
    if _is_active(said):
        return ACTIVE, None, None
    deprecated_at = next((row.legacy_at for row in said if row.legacy_at), None)
    retires_at = max((row.end_of_life_at for row in said if row.end_of_life_at), default=None)
    retired = retires_at is not None and retires_at <= at
    return RETIRED if retired else DEPRECATED, deprecated_at, retires_at


def derive(state: CatalogState, *, at: datetime) -> CatalogSnapshot:
    """The snapshot that a state gives at a moment, with its look-up tables."""
    models = merge_listings(state.listings, at=at)
    by_id = {model.id: model for model in models}
    ends = [model.retires_at for model in models if model.retires_at is not None]
    return CatalogSnapshot(
        state=state,
        models=models,
        changed_at=max([state.changed_at or EPOCH, *(end for end in ends if end <= at)]),
        rederive_at=min((end for end in ends if end > at), default=None),
        by_id=by_id,
        by_profile={name: model for model in reversed(models) for name, _ in model.inference_profiles},
        departed_at={gone.id: gone.created_at for gone in state.departed},
    )


def for_regions(state: CatalogState, regions: Sequence[str]) -> CatalogState:
    """The state with the given regions alone, in their order: what is configured decides, not what was stored."""
    rank = {region: place for place, region in enumerate(regions)}
    return replace(
        state,
        listings=tuple(
            sorted((item for item in state.listings if item.region in rank), key=lambda item: rank[item.region])
        ),
        failures=tuple(
            sorted((item for item in state.failures if item.region in rank), key=lambda item: rank[item.region])
        ),
    )


def advance(
    previous: CatalogSnapshot | None,
    visits: Iterable[RegionListing | RegionFailure],
    *,
    source: str,
    regions: Sequence[str],
    at: datetime,
    max_stale: timedelta,
    asked_for: tuple[str, ...] = (),
) -> CatalogSnapshot:
    """The next snapshot, from the last one and what the visits of one refresh brought.

    A region that failed, was not heard of or came back empty where it was not keeps its last good listing, until
    that is older than `max_stale` in a refresh in which any region listed a model: when none did, the fault is ours or
    all of AWS's, and a catalog once known is served.

    Args:
        visits: at most one per region.
        regions: all that are configured, in order of preference.
        at: when the refresh ended.
        asked_for: the setting that the regions come from.
    """
    last = {} if previous is None else {listing.region: listing for listing in previous.state.listings}
    visits = tuple(visits)
    # While nobody lists anything, nothing is too old.
    listed = any(isinstance(visit, RegionListing) and visit.models for visit in visits)
    too_old = max_stale if listed else timedelta.max
    results = {visit.region: _unless_emptied(visit, last.get(visit.region), at, too_old) for visit in visits}
    answered = any(isinstance(result, RegionListing) for result in results.values())
    listings: list[RegionListing] = []
    failures: list[RegionFailure] = []
    for region in regions:
        result = results.get(region) or RegionFailure(region=region, failed_at=at, code="Timeout")
        if isinstance(result, RegionListing):
            listings.append(_completed(_with_skipped(result, last.get(region)), last.get(region)))
            continue
        failures.append(result)
        kept = last.get(region)
        if kept is not None and at - kept.listed_at <= too_old:
            listings.append(kept)
    state = CatalogState(
        source=source,
        attempted_at=at,
        asked_for=asked_for,
        refreshed_at=at if answered else previous.state.refreshed_at if previous else None,
        listings=tuple(listings),
        failures=tuple(failures),
    )
    snapshot = derive(state, at=at)
    if previous is None:
        return replace(snapshot, state=replace(state, changed_at=at), changed_at=at)
    snapshot = sharing(snapshot, previous)
    changed_at = previous.changed_at if snapshot.models is previous.models else at
    departed = _departed(snapshot, previous, at)
    return replace(
        snapshot,
        state=replace(state, departed=departed, changed_at=changed_at),
        changed_at=changed_at,
        departed_at={gone.id: gone.created_at for gone in departed},
    )


def _with_skipped(listing: RegionListing, last: RegionListing | None) -> RegionListing:
    """A malformed row takes nothing away: what it told before stays.

    A row whose very id cannot be read may be any, so then all that the listing does not name stays.
    """
    if not listing.skipped_rows or last is None:
        return listing
    skipped = set(listing.skipped_ids) if len(listing.skipped_ids) == listing.skipped_rows else None

    def kept(now: Sequence[RowT], before: Sequence[RowT]) -> tuple[RowT, ...]:
        named = {row.id for row in now}
        return tuple(row for row in before if row.id not in named and (skipped is None or row.id in skipped))

    return replace(
        listing,
        models=listing.models + kept(listing.models, last.models),
        profiles=listing.profiles + kept(listing.profiles, last.profiles),
    )


def _completed(listing: RegionListing, last: RegionListing | None) -> RegionListing:
    """A row that leaves out what it said before takes nothing away, either: that stands."""
    before = {} if last is None else {row.id: row for row in last.models}
    models = tuple(_as_last_told(row, before.get(row.id, row)) for row in listing.models)
    completed = sum(new is not row for new, row in zip(models, listing.models, strict=True))
    return replace(listing, models=models, completed_rows=completed) if completed else listing


def _as_last_told(row: FoundationModel, last: FoundationModel) -> FoundationModel:
    # A date may really be taken back (a retirement put off), so a lifecycle counts as one statement.
    names = OPTIONAL if row.lifecycle_status else OPTIONAL + LIFECYCLE
    told = {name: getattr(last, name) for name in names if getattr(row, name) is None}
    return replace(row, **told) if any(value is not None for value in told.values()) else row


def sharing(snapshot: CatalogSnapshot, previous: CatalogSnapshot | None) -> CatalogSnapshot:
    """The snapshot, with the previous one's models where they are equal: what was made of them can then be kept."""
    if previous is None or snapshot.models != previous.models:
        return snapshot
    return replace(snapshot, models=previous.models, by_id=previous.by_id, by_profile=previous.by_profile)


def _unless_emptied(
    visit: RegionListing | RegionFailure, last: RegionListing | None, at: datetime, too_old: timedelta
) -> RegionListing | RegionFailure:
    """A region that says nothing where it said something is believed once the old listing is too old to serve."""
    if isinstance(visit, RegionListing) and last is not None and at - last.listed_at <= too_old:
        emptied = [
            what
            for what, now, before in (
                ("models", visit.models, last.models),
                ("inference profiles", visit.profiles, last.profiles),
            )
            if before and not now
        ]
        if emptied:
            detail = f"no {' and no '.join(emptied)}, where the last listing had some"
            if visit.skipped_rows:
                detail += f"; {visit.skipped_rows} malformed rows were left out"
            return RegionFailure(
                region=visit.region, failed_at=at, code="EmptyListing", detail=detail, took_ms=visit.took_ms
            )
    return visit


def _departed(snapshot: CatalogSnapshot, previous: CatalogSnapshot, at: datetime) -> tuple[Departed, ...]:
    """The models that left lately, the last ones at the end."""
    gone = [item for item in previous.state.departed if item.id not in snapshot.by_id]
    gone += [
        Departed(id=model.id, created_at=model.created_at, left_at=at)
        for model in previous.models
        if model.id not in snapshot.by_id
    ]
    # A clock that was set back makes an age negative, which is no reason to forget.
    return tuple(item for item in gone if at - item.left_at < DEPARTED_KEPT)[-DEPARTED_AT_MOST:]
