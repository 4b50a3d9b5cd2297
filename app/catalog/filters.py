"""Filters of invocations: what is left of an entry where only some ways to call it count."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.catalog.entries import MODEL, CatalogEntry, Invocation
from app.catalog.merge import facts_of, row_groups

Keep = Callable[[Invocation], bool]


def by_invocation(regions: frozenset[str] | None, destinations: frozenset[str] | None) -> Keep:
    """Keeps what is called from one of the regions and processed in the destinations alone; None: anywhere.

    Where AWS does not tell the destinations, they may be anywhere.
    """

    def keep(way: Invocation) -> bool:
        return (regions is None or way.region in regions) and (
            destinations is None or (bool(way.destinations) and destinations.issuperset(way.destinations))
        )

    return keep


def restrict(entry: CatalogEntry, keep: Keep, *, rank: Mapping[str, int], at: datetime) -> CatalogEntry | None:
    """The entry with the invocations that are kept, and the facts of their regions; None where none is left.

    Args:
        rank: the regions' places in the order of preference.
    """
    invocations = tuple(way for way in entry.invocations if keep(way))
    former = tuple(way for way in entry.former_invocations if keep(way))
    if not invocations and not former:
        return None
    left = {way.region for way in invocations}
    rows = entry.rows
    if len(rows) > 1 or not invocations:
        kept = left | {way.region for way in former}
        groups = ((row, [region for region in regions if region in kept]) for row, regions in rows)
        rows = row_groups([group for group in groups if group[1]], rank, {})
    facts: dict[str, Any] = {}
    deciding = (
        [row for row, regions in rows if not left.isdisjoint(regions)] if invocations else [row for row, _ in rows]
    )
    if deciding != [row for row, _ in entry.rows]:
        facts = facts_of(deciding, at)
        if entry.kind != MODEL:
            del facts["name"]
    return replace(entry, invocations=invocations, former_invocations=former, rows=rows, **facts)
