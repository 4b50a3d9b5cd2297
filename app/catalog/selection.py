"""Which models a dialect lists, and the page of them that a query asks for: what views and tools have in common."""

from collections.abc import Iterable, Sequence

from app.catalog.lookup import find_model
from app.catalog.paging import Page, cursor, page_of
from app.catalog.records import CatalogModel, CatalogSnapshot


class UnknownValue(ValueError):
    """A filter's value that nothing in this catalog has; `allowed` are those that something has."""

    def __init__(self, field: str, allowed: tuple[str, ...]) -> None:
        super().__init__(field, allowed)
        self.field = field
        self.allowed = allowed


def known_spellings(field: str, values: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The catalog's own spellings of the values, which may be in any case.

    Raises:
        UnknownValue: one of them is none of the known ones.
    """
    spelled: dict[str, set[str]] = {}
    for word in known:
        spelled.setdefault(word.casefold(), set()).add(word)
    chosen: set[str] = set()
    for value in values:
        spellings = spelled.get(value.strip().casefold())
        if spellings is None:
            raise UnknownValue(field, tuple(sorted(word for words in spelled.values() for word in words)))
        chosen |= spellings
    return frozenset(chosen)


def is_chat_model(model: CatalogModel, *, include_provisioned: bool) -> bool:
    """Text in and text out, and callable: what the Anthropic dialect lists."""
    return model.is_text and (model.is_callable or include_provisioned)


def is_served(model: CatalogModel, *, include_provisioned: bool) -> bool:
    """Callable, of any modality: what the OpenAI dialect and search list."""
    return model.is_callable or include_provisioned


def chat_page(
    snapshot: CatalogSnapshot,
    *,
    limit: int,
    after_id: str | None = None,
    before_id: str | None = None,
    lifecycles: Sequence[str],
    regions: Sequence[str] = (),
    include_provisioned: bool = False,
) -> Page:
    """One page of the chat models in some lifecycle, callable from one of the regions where any are named.

    Raises:
        UnknownCursor: a cursor that was never listed.
        UnknownValue: a region that this catalog does not ask.
    """
    wanted = known_spellings("region", regions, snapshot.state.regions)

    def keep(model: CatalogModel) -> bool:
        return (
            model.lifecycle in lifecycles
            and is_chat_model(model, include_provisioned=include_provisioned)
            and (not wanted or not wanted.isdisjoint(model.regions))
        )

    return page_of(
        snapshot.models,
        limit=limit,
        after=cursor(snapshot, "after_id", after_id),
        before=cursor(snapshot, "before_id", before_id),
        keep=keep,
    )


def find_chat_model(snapshot: CatalogSnapshot, name: str, *, include_provisioned: bool = False) -> CatalogModel | None:
    """The chat model that any of its names stands for."""
    model = find_model(snapshot, name)
    if model is None or not is_chat_model(model, include_provisioned=include_provisioned):
        return None
    return model
