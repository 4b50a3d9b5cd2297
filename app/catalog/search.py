"""Finding models by what they can do: what an agent asks before it asks for one model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.catalog.entries import ACTIVE, DEPRECATED, LIFECYCLES, CatalogEntry
from app.catalog.paging import Page, page_of
from app.catalog.view import CatalogView, ListFilter, UnknownValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """What an entry must be; the filters combine with AND, and upper and lower case are the same.

    An entry has one of the `providers`, is in one of the `lifecycles`, takes all of the `input_modalities` and gives
    all of the `output_modalities`; an empty one of these filters nothing. `streaming` is None for either. Every word
    of `text` is in the entry's id or name, or in the id of a profile of its.
    """

    text: str = ""
    providers: Sequence[str] = ()
    input_modalities: Sequence[str] = ()
    output_modalities: Sequence[str] = ()
    streaming: bool | None = None
    lifecycles: Sequence[str] = (ACTIVE, DEPRECATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One page of the entries that match, and how many match in all."""

    page: Page
    total: int


def search(
    view: CatalogView, wanted: ModelFilter, listed: ListFilter, *, limit: int, after_id: str | None = None
) -> SearchResult:
    """Search the entries of a list, of any modality.

    Args:
        limit: the most entries in the page, at least 1.
        after_id: the page that starts just behind this entry.

    Raises:
        UnknownValue: a filter that could match nothing in this catalog.
        UnknownCursor: `after_id` was never listed.
    """
    entries = view.entry_list(listed)
    models = view.models
    providers = known_spellings("provider", wanted.providers, (it.provider for it in models if it.provider))
    inputs = known_spellings(
        "input_modalities", wanted.input_modalities, (w for it in models for w in it.input_modalities)
    )
    outputs = known_spellings(
        "output_modalities", wanted.output_modalities, (word for it in models for word in it.output_modalities)
    )
    lifecycles = known_spellings("lifecycle", wanted.lifecycles, LIFECYCLES)
    words = wanted.text.casefold().split()

    def matches(entry: CatalogEntry, text: str) -> bool:
        return (
            (not providers or entry.provider in providers)
            and inputs.issubset(entry.input_modalities)
            and outputs.issubset(entry.output_modalities)
            and (wanted.streaming is None or entry.response_streaming is wanted.streaming)
            and (not lifecycles or entry.lifecycle in lifecycles)
            and all(word in text for word in words)
        )

    texts = entries.search_texts if words else ("",) * len(entries.entries)
    found = [entry for entry, text in zip(entries.entries, texts, strict=True) if matches(entry, text)]
    page = page_of(found, limit=limit, after=view.cursor("after_id", after_id, entries))
    return SearchResult(page=page, total=len(found))


def known_spellings(field: str, values: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The catalog's own spellings of the values, which may be in any case.

    Raises:
        UnknownValue: one of them is none of the known ones.
    """
    wanted = [value.strip().casefold() for value in values]
    if not wanted:
        return frozenset()
    spelled: dict[str, set[str]] = {}
    for word in known:
        spelled.setdefault(word.casefold(), set()).add(word)
    chosen: set[str] = set()
    for value in wanted:
        if value not in spelled:
            raise UnknownValue(field, (word for words in spelled.values() for word in words))
        chosen |= spelled[value]
    return frozenset(chosen)
