"""An event in words for people: for feeds, chats and the command line."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from app.catalog.event_changes import (
    ACCESS_CHANGED,
    ADDED,
    DATES_CHANGED,
    INVOCATION_CHANGED,
    LIFECYCLE_CHANGED,
    REGIONS_CHANGED,
    REMOVED,
    RETIREMENT_NEAR,
    Side,
    days_left,
    rfc3339,
)
from app.catalog.retirements import Retirement, next_end
from app.catalog.visible_events import VisibleEvent

MAX_REGIONS_NAMED = 4


def title_of(seen: VisibleEvent) -> str:
    """One line: the model's name and what happened."""
    return f"{seen.event.name} {_HAPPENED[seen.event.type](seen.before or {}, seen.after or {})}"


def lines_of(seen: VisibleEvent) -> tuple[str, ...]:
    """What a reader may want to know beside the title, a line each."""
    lines = [f"Model: {seen.event.model_id}"]
    for word, side in (("Before", seen.before), ("After", seen.after)):
        if side:
            lines += [f"{word}: {line}" for line in _facts(side)]
    return tuple(lines)


def ending_in_words(retirement: Retirement, *, at: datetime) -> str:
    """One line: the model's name, and when it ends next, where that is not everywhere with its regions."""
    dates = next_end(retirement, at=at)
    if dates is None or dates.end_of_life_at is None:
        return f"{retirement.name} is {retirement.lifecycle}"
    end = dates.end_of_life_at
    when = f"{_in_days(days_left(end, at))}, on {_day(rfc3339(end) or '')}"
    if end == retirement.retires_at:
        return f"{retirement.name} retires {when}"
    return f"{retirement.name} ends in {regions_in_words(dates.regions)} {when}, and not yet elsewhere"


def regions_in_words(regions: Sequence[str]) -> str:
    if len(regions) <= MAX_REGIONS_NAMED:
        return ", ".join(regions)
    return f"{len(regions)} regions"


def _added(before: Side, after: Side) -> str:
    return f"is new in {regions_in_words(after['regions'])}" if after.get("regions") else "is new"


def _removed(before: Side, after: Side) -> str:
    return "is no longer listed"


def _regions_changed(before: Side, after: Side) -> str:
    parts = []
    if after.get("regions"):
        parts.append(f"can now be called in {regions_in_words(after['regions'])}")
    if before.get("regions"):
        parts.append(f"can no longer be called in {regions_in_words(before['regions'])}")
    return " and ".join(parts)


def _invocation_changed(before: Side, after: Side) -> str:
    old = {_way_name(it) for it in before.get("invocations", ())}
    new = {_way_name(it) for it in after.get("invocations", ())}
    parts = [
        f"{verb} {', '.join(sorted(names))}"
        for verb, names in (("gains", new - old), ("loses", old - new), ("is processed elsewhere through", old & new))
        if names
    ]
    return " and ".join(parts)


def _way_name(way: Side) -> str:
    return way["profile"] or ("on demand" if way["on_demand"] else "an inference profile")


def _lifecycle_changed(before: Side, after: Side) -> str:
    if "lifecycle" in after:
        return f"is now {after['lifecycle']}"
    found = (f"{word} in {regions_in_words(regions)}" for word, regions in after.get("lifecycles", {}).items())
    return f"is now {', '.join(found)}"


def _dates_changed(before: Side, after: Side) -> str:
    old, new = before.get("retires_at"), after.get("retires_at")
    if old and new:
        return f"retires on {_day(new)}, not on {_day(old)}"
    if new:
        return f"retires on {_day(new)}"
    return f"does not retire on {_day(old)} in all regions" if old else "has other dates"


def _retirement_near(before: Side, after: Side) -> str:
    return f"retires {_in_days(after['days_left'])}, on {_day(after['retires_at'])}"


def _access_changed(before: Side, after: Side) -> str:
    return f"is reported as {after['access']}, no longer as {before['access']}"


_HAPPENED: Mapping[str, Callable[[Side, Side], str]] = {
    ADDED: _added,
    REMOVED: _removed,
    REGIONS_CHANGED: _regions_changed,
    INVOCATION_CHANGED: _invocation_changed,
    LIFECYCLE_CHANGED: _lifecycle_changed,
    DATES_CHANGED: _dates_changed,
    RETIREMENT_NEAR: _retirement_near,
    ACCESS_CHANGED: _access_changed,
}


def _in_days(days: int) -> str:
    return "today" if days == 0 else "in 1 day" if days == 1 else f"in {days} days"


def _day(instant: str) -> str:
    return instant[:10]


def _facts(side: Side) -> list[str]:
    lines = []
    if side.get("lifecycle"):
        lines.append(str(side["lifecycle"]))
    if side.get("access"):
        lines.append(f"access {side['access']}")
    if side.get("regions"):
        lines.append(f"callable in {', '.join(side['regions'])}")
    for way in side.get("invocations", ()):
        places = f", processed in {', '.join(way['destinations'])}" if way["destinations"] else ""
        lines.append(f"{_way_name(way)} in {', '.join(way['regions'])}{places}")
    if side.get("retires_at"):
        lines.append(f"ends on {_day(side['retires_at'])}")
    for dates in side.get("dates", ()):
        named = (("legacy", "legacy_at"), ("extended access until", "extended_access_at"), ("end", "end_of_life_at"))
        known = [f"{word} {_day(dates[key])}" for word, key in named if dates[key]]
        lines.append(f"{', '.join(known) or 'no dates'} in {', '.join(dates['regions'])}")
    return lines
