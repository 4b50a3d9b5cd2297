"""A request id on every answer: the SDKs read it from the header, errors carry it in the body as well."""

import random
import re
from collections.abc import Mapping
from typing import Any

from flask import request

from app.web.proxies import is_trusted

REQUEST_ID_HEADER = "request-id"
# What OpenAI's SDKs read.
OPENAI_HEADER = "x-request-id"
# The key of the WSGI environ that holds it.
REQUEST_ID = "model_catalog.request_id"
FROM_PROXY = re.compile(r"req_[A-Za-z0-9]{8,64}")


def new_request_id() -> str:
    return f"req_{random.getrandbits(96):024x}"


def request_id_of(environ: Mapping[str, Any], proxies: tuple[str, ...]) -> str:
    """The id that the trusted proxy gave the request, so that its log and ours agree, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    if given and FROM_PROXY.fullmatch(given) and is_trusted(environ.get("REMOTE_ADDR", ""), proxies):
        return str(given)
    return new_request_id()


def current_request_id() -> str:
    return str(request.environ[REQUEST_ID])
