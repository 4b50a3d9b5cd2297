"""The queries of the API: functions of a catalog view and validated arguments, and what validates and shapes each.

Routes, tools and the API's description share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.api.anthropic.schemas import ListModelsQuerySchema, ModelInfoSchema, ModelPageSchema
from app.api.catalog_query import CatalogQuery
from app.api.openai.schemas import ModelListSchema, ModelSchema
from app.api.search.schemas import SearchQuerySchema, SearchResultSchema
from app.api.shared_schemas import ModelIdSchema, NoArgumentsSchema
from app.catalog.lookup import find_model
from app.catalog.records import CatalogModel
from app.catalog.search import search
from app.catalog.selection import chat_page, find_chat_model
from app.catalog.view import CatalogView
from app.errors import ModelNotFound
from config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Every query, as one service is configured."""

    list_chat_models: CatalogQuery
    get_chat_model: CatalogQuery
    list_models: CatalogQuery
    get_model: CatalogQuery
    search_models: CatalogQuery


def queries_of(settings: Settings) -> Queries:
    bare = not settings.extensions
    return Queries(
        list_chat_models=CatalogQuery(
            arguments=ListModelsQuerySchema(),
            defaults={"limit": settings.default_limit},
            run=chat_page,
            result=ModelPageSchema(exclude=["data.aws_bedrock"] if bare else []),
        ),
        get_chat_model=CatalogQuery(
            arguments=ModelIdSchema(),
            run=get_chat_model,
            result=ModelInfoSchema(exclude=["aws_bedrock"] if bare else []),
        ),
        list_models=CatalogQuery(arguments=NoArgumentsSchema(), run=list_models, result=ModelListSchema()),
        get_model=CatalogQuery(arguments=ModelIdSchema(), run=get_model, result=ModelSchema()),
        search_models=CatalogQuery(arguments=SearchQuerySchema(), run=search, result=SearchResultSchema()),
    )


def get_chat_model(view: CatalogView, *, model_id: str) -> CatalogModel:
    """
    Raises:
        ModelNotFound
    """
    model = find_chat_model(view, model_id)
    if model is None:
        raise ModelNotFound(model_id)
    return model


def list_models(view: CatalogView) -> dict[str, Sequence[CatalogModel]]:
    return {"models": view.models}


def get_model(view: CatalogView, *, model_id: str) -> CatalogModel:
    """
    Raises:
        ModelNotFound
    """
    model = find_model(view, model_id)
    if model is None:
        raise ModelNotFound(model_id)
    return model
