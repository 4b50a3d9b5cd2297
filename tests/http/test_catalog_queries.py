"""What may be cached is a type: a query that sees a catalog view and validated arguments, and no request."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, g, jsonify, request
from marshmallow import Schema, fields

from app.api.arguments import ArgumentsSchema
from app.api.catalog_query import CatalogQuery
from app.api.query_view import QueryView
from app.catalog.view import CatalogView
from app.services import current_services
from app.web.request_context import context_of
from tests.conftest import MakeApp, client_of
from tests.support.builders import listing, model, snapshot

READERS: dict[str, Callable[[], object]] = {
    "the request": lambda: request.headers.get("x-api-key"),
    "the caller's name": lambda: context_of(request.environ).auth.key_name,
    "the request's globals": lambda: g.get("caller"),
    "the services": lambda: current_services().settings.source,
}


class CallerSchema(Schema):
    caller = fields.String()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app(snapshot(listing("us-east-1", model("a"))), api_keys=("one:first", "other:second"))
    app.testing = False
    return app


@pytest.mark.parametrize("reads", READERS)
def test_a_query_that_reads_more_than_its_arguments_fails_and_is_never_cached(app: Flask, reads: str) -> None:
    def run(view: CatalogView) -> dict[str, Any]:
        return {"caller": READERS[reads]()}

    query = CatalogQuery(arguments=ArgumentsSchema(), run=run, result=CallerSchema())
    app.add_url_rule("/caller", "caller", QueryView(query))
    answers = [client_of(app, key).get("/caller") for key in ("first", "second") * 3]

    assert [(answer.status_code, "etag" in answer.headers) for answer in answers] == [(500, False)] * 6


@pytest.mark.parametrize("reads", READERS)
def test_the_shape_of_a_result_cannot_depend_on_the_request_either(app: Flask, reads: str) -> None:
    class Nosy(Schema):
        caller = fields.Function(lambda row: READERS[reads]())

    query = CatalogQuery(arguments=ArgumentsSchema(), run=lambda view: {}, result=Nosy())
    app.add_url_rule("/caller", "caller", QueryView(query))

    assert client_of(app, "first").get("/caller").status_code == 500


def test_a_plain_view_that_reads_the_caller_answers_each_for_itself(app: Flask) -> None:
    @app.get("/caller")
    def caller() -> Response:
        models = current_services().view(context_of(request.environ).scope_in).models
        return jsonify(caller=context_of(request.environ).auth.key_name, models=len(models))

    answers = [client_of(app, key).get("/caller") for key in ("first", "second") * 3]

    assert [answer.get_json()["caller"] for answer in answers] == ["one", "other"] * 3
    assert not any("etag" in answer.headers for answer in answers)


def test_an_error_after_a_querys_response_is_not_cached(app: Flask) -> None:
    @app.after_request
    def crash(response: Response) -> Response:
        if response.status_code == 200:
            raise RuntimeError("a bug")
        return response

    answers = [client_of(app, "first").get("/v1/models") for _ in range(3)]

    assert [(answer.status_code, "etag" in answer.headers) for answer in answers] == [(500, False)] * 3
