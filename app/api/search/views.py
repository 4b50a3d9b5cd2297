"""The route of model search."""

from flask import Blueprint

from app.api.queries import Queries
from app.api.query_view import add_query_route


def make_blueprint(queries: Queries) -> Blueprint:
    blueprint = Blueprint("search", __name__)
    add_query_route(blueprint, "/search_models", "search_models", queries.search_models)
    return blueprint
