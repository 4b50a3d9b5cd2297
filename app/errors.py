"""Errors on the wire: what went wrong is said once, each dialect puts it into its own envelope."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, jsonify, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from app.api.fields import alternatives
from app.catalog.current import CatalogUnavailable
from app.catalog.paging import UnknownCursor
from app.catalog.selection import UnknownValue
from app.web.request_ids import current_request_id
from config import Settings

log = structlog.get_logger(__name__)

# While there is no catalog, the refresher tries again about this often.
RETRY_AFTER_S = 5
# The only bodies that a route reads are agents' calls, which are short; whoever sends more is refused unread.
BODY_BYTES_AT_MOST = 1 << 20

MCP_PATH = "/mcp"
# JSON-RPC 2.0, section 5.1.
JSONRPC_INVALID_REQUEST = -32600
JSONRPC_INTERNAL_ERROR = -32603


class ApiError(Exception):
    """An error that a client is to see; `message` holds nothing of ours that it must not know."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    anthropic_type = "api_error"
    openai_type = "server_error"
    openai_message: str | None = None
    jsonrpc_code: int | None = None
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = {}

    def __init__(self, message: str = "Internal server error") -> None:
        super().__init__(message)
        self.message = message


class AuthenticationError(ApiError):
    status = HTTPStatus.UNAUTHORIZED
    anthropic_type = "authentication_error"
    openai_type = "invalid_request_error"
    headers = {"x-should-retry": "false"}

    def __init__(self, *, key_given: bool) -> None:
        super().__init__("invalid x-api-key" if key_given else "x-api-key header is required")
        self.code = "invalid_api_key" if key_given else None
        self.openai_message = (
            "Incorrect API key provided."
            if key_given
            else "You didn't provide an API key. You need to provide your API key in an Authorization header using "
            "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        )


class InvalidRequest(ApiError):
    status = HTTPStatus.BAD_REQUEST
    anthropic_type = openai_type = "invalid_request_error"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.param = field


class OriginNotAllowed(ApiError):
    status = HTTPStatus.FORBIDDEN
    anthropic_type = "permission_error"
    openai_type = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Origin not allowed")


class ModelNotFound(ApiError):
    status = HTTPStatus.NOT_FOUND
    anthropic_type = "not_found_error"
    openai_type = "invalid_request_error"
    param = "model"
    code = "model_not_found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"model: {model_id}")
        self.openai_message = f"The model `{model_id}` does not exist"


class RouteNotFound(ApiError):
    status = HTTPStatus.NOT_FOUND
    anthropic_type = "not_found_error"
    openai_type = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Not found")


class MethodNotSupported(ApiError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    anthropic_type = openai_type = "invalid_request_error"

    def __init__(self, allowed: str) -> None:
        super().__init__("Method Not Allowed")
        self.headers = {"Allow": allowed}


class RequestTooLarge(ApiError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    anthropic_type = "request_too_large"
    openai_type = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Request exceeds the maximum size")


class Overloaded(ApiError):
    """No catalog yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    anthropic_type = "overloaded_error"
    headers = {"retry-after": str(RETRY_AFTER_S)}

    def __init__(self) -> None:
        super().__init__("The model catalog is not loaded yet; try again in a few seconds")


class KeysUnavailable(ApiError):
    """The key is none that is known, and a source of keys could not be read yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    anthropic_type = "overloaded_error"
    headers = {"retry-after": str(RETRY_AFTER_S)}

    def __init__(self) -> None:
        super().__init__("The API keys are not loaded yet; try again in a few seconds")


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
    """What MCP clients show to their user; one that is not JSON-RPC they drop."""
    return {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": error.jsonrpc_code or (JSONRPC_INTERNAL_ERROR if error.status >= 500 else JSONRPC_INVALID_REQUEST),
            "message": error.message,
            "data": {"type": error.anthropic_type, "request_id": request_id},
        },
    }


def envelope_of(path: str, settings: Settings) -> Any:
    """The envelope that a path's clients read; Anthropic's where no dialect claims it."""
    if path.rstrip("/") == MCP_PATH:
        return jsonrpc_envelope
    claims = [(f"{settings.openai_prefix}/v1", openai_envelope), (settings.openai_prefix, openai_envelope)]
    if settings.serves_anthropic:
        claims.insert(0, (f"{settings.anthropic_prefix}/v1", anthropic_envelope))
        claims.append((settings.anthropic_prefix, anthropic_envelope))
    # The longest claim is the closest.
    for claimed, envelope in sorted(claims, key=lambda claim: -len(claim[0])):
        if claimed and (path == claimed or path.startswith(f"{claimed}/")):
            return envelope
    return anthropic_envelope


def as_api_error(error: Exception) -> ApiError:
    """What any exception of a request is to its client."""
    match error:
        case ApiError():
            return error
        case CatalogUnavailable():
            return Overloaded()
        case UnknownCursor():
            return InvalidRequest(error.field, f"No model with the id '{error.model_id}' was listed")
        case UnknownValue():
            return InvalidRequest(error.field, _expected(error.allowed))
        case ValidationError():
            return _first_reason(error)
        case NotFound():
            return RouteNotFound()
        case MethodNotAllowed():
            return MethodNotSupported(", ".join(sorted(error.valid_methods or ())))
        case RequestEntityTooLarge():
            return RequestTooLarge()
        case HTTPException() if error.code is not None and error.code < 500:
            return InvalidRequest("request", error.name)
    log.error("request_failed", exc_info=error, path=request.path)
    return ApiError()


def _expected(allowed: tuple[str, ...]) -> str:
    return f"Input should be {alternatives(allowed)}" if allowed else "No model in this catalog has one"


def _first_reason(error: ValidationError) -> InvalidRequest:
    messages: Any = error.messages
    path = []
    while isinstance(messages, dict):
        key, messages = next(iter(messages.items()))
        path.append(str(key))
    return InvalidRequest(".".join(path), str(messages[0]))


def init_app(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_AT_MOST

    @app.before_request
    def refuse_large_body() -> None:
        if (request.content_length or 0) > BODY_BYTES_AT_MOST:
            raise RequestTooLarge

    @app.errorhandler(Exception)
    def answer(raised: Exception) -> Response:
        error = as_api_error(raised)
        response = jsonify(envelope_of(request.path, settings)(error, current_request_id()))
        response.status_code = error.status
        response.headers.update(error.headers)
        return response
