"""Model search."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.api.request_state import current_settings, made_of_snapshot
from app.api.search.schemas import SearchQuerySchema, SearchResultSchema
from app.catalog.search import search
from app.web.middleware import cacheable

bp = Blueprint("search", __name__)

QUERY, RESULT = SearchQuerySchema(), SearchResultSchema()


@bp.get("/search_models")
@cacheable
def search_models() -> ResponseReturnValue:
    return jsonify(result_body(QUERY.load(request.args)))


def result_body(query: dict[str, Any]) -> dict[str, Any]:
    """The models that a validated query finds.

    Raises:
        CatalogUnavailable, UnknownCursor, UnknownValue
    """
    query = query | {"include_provisioned": current_settings().include_provisioned}
    body: dict[str, Any] = RESULT.dump(made_of_snapshot(lambda snapshot: search(snapshot, **query)))
    return body
