"""Request ids and logs of the shipped nginx configuration."""

import re
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx2 as httpx
import pytest

from app.telemetry.request_ids import REQUEST_ID
from tests.support.nginx_checks import (
    MODELS,
    OUTSIDE,
    UNBUFFERED,
    behind_nginx,
    once,
    raw,
    request_id_of,
)
from tests.support.nginx_server import Nginx
from tests.support.unix_app import Answer, UnixApp, storable


def test_an_answer_the_log_and_the_application_have_one_request_id(nginx: Nginx, app: UnixApp) -> None:
    app.answer = lambda asked: Answer(headers=(("request-id", "req_app"), ("x-request-id", "req_app")))

    answer = nginx.get("/livez")

    assert request_id_of(answer) == app.asked[-1].header("x-request-id")
    assert REQUEST_ID.fullmatch(request_id_of(answer))
    assert nginx.logged(request_id_of(answer))["path"] == "/livez"


def test_stored_answers_have_request_ids_of_their_own(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: replace(
        stored := storable(b"{}", until=int(time.time()) + 60),
        headers=(*stored.headers, ("request-id", "req_app"), ("x-request-id", "req_app")),
    )

    answers = [nginx.get(path) for _ in range(5)]
    answers.append(nginx.get(path, if_none_match='"v1"'))

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 304]
    assert len(app.asked) == 1
    assert len({request_id_of(answer) for answer in answers}) == 6


def test_a_client_does_not_choose_its_request_id(nginx: Nginx, app: UnixApp) -> None:
    answer = nginx.get("/livez", x_request_id="req_0123456789abcdef", request_id="req_0123456789abcdef")

    assert request_id_of(answer) != "req_0123456789abcdef"
    assert app.asked[-1].header("x-request-id") == request_id_of(answer)


def test_the_access_log_tells_of_a_request_what_an_operator_asks(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)
    nginx.get(path)

    entry = nginx.logged(request_id_of(nginx.get(f"{path}", x_forwarded_for=OUTSIDE)))

    assert entry.pop("time")[:4].isdigit() and isinstance(entry.pop("duration"), float) and entry.pop("request_id")
    of_the_request = {"client": OUTSIDE, "method": "GET", "path": path, "status": 200, "bytes": 2}
    assert entry == {**of_the_request, "cache": "HIT", "upstream": ""}


def test_no_log_holds_a_key_or_a_query(nginx: Nginx, app: UnixApp) -> None:
    answer = nginx.get(f"{MODELS}?api_key=in-the-query", key="in-x-api-key", authorization="Bearer in-authorization")

    assert nginx.logged(request_id_of(answer))["path"] == MODELS
    for log in (nginx.access_log(), nginx.errors()):
        assert not re.search("in-the-query|in-x-api-key|in-authorization", log)


def test_no_log_holds_the_query_of_a_request_that_is_refused_or_fails(tmp_path: Path) -> None:
    limits = {"http.conf": {"rate=100r/s": "rate=1r/m"}, "catalog.conf": {"burst=200": "burst=1"}}
    quick = {"proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 300ms"}, "site.conf": UNBUFFERED}
    query, answers, silent = "?api_key=in-the-query", [], threading.Event()
    head = f"GET /v1/models{query} HTTP/1.1\r\nConnection: close\r\n"
    with behind_nginx(tmp_path, limits | quick) as (nginx, app):
        answers += [nginx.get(f"/v1/models{query}", x_forwarded_for=OUTSIDE) for _ in range(3)]
        answers += [nginx.get(f"/metrics{query}", x_forwarded_for="203.0.113.8")]
        answers += [httpx.post(f"{nginx.url}/mcp{query}", content=b"x" * (1 << 21))]
        for lines in ("", "Host: a\r\nContent-Length: 1x\r\n", "Host: a\r\nno header\r\n", "Host: a\r\nHost: b\r\n"):
            answers += [raw(nginx.port, f"{head}{lines}\r\n".encode())]
        answers += [nginx.get(f"/livez{query}", a="x" * 9000), nginx.get(f"/livez{query}{'x' * 9000}")]
        app.answer = once(silent)
        answers += [nginx.get(f"/livez{query}")]
        silent.set()
        app.answer = lambda asked: Answer(headers=(("a", "x" * 99_000),))
        answers += [nginx.get(f"/livez{query}")]
        app.stop()
        answers += [nginx.get(f"/livez{query}")]
        logs = nginx.errors() + nginx.access_log()

    expected = [200, 200, 429, 403, 413, 400, 400, 400, 400, 431, 414, 504, 502, 502]
    assert [answer.status_code for answer in answers] == expected
    assert "in-the-query" not in logs


@pytest.mark.parametrize(
    ("target", "logged"),
    [(b"/a\xff?b", ""), (b'/a"b', '/a"b'), (b"/a%2Fb//c?d", "/a%2Fb//c"), (b"/a\\b", "/a\\b"), (b"//a", "//a")],
)
def test_a_line_of_the_access_log_is_json_whatever_was_asked(
    nginx: Nginx, app: UnixApp, target: bytes, logged: str
) -> None:
    answer = raw(nginx.port, b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)

    assert nginx.logged(request_id_of(answer))["path"] == logged


def test_the_access_log_stays_json_where_there_was_no_request(nginx: Nginx, app: UnixApp) -> None:
    with socket.create_connection(("127.0.0.1", nginx.port)) as connection:
        connection.sendall(b"GET /old\r\n")
        assert connection.recv(100)
    raw(nginx.port, b"\x16\x03\x01\x02\x00\r\n\r\n")

    nginx.logged(request_id_of(nginx.get("/livez")))
