"""One base URL beside a gateway: what the shipped gateway.conf sends to whom, with whose limits and errors."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2 as httpx
import openai
import pytest

from tests.support.builders import KEY
from tests.support.gateway_stub import PARTS, GatewayStub, Received, Reply, running_gateway
from tests.support.nginx_checks import MODELS, OUTSIDE, UNBUFFERED, assert_error, behind_nginx, raw
from tests.support.nginx_server import Nginx
from tests.support.servers import free_port
from tests.support.unix_app import Answer, UnixApp, storable

HAIKU = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
# The catalog's own limits, as small as can be: none of them may be felt on the gateway's paths.
HASTY = {
    "proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 300ms"},
    "catalog.conf": {"send_timeout 30s": "send_timeout 300ms", "burst=200": "burst=30"},
    "http.conf": {"rate=100r/s": "rate=1r/m"},
    "gateway.conf": UNBUFFERED,
}
Site = tuple[Nginx, UnixApp, GatewayStub]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    changes = HASTY | {"http.conf": {}, "catalog.conf": HASTY["catalog.conf"] | {"burst=200": "burst=200"}}
    with (
        running_gateway(GatewayStub()) as gateway,
        behind_nginx(tmp_path_factory.mktemp("gateway"), changes, gateway_port=gateway.port) as (nginx, app),
    ):
        yield nginx, app, gateway


@pytest.fixture
def site(running: Site) -> Site:
    _, app, gateway = running
    app.answer = lambda asked: Answer()
    app.asked.clear()
    gateway.reset()
    return running


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models",
        "/v1/models/",
        "/v1/models?limit=1",
        "/v1/models/a%2Fb",
        MODELS,
        f"{MODELS}/a",
        "/search_models?a=b",
    ],
)
def test_lists_are_the_catalogs(site: Site, target: str) -> None:
    nginx, app, gateway = site

    assert nginx.get(target).status_code == 200
    assert [asked.target for asked in app.asked] == [target]
    assert gateway.received == []


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/", "/"),
        ("/v1/modelsx", "/v1/modelsx"),
        ("/v1/model/info?a=b", "/v1/model/info?a=b"),
        ("/models", "/models"),
        ("//v1//files/a%2Fb/../c?d=%2F", "//v1//files/a%2Fb/../c?d=%2F"),
        ("/v1/models/../responses", "/v1/models/../responses"),
        ("/anthropic/v1/messages/count_tokens?beta=true", "/v1/messages/count_tokens?beta=true"),
        ("/anthropic/else", "/anthropic/else"),
        ("/mcp", "/mcp"),
        ("/metrics", "/metrics"),
        ("/readyz", "/readyz"),
        ("/auth", "/auth"),
    ],
)
def test_all_else_is_the_gateways(site: Site, target: str, sent: str) -> None:
    nginx, app, gateway = site

    answer = raw(nginx.port, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    assert answer.json() == {"from": "gateway"}
    assert [received.target for received in gateway.received] == [sent]
    assert app.asked == []


@pytest.mark.parametrize(
    "target", ["/", "/mcp", "/docs/", "/openapi.json", "/livez", "/readyz", "/catalog", MODELS, "/v1/x"]
)
@pytest.mark.parametrize("host", ["catalog.example.com", "localhost"])
def test_under_its_own_name_the_catalog_has_every_path(site: Site, host: str, target: str) -> None:
    nginx, app, gateway = site

    assert nginx.get(target, host=host).json() == {"from": "app"}
    assert [asked.target for asked in app.asked] == [target]
    assert gateway.received == []


@pytest.mark.parametrize("target", ["/metrics", "//metrics/", "/%6detrics"])
def test_the_catalogs_metrics_are_for_this_host_alone(site: Site, target: str) -> None:
    nginx, _, gateway = site
    head = f"GET {target} HTTP/1.1\r\nHost: catalog.example.com\r\nConnection: close\r\n"

    assert_error(raw(nginx.port, f"{head}X-Forwarded-For: {OUTSIDE}\r\n\r\n".encode()), 403)
    assert raw(nginx.port, f"{head}\r\n".encode()).json() == {"from": "app"}
    assert gateway.received == []


@pytest.mark.parametrize(("prefix", "in_chunks"), [("", True), ("/anthropic", True), ("", False)])
def test_a_stream_arrives_part_by_part_however_long_it_pauses(site: Site, prefix: str, in_chunks: bool) -> None:
    """Each pause is longer than the catalog's own timeouts are here, and the next part waits until this one is read."""
    nginx, _, gateway = site
    read = threading.Semaphore(0)
    overdue: list[bool] = []

    def pause() -> None:
        overdue.append(not read.acquire(timeout=10))
        time.sleep(0.5)

    gateway.pause, gateway.in_chunks = pause, in_chunks
    texts = []
    with (
        anthropic.Anthropic(api_key=KEY, base_url=nginx.url + prefix, max_retries=0) as client,
        client.messages.stream(model=HAIKU, max_tokens=9, messages=[{"role": "user", "content": "Hello"}]) as stream,
    ):
        for text in stream.text_stream:
            texts.append(text)
            read.release()

    assert tuple(texts) == PARTS
    assert overdue == [False] * (len(PARTS) - 1)


