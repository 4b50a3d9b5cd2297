"""Answers queries from the current catalog."""

from typing import TypeVar

from flask import request

from app.api.catalog_query import Query
from app.catalog.aliases import AliasTargetGone
from app.catalog.paging import UnknownCursor
from app.catalog.view import CatalogView, UnknownValue
from app.errors import ModelNotFound
from app.services import Services
from app.web.request_context import context_of

AnswerT = TypeVar("AnswerT")


def answer(query: Query[AnswerT], given: object, services: Services) -> tuple[AnswerT, CatalogView]:
    """The body that answers a query, and the view that it is made of.

    Where the arguments name something unknown, the stored catalog decides: another worker may have listed it already.

    Args:
        given: arguments as a client sent them.

    Raises:
        ValidationError, CatalogUnavailable
        AliasTargetGone, UnknownCursor, UnknownValue, ModelNotFound: unknown in the stored catalog, too.
        InvalidEventId
    """
    arguments = query.validate(given)
    scope_in = context_of(request.environ).scope_in
    view = services.view(scope_in)
    try:
        return query.answer(view, arguments), view
    except (AliasTargetGone, UnknownCursor, UnknownValue, ModelNotFound):
        services.reload_before_404()
        view = services.view(scope_in)
        return query.answer(view, arguments), view
