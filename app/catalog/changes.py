"""What AWS changed between two snapshots, as events; and how many of them are kept."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.catalog.entries import RETIRED, CatalogEntry
from app.catalog.event_changes import (
    ADDED,
    DATES_CHANGED,
    INVOCATION_CHANGED,
    LIFECYCLE_CHANGED,
    REGIONS_CHANGED,
    REMOVED,
    RETIREMENT_NEAR,
    THRESHOLDS,
    dates_difference,
    invocation_difference,
    lifecycle_difference,
    regions_difference,
)
from app.catalog.event_codec import plain_events
from app.catalog.model_facts import NO_FACTS, ComparableRegions, comparable_regions, facts_at, lifecycle_in, retires_at
from app.catalog.records import CatalogEvent, CatalogState, ModelFacts
from app.catalog.snapshot import CatalogSnapshot

EVENTS_KEPT = timedelta(days=400)
MAX_EVENTS = 2_000
MAX_COMPRESSED_BYTES = 100_000
COMPRESSION_LEVEL = 6
# As many as an id's five digits count.
MAX_EVENTS_AT_ONCE = 100_000

DIFFERENCES = (
    (REGIONS_CHANGED, regions_difference),
    (INVOCATION_CHANGED, invocation_difference),
    (LIFECYCLE_CHANGED, lifecycle_difference),
    (DATES_CHANGED, dates_difference),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What becomes of a model, and when each of the two states was."""

    model: CatalogEntry
    before: ModelFacts | None
    after: ModelFacts | None
    was_at: datetime
    at: datetime


def with_events(
    current: CatalogSnapshot, previous: CatalogSnapshot, *, at: datetime, version_ms: int | None = None
) -> CatalogState:
    """The state of the current snapshot, with the previous one's events and the new ones.

    Args:
        previous: the snapshot that was published last; each change is an event once.
        at: when the current one was refreshed.
        version_ms: what the ids of new events begin with, where it is greater than that of all before.
    """
    if previous.state.source != current.state.source:
        return current.state
    before = previous.state
    state = replace(current.state, events=before.events, forgotten_event_id=before.forgotten_event_id)
    return append_events(state, list(derive_events(previous, current, at=at)), at=at, version_ms=version_ms)


def append_events(
    state: CatalogState, found: Sequence[CatalogEvent], *, at: datetime, version_ms: int | None = None
) -> CatalogState:
    """The state with new events, which get their ids here; what is too old or too much is forgotten.

    Args:
        version_ms: as for `with_events`.
    """
    kept, forgotten_id = state.events, state.forgotten_event_id
    version = round(at.timestamp() * 1000) if version_ms is None else version_ms
    newest = kept[-1].id if kept else forgotten_id
    if newest:
        version = max(version, int(newest.partition("-")[0]) + 1)
    new = found[-MAX_EVENTS_AT_ONCE:]
    events = (*kept, *(replace(it, id=f"{version:013d}-{number:05d}") for number, it in enumerate(new)))
    left = bounded(events, at=at) if new else _not_too_old(events, at)
    if len(left) < len(events):
        forgotten_id = events[len(events) - len(left) - 1].id
    return replace(state, events=left, forgotten_event_id=forgotten_id)


def derive_events(previous: CatalogSnapshot, current: CatalogSnapshot, *, at: datetime) -> Iterator[CatalogEvent]:
    """What AWS changed between two snapshots, by model id; without ids.

    Only what both list is compared, each as it was at its own refresh: the previous snapshot may have been derived
    anew since, when a date passed.
    """
    was_at = previous.state.retried_at or previous.state.attempted_at
    comparable = comparable_regions(previous.state, current.state)
    announced = {(it.model_id, it.within_days) for it in previous.state.events if it.type == RETIREMENT_NEAR}
    old, new = _listed(previous), _listed(current)
    moments = _moments(was_at, at)
    touched = [model_id for model_id, entry in new.items() if _may_differ(old.get(model_id), entry, moments)]
    touched += [model_id for model_id in old if model_id not in new]
    for model_id in sorted(touched):
        entry, last = new.get(model_id), old.get(model_id)
        change = _Change(
            model=entry or old[model_id],
            before=None if last is None else facts_at(last, was_at, comparable),
            after=None if entry is None else facts_at(entry, at, comparable),
            was_at=was_at,
            at=at,
        )
        for type_, days in _types(change, last, entry, comparable):
            if days is None or (model_id, days) not in announced:
                yield CatalogEvent(
                    id="",
                    at=at,
                    type=type_,
                    model_id=model_id,
                    name=change.model.name,
                    provider=change.model.provider,
                    before=change.before,
                    after=change.after,
                    within_days=days,
                )


