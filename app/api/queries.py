"""The queries of the API: functions of a catalog view and validated arguments, and what validates and shapes each.

Routes, tools and the API's description share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.api.anthropic.schemas import ListModelsArguments, ModelInfoSchema, ModelPageSchema
from app.api.arguments import ListArguments, ModelIdArguments
from app.api.catalog_query import CatalogQuery, FileQuery
from app.api.feeds import queries as feeds
from app.api.openai.schemas import ModelListSchema, ModelSchema
from app.api.search.schemas import SearchArguments, SearchResultSchema
from app.catalog.entries import RETIRED, CatalogEntry
from app.catalog.paging import Page, page_of
from app.catalog.records import ACCESS
from app.catalog.search import search
from app.catalog.view import CatalogView, ListFilter
from app.errors import ModelNotFound
from config import Settings

# What CATALOG_EXTENSIONS adds to the real APIs' own keys.
ANTHROPIC_EXTENSIONS = ("description", "aws_bedrock")
OPENAI_EXTENSIONS = ("name", "aws_bedrock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Every query, as one service is configured."""

    list_chat_models: CatalogQuery
    get_chat_model: CatalogQuery
    list_models: CatalogQuery
    get_model: CatalogQuery
    search_models: CatalogQuery
    list_changes: CatalogQuery
    changes_feed: FileQuery
    list_retirements: CatalogQuery
    retirements_calendar: FileQuery


def queries_of(settings: Settings) -> Queries:
    anthropic = () if settings.extensions else ANTHROPIC_EXTENSIONS
    openai = () if settings.extensions else OPENAI_EXTENSIONS
    # Parts that are off have neither a filter nor a key.
    off = tuple(part for part in (ACCESS,) if part not in settings.parts)
    keys = tuple(f"aws_bedrock.{name}" for name in off)
    anthropic, openai = (*anthropic, *keys), (*openai, *keys)
    return Queries(
        list_chat_models=CatalogQuery(
            arguments=ListModelsArguments(exclude=off),
            defaults={"limit": settings.default_limit},
            run=list_chat_models,
            result=ModelPageSchema(exclude=[f"data.{name}" for name in anthropic]),
        ),
        get_chat_model=CatalogQuery(
            arguments=ModelIdArguments(), run=get_chat_model, result=ModelInfoSchema(exclude=anthropic)
        ),
        list_models=CatalogQuery(
            arguments=ListArguments(exclude=off),
            run=list_models,
            result=ModelListSchema(exclude=[f"data.{name}" for name in openai]),
        ),
        get_model=CatalogQuery(arguments=ModelIdArguments(), run=get_model, result=ModelSchema(exclude=openai)),
        search_models=CatalogQuery(
            arguments=SearchArguments(exclude=off),
            defaults={"limit": settings.default_limit},
            run=search,
            result=SearchResultSchema(exclude=[f"data.{name}" for name in off]),
        ),
        list_changes=feeds.LIST_CHANGES,
        changes_feed=feeds.CHANGES_FEED,
        list_retirements=feeds.LIST_RETIREMENTS,
        retirements_calendar=feeds.RETIREMENTS_CALENDAR,
    )


def list_chat_models(
    view: CatalogView,
    *,
    limit: int,
    lifecycles: Sequence[str],
    listed: ListFilter,
    after_id: str | None = None,
    before_id: str | None = None,
) -> Page:
    """One page of the entries with text in and text out, in some lifecycle.

    Raises:
        UnknownCursor, UnknownValue
    """
    entries = view.entry_list(listed)
    return page_of(
        entries.entries,
        limit=limit,
        after=view.cursor("after_id", after_id, entries),
        before=view.cursor("before_id", before_id, entries),
        keep=lambda entry: entry.is_text and entry.lifecycle in lifecycles,
    )


def get_chat_model(view: CatalogView, *, model_id: str) -> CatalogEntry:
    """
    Raises:
        ModelNotFound
    """
    entry = get_model(view, model_id=model_id)
    if not entry.is_text:
        raise ModelNotFound(model_id)
    return entry


def list_models(view: CatalogView, *, listed: ListFilter) -> dict[str, Sequence[CatalogEntry]]:
    """Every entry of any modality that has not ended.

    Raises:
        UnknownValue
    """
    return {"entries": [entry for entry in view.entry_list(listed).entries if entry.lifecycle != RETIRED]}


def get_model(view: CatalogView, *, model_id: str) -> CatalogEntry:
    """
    Raises:
        ModelNotFound
    """
    entry = view.find(model_id)
    if entry is None:
        raise ModelNotFound(model_id)
    return entry
