"""Cross-origin requests of browsers, as CORS_ALLOW_ORIGINS allows them."""

from flask import Flask, Response, request
from flask_cors import CORS
from werkzeug.exceptions import MethodNotAllowed

from config import EVERY_ORIGIN, Settings

# What the SDKs and MCP clients send. Those of a pattern are the SDKs' reports on themselves.
REQUEST_HEADERS = (
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "authorization",
    "content-type",
    "if-none-match",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "user-agent",  # Forbidden to pages once, and still dropped by some browsers.
    "x-api-key",
    r"^x-stainless-[a-z0-9-]+$",
)
RESPONSE_HEADERS = ("request-id", "x-request-id", "retry-after", "x-should-retry", "etag", "age")
PREFLIGHT_MAX_AGE_S = 3600


def init_app(app: Flask, settings: Settings) -> None:
    """Register it before the keys: a browser sends none with a preflight."""
    if not settings.cors_origins:
        return
    to_every_origin = EVERY_ORIGIN in settings.cors_origins
    CORS(
        app,
        origins=list(settings.cors_origins),
        methods=["GET", "HEAD", "POST"],
        allow_headers=list(REQUEST_HEADERS),
        expose_headers=list(RESPONSE_HEADERS),
        max_age=PREFLIGHT_MAX_AGE_S,
        # A key is sent by the page itself; cookies mean nothing here.
        supports_credentials=False,
        send_wildcard=to_every_origin,
        always_send=to_every_origin,
        vary_header=False,
    )

    @app.before_request
    def answer_preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        # The path is one that is served, though not to this method: OPTIONS has no routes.
        is_served = isinstance(request.routing_exception, MethodNotAllowed)
        return Response(status=204) if is_served else None

    @app.after_request
    def vary_by_origin(response: Response) -> Response:
        # Also where no origin was given: a cache may keep that response for a page of another origin.
        if not to_every_origin:
            response.vary.add("Origin")
        return response
