"""Events as one scope sees them: cut to it, in pages that a poller continues at the last id."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from app.catalog.entries import ACTIVE, CatalogEntry
from app.catalog.event_changes import (
    INVOCATION_CHANGED,
    LIFECYCLE_CHANGED,
    Side,
    changes_of,
    invocation_difference,
    regions_difference,
)
from app.catalog.filters import InvocationFilter
from app.catalog.model_facts import NO_FACTS, lifecycle_in, restrict_facts
from app.catalog.patterns import PatternSet, matching
from app.catalog.records import EPOCH, CatalogEvent, FoundationModel, ModelFacts
from app.catalog.view import CatalogView, UnknownValue

EVENT_ID = re.compile(r"[0-9]{13}-[0-9]{5}")


class InvalidEventId(ValueError):
    """A text that is no event's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: one of the types, of a model that a pattern matches, in one of the regions; empty ones are open."""

    types: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleEvent:
    """An event, and what is seen of its two sides."""

    event: CatalogEvent
    before: Side | None
    after: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events, the newest last. `is_truncated`: some after the wanted id are kept no longer; `oldest_id` still is."""

    events: tuple[VisibleEvent, ...]
    has_more: bool
    oldest_id: str | None
    is_truncated: bool

    @property
    def first_id(self) -> str | None:
        return self.events[0].event.id if self.events else None

    @property
    def last_id(self) -> str | None:
        return self.events[-1].event.id if self.events else None


def event_page(view: CatalogView, wanted: EventFilter, *, limit: int, after: str | None = None) -> EventPage:
    """The events after an id, or from the oldest on, the newest last.

    Args:
        after: any event's id, also one that this scope does not see or that is kept no longer.
        limit: at least 1.

    Raises:
        InvalidEventId
        UnknownValue: a region that is not configured.
    """
    if after is not None and not EVENT_ID.fullmatch(after):
        raise InvalidEventId(after)
    kept = view.snapshot.state.events
    new = [it for it in kept if after is None or it.id > after]
    found = tuple(islice(visible_events(view, new, wanted), limit + 1))
    return EventPage(
        events=found[:limit],
        has_more=len(found) > limit,
        oldest_id=kept[0].id if kept else None,
        is_truncated=after is not None and after < view.snapshot.state.forgotten_event_id,
    )


def newest_events(view: CatalogView, wanted: EventFilter, *, limit: int) -> tuple[VisibleEvent, ...]:
    """The newest events, the newest first.

    Raises:
        UnknownValue: a region that is not configured.
    """
    return tuple(islice(visible_events(view, view.snapshot.state.events[::-1], wanted), limit))


def visible_events(view: CatalogView, events: Sequence[CatalogEvent], wanted: EventFilter) -> Iterator[VisibleEvent]:
    """What the view's scope sees of the events that are wanted, in their order.

    Raises:
        UnknownValue: a region that is not configured.
    """
    models = PatternSet(it.casefold() for it in wanted.models)
    regions: frozenset[str] | None = None
    if wanted.regions:
        regions = matching(wanted.regions, view.regions)
        if not all(matching([it], view.regions) for it in wanted.regions):
            raise UnknownValue("region", view.regions)
    for event in events:
        if wanted.types and event.type not in wanted.types:
            continue
        if wanted.models and not models.matches(event.model_id.casefold()):
            continue
        if (seen := visible_event(view, event, regions)) is not None:
            yield seen


def visible_event(view: CatalogView, event: CatalogEvent, regions: frozenset[str] | None = None) -> VisibleEvent | None:
    """What the view's scope sees of an event in some regions, None for all of them; None where that is nothing."""
    only = InvocationFilter(regions=regions)
    cut = replace(event, before=_cut(view, event, event.before, only), after=_cut(view, event, event.after, only))
    before, after = changes_of(cut)
    if _tells_of_ways(event):
        before, after = _with_regions(event, cut, before or {}, after or {})
    return VisibleEvent(event=cut, before=before, after=after) if before or after else None


def _tells_of_ways(event: CatalogEvent) -> bool:
    """Whether it is the event of its refresh to say which ways came or went, be it with the end of the model there."""
    if event.type != LIFECYCLE_CHANGED:
        return event.type == INVOCATION_CHANGED
    return not any(invocation_difference(event.before or NO_FACTS, event.after or NO_FACTS))


def _with_regions(event: CatalogEvent, cut: CatalogEvent, before: Side, after: Side) -> tuple[Side, Side]:
    """The sides, with the regions where what a scope sees can be called newly or no more, though the model could be.

    Where the model itself comes to a region or leaves one, another event has the regions.
    """
    if any(regions_difference(event.before or NO_FACTS, event.after or NO_FACTS)):
        return before, after
    lost, gained = regions_difference(cut.before or NO_FACTS, cut.after or NO_FACTS)
    return _joined(before, lost), _joined(after, gained)


def _joined(side: Side, regions: Side) -> Side:
    return side | {name: [*side.get(name, ()), *found] for name, found in regions.items()}


def _cut(view: CatalogView, event: CatalogEvent, facts: ModelFacts | None, only: InvocationFilter) -> ModelFacts | None:
    if facts is None:
        return None
    entry = CatalogEntry(
        id=event.model_id,
        model_id=event.model_id,
        name=event.name,
        provider=event.provider,
        created_at=EPOCH,
        lifecycle=lifecycle_in(facts) or ACTIVE,
        invocations=facts.invocations,
        former_invocations=facts.former_invocations,
        # Its facts are not taken from rows; one is enough for its invocations to be restricted.
        rows=((FoundationModel(id=event.model_id), ()),),
    )
    seen = view.restrict_entry(entry)
    if seen is None:
        return None
    if seen is entry and only.is_open:
        return facts
    return restrict_facts(facts, only.apply(seen.invocations), only.apply(seen.former_invocations))
