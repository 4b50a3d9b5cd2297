"""Answers queries from the current catalog."""

from typing import Any

from app.api.catalog_query import CatalogQuery
from app.catalog.paging import UnknownCursor
from app.catalog.selection import UnknownValue
from app.catalog.view import CatalogView
from app.errors import ModelNotFound
from app.services import Services


def answer(query: CatalogQuery, given: object, services: Services) -> tuple[dict[str, Any], CatalogView]:
    """The body that answers a query, and the view that it is made of.

    Where the arguments name something unknown, the stored catalog decides: another worker may have listed it already.

    Args:
        given: arguments as a client sent them.

    Raises:
        ValidationError, CatalogUnavailable
        UnknownCursor, UnknownValue, ModelNotFound: unknown in the stored catalog, too.
    """
    arguments = query.validate(given)
    view = services.view()
    try:
        return query.answer(view, arguments), view
    except (UnknownCursor, UnknownValue, ModelNotFound):
        services.reload_before_404()
        view = services.view()
        return query.answer(view, arguments), view
