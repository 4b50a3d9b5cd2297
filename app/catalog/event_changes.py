"""What an event says: what held before and no longer does, and what holds now and did not, as clients read it."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from app.catalog.entries import ON_DEMAND
from app.catalog.model_facts import (
    NO_FACTS,
    Ways,
    changed_ways,
    lifecycle_in,
    regions_of,
    retires_at,
    stages_by_region,
    ways_of,
)
from app.catalog.records import CatalogEvent, LifeStage, ModelFacts

ADDED = "model.added"
REMOVED = "model.removed"
REGIONS_CHANGED = "model.regions_changed"
INVOCATION_CHANGED = "model.invocation_changed"
LIFECYCLE_CHANGED = "model.lifecycle_changed"
DATES_CHANGED = "model.dates_changed"
RETIREMENT_NEAR = "model.retirement_near"
ACCESS_CHANGED = "access.changed"
EVENT_TYPES = (
    *(ADDED, REMOVED, REGIONS_CHANGED, INVOCATION_CHANGED, LIFECYCLE_CHANGED, DATES_CHANGED, RETIREMENT_NEAR),
    ACCESS_CHANGED,
)

# Days before a model's retirement on which an event says so.
THRESHOLDS = (90, 30, 7)

Side = dict[str, Any]
Sides = tuple[Side, Side]
DateNames = tuple[str, str, str]
DATES: DateNames = ("legacy_at", "extended_access_at", "end_of_life_at")


def rfc3339(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def days_left(until: datetime, at: datetime) -> int:
    """Calendar days in UTC, 0 on the day itself and after it: the number changes at midnight alone."""
    return max(0, (until.astimezone(UTC).date() - at.astimezone(UTC).date()).days)


def changes_of(event: CatalogEvent) -> tuple[Side | None, Side | None]:
    """`before` and `after` of an event, with only what changed.

    Returns:
        None in the place of `before` for a model that was added, and of `after` for one that was removed; two empty
        objects where nothing is left, as an event may say nothing of what a scope sees.
    """
    before, after = event.before or NO_FACTS, event.after or NO_FACTS
    if event.type == ADDED:
        return None, _whole(after)
    if event.type == REMOVED:
        return _whole(before), None
    if event.type == RETIREMENT_NEAR:
        return {}, _retirement(event, after)
    return _DIFFERENCES[event.type](before, after)


def regions_difference(before: ModelFacts, after: ModelFacts) -> Sides:
    """The regions that it can be called from no more, or newly; where it has ended, its lifecycle says so."""
    old, new = regions_of(before.invocations), regions_of(after.invocations)
    lost = old - new - regions_of(after.former_invocations)
    gained = new - old - regions_of(before.former_invocations)
    return _regions(before, lost), _regions(after, gained)


def invocation_difference(before: ModelFacts, after: ModelFacts) -> Sides:
    """The ways to call it in regions that it can be called from before and after."""
    stay = regions_of(before.invocations) & regions_of(after.invocations)
    gone, come = changed_ways(before, after)
    return _ways(_in_regions(gone, stay)), _ways(_in_regions(come, stay))


def lifecycle_difference(before: ModelFacts, after: ModelFacts) -> Sides:
    """Its lifecycle, in all and by region; and the regions that it ended in, or no longer did."""
    old, new = stages_by_region(before), stages_by_region(after)
    changed = {region for region in old.keys() & new.keys() if old[region].lifecycle != new[region].lifecycle}
    words = lifecycle_in(before), lifecycle_in(after)
    if None in words:
        return {}, {}
    ended = regions_of(before.invocations) & regions_of(after.former_invocations)
    revived = regions_of(before.former_invocations) & regions_of(after.invocations)
    first, second = [{"lifecycle": word} for word in words] if words[0] != words[1] else [{}, {}]
    return (
        {**first, **_regions(before, ended), **_by_lifecycle(old, changed)},
        {**second, **_regions(after, revived), **_by_lifecycle(new, changed)},
    )


def dates_difference(before: ModelFacts, after: ModelFacts) -> Sides:
    """Its dates by region, and when it has ended in all."""
    old, new = stages_by_region(before), stages_by_region(after)
    if not old or not new:
        return {}, {}
    changed = {region for region in old.keys() & new.keys() if _dates(old[region]) != _dates(new[region])}
    ends = retires_at(before), retires_at(after)
    first, second = [{"retires_at": rfc3339(end)} for end in ends] if ends[0] != ends[1] else [{}, {}]
    return {**first, **_by_dates(old, changed)}, {**second, **_by_dates(new, changed)}


def access_difference(before: ModelFacts, after: ModelFacts) -> Sides:
    """What AWS reports of the account's access to it."""
    if None in (before.access, after.access) or before.access == after.access:
        return {}, {}
    return {"access": before.access}, {"access": after.access}