def _listed(snapshot: CatalogSnapshot) -> Mapping[str, CatalogEntry]:
    """The models by id, but for those that no base part lists."""
    return {it.id: it for it in snapshot.models if not it.is_on_mantle_alone}


def bounded(events: Sequence[CatalogEvent], *, at: datetime) -> tuple[CatalogEvent, ...]:
    """The newest events: of 400 days, at most 2,000, at most 100 KB compressed."""
    left = _not_too_old(events, at)[-MAX_EVENTS:]
    while left and (size := compressed_size(left)) > MAX_COMPRESSED_BYTES:
        # The newest of them are about as large as all are; one less, where that is what it takes.
        left = left[min(len(left), 1 + int(len(left) * (1 - MAX_COMPRESSED_BYTES / size))) :]
    return left


def compressed_size(events: Sequence[CatalogEvent]) -> int:
    return len(zlib.compress(json.dumps(plain_events(events), separators=(",", ":")).encode(), COMPRESSION_LEVEL))


def _not_too_old(events: Sequence[CatalogEvent], at: datetime) -> tuple[CatalogEvent, ...]:
    first = next((place for place, it in enumerate(events) if at - it.at <= EVENTS_KEPT), len(events))
    return tuple(events[first:])


# Half-open: a moment has passed that is later than the first and not later than the second.
Window = tuple[datetime, datetime]


def _moments(was_at: datetime, at: datetime) -> tuple[Window, ...]:
    """When an end of life or, the first alone, a legacy time lies so that the passing of time is a change."""
    window = (min(was_at, at), max(was_at, at))
    return window, *((window[0] + timedelta(days=it), window[1] + timedelta(days=it)) for it in THRESHOLDS)


def _may_differ(old: CatalogEntry | None, new: CatalogEntry, moments: Sequence[Window]) -> bool:
    """Equal rows are mostly one object, and most have no dates: this is asked of every model at every refresh."""
    if old is None:
        return True
    if old is not new and (
        old.rows != new.rows or old.invocations != new.invocations or old.former_invocations != new.former_invocations
    ):
        return True
    for row, _ in new.rows:
        if row.end_of_life_at is not None and any(lo < row.end_of_life_at <= hi for lo, hi in moments):
            return True
        if row.legacy_at is not None and moments[0][0] < row.legacy_at <= moments[0][1]:
            return True
    return False


def _types(
    change: _Change, last: CatalogEntry | None, entry: CatalogEntry | None, comparable: ComparableRegions
) -> Iterable[tuple[str, int | None]]:
    """The types of the events that a change makes, each with its threshold, if it has one."""
    before, after = change.before, change.after
    if before is None and after is None:
        return
    if before is None and last is None:
        yield ADDED, None
    elif after is None and entry is None and last is not None and _is_whole(last, comparable):
        yield REMOVED, None
    else:
        for type_, difference in DIFFERENCES:
            if any(difference(before or NO_FACTS, after or NO_FACTS)):
                yield type_, None
    for days in THRESHOLDS:
        if after is not None and _is_near(after, change.at, days) and not _was_near(before, change.was_at, days):
            yield RETIREMENT_NEAR, days


def _is_whole(entry: CatalogEntry, comparable: ComparableRegions) -> bool:
    """Whether all regions that listed the model are listed now: elsewhere it may still be."""
    return all(region in comparable.models for _, regions in entry.rows for region in regions)


def _is_near(facts: ModelFacts, at: datetime, days: int) -> bool:
    end = retires_at(facts)
    return end is not None and lifecycle_in(facts) != RETIRED and end - at <= timedelta(days=days)


def _was_near(facts: ModelFacts | None, at: datetime, days: int) -> bool:
    """Also where it had ended by then."""
    end = None if facts is None else retires_at(facts)
    return end is not None and end - at <= timedelta(days=days)
