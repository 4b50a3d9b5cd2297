"""Pages by cursor over a sorted list. A cursor is a place in the order, so it outlives the entry that named it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.catalog.entries import CatalogEntry

SortKey = tuple[Any, ...]


class UnknownCursor(LookupError):
    """An id that this catalog never listed; `field` is the parameter that named it."""

    def __init__(self, field: str, model_id: str) -> None:
        super().__init__(field, model_id)
        self.field = field
        self.model_id = model_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries in list order; `has_more` speaks of the direction that was asked for."""

    entries: tuple[CatalogEntry, ...]
    has_more: bool

    @property
    def first_id(self) -> str | None:
        return self.entries[0].id if self.entries else None

    @property
    def last_id(self) -> str | None:
        return self.entries[-1].id if self.entries else None


def key_of(created_at: datetime, entry_id: str) -> SortKey:
    """The order of every list: most recently released first, equal dates by id."""
    return -created_at.timestamp(), entry_id


def sort_key(entry: CatalogEntry) -> SortKey:
    return key_of(entry.created_at, entry.id)


def page_of(
    entries: Sequence[CatalogEntry],
    *,
    limit: int,
    after: SortKey | None = None,
    before: SortKey | None = None,
    keep: Callable[[CatalogEntry], bool] = lambda entry: True,
    order: Callable[[CatalogEntry], SortKey] = sort_key,
) -> Page:
    """One page of the entries that `keep` lets through.

    Args:
        entries: sorted by `order`.
        limit: at least 1.
        after: the page that starts just behind this place.
        before: the page that ends just before this place, still in list order. At most one of the two.

    Returns:
        The page; its cost depends on the entries that it walks over, not on the catalog's size.
    """
    found: list[CatalogEntry] = []
    if before is not None:
        end = bisect_left(entries, before, key=order)
        walk = (entries[place] for place in range(end - 1, -1, -1))
    else:
        start = 0 if after is None else bisect_right(entries, after, key=order)
        walk = (entries[place] for place in range(start, len(entries)))
    for entry in walk:
        if keep(entry):
            found.append(entry)
            if len(found) > limit:
                break
    has_more = len(found) > limit
    del found[limit:]
    if before is not None:
        found.reverse()
    return Page(entries=tuple(found), has_more=has_more)