_DIFFERENCES = {
    REGIONS_CHANGED: regions_difference,
    INVOCATION_CHANGED: invocation_difference,
    LIFECYCLE_CHANGED: lifecycle_difference,
    DATES_CHANGED: dates_difference,
    ACCESS_CHANGED: access_difference,
}


def _whole(facts: ModelFacts) -> Side:
    if not facts.stages:
        return {}
    stages = stages_by_region(facts)
    return {
        "lifecycle": lifecycle_in(facts),
        "retires_at": rfc3339(retires_at(facts)),
        **_by_lifecycle(stages, stages),
        **_by_dates({region: it for region, it in stages.items() if any(_dates(it))}, stages),
        "regions": sorted(regions_of(facts.invocations)),
        **_ways(ways_of(facts)),
    }


def _retirement(event: CatalogEvent, facts: ModelFacts) -> Side:
    end = retires_at(facts)
    if end is None:
        return {}
    return {"within_days": event.within_days, "days_left": days_left(end, event.at), "retires_at": rfc3339(end)}


def _regions(facts: ModelFacts, regions: Collection[str]) -> Side:
    """All that is so in some regions."""
    if not regions:
        return {}
    stages = stages_by_region(facts)
    return {
        "regions": sorted(regions),
        **_ways(_in_regions(ways_of(facts), regions)),
        **_by_lifecycle(stages, regions),
        **_by_dates({region: it for region, it in stages.items() if any(_dates(it))}, regions),
    }


def _in_regions(ways: Ways, regions: Collection[str]) -> Ways:
    return {key: places for key, places in ways.items() if key[2] in regions}


def _ways(ways: Ways) -> Side:
    """The ways to call a model: `profile` is None on demand, and where no profile's id is known."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, profile_id, region), places in ways.items():
        groups.setdefault((kind, profile_id or "", places), []).append(region)
    found = [
        {
            "on_demand": kind == ON_DEMAND,
            "profile": profile_id or None,
            "regions": sorted(regions),
            "destinations": list(places),
        }
        for (kind, profile_id, places), regions in sorted(groups.items())
    ]
    return {"invocations": found} if found else {}


def _by_lifecycle(stages: dict[str, LifeStage], regions: Iterable[str]) -> Side:
    found: dict[str, list[str]] = {}
    for region in sorted(regions):
        found.setdefault(stages[region].lifecycle, []).append(region)
    return {"lifecycles": found} if found else {}


def _dates(stage: LifeStage) -> tuple[datetime | None, ...]:
    return stage.legacy_at, stage.extended_access_at, stage.end_of_life_at


def _by_dates(stages: dict[str, LifeStage], regions: Iterable[str]) -> Side:
    found: dict[tuple[datetime | None, ...], list[str]] = {}
    for region in sorted(regions):
        if region in stages:
            found.setdefault(_dates(stages[region]), []).append(region)
    groups = [
        {"regions": names, **{name: rfc3339(it) for name, it in zip(DATES, dates, strict=True)}}
        for dates, names in found.items()
    ]
    return {"dates": groups} if groups else {}
