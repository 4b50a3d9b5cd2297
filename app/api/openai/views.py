"""The routes of the OpenAI Models API."""

from flask import Blueprint

from app.api.queries import Queries
from app.api.query_view import add_query_route


def make_blueprint(queries: Queries) -> Blueprint:
    blueprint = Blueprint("openai", __name__)
    add_query_route(blueprint, "/v1/models", "list_models", queries.list_models)
    add_query_route(blueprint, "/v1/models/<path:model_id>", "retrieve_model", queries.get_model)
    return blueprint
