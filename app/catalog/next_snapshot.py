"""The next snapshot, from the last one and what a refresh brought. What AWS leaves out takes nothing away."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from app.catalog.access import AccessState, of_models
from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.changes import with_events
from app.catalog.entries import INVOKE_ORDER, CatalogEntry
from app.catalog.records import (
    BASE_PARTS,
    LIFECYCLE_FIELDS,
    MANTLE,
    MODELS,
    OPTIONAL_FIELDS,
    PROJECT_MODELS,
    PROJECT_PROFILES,
    CatalogState,
    FoundationModel,
    Invocation,
    PartFailure,
    PartListing,
    PartResult,
    RemovedModel,
    Row,
)
from app.catalog.snapshot import CatalogSnapshot, build_snapshot, reuse_models

RowT = TypeVar("RowT", bound=Row)
Key = tuple[str, str]

RETRY_PAUSE = timedelta(seconds=10)
MAX_DOUBLINGS = 20
# A client that pages is done in minutes; a day also covers one that was suspended overnight.
REMOVED_KEPT = timedelta(days=1)
MAX_REMOVED = 10_000

# Listings of what AWS has, which never becomes nothing from one refresh to the next.
NEVER_EMPTIED = (*BASE_PARTS, PROJECT_MODELS, PROJECT_PROFILES, MANTLE)


def next_snapshot(
    previous: CatalogSnapshot | None,
    results: Iterable[PartResult],
    *,
    source: str,
    regions: Sequence[str],
    at: datetime,
    max_stale: timedelta,
    parts: Sequence[str] = BASE_PARTS,
    configured_regions: tuple[str, ...] = (),
    projects: tuple[str, ...] = (),
    is_complete: bool = True,
    is_retry: bool = False,
    has_access: bool = False,
    invoke_order: Sequence[str] = INVOKE_ORDER,
    cards: CardBook = NO_CARDS,
    version_ms: int | None = None,
) -> CatalogSnapshot:
    """The next snapshot, with the events that the last one's difference to it makes.

    A part that failed, did not answer or came back empty where it was not keeps its last good listing, until that is
    older than `max_stale` in a refresh in which any region listed a model: when none did, the fault is ours or all of
    AWS's, and a catalog once known is served.

    Args:
        previous: the one that was published last, also where that was a part of the same refresh.
        results: at most one per region and part.
        regions: all that are configured, in order of preference.
        at: when the refresh ended, or when this much of it had arrived.
        parts: what each region is asked for.
        configured_regions: the setting that the regions come from.
        projects: the setting that the projects' parts are asked with.
        is_complete: False while results still arrive: what is missing has not failed.
        has_access: reports on access are part of the catalog, those of models that left excepted.
        is_retry: only regions with parts that were never listed were asked; the others stay as they are.
        version_ms: what the ids of new events begin with: the version that the snapshot is stored as.
    """
    last = {} if previous is None else {(it.region, it.part): it for it in previous.state.listings}
    failed = {} if previous is None else {(it.region, it.part): it for it in previous.state.failures}
    results = tuple(results)
    # While no region lists a model, nothing is too old.
    has_models = any(isinstance(it, PartListing) and it.part == MODELS and it.rows for it in results)
    too_old = max_stale if has_models else timedelta.max
    arrived = {(it.region, it.part): reject_empty(it, last.get((it.region, it.part)), at, too_old) for it in results}
    listings: list[PartListing] = []
    failures: list[PartFailure] = []
    for key in ((region, part) for region in regions for part in parts):
        result = arrived.get(key)
        kept = last.get(key)
        if isinstance(result, PartListing):
            listings.append(fill_missing(keep_skipped_rows(result, kept), kept))
            continue
        is_open = result is None and (is_retry or not is_complete)
        failure = (
            failed.get(key)
            if is_open
            else result or PartFailure(region=key[0], part=key[1], failed_at=at, code="Timeout")
        )
        if failure is not None:
            failures.append(failure)
        if kept is not None and (is_open or at - kept.listed_at <= too_old):
            listings.append(kept)
    before = None if previous is None else previous.state
    answered = any(isinstance(it, PartListing) and it.part in BASE_PARTS for it in arrived.values())
    state = CatalogState(
        source=source,
        attempted_at=before.attempted_at if is_retry and before is not None else at,
        configured_regions=configured_regions,
        regions=tuple(regions),
        parts=tuple(parts),
        refreshed_at=at if answered else before.refreshed_at if before is not None else None,
        retried_at=at if is_retry else None,
        listings=tuple(listings),
        failures=tuple(failures),
        access=(None if before is None else before.access) or AccessState() if has_access else None,
        projects=projects,
    )
    retries = 0 if before is None else before.retries
    if not is_complete:
        state = replace(state, retries=retries)
    elif is_incomplete(state):
        state = replace(state, retries=retries + 1)
    snapshot = _with_history(
        build_snapshot(state, at=at, invoke_order=invoke_order, cards=cards), previous, at, version_ms
    )
    if snapshot.state.access is None:
        return snapshot
    access = of_models(snapshot.state.access, snapshot.by_id)
    return replace(snapshot, state=replace(snapshot.state, access=access))


def never_listed(state: CatalogState) -> tuple[str, ...]:
    """The regions with a base part that has no listing; all of them while no region has a model."""
    if not any(it.rows for it in state.listings if it.part == MODELS):
        return state.regions
    listed = {(it.region, it.part) for it in state.listings}
    return tuple(
        it for it in state.regions if any((it, part) not in listed for part in state.parts if part in BASE_PARTS)
    )


def is_incomplete(state: CatalogState) -> bool:
    """Whether something was never listed, as while the regions that `all` stands for are unknown."""
    return not state.regions or bool(never_listed(state))


def next_attempt_at(state: CatalogState, *, interval: timedelta) -> datetime:
    """When regions are to be asked again: all of them after the interval, those that were never listed before."""
    next_refresh = state.attempted_at + interval
    pause = retry_pause(state, interval=interval)
    return next_refresh if pause is None else min(next_refresh, (state.retried_at or state.attempted_at) + pause)


def retry_pause(state: CatalogState, *, interval: timedelta) -> timedelta | None:
    """How long to wait before what was never listed is tried again; None where all was.

    The pauses between the attempts grow from ten seconds up to the interval.
    """
    if not is_incomplete(state):
        return None
    doublings = min(MAX_DOUBLINGS, max(0, state.retries - 1))
    return min(interval, RETRY_PAUSE * (1 << doublings))


def _with_history(
    snapshot: CatalogSnapshot, previous: CatalogSnapshot | None, at: datetime, version_ms: int | None
) -> CatalogSnapshot:
    if previous is None:
        return replace(snapshot, state=replace(snapshot.state, changed_at=at), changed_at=at)
    snapshot = reuse_models(snapshot, previous)
    changed_at = previous.changed_at if snapshot.models is previous.models else at
    removed = _removed(snapshot, previous, at)
    state = with_events(snapshot, previous, at=at, version_ms=version_ms)
    return replace(
        snapshot,
        state=replace(state, removed=removed, changed_at=changed_at),
        changed_at=changed_at,
        removed={gone.id: gone for gone in removed},
    )


def reject_empty(result: PartResult, last: PartListing | None, at: datetime, too_old: timedelta) -> PartResult:
    """A part of AWS's own models that is empty where it was not is believed once the old listing is too old to serve.

    What an account made, it takes away.
    """
    if isinstance(result, PartFailure) or result.rows or not result.is_offered or result.part not in NEVER_EMPTIED:
        return result
    if last is None or not last.rows or at - last.listed_at > too_old:
        return result
    detail = f"empty, where the last listing had {len(last.rows)} rows"
    if result.skipped_rows:
        detail += f"; {result.skipped_rows} rows without a readable id were left out"
    return PartFailure(
        region=result.region,
        part=result.part,
        failed_at=at,
        code="EmptyListing",
        detail=detail,
        duration_ms=result.duration_ms,
    )


def keep_skipped_rows(listing: PartListing, last: PartListing | None) -> PartListing:
    """A row whose id cannot be read may be any, so all that the listing does not name stays."""
    if not listing.skipped_rows or last is None:
        return listing
    named = {row.id for row in listing.rows}
    return replace(listing, rows=listing.rows + tuple(row for row in last.rows if row.id not in named))


def fill_missing(listing: PartListing, last: PartListing | None) -> PartListing:
    """A row that leaves out a field that it had keeps the last value."""
    if listing.part != MODELS or last is None:
        return listing
    before: Mapping[str, Row] = {row.id: row for row in last.rows}
    rows = tuple(_filled(row, before.get(row.id)) for row in listing.rows)
    backfilled = sum(new is not row for new, row in zip(rows, listing.rows, strict=True))
    return replace(listing, rows=rows, backfilled_rows=backfilled) if backfilled else listing


def _filled(row: Row, last: Row | None) -> Row:
    if not isinstance(row, FoundationModel) or not isinstance(last, FoundationModel) or row == last:
        return row
    # A date may really be taken back, so a lifecycle counts as one statement.
    names = OPTIONAL_FIELDS if row.lifecycle_status else OPTIONAL_FIELDS + LIFECYCLE_FIELDS
    values = {name: getattr(last, name) for name in names if getattr(row, name) is None}
    return replace(row, **values) if any(value is not None for value in values.values()) else row


def _removed(snapshot: CatalogSnapshot, previous: CatalogSnapshot, at: datetime) -> tuple[RemovedModel, ...]:
    """The models and profiles that left lately, the last ones at the end."""
    now = _listed(snapshot)
    gone = [item for item in previous.state.removed if item.id not in now]
    if snapshot.models is not previous.models:
        gone += [
            RemovedModel(
                id=entry_id,
                created_at=entry.created_at,
                removed_at=at,
                model_id=entry.model_id,
                provider=entry.provider,
                invocations=_last_ways(entry, entry_id),
                was_eligible=entry.is_eligible,
            )
            for entry_id, entry in _listed(previous).items()
            if entry_id not in now
        ]
    # A clock that was set back makes an age negative, which is no reason to forget.
    return tuple(item for item in gone if at - item.removed_at < REMOVED_KEPT)[-MAX_REMOVED:]


def _last_ways(entry: CatalogEntry, entry_id: str) -> tuple[Invocation, ...]:
    """The invocations that a model or one of its profiles was listed for."""
    if entry_id == entry.id:
        if entry.is_of_project:
            return entry.project_ways or ()
        if entry.invocations:
            return entry.invocations
        return entry.mantle_ways or (entry.former_invocations if entry.is_callable else ())
    return tuple(it for it in entry.invocations or entry.former_invocations if it.profile_id == entry_id)


def _listed(snapshot: CatalogSnapshot) -> dict[str, CatalogEntry]:
    """All that a list can hold, by id; in the place of a profile its model."""
    entries = (
        *snapshot.project_entries,
        *snapshot.account_models,
        *snapshot.application_profiles,
        *snapshot.models,
    )
    return {**snapshot.by_profile} | {entry.id: entry for entry in entries}
