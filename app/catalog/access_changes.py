"""Answers on access, put into a snapshot: the reports, and the events that they make."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.catalog.access import KNOWN_STATES, AccessAnswer, AccessState, with_answers
from app.catalog.changes import append_events
from app.catalog.event_changes import ACCESS_CHANGED
from app.catalog.model_facts import NO_FACTS, comparable_regions, facts_at
from app.catalog.records import CatalogEvent
from app.catalog.snapshot import CatalogSnapshot, with_access


def add_answers(
    snapshot: CatalogSnapshot, answers: Sequence[AccessAnswer], *, period: timedelta, at: datetime
) -> CatalogSnapshot:
    """The snapshot with the reports that answers make, and an event for each model whose known state is another one.

    Args:
        period: in which each model is asked for once.
    """
    before = snapshot.state.access or AccessState()
    new = with_access(snapshot, with_answers(before, answers, period=period), at=at)
    events = list(access_events(snapshot, new, at=at))
    return replace(new, state=append_events(new.state, events, at=at)) if events else new


def access_events(previous: CatalogSnapshot, current: CatalogSnapshot, *, at: datetime) -> Iterator[CatalogEvent]:
    """The changes from one known state to another, by model id; without ids.

    A first answer is none, and neither is what becomes unknown or was: that is mostly a failure.
    """
    old, new = _known_states(previous), _known_states(current)
    everywhere = comparable_regions(current.state, current.state)
    for model_id in sorted(old.keys() & new.keys() & current.by_id.keys()):
        if old[model_id] == new[model_id]:
            continue
        entry = current.by_id[model_id]
        facts = facts_at(entry, at, everywhere) or NO_FACTS
        yield CatalogEvent(
            id="",
            at=at,
            type=ACCESS_CHANGED,
            model_id=model_id,
            name=entry.name,
            provider=entry.provider,
            before=replace(facts, access=old[model_id]),
            after=replace(facts, access=new[model_id]),
        )


def _known_states(snapshot: CatalogSnapshot) -> dict[str, str]:
    reports = () if snapshot.state.access is None else snapshot.state.access.reports
    return {it.model_id: it.access.state for it in reports if it.access.state in KNOWN_STATES}
