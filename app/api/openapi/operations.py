"""What a route's query does not say of itself: its errors, its headers, and examples.

Examples of responses are made by the routes' own queries, over a small catalog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from marshmallow import Schema

from app.api.catalog_query import CatalogQuery, FileQuery
from app.api.fields import MAX_ID_CHARS
from app.api.openapi.error_schemas import AnthropicErrorSchema
from app.api.openapi.examples import AT, EXAMPLE_SNAPSHOT, EXAMPLE_VIEW, MODEL_ID
from app.api.status_schemas import CatalogStatusSchema, LivenessSchema
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import status_of
from app.errors import (
    ApiError,
    AuthenticationError,
    InvalidRequest,
    KeysUnavailable,
    ModelNotFound,
    OriginNotAllowed,
    Overloaded,
    RequestTooLarge,
)

JSON = "application/json"
EXAMPLE_REQUEST_ID = "req_0a1b2c3d4e5f60718293a4b5"
ETAG = '"5f1d2c4b8a7e6f90123456789abcdef0"'

MCP_BODY = {
    "schema": {
        "type": "object",
        "description": "One JSON-RPC 2.0 message of the Model Context Protocol.",
        "properties": {
            "jsonrpc": {"type": "string", "enum": ["2.0"]},
            "id": {"type": ["string", "integer"]},
            "method": {"type": "string"},
            "params": {"type": ["object", "null"]},
        },
        "required": ["jsonrpc", "method"],
    },
    "example": {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
}

# An example of each parameter of a query, by its name.
QUERY_EXAMPLES: dict[str, Any] = {
    "limit": 10,
    "after_id": MODEL_ID,
    "before_id": MODEL_ID,
    "lifecycle[]": ["active"],
    "lifecycle": ["active"],
    "view": "models",
    "region": ["us-east-1"],
    "within": ["us-*"],
    "access": ["granted"],
    "query": "claude haiku",
    "provider": ["Anthropic"],
    "input_modalities": ["TEXT"],
    "output_modalities": ["TEXT"],
    "streaming": True,
    "min_input_tokens": 200_000,
    "min_output_tokens": 8_192,
    "capability": ["thinking.types.adaptive"],
    "sort": "price_input",
    "after": "1795348800000-00000",
    "type": ["model.added"],
    "model": ["anthropic.*"],
}


def _header(description: str, example: object, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"} | schema, "example": example}


HEADERS = {
    "request-id": _header(
        "The request's id, in the service's log, too.", EXAMPLE_REQUEST_ID, pattern="^req_[A-Za-z0-9]{8,64}$"
    ),
    "x-request-id": _header("The same, where OpenAI's SDKs look for it.", EXAMPLE_REQUEST_ID),
    "etag": _header("Of the answer's content; it changes when a refresh changes that.", ETAG),
    "last-modified": _header("When the catalog last changed.", "Sun, 22 Nov 2026 12:00:00 GMT"),
    "cache-control": _header("Private, and until the next refresh.", "private, max-age=900"),
    "age": _header("Seconds since the last refresh.", "42", pattern="^[0-9]+$"),
    "vary": _header("What else the answer depends on.", "Accept-Encoding, Authorization, X-Api-Key"),
    "retry-after": _header("Seconds to wait before asking again.", "5", pattern="^[0-9]+$"),
    "x-should-retry": _header("Signals to Anthropic's SDKs that another try is of no use.", "false", enum=["false"]),
    "www-authenticate": _header("How to authenticate.", "Bearer"),
}
IDS = ("request-id", "x-request-id")
CACHED = ("etag", "last-modified", "cache-control", "age", "vary")

VERSION_HEADERS = [
    {
        "in": "header",
        "name": "anthropic-version",
        "description": "What Anthropic's SDKs send; every value is taken.",
        "schema": {"type": "string"},
        "example": "2023-06-01",
    },
    {
        "in": "header",
        "name": "anthropic-beta",
        "description": "What Anthropic's SDKs send; every value is taken.",
        "schema": {"type": "string"},
        "example": "models-2026-10-21",
    },
]
CONDITION_HEADERS = [
    {
        "in": "header",
        "name": "if-none-match",
        "description": "Entity tags that the client has the answers of: 304 if one still holds.",
        "schema": {"type": "string"},
        "example": ETAG,
    },
]
MODEL_ID_PARAMETER = {
    "in": "path",
    "name": "model_id",
    "required": True,
    "description": "A model's id, an inference profile's id, an ARN of either, one of these as gateways write it "
    "(`bedrock/ID`), or with Claude Code's suffix `[1m]`; `/` may stand as it is or as `%2F`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
    "example": MODEL_ID,
}

NO_CATALOG = Overloaded("no region has answered yet: AccessDeniedException in 2 of 2 regions")
INVALID_LIMIT = InvalidRequest("limit", "Input should be less than or equal to 1000")
INVALID_REGION = InvalidRequest("region", "Input should be 'eu-west-1' or 'us-east-1'")
INVALID_ID = InvalidRequest("model_id", "String should have at most 2048 characters")
EVERYWHERE = (AuthenticationError(key_given=True), RequestTooLarge(), KeysUnavailable())


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDescription:
    """A good response, by its schema or else its type, and an example of it; no content type, no body."""

    schema: Schema | None = None
    content_type: str = JSON
    type: str = "object"
    example: object = None
    description: str = "The answer."
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The description of one route.

    `errors` are examples, one or more a status. `arguments` is the schema of the query string. `example_arguments` are
    those of a query's example; None where the route runs no query.
    """

    tag: str
    summary: str
    responses: Mapping[int, ResponseDescription] = field(default_factory=dict)
    errors: Sequence[ApiError] = ()
    arguments: Schema | None = None
    example_arguments: Mapping[str, object] | None = None
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    method: str = "get"
    is_public: bool = False
    takes_key_in_query: bool = False

    def of_query(self, query: CatalogQuery | FileQuery) -> "Operation":
        """The description completed from the query that the route runs."""
        assert self.example_arguments is not None, "a route with a query has arguments for its example"
        in_path = {parameter["name"] for parameter in self.parameters if parameter["in"] == "path"}
        in_query = set(query.arguments.fields) - in_path
        arguments = query.validate(self.example_arguments)
        if isinstance(query, FileQuery):
            text = query.answer(EXAMPLE_VIEW, arguments).decode()
            answer = ResponseDescription(content_type=query.media_type, type="string", example=text, headers=CACHED)
        else:
            answer = ResponseDescription(
                schema=query.result, example=query.answer(EXAMPLE_VIEW, arguments), headers=CACHED
            )
        return replace(
            self,
            arguments=query.arguments if in_query else None,
            responses={
                200: answer,
                304: ResponseDescription(
                    content_type="", description="The client has this answer already.", headers=CACHED
                ),
                **({414: URI_TOO_LONG} if query.arguments.fields else {}),
            },
        )


