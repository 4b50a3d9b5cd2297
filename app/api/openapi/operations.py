"""What a route cannot tell of itself: its errors, its headers, and an example of each.

Examples of answers are made by the very schemas that answer, over a small catalog.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema

from app.api.anthropic import views as anthropic
from app.api.openai import views as openai
from app.api.search import views as search
from app.api.status_schemas import CatalogStatusSchema, LivenessSchema
from app.catalog.merge import derive
from app.catalog.records import (
    INFERENCE_PROFILE,
    ON_DEMAND,
    TEXT,
    CatalogSnapshot,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    RegionFailure,
    RegionListing,
)
from app.catalog.search import ModelFilter
from app.catalog.search import search as search_catalog
from app.catalog.selection import chat_page
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
from config import Settings

JSON = "application/json"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MODEL_ID = "anthropic.claude-haiku-4-5-20251001-v1:0"
EXAMPLE_REQUEST_ID = "req_0a1b2c3d4e5f60718293a4b5"
ETAG = '"5f1d2c4b8a7e6f90123456789abcdef0"'

EXAMPLE_CATALOG = derive(
    CatalogState(
        source="aws",
        attempted_at=AT,
        refreshed_at=AT,
        changed_at=AT,
        listings=(
            RegionListing(
                region="us-east-1",
                listed_at=AT,
                took_ms=412,
                models=(
                    FoundationModel(
                        id=MODEL_ID,
                        name="Claude Haiku 4.5",
                        provider="Anthropic",
                        input_modalities=(TEXT, "IMAGE"),
                        output_modalities=(TEXT,),
                        response_streaming=True,
                        inference_types=(ON_DEMAND, INFERENCE_PROFILE),
                        lifecycle_status="ACTIVE",
                        start_of_life_at=datetime(2025, 10, 15, tzinfo=UTC),
                    ),
                ),
                profiles=(InferenceProfile(id=f"us.{MODEL_ID}", status="ACTIVE", model_ids=(MODEL_ID,)),),
            ),
        ),
        failures=(RegionFailure(region="eu-west-1", failed_at=AT, code="AccessDeniedException", took_ms=96),),
    ),
    at=AT,
)

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
    "region": ["us-east-1"],
    "query": "claude haiku",
    "provider": ["Anthropic"],
    "input_modalities": ["TEXT"],
    "output_modalities": ["TEXT"],
    "streaming": True,
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
    "cache-control": _header("Private, and for one refresh interval.", "private, max-age=900"),
    "age": _header("Seconds since the last refresh.", "42", pattern="^[0-9]+$"),
    "vary": _header("What else the answer depends on.", "Accept-Encoding, Authorization, X-Api-Key"),
    "retry-after": _header("Seconds to wait before asking again.", "5", pattern="^[0-9]+$"),
    "x-should-retry": _header("Tells Anthropic's SDKs that another try is of no use.", "false", enum=["false"]),
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
    "description": "A model's id, an inference profile's id, an ARN of either, or one of these with Claude Code's "
    "suffix `[1m]`; `/` may stand as it is or as `%2F`.",
    "schema": {"type": "string", "minLength": 1},
    "example": MODEL_ID,
}

INVALID_LIMIT = InvalidRequest("limit", "Input should be less than or equal to 1000")
EVERYWHERE = (AuthenticationError(key_given=True), RequestTooLarge(), KeysUnavailable())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer, by its schema or else its type, and what makes an example of it; no content type, no body."""

    schema: Schema | None = None
    content_type: str = JSON
    type: str = "object"
    example: Callable[[CatalogSnapshot], object] | None = None
    description: str = "The answer."
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is told of one route; `errors` are examples, one or more a status."""

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    errors: Sequence[ApiError] = ()
    query: Schema | None = None
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    method: str = "get"
    is_public: bool = False


def operations(settings: Settings) -> dict[str, Operation]:
    """Every route's description, by its endpoint."""
    page, model = anthropic.shapes(settings)
    one = EXAMPLE_CATALOG.models[0]
    unavailable = Answer(schema=CatalogStatusSchema(), description="No catalog is loaded.", example=_no_status)
    status = Answer(schema=CatalogStatusSchema(), description="A catalog is served, fresh or stale.", example=_status)
    return {
        "anthropic.list_models": Operation(
            tag="Anthropic",
            summary="List the chat models, most recently released first",
            query=anthropic.QUERY,
            parameters=(*VERSION_HEADERS, *CONDITION_HEADERS),
            answers=_kept(page, lambda catalog: page.dump(chat_page(catalog, limit=20, lifecycles=["active"]))),
            errors=(INVALID_LIMIT, *EVERYWHERE, Overloaded()),
        ),
        "anthropic.retrieve_model": Operation(
            tag="Anthropic",
            summary="Retrieve a chat model by any of its names",
            parameters=(MODEL_ID_PARAMETER, *VERSION_HEADERS, *CONDITION_HEADERS),
            answers=_kept(model, lambda catalog: model.dump(one)),
            errors=(*EVERYWHERE, ModelNotFound("no-such-model"), Overloaded()),
        ),
        "openai.list_models": Operation(
            tag="OpenAI",
            summary="List every callable model, of any modality",
            parameters=CONDITION_HEADERS,
            answers=_kept(openai.LIST, lambda catalog: openai.LIST.dump({"models": catalog.models})),
            errors=(*EVERYWHERE, Overloaded()),
        ),
        "openai.retrieve_model": Operation(
            tag="OpenAI",
            summary="Retrieve a model by any of its names",
            parameters=(MODEL_ID_PARAMETER, *CONDITION_HEADERS),
            answers=_kept(openai.MODEL, lambda catalog: openai.MODEL.dump(one)),
            errors=(*EVERYWHERE, ModelNotFound("no-such-model"), Overloaded()),
        ),
        "search.search_models": Operation(
            tag="Search",
            summary="Search models by what they can do and where",
            query=search.QUERY,
            parameters=CONDITION_HEADERS,
            answers=_kept(search.RESULT, _search_result),
            errors=(INVALID_LIMIT, *EVERYWHERE, Overloaded()),
        ),
        "mcp.post_message": Operation(
            tag="Agents",
            summary="Take one message of the Model Context Protocol (streamable HTTP, no sessions)",
            method="post",
            body=MCP_BODY,
            answers={
                200: Answer(example=lambda catalog: {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}),
                202: Answer(content_type="", description="A notification was taken."),
            },
            errors=(
                InvalidRequest("request", "Body must be a single JSON-RPC request or notification object"),
                OriginNotAllowed(),
                *EVERYWHERE,
            ),
        ),
        "health.livez": Operation(
            tag="Operation",
            summary="Tell that the process serves",
            answers={200: Answer(schema=LivenessSchema(), example=lambda catalog: {"status": "ok"})},
            errors=(RequestTooLarge(),),
            is_public=True,
        ),
        "health.readyz": Operation(
            tag="Operation",
            summary="Tell whether a catalog is loaded, how old it is, and how each region is",
            answers={200: status, 503: unavailable},
            errors=(RequestTooLarge(),),
            is_public=True,
        ),
        "metrics.metrics": Operation(
            tag="Operation",
            summary="Tell Prometheus",
            answers={
                200: Answer(content_type="text/plain", type="string", example=lambda catalog: "model_catalog_up 1.0\n")
            },
            errors=EVERYWHERE,
        ),
        "docs.openapi_json": Operation(
            tag="Operation",
            summary="Describe the service",
            parameters=CONDITION_HEADERS,
            answers={
                200: Answer(example=lambda catalog: {"openapi": "3.1.0"}, headers=("etag",)),
                304: Answer(content_type="", description="The client has it already.", headers=("etag",)),
            },
            errors=(RequestTooLarge(),),
            is_public=True,
        ),
    }


def _kept(schema: Schema, example: Callable[[CatalogSnapshot], object]) -> dict[int, Answer]:
    """What is answered from the catalog alone, so that a client may keep it."""
    return {
        200: Answer(schema=schema, example=example, headers=CACHED),
        304: Answer(content_type="", description="The client has this answer already.", headers=CACHED),
    }


def _search_result(catalog: CatalogSnapshot) -> object:
    return search.RESULT.dump(search_catalog(catalog, ModelFilter(text="haiku"), limit=20))


def _status(catalog: CatalogSnapshot | None) -> object:
    return CatalogStatusSchema().dump(status_of(catalog, at=AT, refresh_s=900))


def _no_status(catalog: CatalogSnapshot) -> object:
    return _status(None)
