"""Events to JSON and back. What many of them share, as lists of regions, stands in tables and is one object."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from app.catalog.reading import Reader, plain_instant
from app.catalog.records import CatalogEvent, Invocation, LifeStage, ModelFacts

T = TypeVar("T")


class _Table:
    """Distinct values in the order in which they were first placed."""

    def __init__(self, plain: Callable[[Any], Any]) -> None:
        self._plain = plain
        self._places: dict[Any, int] = {}
        self.rows: list[Any] = []

    def place(self, value: Any) -> int:
        found = self._places.get(value)
        if found is None:
            row = self._plain(value)  # May place values in this table's turn.
            found = self._places[value] = len(self.rows)
            self.rows.append(row)
        return found


def plain_events(events: Iterable[CatalogEvent]) -> dict[str, Any]:
    """The stored form: `{"places", "ways", "stages", "facts", "events"}`, each a table that later ones refer to."""
    places = _Table(list)
    ways = _Table(lambda it: [it.kind, places.place(it.regions), it.profile_id, places.place(it.destinations)])
    stages = _Table(
        lambda it: [
            places.place(it.regions),
            it.lifecycle,
            *(plain_instant(at) for at in (it.legacy_at, it.extended_access_at, it.end_of_life_at)),
        ]
    )
    facts = _Table(
        lambda it: [
            [ways.place(way) for way in it.invocations],
            [ways.place(way) for way in it.former_invocations],
            [stages.place(stage) for stage in it.stages],
            *([] if it.access is None else [it.access]),
        ]
    )
    rows = [
        [
            *(it.id, plain_instant(it.at), it.type, it.model_id, it.name, it.provider),
            *(None if side is None else facts.place(side) for side in (it.before, it.after)),
            it.within_days,
        ]
        for it in events
    ]
    return {"places": places.rows, "ways": ways.rows, "stages": stages.rows, "facts": facts.rows, "events": rows}


def read_events(value: Reader) -> tuple[CatalogEvent, ...]:
    """
    Raises:
        Malformed
    """
    if value.value is None:
        return ()
    places = [it.strings() for it in value.get("places").each()]
    ways = [_read_way(it, places) for it in value.get("ways").each()]
    stages = [_read_stage(it, places) for it in value.get("stages").each()]
    facts = [_read_facts(it, ways, stages) for it in value.get("facts").each()]
    return tuple(_read_event(it, facts) for it in value.get("events").each())


def _read_way(value: Reader, places: Sequence[tuple[str, ...]]) -> Invocation:
    kind, regions, profile_id, destinations = value.items(4)
    return Invocation(
        kind=kind.string(),
        regions=regions.item_of(places),
        profile_id=profile_id.maybe(Reader.string),
        destinations=destinations.item_of(places),
    )


def _read_stage(value: Reader, places: Sequence[tuple[str, ...]]) -> LifeStage:
    regions, lifecycle, legacy, extended, end = value.items(5)
    return LifeStage(
        regions=regions.item_of(places),
        lifecycle=lifecycle.string(),
        legacy_at=legacy.maybe(Reader.instant),
        extended_access_at=extended.maybe(Reader.instant),
        end_of_life_at=end.maybe(Reader.instant),
    )


def _read_facts(value: Reader, ways: Sequence[Invocation], stages: Sequence[LifeStage]) -> ModelFacts:
    current, former, life, *access = value.items(3, optional=1)
    return ModelFacts(
        invocations=tuple(it.item_of(ways) for it in current.each()),
        former_invocations=tuple(it.item_of(ways) for it in former.each()),
        stages=tuple(it.item_of(stages) for it in life.each()),
        access=access[0].string() if access else None,
    )


def _read_event(value: Reader, facts: Sequence[ModelFacts]) -> CatalogEvent:
    event_id, at, type_, model_id, name, provider, before, after, within_days = value.items(9)
    return CatalogEvent(
        id=event_id.string(),
        at=at.instant(),
        type=type_.string(),
        model_id=model_id.string(),
        name=name.string(),
        provider=provider.maybe(Reader.string),
        before=before.maybe(lambda it: it.item_of(facts)),
        after=after.maybe(lambda it: it.item_of(facts)),
        within_days=within_days.maybe(Reader.count),
    )
