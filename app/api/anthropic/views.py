"""The Anthropic Models API."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.api.anthropic.schemas import ListModelsQuerySchema, ModelInfoSchema, ModelPageSchema
from app.api.request_state import current_settings, made_of_snapshot
from app.catalog.records import CatalogModel, CatalogSnapshot
from app.catalog.selection import chat_page, find_chat_model
from app.errors import ModelNotFound
from app.web.middleware import cacheable
from config import Settings

bp = Blueprint("anthropic", __name__)

QUERY = ListModelsQuerySchema()
EXTENDED = ModelPageSchema(), ModelInfoSchema()
BARE = ModelPageSchema(exclude=["data.aws_bedrock"]), ModelInfoSchema(exclude=["aws_bedrock"])


def shapes(settings: Settings) -> tuple[ModelPageSchema, ModelInfoSchema]:
    """A page and a model as they are answered."""
    return EXTENDED if settings.extensions else BARE


@bp.get("/v1/models")
@cacheable
def list_models() -> ResponseReturnValue:
    return jsonify(page_body(QUERY.load(request.args)))


@bp.get("/v1/models/<path:model_id>")
@cacheable
def retrieve_model(model_id: str) -> ResponseReturnValue:
    return jsonify(model_body(model_id))


def page_body(query: dict[str, Any]) -> dict[str, Any]:
    """One page of chat models, as a validated query asks for it.

    Raises:
        CatalogUnavailable, UnknownCursor, UnknownValue
    """
    settings = current_settings()
    query = {"limit": settings.default_limit} | query | {"include_provisioned": settings.include_provisioned}
    page, _ = shapes(settings)
    body: dict[str, Any] = page.dump(made_of_snapshot(lambda snapshot: chat_page(snapshot, **query)))
    return body


def model_body(model_id: str) -> dict[str, Any]:
    """One chat model by any of its names.

    Raises:
        CatalogUnavailable, ModelNotFound
    """
    settings = current_settings()

    def find(snapshot: CatalogSnapshot) -> CatalogModel:
        model = find_chat_model(snapshot, model_id, include_provisioned=settings.include_provisioned)
        if model is None:
            raise ModelNotFound(model_id)
        return model

    _, shape = shapes(settings)
    body: dict[str, Any] = shape.dump(made_of_snapshot(find))
    return body
