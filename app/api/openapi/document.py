"""The service described in OpenAPI 3.1, from its routes and the queries that they run."""

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec_webframeworks.flask import FlaskPlugin
from flask import Flask
from marshmallow import Schema

from app import __version__
from app.api.fields import SOMETIMES
from app.api.openapi.error_schemas import AnthropicErrorSchema, JsonRpcErrorSchema, OpenAIErrorSchema
from app.api.openapi.feed_operations import FEED_OPERATIONS
from app.api.openapi.operations import (
    EXAMPLE_REQUEST_ID,
    HEADERS,
    IDS,
    JSON,
    OPERATIONS,
    QUERY_EXAMPLES,
    Operation,
    ResponseDescription,
)
from app.api.query_view import QueryView
from app.errors import ApiError
from app.services import services_of
from app.web.error_envelopes import Envelope, anthropic_envelope, envelope_of, jsonrpc_envelope, openai_envelope

OPENAPI = "3.1.0"
DESCRIPTION = (
    "The models of AWS Bedrock, merged over regions, as Anthropic's and OpenAI's Models APIs. HEAD is answered "
    "wherever GET is. Parameters that are not named here are ignored. The catalog to look at: [/catalog](/catalog)."
)
ERROR_SCHEMAS: dict[Envelope, type[Schema]] = {
    anthropic_envelope: AnthropicErrorSchema,
    openai_envelope: OpenAIErrorSchema,
    jsonrpc_envelope: JsonRpcErrorSchema,
}


def describe(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of an application, as it is configured."""
    settings = services_of(app).settings
    spec = APISpec(
        title="Bedrock model catalog",
        version=__version__,
        openapi_version=OPENAPI,
        plugins=[FlaskPlugin(), MarshmallowPlugin()],
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "/"}],
        security=[{"ApiKey": []}, {"Bearer": []}],
    )
    spec.components.security_scheme("ApiKey", {"type": "apiKey", "in": "header", "name": "x-api-key"})
    spec.components.security_scheme("Bearer", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("FeedKey", {"type": "apiKey", "in": "query", "name": "key"})
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for endpoint, operation in {**OPERATIONS, **FEED_OPERATIONS}.items():
        view = app.view_functions.get(endpoint)
        if view is not None:
            if isinstance(view, QueryView):
                operation = operation.of_query(view.query)
            path = next(app.url_map.iter_rules(endpoint)).rule
            described = _operation(endpoint, operation, envelope_of(path, settings))
            spec.path(view=view, app=app, operations={operation.method: described})
    document: dict[str, Any] = spec.to_dict()
    for schema in document["components"]["schemas"].values():
        _as_response(schema)
    for path_item in document["paths"].values():
        for described in path_item.values():
            _give_examples(described["parameters"])
    return document


def _operation(endpoint: str, operation: Operation, envelope: Envelope) -> dict[str, Any]:
    query: list[Any] = [{"in": "query", "schema": operation.arguments}] if operation.arguments else []
    responses = {str(status): _response(response) for status, response in operation.responses.items()}
    described: dict[str, Any] = {
        "operationId": endpoint.replace(".", "_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*map(dict, operation.parameters), *query],
        "responses": responses | _errors(operation, envelope),
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: dict(operation.body)}}
    if operation.is_public:
        described["security"] = []
    if operation.takes_key_in_query:
        described["security"] = [{"ApiKey": []}, {"Bearer": []}, {"FeedKey": []}]
    return described


def _response(response: ResponseDescription) -> dict[str, Any]:
    described: dict[str, Any] = {"description": response.description, "headers": _headers(response.headers)}
    if response.content_type:
        content: dict[str, Any] = {"schema": response.schema or {"type": response.type}}
        if response.example is not None:
            content["example"] = response.example
        described["content"] = {response.content_type: content}
    return described


def _errors(operation: Operation, envelope: Envelope) -> dict[str, Any]:
    """Each status once, with every error that has it as an example, by the name of its class."""
    by_status: defaultdict[int, list[ApiError]] = defaultdict(list)
    for error in operation.errors:
        by_status[error.status].append(error)
    return {
        str(int(status)): {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(sorted({name.lower() for error in errors for name in error.headers})),
            "content": {
                JSON: {
                    "schema": ERROR_SCHEMAS[envelope],
                    "examples": {
                        type(error).__name__: {"value": envelope(error, EXAMPLE_REQUEST_ID)} for error in errors
                    },
                }
            },
        }
        for status, errors in by_status.items()
    }


def _headers(names: Any) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*IDS, *names)}


def _as_response(schema: dict[str, Any]) -> None:
    """Every key is always there; a later version may have more of them."""
    schema["required"] = [name for name, it in schema["properties"].items() if not it.pop(SOMETIMES, False)]
    schema.pop("additionalProperties", None)
    for described in schema["properties"].values():
        # The value of a constant is no default.
        described.pop("default", None)


def _give_examples(parameters: list[dict[str, Any]]) -> None:
    for parameter in parameters:
        if parameter["in"] == "query":
            parameter["example"] = QUERY_EXAMPLES[parameter["name"]]
