"""Which models a dialect lists, and the page of them that a query names."""

from collections.abc import Iterable, Sequence

from app.catalog.lookup import find_model
from app.catalog.paging import Page, cursor, page_of
from app.catalog.records import CatalogModel
from app.catalog.view import CatalogView, Spellings


class UnknownValue(ValueError):
    """A filter's value that nothing in this catalog has; `allowed` are those that something has."""

    def __init__(self, field: str, allowed: tuple[str, ...]) -> None:
        super().__init__(field, allowed)
        self.field = field
        self.allowed = allowed


def known_spellings(field: str, values: Iterable[str], known: Spellings) -> frozenset[str]:
    """The catalog's own spellings of the values, which may be in any case.

    Raises:
        UnknownValue: one of them is none of the known ones.
    """
    chosen: set[str] = set()
    for value in values:
        spelled = known.get(value.strip().casefold())
        if spelled is None:
            raise UnknownValue(field, tuple(sorted(word for words in known.values() for word in words)))
        chosen |= spelled
    return frozenset(chosen)


def chat_page(
    view: CatalogView,
    *,
    limit: int,
    after_id: str | None = None,
    before_id: str | None = None,
    lifecycles: Sequence[str],
    regions: Sequence[str] = (),
) -> Page:
    """One page of the chat models (text in and out) in one of the lifecycles, callable from one of the regions.

    Raises:
        UnknownCursor: a cursor that was never listed.
        UnknownValue: a region that is not configured.
    """
    wanted = known_spellings("region", regions, view.spellings_of_regions)

    def keep(model: CatalogModel) -> bool:
        return model.lifecycle in lifecycles and model.is_text and (not wanted or not wanted.isdisjoint(model.regions))

    return page_of(
        view.models,
        limit=limit,
        after=cursor(view, "after_id", after_id),
        before=cursor(view, "before_id", before_id),
        keep=keep,
    )


def find_chat_model(view: CatalogView, name: str) -> CatalogModel | None:
    """The chat model that has this name among its names."""
    model = find_model(view, name)
    return model if model is not None and model.is_text else None
