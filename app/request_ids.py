"""A request id on every answer: the SDKs read it from the header, errors carry it in the body as well."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, g, request

from app.proxies import is_trusted
from config import Settings

HEADER = "request-id"
# What OpenAI's SDKs read.
OPENAI_HEADER = "x-request-id"
FROM_PROXY = re.compile(r"req_[A-Za-z0-9]{8,64}")


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


def request_id_of(environ: Mapping[str, Any], proxies: tuple[str, ...]) -> str:
    """The id that the trusted proxy gave the request, so that its log and ours agree, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    if given and FROM_PROXY.fullmatch(given) and is_trusted(environ.get("REMOTE_ADDR", ""), proxies):
        return str(given)
    return new_request_id()


def current_request_id() -> str:
    if "request_id" not in g:
        settings: Settings = current_app.extensions["settings"]
        g.request_id = request_id_of(request.environ, settings.trusted_proxies)
    return str(g.request_id)


def init_app(app: Flask) -> None:
    @app.after_request
    def add_request_id(response: Response) -> Response:
        response.headers[HEADER] = response.headers[OPENAI_HEADER] = current_request_id()
        return response
