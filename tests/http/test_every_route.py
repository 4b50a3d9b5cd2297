"""What holds for every route, also for those to come."""

import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.catalog.records import CatalogState
from app.catalog.snapshot import CatalogSnapshot
from config import RESERVED_SEGMENTS
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, NOW, listing, model, snapshot

# The only paths that answer without a key.
PUBLIC = {"/livez", "/readyz", "/openapi.json", "/docs/", "/docs/index.css", "/", "/catalog"}
ASSETS = "/catalog/assets/"


# What stands in the place of a route's argument; for all others an id does.
ARGUMENTS = {"path": "index.css"}


def routes(app: Flask) -> list[tuple[str, str]]:
    """(method, path) of every route, with a value in the place of each argument."""
    found = []
    for rule in app.url_map.iter_rules():
        path = rule.build({name: ARGUMENTS.get(name, "a") for name in rule.arguments})
        assert path is not None
        found += [(method, path[1]) for method in sorted(rule.methods or ())]
    return found


def test_every_route_asks_for_a_key_or_is_one_of_the_public_ones(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing("us-east-1", model("a"))))
    stranger, guest = client_of(app, key=None), client_of(app, "wrong")

    for method, path in routes(app):
        expected = (200, 200) if path in PUBLIC else (404, 404) if path.startswith(ASSETS) else (401, 401)
        given = tuple(client.open(path, method=method, buffered=True).status_code for client in (stranger, guest))
        assert given == expected, f"{method} {path}"


def test_the_public_routes_are_there(app: Flask) -> None:
    assert {path for _, path in routes(app)} >= PUBLIC


def test_building_the_app_starts_no_thread_opens_no_socket_and_runs_no_child(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("building the app has an effect")

    monkeypatch.setattr(threading.Thread, "start", forbidden)
    monkeypatch.setattr(socket.socket, "__init__", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)

    make_app(None)
    make_app(None, source="demo")

    assert list(tmp_path.iterdir()) == []


LAYOUTS = [
    ("/anthropic", ""),
    ("", "/openai"),
    ("/a", "/b"),
    ("/api", "/api/openai"),
    ("/api/anthropic", "/api"),
    ("/x", "/x/v1"),
    ("/x/v1", "/x"),
    ("/api", "/api"),
    ("", ""),
]


def is_anthropic_error(answer: TestResponse) -> bool:
    body = answer.json
    return (
        isinstance(body, dict)
        and list(body) == ["type", "error", "request_id"]
        and body["type"] == "error"
        and list(body["error"]) == ["type", "message"]
        and body["request_id"] == answer.headers["request-id"]
    )


def is_openai_error(answer: TestResponse) -> bool:
    body = answer.json
    return isinstance(body, dict) and list(body) == ["error"] and list(body["error"]) == OPENAI_KEYS


OPENAI_KEYS = ["message", "type", "param", "code"]


BROKEN = CatalogSnapshot(
    state=CatalogState(source="aws", attempted_at=NOW, listings=listing("us-east-1")),
    at=NOW,
    models=("not a model",),  # type: ignore[arg-type]
    changed_at=NOW,
)


@pytest.mark.parametrize(("anthropic", "openai"), LAYOUTS)
def test_every_error_is_in_the_dialect_of_its_path(make_app: MakeApp, anthropic: str, openai: str) -> None:
    changes = {"anthropic_prefix": anthropic, "openai_prefix": openai}
    app = make_app(snapshot(listing("us-east-1", model("a"))), **changes)
    stranger, client = client_of(app, key=None), client_of(app)
    broken, empty = client_of(make_app(BROKEN, **changes)), client_of(make_app(None, **changes))
    dialects = [(openai, is_openai_error)]
    dialects += [(anthropic, is_anthropic_error)] if anthropic != openai else []

    for prefix, in_the_dialect in dialects:
        errors = {
            401: stranger.get(f"{prefix}/v1/models"),
            404: client.get(f"{prefix}/v1/models/ghost"),
            405: client.post(f"{prefix}/v1/models"),
            413: client.post(f"{prefix}/v1/models", data=b"x" * ((1 << 20) + 1)),
            500: broken.get(f"{prefix}/v1/models"),
            503: empty.get(f"{prefix}/v1/models/a"),
        }
        errors_elsewhere = {
            401: stranger.get(f"{prefix}/v1/elsewhere"),
            404: client.get(f"{prefix}/v1/elsewhere"),
        }
        for told in (errors, errors_elsewhere):
            for status, answer in told.items():
                assert answer.status_code == status
                assert answer.mimetype == "application/json"
                assert in_the_dialect(answer), answer.text


def test_an_error_that_no_dialect_claims_is_anthropics(make_app: MakeApp) -> None:
    client = client_of(make_app(None, anthropic_prefix="/a", openai_prefix="/b"))

    for path in ("/favicon.ico", "/c/v1/models", "/ab/v1/models"):
        assert is_anthropic_error(client.get(path)), path


def test_a_prefix_and_mcp_are_claimed_whole(make_app: MakeApp) -> None:
    app = make_app(None, openai_prefix="/openai")
    client, stranger = client_of(app), client_of(app, key=None)

    assert is_openai_error(client.get("/openai/typo"))
    for path in ("/mcp", "/mcp/"):
        assert stranger.post(path).get_json()["jsonrpc"] == "2.0"


def test_no_answer_holds_the_key_that_was_sent(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model("a")))))

    for method, path in routes(client.application):
        answer = client.open(path, method=method, buffered=True)
        assert KEY not in answer.text and KEY not in str(answer.headers), path


def test_the_reserved_first_segments_are_those_of_the_routes(make_app: MakeApp) -> None:
    app = make_app(None, anthropic_prefix="/a", openai_prefix="/b")
    first_segments = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}

    assert first_segments - {"a", "b", ""} == RESERVED_SEGMENTS
