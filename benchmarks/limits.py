"""What the service is measured against: the same bytes, from as little as can answer with them.

BENCH_BODIES is a folder with one file an answer, named by the path and the query that it answers.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Flask, Response, request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def file_name(path: str, query: str = "") -> str:
    return quote(f"{path}?{query}" if query else path, safe="")


def bodies(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def folder() -> Path:
    return Path(os.environ["BENCH_BODIES"])


def bare_app() -> Any:
    """A WSGI callable that looks the bytes up: what the server itself costs."""
    ready = {
        name: ([("Content-Type", "application/json"), ("Content-Length", str(len(body)))], [body])
        for name, body in bodies(folder()).items()
    }

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        if "HTTP_IF_NONE_MATCH" in environ:
            start_response("304 NOT MODIFIED", [("ETag", environ["HTTP_IF_NONE_MATCH"])])
            return []
        headers, body = ready[file_name(environ["PATH_INFO"], environ["QUERY_STRING"])]
        start_response("200 OK", headers)
        return body

    return application


def flask_app() -> Flask:
    """A Flask view that looks the bytes up."""
    app, ready = Flask(__name__), bodies(folder())

    @app.get("/<path:path>")
    def answer(path: str) -> Response:
        if "If-None-Match" in request.headers:
            return Response(status=304)
        return Response(ready[file_name(f"/{path}", request.query_string.decode())], mimetype="application/json")

    return app
