"""The service behind a wrapper that adds a key where there is none: the conformance suite can send no headers."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsgi import app as service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

KEY = os.environ["API_KEYS"].partition(",")[0]


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    environ.setdefault("HTTP_X_API_KEY", KEY)
    return service(environ, start_response)


# What gunicorn.conf.py looks for in the application that it serves.
app.extensions = service.extensions  # type: ignore[attr-defined]