def test_a_stream_of_15_seconds_passes_the_files_as_they_are_shipped(tmp_path: Path) -> None:
    """One of its pauses is longer than the ten seconds that nginx gives the catalog."""
    pauses = iter((10.5, 3.0, 1.5))
    with (
        running_gateway(GatewayStub()) as gateway,
        behind_nginx(tmp_path, gateway_port=gateway.port) as (nginx, _),
        openai.OpenAI(api_key=KEY, base_url=f"{nginx.url}/v1", max_retries=0) as client,
    ):
        gateway.pause = lambda: time.sleep(next(pauses))
        question: Any = [{"role": "user", "content": "Hello"}]
        stream = client.chat.completions.create(model=HAIKU, messages=question, stream=True)

        assert [chunk.choices[0].delta.content for chunk in stream] == list(PARTS)


def test_openais_client_streams_too(site: Site) -> None:
    question: Any = [{"role": "user", "content": "Hello"}]

    with openai.OpenAI(api_key=KEY, base_url=f"{site[0].url}/v1", max_retries=0) as client:
        stream = client.chat.completions.create(model=HAIKU, messages=question, stream=True)

        assert [chunk.choices[0].delta.content for chunk in stream] == list(PARTS)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_of_8_mebibytes_reaches_the_gateway_whole(site: Site, in_chunks: bool) -> None:
    nginx, _, gateway = site
    body = os.urandom(8 << 20)

    answer = httpx.post(f"{nginx.url}/v1/files", content=iter([body]) if in_chunks else body, timeout=30)

    assert answer.status_code == 200
    assert hashlib.sha256(gateway.received[-1].body).digest() == hashlib.sha256(body).digest()


def test_a_body_beyond_32_mebibytes_is_refused_in_the_dialect(site: Site) -> None:
    nginx, _, gateway = site
    head = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 33554433\r\n\r\n"

    assert_error(raw(nginx.port, f"POST /v1/messages {head}".encode()), 413)
    assert_error(raw(nginx.port, f"POST /v1/chat/completions {head}".encode()), 413, "openai")
    assert gateway.received == []


@pytest.mark.parametrize("target", ["/v1/models", MODELS, "/search_models"])
def test_the_lists_keep_the_catalogs_limit_on_bodies_and_drop_them(site: Site, target: str) -> None:
    nginx, app, _ = site
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

    dialect = "openai" if target == "/v1/models" else "anthropic"

    assert_error(raw(nginx.port, f"{head}Content-Length: 1048577\r\n\r\n".encode()), 413, dialect)
    assert httpx.post(nginx.url + target, content=b"x" * 100_000).status_code == 200
    assert [(asked.body, asked.header("content-length")) for asked in app.asked] == [(b"", None)]


def test_what_the_gateway_gets_is_what_the_client_sent(site: Site) -> None:
    nginx, _, gateway = site
    own = {"authorization": "Bearer other", "anthropic-version": "2023-06-01", "x-request-id": "mine"}

    nginx.get("/v1/files", x_forwarded_for=OUTSIDE, **own)

    received = gateway.received[-1]
    assert received.values("x-api-key") == [KEY]
    assert {name: received.values(name) for name in own} == {name: [value] for name, value in own.items()}
    assert received.values("x-forwarded-for") == [OUTSIDE]
    assert received.values("host") == [f"127.0.0.1:{nginx.port}"]


@pytest.mark.parametrize(("asked_for", "passed"), [("websocket", ["websocket"]), ("h2c", []), ("h2c, websocket", [])])
def test_the_only_protocol_to_upgrade_to_is_a_websocket(site: Site, asked_for: str, passed: list[str]) -> None:
    nginx, _, gateway = site
    lines = f"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {asked_for}\r\nHTTP2-Settings: AAMAAABk\r\n"

    raw(nginx.port, f"GET /v1/realtime HTTP/1.1\r\n{lines}\r\n".encode())

    assert gateway.received[-1].values("upgrade") == passed
    assert gateway.received[-1].values("connection") == (["upgrade"] if passed else ["close"])


