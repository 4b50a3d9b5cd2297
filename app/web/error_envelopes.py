"""The dialects' error envelopes, and which one a path's clients read."""

from collections.abc import Callable
from typing import Any

from app.errors import ApiError
from config import Settings

Envelope = Callable[[ApiError, str], dict[str, Any]]

MCP_PATH = "/mcp"
# JSON-RPC 2.0, section 5.1.
JSONRPC_INVALID_REQUEST = -32600
JSONRPC_INTERNAL_ERROR = -32603


def anthropic_envelope(error: ApiError, request_id: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": error.anthropic_type, "message": error.message},
        "request_id": request_id,
    }


def openai_envelope(error: ApiError, request_id: str) -> dict[str, Any]:
    return {
        "error": {
            "message": error.openai_message or error.message,
            "type": error.openai_type,
            "param": error.param,
            "code": error.code,
        }
    }


def jsonrpc_envelope(error: ApiError, request_id: str) -> dict[str, Any]:
    """What MCP clients show to their user; a body that is not JSON-RPC they drop."""
    return {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": error.jsonrpc_code or (JSONRPC_INTERNAL_ERROR if error.status >= 500 else JSONRPC_INVALID_REQUEST),
            "message": error.message,
            "data": {"type": error.anthropic_type, "request_id": request_id},
        },
    }


def envelope_of(path: str, settings: Settings) -> Envelope:
    """The envelope that a path's clients read; Anthropic's where no dialect claims it."""
    if path.rstrip("/") == MCP_PATH:
        return jsonrpc_envelope
    claims: list[tuple[str, Envelope]] = [
        (f"{settings.openai_prefix}/v1", openai_envelope),
        (settings.openai_prefix, openai_envelope),
    ]
    if settings.serves_anthropic:
        claims.insert(0, (f"{settings.anthropic_prefix}/v1", anthropic_envelope))
        claims.append((settings.anthropic_prefix, anthropic_envelope))
    # The longest claim is the closest.
    for claimed, envelope in sorted(claims, key=lambda claim: -len(claim[0])):
        if claimed and (path == claimed or path.startswith(f"{claimed}/")):
            return envelope
    return anthropic_envelope
