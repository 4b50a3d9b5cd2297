"""The routes of the Anthropic Models API."""

from flask import Blueprint

from app.api.queries import Queries
from app.api.query_view import add_query_route


def make_blueprint(queries: Queries) -> Blueprint:
    blueprint = Blueprint("anthropic", __name__)
    add_query_route(blueprint, "/v1/models", "list_models", queries.list_chat_models)
    add_query_route(blueprint, "/v1/models/<path:model_id>", "retrieve_model", queries.get_chat_model)
    return blueprint
