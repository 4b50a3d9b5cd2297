"""Model search: filters that combine with AND."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.catalog.paging import Page, cursor, page_of
from app.catalog.records import ACTIVE, DEPRECATED, LIFECYCLES, CatalogModel
from app.catalog.selection import known_spellings
from app.catalog.view import CatalogView, spellings

SPELLINGS_OF_LIFECYCLES = spellings(LIFECYCLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """What a model must be; the filters combine with AND, and upper and lower case are the same.

    A model has one of the `providers`, is callable from one of the `regions`, is in one of the `lifecycles`, takes all
    of the `input_modalities` and gives all of the `output_modalities`; an empty one of these filters nothing.
    `streaming` is None for either. Every word of `text` is in the model's id or name.
    """

    text: str = ""
    providers: Sequence[str] = ()
    input_modalities: Sequence[str] = ()
    output_modalities: Sequence[str] = ()
    regions: Sequence[str] = ()
    streaming: bool | None = None
    lifecycles: Sequence[str] = (ACTIVE, DEPRECATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One page of the models that match, and how many match in all."""

    page: Page
    total: int


def search(view: CatalogView, wanted: ModelFilter, *, limit: int, after_id: str | None = None) -> SearchResult:
    """Search every model of the view, of any modality.

    Args:
        limit: the most models in the page, at least 1.
        after_id: the page that starts just behind this model.

    Raises:
        UnknownValue: a filter that could match nothing in this catalog.
        UnknownCursor: `after_id` was never listed.
    """
    providers = known_spellings("provider", wanted.providers, view.spellings_of_providers)
    inputs = known_spellings("input_modalities", wanted.input_modalities, view.spellings_of_input_modalities)
    outputs = known_spellings("output_modalities", wanted.output_modalities, view.spellings_of_output_modalities)
    regions = known_spellings("region", wanted.regions, view.spellings_of_regions)
    lifecycles = known_spellings("lifecycle", wanted.lifecycles, SPELLINGS_OF_LIFECYCLES)
    words = frozenset(wanted.text.casefold().split())
    names = view.folded_names if words else {}

    def matches(model: CatalogModel) -> bool:
        return (
            (not providers or model.provider in providers)
            and inputs <= set(model.input_modalities)
            and outputs <= set(model.output_modalities)
            and (not regions or not regions.isdisjoint(model.regions))
            and (wanted.streaming is None or model.response_streaming is wanted.streaming)
            and (not lifecycles or model.lifecycle in lifecycles)
            and all(word in names[model.id] for word in words)
        )

    found = [model for model in view.models if matches(model)]
    page = page_of(found, limit=limit, after=cursor(view, "after_id", after_id))
    return SearchResult(page=page, total=len(found))
