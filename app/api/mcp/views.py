"""The Model Context Protocol: one POST endpoint, JSON responses, no sessions."""

import re
from functools import cache
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from app.api.queries import Queries
from app.errors import OriginNotAllowed
from app.services import Services
from app.web.error_envelopes import MCP_PATH
from app.web.request_body import read_body
from config import EVERY_ORIGIN

# Tools take short arguments.
MAX_MESSAGE_BYTES = 64 << 10
# A page that the user's own machine serves is the user's.
LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)


def make_blueprint(queries: Queries, services: Services) -> Blueprint:
    blueprint = Blueprint("mcp", __name__)

    @cache
    def protocol_server() -> Any:
        from app.api.mcp.server import make_server

        return make_server(queries, services)

    @blueprint.post(MCP_PATH)
    def post_message() -> ResponseReturnValue:
        check_origin(request.headers.get("Origin"), services.settings.cors_origins)
        body = read_body(request.environ, max_bytes=MAX_MESSAGE_BYTES)
        # The SDK's import takes over a second and half of a worker's memory: a worker has it from its first message on.
        from app.api.mcp.server import check_message, exchange

        check_message(body)
        answer = exchange(protocol_server(), request.headers, body)
        response = Response(answer.body, status=answer.status, mimetype="application/json")
        if not answer.body:
            del response.headers["Content-Type"]
        return response

    return blueprint


def check_origin(origin: str | None, allowed: tuple[str, ...]) -> None:
    """Refuse pages that made a browser take this service's name or address for theirs.

    Raises:
        OriginNotAllowed
    """
    if origin is None or EVERY_ORIGIN in allowed or origin.lower() in allowed or LOCAL_ORIGIN.fullmatch(origin):
        return
    raise OriginNotAllowed
