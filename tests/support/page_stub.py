"""The page's blueprint with a stand-in for the API behind it, and made-up catalogs of any size."""

import gzip
import hashlib
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app.pages.views import View, make_blueprint

Entry = dict[str, Any]
KEY = "page-test-key"
GEOGRAPHIES = {
    "us": ["us-east-1", "us-east-2", "us-west-1", "us-west-2"],
    "ca": ["ca-central-1", "ca-west-1"],
    "sa": ["mx-central-1", "sa-east-1"],
    "eu": [
        "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
    ],
    "me": ["af-south-1", "il-central-1", "me-central-1", "me-south-1"],
    "apac": [
        "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
        "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    ],
}  # fmt: skip
REGIONS = sorted(region for regions in GEOGRAPHIES.values() for region in regions)
MAKERS = ("Anthropic", "Amazon", "Mistral AI", "OpenAI", "Qwen", "Cohere", "NVIDIA", "Meta", "DeepSeek", "Writer")
DAY = timedelta(days=1)
EPOCH = "1970-01-01T00:00:00Z"


def rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def supported(value: bool | None) -> dict[str, bool] | None:
    return None if value is None else {"supported": value}


def capability_tree(*, is_thinking: bool, is_structured: bool) -> dict[str, Any]:
    return {
        "batch": supported(False),
        "citations": supported(True),
        "code_execution": supported(False),
        "image_input": supported(True),
        "pdf_input": supported(True),
        "structured_outputs": supported(is_structured),
        "context_management": {
            "supported": True,
            "clear_thinking_20251015": None,
            "clear_tool_uses_20250919": supported(True),
            "compact_20260112": supported(False),
        },
        "effort": {
            "supported": is_thinking,
            **{level: supported(is_thinking) for level in ("low", "medium", "high", "max")},
            "xhigh": None,
        },
        "server_tools": {"supported": False, "code_execution": supported(False), "web_search": supported(False)},
        "thinking": {
            "supported": is_thinking,
            "types": {
                "adaptive": supported(is_thinking),
                "between_tools": supported(False),
                "disabled": supported(True),
                "enabled": supported(is_thinking),
            },
        },
    }


def entry(model_id: str, name: str, **values: Any) -> Entry:
    """A model of Anthropic's, on demand in us-east-1 and nothing else known, but for `values`."""
    return {
        "id": model_id,
        "kind": "model",
        "name": name,
        "provider": "Anthropic",
        "regions": ["us-east-1"],
        "on_demand_regions": ["us-east-1"],
        "invoke": {"us-east-1": model_id},
        "inference_profiles": {},
        "input_modalities": ["TEXT"],
        "output_modalities": ["TEXT"],
        "streaming": True,
        "lifecycle": "active",
        "created_at": "2026-05-28T00:00:00Z",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "capabilities": None,
        "card": None,
        "aliases": [],
    } | values


def with_profiles(model: Entry, profiles: dict[str, dict[str, list[str] | str]]) -> list[Entry]:
    """A model and its inference profiles, given as geography -> source region -> destinations."""
    entries, invoke = [], dict.fromkeys(model["on_demand_regions"], model["id"])
    for geography in sorted(profiles, key="global".__eq__):
        destinations = profiles[geography]
        profile_id = f"{geography}.{model['id']}"
        model["inference_profiles"][profile_id] = sorted(destinations)
        invoke = dict.fromkeys(destinations, profile_id) | invoke
        entries.append(
            model
            | {
                "id": profile_id,
                "kind": "inference_profile",
                "name": f"{model['name']} ({geography.upper()})",
                "regions": sorted(destinations),
                "on_demand_regions": [],
                "invoke": dict.fromkeys(destinations, profile_id),
                "model_id": model["id"],
                "geography": geography,
                "destinations": destinations,
            }
        )
        del entries[-1]["inference_profiles"]
    model["invoke"] = invoke
    model["regions"] = sorted(invoke)
    return [model, *entries]


def made_up_catalog(models: int, *, now: datetime | None = None, seed: int = 1) -> list[Entry]:
    """So many models over 31 regions, with their profiles, in the API's order."""
    now = now or datetime.now(UTC)
    rng = random.Random(seed)
    entries: list[Entry] = []
    for number in range(models):
        maker = rng.choice(MAKERS)
        created = now - DAY * rng.randrange(20, 1100)
        model_id = f"{maker.split()[0].lower()}.made-up-{number:05d}-v{rng.randrange(1, 4)}:0"
        limits = rng.choice([(None, None), (128_000, 8_192), (200_000, 64_000), (1_000_000, 128_000)])
        is_text = rng.random() < 0.8
        ending = rng.random()
        model = entry(
            model_id,
            f"{maker.split()[0]} Made Up {number}",
            provider=maker,
            input_modalities=["TEXT"] + (["IMAGE"] if rng.random() < 0.5 else []),
            output_modalities=["TEXT" if is_text else rng.choice(["IMAGE", "EMBEDDING", "VIDEO"])],
            created_at=EPOCH if rng.random() < 0.03 else rfc3339(created),
            max_input_tokens=limits[0],
            max_tokens=limits[1],
            streaming=rng.choice([True, False, None]),
        )
        if ending < 0.15:
            model |= {
                "lifecycle": "deprecated",
                "deprecated_at": rfc3339(now - DAY * rng.randrange(1, 60)),
                "retires_at": rfc3339(now + DAY * rng.randrange(1, 340)),
            }
        if maker == "Anthropic":
            model["capabilities"] = capability_tree(is_thinking=number % 2 == 0, is_structured=number % 3 == 0)
        if limits[0]:
            cost = rng.randrange(1, 60) / 4
            prices = {"input": f"{cost:g}", "output": f"{5 * cost:g}", "cache_read": f"{cost / 10:g}"}
            model["card"] = {
                "sources": [
                    {"fields": ["max_input_tokens", "max_tokens", "prices"], "source": "litellm", "as_of": "2026-11-20"}
                ],
                "prices": {"currency": "USD", "per": 1_000_000, "cache_write": None, "regions": {}} | prices,
            }
        on_demand = [region for region in REGIONS if rng.random() < 0.2]
        model["on_demand_regions"] = on_demand
        profiles: dict[str, dict[str, list[str] | str]] = {}
        for geography, regions in GEOGRAPHIES.items():
            if rng.random() < 0.3:
                profiles[geography] = dict.fromkeys(regions, regions)
        if rng.random() < 0.3:
            profiles["global"] = {region: ["global"] for region in REGIONS}
        if ending >= 0.98:
            model |= {
                "lifecycle": "retired",
                "deprecated_at": rfc3339(now - 300 * DAY),
                "retires_at": rfc3339(now - 9 * DAY),
            }
            model |= {"on_demand_regions": [], "regions": [], "invoke": {}}
            entries.append(model)
        else:
            entries += with_profiles(model, profiles)
    return in_order(entries)


def in_order(entries: list[Entry]) -> list[Entry]:
    """Newest first, then by id, as the API lists them."""
    by_id = sorted(entries, key=lambda one: str(one["id"]))
    return sorted(by_id, key=lambda one: str(one["created_at"]), reverse=True)


def fresh_readiness(*, now: datetime | None = None) -> dict[str, Any]:
    """All regions up to date."""
    now = now or datetime.now(UTC)
    parts = [{"part": part, "state": "fresh", "age_seconds": 200, "failure": None} for part in ("models", "profiles")]
    return {
        "status": "ready",
        "source": "aws",
        "models": 150,
        "attempted_at": rfc3339(now - timedelta(seconds=200)),
        "refreshed_at": rfc3339(now - timedelta(seconds=200)),
        "age_seconds": 200,
        "regions": [
            {"region": region, "state": "fresh", "age_seconds": 200, "parts": parts, "failure": None}
            for region in REGIONS
        ],
    }


@dataclass(slots=True)
class ApiStub:
    """What the stand-in answers; tests change it while it runs."""

    entries: list[Entry]
    keys: set[str] = field(default_factory=lambda: {KEY})
    is_open: bool = False
    unavailable: str | None = None
    readiness: dict[str, Any] = field(default_factory=fresh_readiness)
    statuses: list[int] = field(default_factory=list)
    _pages: dict[tuple[int, str | None], tuple[str, bytes]] = field(default_factory=dict)

    def replace(self, entries: list[Entry]) -> None:
        self.entries = in_order(entries)
        self._pages.clear()

    def page(self, limit: int, after: str | None) -> tuple[str, bytes]:
        """The page's ETag and compressed bytes."""
        if (limit, after) not in self._pages:
            start = next(i for i, one in enumerate(self.entries) if one["id"] == after) + 1 if after else 0
            data = self.entries[start : start + limit]
            body = {
                "data": data,
                "total": len(self.entries),
                "has_more": start + limit < len(self.entries),
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
            encoded = json.dumps(body, separators=(",", ":")).encode()
            self._pages[limit, after] = f'"{hashlib.sha256(encoded).hexdigest()[:16]}"', gzip.compress(encoded, 6)
        return self._pages[limit, after]


def problem(status: int, kind: str, message: str) -> Response:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_page"}
    return Response(json.dumps(body), status=status, mimetype="application/json")


def mark_public(view: View) -> View:
    view.is_public = True  # type: ignore[attr-defined]
    return view


def make_app(stub: ApiStub) -> Flask:
    """The page, and the routes that it reads."""
    app = Flask("page_stub", static_folder=None)
    app.url_map.strict_slashes = False
    app.register_blueprint(make_blueprint(mark_public=mark_public, routes={"search": "/search_models"}))

    @app.get("/search_models")
    def search_models() -> Response:
        response = _search(stub)
        stub.statuses.append(response.status_code)
        return response

    @app.get("/readyz")
    def readyz() -> Response:
        status = 503 if stub.readiness["status"] == "unavailable" else 200
        return Response(json.dumps(stub.readiness), status=status, mimetype="application/json")

    @app.get("/docs")
    def docs() -> str:
        return "docs"

    return app


def _search(stub: ApiStub) -> Response:
    if not stub.is_open and request.headers.get("x-api-key") not in stub.keys:
        return problem(401, "authentication_error", "invalid x-api-key")
    if stub.unavailable is not None:
        response = problem(503, "overloaded_error", stub.unavailable)
        response.headers["Retry-After"] = "5"
        return response
    etag, body = stub.page(request.args.get("limit", 20, int), request.args.get("after_id"))
    headers = {"ETag": etag, "Age": "200", "Cache-Control": "private, max-age=60"}
    if request.headers.get("If-None-Match") == etag:
        return Response(status=304, headers=headers)
    return Response(body, mimetype="application/json", headers=headers | {"Content-Encoding": "gzip"})


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Print nothing."""


class StubServer:
    """The stand-in on a port of loopback; it can be stopped and started again on the same port."""

    def __init__(self, stub: ApiStub) -> None:
        self.stub = stub
        self._app = make_app(stub)
        self._port = 0
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._app, threaded=True, request_handler=_QuietHandler)
        # Handlers of kept-alive connections end with the process, not with the server.
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._server.block_on_close = False  # type: ignore[attr-defined]
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None


@contextmanager
def serving(stub: ApiStub) -> Iterator[StubServer]:
    server = StubServer(stub)
    server.start()
    try:
        yield server
    finally:
        server.stop()
