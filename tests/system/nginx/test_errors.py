"""Errors that nginx answers itself, in the dialect of their path."""

import re
import threading
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.nginx_checks import (
    MODELS,
    OUTSIDE,
    OWN_ERRORS,
    assert_error,
    behind_nginx,
    once,
    raw,
    request_id_of,
)
from tests.support.nginx_server import SHIPPED, Nginx
from tests.support.unix_app import Answer, UnixApp


@pytest.mark.parametrize("status", sorted(OWN_ERRORS))
@pytest.mark.parametrize(
    ("prefix", "dialect"),
    [("/anthropic/v1", "anthropic"), ("", "anthropic"), ("/v1", "openai"), ("/mcp", "jsonrpc"), ("/v1x", "anthropic")],
)
def test_each_error_of_nginx_is_in_the_dialect_of_its_path(
    nginx: Nginx, app: UnixApp, status: int, prefix: str, dialect: str
) -> None:
    answer = nginx.get(f"{prefix}/nginx-answers/{status}")

    assert_error(answer, status, dialect)
    assert ("retry-after" in answer.headers) == (status in (429, 502, 503))
    allowed = "POST" if dialect == "jsonrpc" else "GET, HEAD"
    assert answer.headers.get("allow") == (allowed if status == 405 else None)
    assert nginx.logged(request_id_of(answer))["status"] == status


def test_every_error_that_is_caught_is_tested() -> None:
    caught = re.findall(r"^error_page (.*) /", (SHIPPED / "catalog.conf").read_text(), re.MULTILINE)
    seen_by_clients = {int(line.rpartition("=")[2]) for line in caught if "=" in line}

    assert (
        seen_by_clients | {int(status) for line in caught if "=" not in line for status in line.split()} == OWN_ERRORS
    )


@pytest.mark.parametrize(
    ("request_bytes", "status", "dialect"),
    [
        (b"nonsense\r\n\r\n", 400, "anthropic"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400, "openai"),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "jsonrpc"),
        (b"GET /anthropic/v1/models/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "anthropic"),
        (b"GET /.nginx-error HTTP/1.0\r\n\r\n", 404, "anthropic"),
        (b"TRACE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 405, "openai"),
        (b"GET /v1/models HTTP/2.5\r\nHost: a\r\n\r\n", 400, "anthropic"),
        (b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\n", 400, "jsonrpc"),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1048577\r\n\r\n", 413, "openai"),
        (b"POST /mcp HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n", 413, "jsonrpc"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "anthropic"),
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nx-api-key: " + b"a" * 9000 + b"\r\n\r\n", 431, "openai"),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\nx-api-key: " + b"a" * 9000 + b"\r\n\r\n", 431, "jsonrpc"),
    ],
)
def test_a_request_that_nginx_refuses_is_answered_in_json(
    nginx: Nginx, app: UnixApp, request_bytes: bytes, status: int, dialect: str
) -> None:
    assert_error(raw(nginx.port, request_bytes), status, dialect)
    assert app.asked == []


def test_a_client_that_asks_too_often_learns_when_to_come_back(tmp_path: Path) -> None:
    slow = {"http.conf": {"rate=100r/s": "rate=1r/m"}, "catalog.conf": {"burst=200": "burst=1"}}
    with behind_nginx(tmp_path, slow) as (nginx, _):
        of_one = [nginx.get("/v1/models", x_forwarded_for=OUTSIDE) for _ in range(3)]
        of_another = nginx.get("/v1/models", x_forwarded_for="203.0.113.8")
        of_the_host = [nginx.get("/v1/models") for _ in range(5)]

    assert [answer.status_code for answer in of_one] == [200, 200, 429]
    assert_error(of_one[2], 429, "openai")
    assert of_one[2].headers["retry-after"] == "1"
    assert {answer.status_code for answer in (of_another, *of_the_host)} == {200}


def test_an_application_that_is_down_or_silent_is_an_error_of_the_dialect(tmp_path: Path) -> None:
    silent = threading.Event()
    with behind_nginx(tmp_path, {"proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 300ms"}}) as (nginx, app):
        app.answer = once(silent)
        assert_error(nginx.get("/v1/models"), 504, "openai")
        assert len(app.asked) == 1, "a slow request was sent twice"
        silent.set()
        app.stop()
        assert_error(nginx.get(MODELS), 502)
        assert_error(httpx.post(f"{nginx.url}/mcp", json={}), 502, "jsonrpc")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("prefix", [MODELS, "/v1/other", "/mcp"])
def test_an_error_of_the_application_passes_untouched(nginx: Nginx, app: UnixApp, status: int, prefix: str) -> None:
    app.answer = lambda asked: Answer(
        status=status, body=b'{"from":"the application"}', headers=(("retry-after", "7"), ("Allow", "GET"))
    )

    answer = nginx.get(prefix)

    assert (answer.status_code, answer.json()) == (status, {"from": "the application"})
    assert answer.headers.get_list("retry-after") == ["7"]
    assert answer.headers["allow"] == "GET"
    assert request_id_of(answer) == app.asked[-1].header("x-request-id")
