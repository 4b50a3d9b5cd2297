"""The one Flask view of every query: its responses alone may be cached."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from app.api.answering import answer
from app.api.catalog_query import CatalogQuery, FileQuery
from app.services import current_services
from app.web.request_context import context_of


class QueryView:
    """Takes a query's arguments from the path, or else from the query string, and nothing else from the request."""

    def __init__(self, query: CatalogQuery | FileQuery) -> None:
        self.query = query

    def __call__(self, **path_arguments: str) -> ResponseReturnValue:
        query, given, services = self.query, path_arguments or request.args, current_services()
        if isinstance(query, FileQuery):
            file, view = answer(query, given, services)
            response = Response(file, content_type=f"{query.media_type}; charset=utf-8")
        else:
            body, view = answer(query, given, services)
            response = jsonify(body)
        context_of(request.environ).view = view
        return response


def add_query_route(blueprint: Blueprint, rule: str, endpoint: str, query: CatalogQuery | FileQuery) -> None:
    blueprint.add_url_rule(rule, endpoint, QueryView(query), methods=["GET"])
