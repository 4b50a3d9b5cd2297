"""The calendar of retirements (RFC 5545): an all-day event for each model and day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from app.catalog.event_changes import ADDED, DATES_CHANGED, REMOVED
from app.catalog.model_facts import retires_at
from app.catalog.records import CatalogEvent
from app.catalog.retirements import Retirement
from app.catalog.visible_events import VisibleEvent

if TYPE_CHECKING:
    from icalendar import Event

MEDIA_TYPE = "text/calendar"
PRODUCT = "-//Bedrock model catalog//Retirements//EN"
# Ours, made once: ids have to be the same on every host and for ever.
NAMESPACE = UUID("0a3df0b5-0f54-4f0e-a0c2-1a6d2f1a4d5b")
ALARM_DAYS = (30, 14, 1)
REFRESH_INTERVAL = timedelta(hours=12)
# Sequence numbers are the seconds since then at which a date last moved: they grow though old events are forgotten, and
# are the same on every host.
SEQUENCE_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """A day on which a model ends in some regions, or was to."""

    model_id: str
    name: str
    anchor: str
    day: date
    is_cancelled: bool
    revised_at: datetime
    sequence: int
    description: str


def calendar_events(retiring: Sequence[Retirement], history: Sequence[VisibleEvent]) -> tuple[CalendarEvent, ...]:
    """The days of retirements, and those that were taken back.

    Args:
        retiring: also those that have ended.
        history: the events of the same scope, the oldest first.
    """
    moves: dict[str, list[VisibleEvent]] = {}
    for seen in history:
        if seen.event.type in (DATES_CHANGED, ADDED, REMOVED):
            moves.setdefault(seen.event.model_id, []).append(seen)
    known = {it.model_id: it for it in retiring}
    events = [day for it in retiring for day in _days(it, moves.get(it.model_id, ()))]
    for model_id, seen_events in moves.items():
        it = known.get(model_id)
        if it is None or not any(dates.end_of_life_at for dates in it.dates):
            events += _cancelled(seen_events)
    return tuple(sorted(events, key=lambda it: (it.day, it.model_id, it.anchor)))


def _days(it: Retirement, moves: Sequence[VisibleEvent]) -> Iterable[CalendarEvent]:
    """A day for each end; the last one keeps the model's own id when it moves, others that of their first region."""
    by_day: dict[date, list[str]] = {}
    for dates in it.dates:
        if dates.end_of_life_at is not None:
            by_day.setdefault(dates.end_of_life_at.astimezone(UTC).date(), []).extend(dates.regions)
    last = max(by_day, default=None)
    moved_at = moves[-1].event.at if moves else None
    for day, regions in by_day.items():
        yield CalendarEvent(
            model_id=it.model_id,
            name=it.name,
            anchor="" if day == last else min(regions),
            day=day,
            is_cancelled=False,
            revised_at=moved_at or it.legacy_at or SEQUENCE_EPOCH,
            sequence=_sequence(moved_at),
            description=_description(it, sorted(regions)),
        )


def _cancelled(moves: Sequence[VisibleEvent]) -> Iterable[CalendarEvent]:
    """The last day that a model was to end on, where AWS took it back."""
    last: CatalogEvent = moves[-1].event
    end = next((found for it in reversed(moves) if it.event.before and (found := retires_at(it.event.before))), None)
    if last.type == DATES_CHANGED and end is not None:
        yield CalendarEvent(
            model_id=last.model_id,
            name=last.name,
            anchor="",
            day=end.astimezone(UTC).date(),
            is_cancelled=True,
            revised_at=last.at,
            sequence=_sequence(last.at),
            description=f"AWS took the retirement of {last.model_id} back.",
        )


def _sequence(moved_at: datetime | None) -> int:
    return 0 if moved_at is None else max(0, int((moved_at - SEQUENCE_EPOCH).total_seconds()))


def _description(it: Retirement, regions: Sequence[str]) -> str:
    lines = [f"Model: {it.model_id}", f"Regions: {', '.join(regions)}"]
    if it.aliases:
        lines.append(f"Aliases: {', '.join(it.aliases)}")
    if it.replacement_hint is not None:
        lines.append(f"Newest active model of the same line (a hint): {it.replacement_hint}")
    return "\n".join(lines)


def calendar_file(events: Iterable[CalendarEvent]) -> bytes:
    # Costs a worker 60 ms and several MiB, which only those who subscribe are to pay.
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Amazon Bedrock model retirements")
    calendar.add("refresh-interval", REFRESH_INTERVAL, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", REFRESH_INTERVAL)
    for event in events:
        calendar.add_component(_component(event))
    body: bytes = calendar.to_ical()
    return body


def _component(event: CalendarEvent) -> "Event":
    from icalendar import Alarm, Event

    component = Event()
    component.add("uid", f"{uuid5(NAMESPACE, f'{event.model_id} {event.anchor}'.strip())}")
    component.add("dtstamp", event.revised_at)
    component.add("last-modified", event.revised_at)
    component.add("sequence", event.sequence)
    component.add("dtstart", event.day)
    component.add("dtend", event.day + timedelta(days=1))
    component.add("summary", f"{event.name} retires on Amazon Bedrock")
    component.add("description", event.description)
    component.add("status", "CANCELLED" if event.is_cancelled else "CONFIRMED")
    component.add("transp", "TRANSPARENT")
    for days in () if event.is_cancelled else ALARM_DAYS:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", f"{event.name} retires in {days} {'day' if days == 1 else 'days'}")
        alarm.add("trigger", timedelta(days=-days))
        component.add_component(alarm)
    return component
