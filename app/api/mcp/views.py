"""The Model Context Protocol: one POST endpoint, JSON answers, no sessions."""

import re

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest

from app.api.request_state import current_settings
from app.errors import BODY_BYTES_AT_MOST, MCP_PATH, OriginNotAllowed, RequestTooLarge
from config import EVERY_ORIGIN

bp = Blueprint("mcp", __name__)

# A page that the user's own machine serves is the user's.
LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.post(MCP_PATH)
def post_message() -> ResponseReturnValue:
    check_origin(request.headers.get("Origin"))
    try:
        body = request.get_data(cache=False)
    except ParseException:
        raise BadRequest from None
    if request.content_length is None and len(body) >= BODY_BYTES_AT_MOST:
        # werkzeug cuts a body whose length was not told at the limit, without a word.
        raise RequestTooLarge
    # The SDK's import takes over a second and half of a worker's memory: a worker has it from its first message on.
    from app.api.mcp.server import check_message, exchange, make_server

    check_message(body)
    if "mcp" not in current_app.extensions:
        current_app.extensions["mcp"] = make_server(current_settings())
    answer = exchange(current_app.extensions["mcp"], request.headers, body)
    response = Response(answer.body, status=answer.status, mimetype="application/json")
    if not answer.body:
        del response.headers["Content-Type"]
    return response


def check_origin(origin: str | None) -> None:
    """Refuse pages that made a browser take this service's name or address for theirs.

    Raises:
        OriginNotAllowed
    """
    allowed = current_settings().cors_origins
    if origin is None or EVERY_ORIGIN in allowed or origin.lower() in allowed or LOCAL_ORIGIN.fullmatch(origin):
        return
    raise OriginNotAllowed
