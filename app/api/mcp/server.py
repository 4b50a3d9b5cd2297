"""The catalog's tools for agents. The official SDK speaks the Model Context Protocol; a tool runs a route's query.

Nothing outlives a request: each has its own event loop, session manager and, in the handshake's era, session. So
requests of one client may go to any worker of any host, and a fork has nothing to carry over.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from marshmallow import Schema
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    CallToolRequestParams,
    CallToolResult,
    JSONRPCRequest,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from mcp_types.jsonrpc import jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import from_json

from app import __version__
from app.api.answering import answer
from app.api.arguments import without_empty
from app.api.catalog_query import CatalogQuery
from app.api.mcp.brief import BriefPageSchema, BriefResultSchema
from app.api.mcp.json_schema import arguments_schema, json_schema_of
from app.api.mcp.model_changes import MODEL_CHANGES
from app.api.queries import Queries
from app.errors import ApiError, InvalidRequest, Overloaded, alternatives
from app.services import Services
from app.web.error_envelopes import MCP_PATH
from app.web.error_handler import as_api_error

NAME = "bedrock-model-catalog"
INSTRUCTIONS = (
    "The models that AWS Bedrock offers in this service's regions, kept up to date. Ask search_models first to find "
    "models by provider, modality, region or name; anthropic_model_list pages through the chat models (text in and "
    "out), newest first; anthropic_model_get describes one of those; model_changes lists what is new "
    "and what ends soon."
)
# The tools change with the service's version and settings alone.
TOOLS_HINT = CacheHint(ttl_ms=300_000, scope="public")
SHORT, FULL = DETAILS = ("short", "full")
MAX_NAME_CHARS_SHOWN = 100
MEDIA_HEADERS = (b"accept", b"content-type")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogTool:
    """A tool: the query of a route, with arguments named as model providers allow, and its description.

    `brief` answers in short, where the tool has an argument for how much is wanted.
    """

    query: CatalogQuery
    brief: CatalogQuery | None
    description: Tool

    def choose(self, arguments: dict[str, Any]) -> tuple[CatalogQuery, dict[str, Any]]:
        """The query that is to answer, and its arguments.

        Raises:
            InvalidRequest: the caller wants another detail than there is.
        """
        if self.brief is None:
            return self.query, arguments
        detail = without_empty(arguments.get("detail"))
        if detail in (None, []):
            detail = SHORT
        if detail not in DETAILS:
            raise InvalidRequest("detail", f"Input should be {alternatives(DETAILS)}")
        others = {name: value for name, value in arguments.items() if name != "detail"}
        return self.brief if detail == SHORT else self.query, others


class BadMessage(ApiError):
    """A body that is no JSON-RPC message."""

    status = HTTPStatus.BAD_REQUEST
    anthropic_type = "invalid_request_error"

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.jsonrpc_code = code


class NotAccepted(ApiError):
    """What the SDK refused without a JSON-RPC body, as for a media type."""

    anthropic_type = "invalid_request_error"

    def __init__(self, status: int, message: str) -> None:
        self.status = HTTPStatus(status)
        super().__init__(message or self.status.phrase)


@dataclass(slots=True)
class ProtocolResponse:
    """The SDK's response, in the terms of HTTP; the body is JSON or nothing."""

    status: int = 500
    body: bytes = b""
    is_json: bool = False