# gunicorn answers before there is a path, so it does in one dialect for all.
URI_TOO_LONG = ResponseDescription(
    schema=AnthropicErrorSchema(),
    description="The request line is longer than 8,190 bytes.",
    example={
        "type": "error",
        "error": {"type": "request_too_large", "message": "Request-URI Too Long"},
        "request_id": EXAMPLE_REQUEST_ID,
    },
)


def _status(snapshot: CatalogSnapshot | None) -> object:
    return CatalogStatusSchema().dump(status_of(snapshot, at=AT, refresh_s=900))


PAGE = ResponseDescription(content_type="text/html", type="string", example="<!doctype html>", headers=("etag",))

# Every route's description, by its endpoint.
OPERATIONS: Mapping[str, Operation] = {
    "anthropic.list_models": Operation(
        tag="Anthropic",
        summary="List the chat models, most recently released first",
        parameters=(*VERSION_HEADERS, *CONDITION_HEADERS),
        example_arguments={"limit": 20, "lifecycle[]": ["active"]},
        errors=(INVALID_LIMIT, *EVERYWHERE, NO_CATALOG),
    ),
    "anthropic.retrieve_model": Operation(
        tag="Anthropic",
        summary="Retrieve a chat model by any of its names",
        parameters=(MODEL_ID_PARAMETER, *VERSION_HEADERS, *CONDITION_HEADERS),
        example_arguments={"model_id": MODEL_ID},
        errors=(INVALID_ID, *EVERYWHERE, ModelNotFound("no-such-model"), NO_CATALOG),
    ),
    "openai.list_models": Operation(
        tag="OpenAI",
        summary="List every callable model, of any modality",
        parameters=CONDITION_HEADERS,
        example_arguments={},
        errors=(INVALID_REGION, *EVERYWHERE, NO_CATALOG),
    ),
    "openai.retrieve_model": Operation(
        tag="OpenAI",
        summary="Retrieve a model by any of its names",
        parameters=(MODEL_ID_PARAMETER, *CONDITION_HEADERS),
        example_arguments={"model_id": MODEL_ID},
        errors=(INVALID_ID, *EVERYWHERE, ModelNotFound("no-such-model"), NO_CATALOG),
    ),
    "search.search_models": Operation(
        tag="Search",
        summary="Search models by what they can do and where",
        parameters=CONDITION_HEADERS,
        example_arguments={"query": "haiku", "limit": 20},
        errors=(INVALID_LIMIT, *EVERYWHERE, NO_CATALOG),
    ),
    "mcp.post_message": Operation(
        tag="Agents",
        summary="Take one message of the Model Context Protocol (streamable HTTP, no sessions)",
        method="post",
        body=MCP_BODY,
        responses={
            200: ResponseDescription(example={"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}),
            202: ResponseDescription(content_type="", description="A notification was taken."),
        },
        errors=(
            InvalidRequest("request", "Body must be a single JSON-RPC request or notification object"),
            OriginNotAllowed(),
            *EVERYWHERE,
        ),
    ),
    "health.livez": Operation(
        tag="Operation",
        summary="Report that the process serves",
        responses={200: ResponseDescription(schema=LivenessSchema(), example={"status": "ok"})},
        errors=(RequestTooLarge(),),
        is_public=True,
    ),
    "health.readyz": Operation(
        tag="Operation",
        summary="Report whether a catalog is loaded, how old it is, and how each region is",
        responses={
            200: ResponseDescription(
                schema=CatalogStatusSchema(),
                description="A catalog is served, fresh or stale.",
                example=_status(EXAMPLE_SNAPSHOT),
            ),
            503: ResponseDescription(
                schema=CatalogStatusSchema(), description="No catalog is loaded.", example=_status(None)
            ),
        },
        errors=(RequestTooLarge(),),
        is_public=True,
    ),
    "key_check.check_key": Operation(
        tag="Operation",
        summary="Check a key for a reverse proxy",
        responses={
            204: ResponseDescription(content_type="", description="The key is good.", headers=("cache-control",))
        },
        errors=EVERYWHERE,
    ),
    "metrics.metrics": Operation(
        tag="Operation",
        summary="Report metrics to Prometheus",
        responses={
            200: ResponseDescription(content_type="text/plain", type="string", example="model_catalog_up 1.0\n")
        },
        errors=EVERYWHERE,
    ),
    "docs.openapi_json": Operation(
        tag="Operation",
        summary="Describe the service",
        parameters=CONDITION_HEADERS,
        responses={
            200: ResponseDescription(example={"openapi": "3.1.0"}, headers=("etag",)),
            304: ResponseDescription(content_type="", description="The client has it already.", headers=("etag",)),
        },
        errors=(RequestTooLarge(),),
        is_public=True,
    ),
    "pages.show_root": Operation(
        tag="Page",
        summary="Show the page for people, or to programs the names of the routes",
        parameters=CONDITION_HEADERS,
        responses={
            200: ResponseDescription(example={"routes": {"search_models": "/search_models"}}),
            304: ResponseDescription(content_type="", description="The client has it already."),
        },
        errors=(RequestTooLarge(),),
        is_public=True,
    ),
    "pages.show_catalog": Operation(
        tag="Page",
        summary="Show the page for people",
        parameters=CONDITION_HEADERS,
        responses={
            200: PAGE,
            304: ResponseDescription(content_type="", description="The client has it already.", headers=("etag",)),
        },
        errors=(RequestTooLarge(),),
        is_public=True,
    ),
}
