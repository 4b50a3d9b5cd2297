"""The OpenAI Models API."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.api.openai.schemas import ModelListSchema, ModelSchema
from app.api.request_state import current_settings, current_snapshot, made_of_snapshot
from app.catalog.lookup import find_model
from app.catalog.records import CatalogModel, CatalogSnapshot
from app.catalog.selection import is_served
from app.errors import ModelNotFound
from app.web.middleware import cacheable

bp = Blueprint("openai", __name__)

MODEL, LIST = ModelSchema(), ModelListSchema()


@bp.get("/v1/models")
@cacheable
def list_models() -> ResponseReturnValue:
    provisioned = current_settings().include_provisioned
    models = [model for model in current_snapshot().models if is_served(model, include_provisioned=provisioned)]
    return jsonify(LIST.dump({"models": models}))


@bp.get("/v1/models/<path:model_id>")
@cacheable
def retrieve_model(model_id: str) -> ResponseReturnValue:
    provisioned = current_settings().include_provisioned

    def find(snapshot: CatalogSnapshot) -> CatalogModel:
        model = find_model(snapshot, model_id)
        if model is None or not is_served(model, include_provisioned=provisioned):
            raise ModelNotFound(model_id)
        return model

    return jsonify(MODEL.dump(made_of_snapshot(find)))
