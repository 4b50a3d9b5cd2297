"""Filters of invocations: what is left of an entry where only some ways to call it count."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.entries import MODEL, ON_DEMAND, CatalogEntry, RowGroup
from app.catalog.joining import facts_of
from app.catalog.mantle import on_mantle_alone, restrict_mantle
from app.catalog.merge import row_groups
from app.catalog.records import GLOBAL, Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationFilter:
    """Source regions to call from, destinations that a call may be processed in, and what else decides; None: any."""

    regions: frozenset[str] | None = None
    destinations: frozenset[str] | None = None
    allows: Callable[[Invocation], bool] | None = None

    @property
    def is_open(self) -> bool:
        return self.regions is None and self.destinations is None and self.allows is None

    def apply(self, ways: Iterable[Invocation]) -> tuple[Invocation, ...]:
        """What is left of the invocations. Where AWS does not state the destinations, they may be anywhere."""
        return tuple(left for way in ways if (left := self._left(way)) is not None)

    def _left(self, way: Invocation) -> Invocation | None:
        if self.allows is not None and not self.allows(way):
            return None
        regions = way.regions
        if self.regions is not None:
            regions = tuple(region for region in regions if region in self.regions)
        if self.destinations is not None:
            if way.kind == ON_DEMAND:
                regions = tuple(region for region in regions if region in self.destinations)
            elif not self._holds(way.destinations):
                return None
        if not regions:
            return None
        return way if len(regions) == len(way.regions) else replace(way, regions=regions)

    def _holds(self, destinations: tuple[str, ...]) -> bool:
        """Whether all of a profile's destinations match. `global` stands for the regions that AWS names beside it."""
        assert self.destinations is not None
        if GLOBAL in destinations:
            return GLOBAL in self.destinations
        return bool(destinations) and self.destinations.issuperset(destinations)


def restrict(
    entry: CatalogEntry,
    wanted: InvocationFilter,
    *,
    rank: Mapping[str, int],
    at: datetime,
    cards: CardBook = NO_CARDS,
    prefers_cards: bool = False,
) -> CatalogEntry | None:
    """The entry with the invocations that are left, and the facts of their regions; None where none is left.

    Args:
        rank: the regions' places in the order of preference.
        cards, prefers_cards: as for `merge_listings`.
    """
    invocations = wanted.apply(entry.invocations)
    former = wanted.apply(entry.former_invocations)
    opened = wanted.apply(entry.project_ways) if entry.project_ways else entry.project_ways
    if entry.mantle_rows:
        left_there = frozenset(region for way in wanted.apply(entry.mantle_ways) for region in way.regions)
        entry = restrict_mantle(entry, left_there, rank=rank, cards=cards, prefers_cards=prefers_cards)
    if opened != entry.project_ways:
        entry = replace(entry, project_ways=opened)
    if not invocations and not former and not (entry.is_of_project and opened):
        # What the runtime endpoint serves is found where that serves it.
        if not entry.mantle_rows or entry.invocations or entry.former_invocations:
            return None
        there = [(row, tuple(region for region in regions if region in left_there)) for row, regions in entry.rows]
        if (kept := tuple(group for group in there if group[1])) == entry.rows:
            return entry
        if not kept:
            return on_mantle_alone(entry, cards=cards, prefers_cards=prefers_cards)
        return replace(entry, rows=kept, **facts_of([row for row, _ in kept], at, cards, prefers_cards=prefers_cards))
    callable_by = opened or () if entry.is_of_project else invocations
    current = {region for way in callable_by for region in way.regions}
    left = current | {region for way in former for region in way.regions}
    # A card may be found by a profile, and is unknown without it; else one row has the same facts everywhere.
    known = {
        it.profile_id for it in (*entry.invocations, *entry.former_invocations) if it.profile_id in cards.known_ids
    }
    if len(entry.rows) <= 1 and known.issubset(it.profile_id for it in (*invocations, *former)):
        rows: tuple[RowGroup, ...] = entry.rows
        if not all(left.issuperset(regions) for _, regions in rows):
            rows = tuple((row, tuple(region for region in regions if region in left)) for row, regions in rows)
        return replace(entry, invocations=invocations, former_invocations=former, rows=rows)
    groups = ((row, [region for region in regions if region in left]) for row, regions in entry.rows)
    rows = row_groups([group for group in groups if group[1]], rank, {})
    deciding = [row for row, regions in rows if not current or not current.isdisjoint(regions)]
    facts = facts_of(deciding, at, cards, callable_by, former, prefers_cards=prefers_cards)
    if entry.kind != MODEL:
        del facts["name"], facts["card"]
    return replace(entry, invocations=invocations, former_invocations=former, rows=rows, **facts)
