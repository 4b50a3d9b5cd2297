"""Finding models by what they can do: what an agent asks before it asks for one model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.catalog.cards.records import SUPPORT_PATHS, Card
from app.catalog.entries import ACTIVE, DEPRECATED, LIFECYCLES, CatalogEntry
from app.catalog.paging import Page, SortKey, UnknownCursor, page_of, sort_key
from app.catalog.view import CatalogView, EntryList, ListFilter, UnknownValue

# What cards know of: the tree of the Anthropic dialect, and what stands beside it.
TOOL_USE = "tool_use"
CAPABILITIES = (*SUPPORT_PATHS, TOOL_USE)

CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """What an entry must be; the filters combine with AND, and upper and lower case are the same.

    An entry has one of the `providers`, is in one of the `lifecycles`, takes all of the `input_modalities` and gives
    all of the `output_modalities`; an empty one of these filters nothing. `streaming` is None for either. Every word
    of `text` is in the entry's id or name, or in the id of a profile of its. Its card states limits of at least
    `min_input_tokens` and `min_output_tokens`, and all of the `capabilities` (of CAPABILITIES) as supported; what is
    unknown matches none of these.
    """

    text: str = ""
    providers: Sequence[str] = ()
    input_modalities: Sequence[str] = ()
    output_modalities: Sequence[str] = ()
    streaming: bool | None = None
    lifecycles: Sequence[str] = (ACTIVE, DEPRECATED)
    min_input_tokens: int | None = None
    min_output_tokens: int | None = None
    capabilities: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One page of the entries that match, and how many match in all."""

    page: Page
    total: int


def search(
    view: CatalogView,
    wanted: ModelFilter,
    listed: ListFilter,
    *,
    limit: int,
    after_id: str | None = None,
    sort: str = CREATED,
) -> SearchResult:
    """Search the entries of a list, of any modality.

    Args:
        limit: the most entries in the page, at least 1.
        after_id: the page that starts just behind this entry.
        sort: one of SORTS.

    Raises:
        UnknownValue: a filter that could match nothing in this catalog.
        UnknownCursor: `after_id` was never listed; by any order but the default one, it is listed no more.
    """
    [order] = (SORTS[it] for it in known_spellings("sort", [sort], SORTS))
    entries = view.entry_list(listed)
    models = (*view.models, *view.account_models, *view.project_entries)
    providers = known_spellings("provider", wanted.providers, (it.provider for it in models if it.provider))
    inputs = known_spellings(
        "input_modalities", wanted.input_modalities, (w for it in models for w in it.input_modalities)
    )
    outputs = known_spellings(
        "output_modalities", wanted.output_modalities, (word for it in models for word in it.output_modalities)
    )
    lifecycles = known_spellings("lifecycle", wanted.lifecycles, LIFECYCLES)
    capabilities = known_spellings("capability", wanted.capabilities, CAPABILITIES)
    words = wanted.text.casefold().split()

    def matches(entry: CatalogEntry, text: str) -> bool:
        return (
            (not providers or entry.provider in providers)
            and inputs.issubset(entry.input_modalities)
            and outputs.issubset(entry.output_modalities)
            and (wanted.streaming is None or entry.response_streaming is wanted.streaming)
            and (not lifecycles or entry.lifecycle in lifecycles)
            and _has_room(entry.card, wanted)
            and (not capabilities or capabilities <= capabilities_of(entry))
            and all(word in text for word in words)
        )

    texts = entries.search_texts if words else ("",) * len(entries.entries)
    found = [entry for entry, text in zip(entries.entries, texts, strict=True) if matches(entry, text)]
    if order is sort_key:
        after = view.cursor("after_id", after_id, entries)
    else:
        found.sort(key=order)
        after = None if after_id is None else order(_listed_entry(view, after_id, entries))
    return SearchResult(page=page_of(found, limit=limit, after=after, order=order), total=len(found))


def capabilities_of(entry: CatalogEntry) -> frozenset[str]:
    """The CAPABILITIES that are known to be supported."""
    card = entry.card
    if card is None:
        return frozenset()
    names = card.capabilities.supported if card.capabilities is not None else frozenset()
    return names | {TOOL_USE} if card.tool_use else names


def _has_room(card: Card | None, wanted: ModelFilter) -> bool:
    limits = (None, None) if card is None else (card.max_input_tokens, card.max_tokens)
    least = (wanted.min_input_tokens, wanted.min_output_tokens)
    return all(it is None or (limit is not None and limit >= it) for limit, it in zip(limits, least, strict=True))


def _listed_entry(view: CatalogView, entry_id: str, entries: EntryList) -> CatalogEntry:
    for spelled in view.scope.spellings(entry_id):
        entry = entries.by_id.get(spelled) or view.find_exact(spelled)
        if entry is not None:
            return entry
    raise UnknownCursor("after_id", entry_id)


def _by(value_of: Callable[[CatalogEntry], Decimal | int | None]) -> Callable[[CatalogEntry], SortKey]:
    """An order by a value, the lowest first and the unknown last; equal ones as in every list."""

    def order(entry: CatalogEntry) -> SortKey:
        value = value_of(entry)
        return value is None, value or 0, *sort_key(entry)

    return order


def _price(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def _input_price(entry: CatalogEntry) -> Decimal | None:
    return _price(entry.card.prices.input) if entry.card and entry.card.prices else None


def _output_price(entry: CatalogEntry) -> Decimal | None:
    return _price(entry.card.prices.output) if entry.card and entry.card.prices else None


def _context(entry: CatalogEntry) -> int | None:
    """The longest first."""
    return -entry.card.max_input_tokens if entry.card and entry.card.max_input_tokens else None


SORTS: Mapping[str, Callable[[CatalogEntry], SortKey]] = {
    CREATED: sort_key,
    "price_input": _by(_input_price),
    "price_output": _by(_output_price),
    "context": _by(_context),
}


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
