"""The service described in OpenAPI 3.1, from its routes and the schemas that its views run."""

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec_webframeworks.flask import FlaskPlugin
from flask import Flask
from marshmallow import Schema

from app import __version__
from app.api.openapi.error_schemas import AnthropicErrorSchema, JsonRpcErrorSchema, OpenAIErrorSchema
from app.api.openapi.operations import (
    EXAMPLE_CATALOG,
    EXAMPLE_REQUEST_ID,
    HEADERS,
    IDS,
    JSON,
    QUERY_EXAMPLES,
    Answer,
    Operation,
    operations,
)
from app.errors import ApiError, anthropic_envelope, envelope_of, jsonrpc_envelope, openai_envelope
from config import Settings

OPENAPI = "3.1.0"
DESCRIPTION = (
    "The models of AWS Bedrock, merged over regions, as Anthropic's and OpenAI's Models APIs. HEAD is answered "
    "wherever GET is. Parameters that are not named here are ignored."
)
ERROR_SCHEMAS: dict[Any, type[Schema]] = {
    anthropic_envelope: AnthropicErrorSchema,
    openai_envelope: OpenAIErrorSchema,
    jsonrpc_envelope: JsonRpcErrorSchema,
}


def describe(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of an application, as it is configured."""
    settings: Settings = app.extensions["settings"]
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
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for endpoint, operation in operations(settings).items():
        view = app.view_functions.get(endpoint)
        if view is not None:
            path = next(app.url_map.iter_rules(endpoint)).rule
            told = _operation(endpoint, operation, envelope_of(path, settings))
            spec.path(view=view, app=app, operations={operation.method: told})
    document: dict[str, Any] = spec.to_dict()
    for schema in document["components"]["schemas"].values():
        _as_answer(schema)
    for path_item in document["paths"].values():
        for told in path_item.values():
            _give_examples(told["parameters"])
    return document


def _operation(endpoint: str, operation: Operation, envelope: Any) -> dict[str, Any]:
    query: list[Any] = [{"in": "query", "schema": operation.query}] if operation.query else []
    responses = {str(status): _response(answer) for status, answer in operation.answers.items()}
    told: dict[str, Any] = {
        "operationId": endpoint.replace(".", "_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*map(dict, operation.parameters), *query],
        "responses": responses | _errors(operation, envelope),
    }
    if operation.body is not None:
        told["requestBody"] = {"required": True, "content": {JSON: dict(operation.body)}}
    if operation.is_public:
        told["security"] = []
    return told


def _response(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.description, "headers": _headers(answer.headers)}
    if answer.content_type:
        content: dict[str, Any] = {"schema": answer.schema or {"type": answer.type}}
        if answer.example is not None:
            content["example"] = answer.example(EXAMPLE_CATALOG)
        told["content"] = {answer.content_type: content}
    return told


def _errors(operation: Operation, envelope: Any) -> dict[str, Any]:
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


def _as_answer(schema: dict[str, Any]) -> None:
    """Every key is always there; a later version may have more of them."""
    schema["required"] = list(schema["properties"])
    schema.pop("additionalProperties", None)
    for told in schema["properties"].values():
        # What a constant is while Bedrock tells nothing is no default.
        told.pop("default", None)


def _give_examples(parameters: list[dict[str, Any]]) -> None:
    for parameter in parameters:
        if parameter["in"] == "query":
            parameter["example"] = QUERY_EXAMPLES[parameter["name"]]
