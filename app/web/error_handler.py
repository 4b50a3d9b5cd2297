"""Turns whatever a request raises into an error response in the dialect of its path."""

from typing import Any

import structlog
from flask import Flask, Response, jsonify, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.catalog.aliases import AliasTargetGone
from app.catalog.current import CatalogUnavailable
from app.catalog.paging import UnknownCursor
from app.catalog.view import UnknownValue
from app.catalog.visible_events import InvalidEventId
from app.errors import (
    AliasTargetNotFound,
    ApiError,
    InvalidRequest,
    MethodNotSupported,
    Overloaded,
    RequestTooLarge,
    RouteNotFound,
    alternatives,
)
from app.web.error_envelopes import envelope_of, inference_refusal
from app.web.request_body import MAX_BODY_BYTES, content_length_of
from app.web.request_context import context_of
from config import Settings

log = structlog.get_logger(__name__)


def as_api_error(error: Exception) -> ApiError:
    """What any exception of a request is to its client."""
    match error:
        case ApiError():
            return error
        case CatalogUnavailable():
            return Overloaded(error.reason)
        case AliasTargetGone():
            return AliasTargetNotFound(error.alias.name, error.alias.target)
        case UnknownCursor():
            return InvalidRequest(error.field, f"No model with the id '{error.model_id}' was listed")
        case UnknownValue():
            return InvalidRequest(error.field, _expected(error.allowed))
        case InvalidEventId():
            return InvalidRequest("after", "Input should be the id of an event, such as '1790000000000-00000'")
        case ValidationError():
            return _first_reason(error)
        case NotFound():
            return RouteNotFound()
        case MethodNotAllowed():
            return MethodNotSupported(", ".join(sorted(error.valid_methods or ())))
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


def init_app(app: Flask, settings: Settings) -> None:
    @app.before_request
    def refuse_large_body() -> None:
        if (content_length_of(request.environ) or 0) > MAX_BODY_BYTES:
            raise RequestTooLarge

    @app.errorhandler(Exception)
    def respond(raised: Exception) -> Response:
        refused = inference_refusal(request.path, settings) if isinstance(raised, NotFound) else None
        error, envelope = refused or (as_api_error(raised), envelope_of(request.path, settings))
        response = jsonify(envelope(error, context_of(request.environ).request_id))
        response.status_code = error.status
        response.headers.update(error.headers)
        return response