@pytest.mark.parametrize("status", [200, 400, 401, 404, 405, 413, 429, 500, 502, 503, 504, 529])
def test_the_gateways_answers_pass_untouched(site: Site, status: int) -> None:
    nginx, _, gateway = site
    own = (("request-id", "req_gateway"), ("retry-after", "7"), ("vary", "Origin"), ("x-litellm-call-id", "a"))
    gateway.reply = lambda received: Reply(status=status, body=b'{"its":"own"}', headers=own)

    answer = nginx.get("/v1/files")

    assert (answer.status_code, answer.json()) == (status, {"its": "own"})
    assert [(name, value) for name in dict(own) for value in answer.headers.get_list(name)] == list(own)
    assert "x-request-id" not in answer.headers


def test_no_answer_of_the_gateway_is_kept(site: Site) -> None:
    nginx, _, gateway = site
    gateway.reply = lambda received: Reply(headers=storable(b"", until=int(time.time()) + 60).headers)

    for _ in range(3):
        nginx.get("/v1/files")

    assert len(gateway.received) == 3


@pytest.mark.parametrize(
    ("target", "headers", "dialect"),
    [
        ("/v1/messages", {}, "anthropic"),
        ("/anthropic/v1/messages", {}, "anthropic"),
        ("/v1/files", {"anthropic_version": "2023-06-01"}, "anthropic"),
        ("/v1/chat/completions", {}, "openai"),
        ("/v1/responses", {}, "openai"),
        ("/elsewhere", {}, "openai"),
    ],
)
def test_a_gateway_that_is_down_or_silent_is_an_error_of_the_dialect(
    tmp_path: Path, target: str, headers: dict[str, str], dialect: str
) -> None:
    impatient = {"gateway.conf": {"proxy_read_timeout 10m": "proxy_read_timeout 300ms"}}
    over = threading.Event()

    def answer_late(received: Received) -> Reply:
        over.wait(10)
        return Reply()

    stub = GatewayStub(port=free_port(), reply=answer_late)
    with behind_nginx(tmp_path, impatient, gateway_port=stub.port) as (nginx, _):
        down = nginx.get(target, **headers)
        with running_gateway(stub):
            silent = nginx.get(target, **headers)
            over.set()
        lists = nginx.get("/v1/models")

    assert_error(down, 502, dialect)
    assert "gateway" in down.text and down.headers["retry-after"] == "1"
    assert_error(silent, 504, dialect)
    assert len(stub.received) == 1, "a request was sent twice"
    assert lists.status_code == 200


def test_a_catalog_that_is_down_costs_the_gateway_nothing(tmp_path: Path) -> None:
    with running_gateway(GatewayStub()) as stub, behind_nginx(tmp_path, gateway_port=stub.port) as (nginx, app):
        app.stop()

        assert_error(nginx.get("/v1/models"), 502, "openai")
        assert_error(nginx.get(MODELS), 502)
        assert nginx.get("/v1/files").status_code == 200


def test_the_catalogs_rate_limit_is_of_the_lists_alone(tmp_path: Path) -> None:
    with running_gateway(GatewayStub()) as stub, behind_nginx(tmp_path, HASTY, gateway_port=stub.port) as (nginx, _):
        of_gateway = {nginx.get("/v1/files", x_forwarded_for=OUTSIDE).status_code for _ in range(60)}
        of_lists = [nginx.get("/v1/models", x_forwarded_for=OUTSIDE) for _ in range(60)]

    assert of_gateway == {200}
    assert_error(of_lists[-1], 429, "openai")


@pytest.mark.parametrize(
    "request_bytes", [b"nonsense\r\n\r\n", b"GET /v1/files HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"]
)
def test_a_request_that_nginx_cannot_read_is_answered_in_json(site: Site, request_bytes: bytes) -> None:
    answer = raw(site[0].port, request_bytes)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json()["error"]["message"] == "Bad request"


def test_no_log_holds_a_key_or_a_query_of_the_gateways(site: Site) -> None:
    nginx, _, _ = site
    nginx.get("/v1/files?api_key=in-the-query", key="in-x-api-key", authorization="Bearer in-authorization")

    logs = nginx.access_log() + nginx.errors()
    assert "/v1/files" in logs
    for secret in ("in-the-query", "in-x-api-key", "in-authorization"):
        assert secret not in logs