def make_server(queries: Queries, services: Services) -> Server[Any]:
    """The protocol's side of the tools; it holds no state of any request."""
    # The SDK logs each request at its start and its end; the access log does that.
    logging.getLogger("mcp").setLevel(logging.WARNING)
    tools = {tool.description.name: tool for tool in _tools(queries)}
    listed = ListToolsResult(tools=[tool.description for tool in tools.values()])

    async def list_tools(ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(code=INVALID_PARAMS, message="cursor: all tools are on the first page")
        return listed

    async def call_tool(ctx: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {params.name[:MAX_NAME_CHARS_SHOWN]}")
        return _call(tool, params.arguments or {}, services)

    def input_schema(name: str) -> dict[str, Any] | None:
        return tools[name].description.input_schema if name in tools else None

    return Server(
        NAME,
        version=__version__,
        title="Bedrock model catalog",
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": TOOLS_HINT, "server/discover": TOOLS_HINT},
        # Else the SDK lists all tools for every call, to look whether an argument is to stand in a header, too.
        get_tool_input_schema=input_schema,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _tools(queries: Queries) -> Iterable[CatalogTool]:
    yield _tool(
        "search_models",
        "Search models",
        "Find Bedrock models by what they can do and where. Filters combine with AND; without any, all models. Start "
        "here. The answer is short: anthropic_model_get shows which id to send in each region (`invoke`) and where a "
        "call is processed.",
        queries.search_models,
        brief=BriefResultSchema(),
    )
    yield _tool(
        "anthropic_model_list",
        "List chat models",
        "List the chat models (text in and text out), newest release first, by pages. The answer is short; with "
        "detail=full it has the form of Anthropic's Models API.",
        queries.list_chat_models,
        brief=BriefPageSchema(),
    )
    yield _tool(
        "anthropic_model_get",
        "Get a chat model",
        "Get one chat model or inference profile in the form of Anthropic's Models API, by its id or ARN. "
        "`aws_bedrock.invoke` is the id to send in each region.",
        queries.get_chat_model,
    )
    yield _tool(
        "model_changes",
        "What changed and what ends",
        "Say what AWS changed of Bedrock's models lately (new and removed models, regions, inference profiles, "
        "lifecycle, dates) and which models end soon, with the aliases that stand for them. "
        "anthropic_model_get shows a model in full.",
        MODEL_CHANGES,
    )


def _tool(name: str, title: str, description: str, query: CatalogQuery, brief: Schema | None = None) -> CatalogTool:
    arguments = arguments_schema(query.arguments)
    input_schema = json_schema_of(arguments, all_present=False)
    for argument, default in query.defaults.items():
        input_schema["properties"][argument]["default"] = default
    output_schema = json_schema_of(query.result, all_present=True)
    query = replace(query, arguments=arguments, has_fixed_defaults=True)
    if brief is not None:
        input_schema["properties"]["detail"] = {
            "type": "string",
            "enum": list(DETAILS),
            "default": SHORT,
            "description": "How much of each entry: short, or full.",
        }
        entries = output_schema["properties"]["data"]
        short = json_schema_of(brief, all_present=True)["properties"]["data"]["items"]
        entries["items"] = {"anyOf": [short, entries["items"]]}
    return CatalogTool(
        query=query,
        brief=None if brief is None else replace(query, result=brief),
        description=Tool(
            name=name,
            title=title,
            description=description,
            input_schema=input_schema,
            output_schema=output_schema,
            annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
        ),
    )


def _call(tool: CatalogTool, arguments: dict[str, Any], services: Services) -> CallToolResult:
    """
    Raises:
        MCPError: a fault of ours; what the caller can mend is a result that says so.
    """
    try:
        query, arguments = tool.choose(arguments)
        body, _ = answer(query, arguments, services)
    # Left to the SDK, its text would go to clients of the handshake's era.
    except Exception as raised:  # noqa: BLE001
        error = as_api_error(raised)
        if error.status >= 500 and not isinstance(error, Overloaded):
            raise MCPError(code=INTERNAL_ERROR, message=error.message) from None
        return CallToolResult(content=[TextContent(text=f"{error.anthropic_type}: {error.message}")], is_error=True)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(text=text)], structured_content=body)


def check_message(body: bytes) -> None:
    """Refuse what the SDK lets pass in the handshake's era: an id that is neither text nor an integer, and NaN.

    Raises:
        BadMessage
    """
    try:
        message = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise BadMessage(PARSE_ERROR, "Parse error") from None
    try:
        if isinstance(message, dict) and "id" in message and "method" in message:
            JSONRPCRequest.model_validate(message)
        else:
            jsonrpc_message_adapter.validate_python(message)
    except ValidationError:
        raise BadMessage(INVALID_REQUEST, "Body must be a single JSON-RPC request or notification object") from None


def exchange(server: Server[Any], headers: Iterable[tuple[str, str]], body: bytes) -> ProtocolResponse:
    """Let the SDK answer one POST.

    Raises:
        NotAccepted
    """
    response = asyncio.run(_exchange(server, _protocol_headers(headers), body))
    if response.status >= 400 and not response.is_json:
        raise NotAccepted(response.status, response.body.decode())
    return response


def _protocol_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """The headers that the protocol defines; the SDK does not see the keys."""
    lowered = ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    known = [(name, value) for name, value in lowered if name in MEDIA_HEADERS or name.startswith(b"mcp-")]
    if not any(name == b"accept" for name, _ in known):
        # RFC 9110: a client that does not say what it accepts accepts anything.
        known.append((b"accept", b"*/*"))
    return known


async def _exchange(server: Server[Any], headers: list[tuple[bytes, bytes]], body: bytes) -> ProtocolResponse:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": MCP_PATH,
        "query_string": b"",
        "headers": headers,
    }
    unread = [{"type": "http.request", "body": body, "more_body": False}]
    response = ProtocolResponse()

    async def receive() -> Any:
        if not unread:
            # What comes after the body is the client's leaving, which WSGI does not report.
            await asyncio.Event().wait()
        return unread.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.is_json = dict(message["headers"]).get(b"content-type", b"").startswith(b"application/json")
        else:
            response.body += message.get("body", b"")

    manager = StreamableHTTPSessionManager(app=server, json_response=True, stateless=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)
    return response
