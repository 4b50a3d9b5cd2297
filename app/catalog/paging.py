"""Pages by cursor over a sorted catalog. A cursor is a place in the order, so it outlives the model that named it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.catalog.records import CatalogModel
from app.catalog.view import CatalogView

SortKey = tuple[float, str]


class UnknownCursor(LookupError):
    """An id that this catalog never listed; `field` is the parameter that named it."""

    def __init__(self, field: str, model_id: str) -> None:
        super().__init__(field, model_id)
        self.field = field
        self.model_id = model_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Models in list order; `has_more` is of the direction of paging."""

    models: tuple[CatalogModel, ...]
    has_more: bool

    @property
    def first_id(self) -> str | None:
        return self.models[0].id if self.models else None

    @property
    def last_id(self) -> str | None:
        return self.models[-1].id if self.models else None


def key_of(created_at: datetime, model_id: str) -> SortKey:
    """The order of every list: most recently released first, equal dates by id."""
    return -created_at.timestamp(), model_id


def sort_key(model: CatalogModel) -> SortKey:
    return key_of(model.created_at, model.id)


def cursor(view: CatalogView, field: str, model_id: str | None) -> SortKey | None:
    """The place of a model that is in the catalog, or recently was; None without an id.

    Raises:
        UnknownCursor: neither is the case.
    """
    if model_id is None:
        return None
    model = view.snapshot.by_id.get(model_id)
    if model is not None:
        return sort_key(model)
    left = view.snapshot.departed_at.get(model_id)
    if left is None:
        raise UnknownCursor(field, model_id)
    return key_of(left, model_id)


def page_of(
    models: Sequence[CatalogModel],
    *,
    limit: int,
    after: SortKey | None = None,
    before: SortKey | None = None,
    keep: Callable[[CatalogModel], bool] = lambda model: True,
) -> Page:
    """One page of the models that `keep` lets through.

    Args:
        models: sorted by `sort_key`.
        limit: at least 1.
        after: the page that starts just behind this place.
        before: the page that ends just before this place, still in list order. At most one of the two.

    Returns:
        The page; its cost depends on the models that it walks over, not on the catalog's size.
    """
    found: list[CatalogModel] = []
    if before is not None:
        end = bisect_left(models, before, key=sort_key)
        walk = (models[place] for place in range(end - 1, -1, -1))
    else:
        start = 0 if after is None else bisect_right(models, after, key=sort_key)
        walk = (models[place] for place in range(start, len(models)))
    for model in walk:
        if keep(model):
            found.append(model)
            if len(found) > limit:
                break
    has_more = len(found) > limit
    del found[limit:]
    if before is not None:
        found.reverse()
    return Page(models=tuple(found), has_more=has_more)
