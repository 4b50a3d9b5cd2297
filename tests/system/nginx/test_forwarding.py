"""What the shipped nginx configuration sends to the application."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from tests.support.nginx_checks import (
    MODELS,
    OUTSIDE,
    assert_error,
    raw,
)
from tests.support.nginx_server import Nginx
from tests.support.unix_app import Answer, UnixApp


@pytest.mark.parametrize(
    "target",
    [
        f"{MODELS}/arn:aws:bedrock:us-east-1::foundation-model%2Fa.b-v1:0",
        f"{MODELS}/a%252Fb",
        f"{MODELS}//a",
        f"{MODELS}/",
        "//v1/models",
        "/v1/models/../models",
        "/v1/%6dodels?lifecycle%5B%5D=active&lifecycle[]=retired",
        "/mcp/",
    ],
)
def test_a_path_reaches_the_application_as_it_was_sent(nginx: Nginx, app: UnixApp, target: str) -> None:
    answer = raw(nginx.port, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    assert answer.status_code == 200
    assert [asked.target for asked in app.asked] == [target]


def test_the_application_is_told_who_asked_and_for_which_host(nginx: Nginx, app: UnixApp) -> None:
    nginx.get("/livez", x_forwarded_for=f"198.51.100.1, {OUTSIDE}", x_forwarded_proto="https")

    asked = app.asked[-1]
    assert asked.header("x-forwarded-for") == OUTSIDE
    assert asked.header("x-forwarded-proto") == "http"
    assert asked.header("host") == f"127.0.0.1:{nginx.port}"
    assert asked.header("connection") is None


def test_a_request_of_http_1_0_without_a_host_is_answered(nginx: Nginx, app: UnixApp) -> None:
    answer = raw(nginx.port, b"GET /livez HTTP/1.0\r\n\r\n")

    assert answer.status_code == 200
    assert app.asked[-1].header("host")


def test_of_a_repeated_api_key_header_the_application_gets_the_first(nginx: Nginx, app: UnixApp, path: str) -> None:
    """nginx from 1.23 on joins them with a comma, as WSGI does: app/auth/authentication.py takes the first of both."""
    raw(nginx.port, f"GET {path} HTTP/1.0\r\nx-api-key: first\r\nx-api-key: second\r\n\r\n".encode())

    assert app.asked[-1].header("x-api-key") in ("first", "first, second")


def test_a_repeated_authorization_header_is_refused(nginx: Nginx, app: UnixApp, path: str) -> None:
    twice = b"authorization: Bearer first\r\nauthorization: Bearer second\r\n"
    answer = raw(nginx.port, f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode() + twice + b"\r\n")

    assert_error(answer, 400)
    assert app.asked == []


def test_a_request_line_of_8_kilobytes_is_accepted(nginx: Nginx, app: UnixApp) -> None:
    frame = len("GET  HTTP/1.1")
    target = f"{MODELS}?after_id=".ljust(8190 - frame, "a")

    assert nginx.get(target).status_code == 200
    assert app.asked[-1].target == target


@pytest.mark.parametrize("target", ["/mcp", "/mcp/", "//mcp"])
def test_a_message_of_64_kibibytes_reaches_the_application(nginx: Nginx, app: UnixApp, target: str) -> None:
    body = b"x" * (64 << 10)

    answers = [httpx.post(nginx.url + target, content=sent) for sent in (body, iter([body]), body + b"x")]

    assert [answer.status_code for answer in answers] == [200, 200, 413]
    assert [asked.body for asked in app.asked] == [body, body]
    assert {asked.header("content-length") for asked in app.asked} == {str(len(body))}


@pytest.mark.parametrize("target", ["/livez", "/metrics", "/nowhere", "/v1/models", MODELS, "/search_models", "/v1/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_body_reaches_the_application_where_it_reads_none(
    nginx: Nginx, app: UnixApp, target: str, method: str
) -> None:
    for sent in (b"x" * 100_000, iter([b"x" * 100_000])):
        assert httpx.request(method, f"{nginx.url}{target}?{method}", content=sent).status_code == 200

    assert [asked.body for asked in app.asked] == [b"", b""]
    assert {asked.header(name) for asked in app.asked for name in ("content-length", "transfer-encoding")} == {None}


@pytest.mark.parametrize(("method", "target"), [("GET", "/livez"), ("GET", MODELS), ("POST", "/mcp")])
def test_what_was_sent_on_a_connection_that_a_worker_closed_is_sent_again(
    nginx: Nginx, app: UnixApp, method: str, target: str
) -> None:
    with ThreadPoolExecutor(3) as pool:  # So there are some kept connections.
        together = threading.Barrier(3)
        app.answer = lambda asked: Answer(body=b"%d" % together.wait(10))
        list(pool.map(lambda _: nginx.get("/livez"), range(3)))
    app.asked.clear()
    app.hangs_up = 2
    app.answer = lambda asked: Answer(body=b"sent:" + asked.body)

    answer = httpx.request(method, nginx.url + target, content=b"{}")

    assert (answer.status_code, answer.text) == (200, "sent:{}" if target == "/mcp" else "sent:")
    assert len(app.asked) == 3


@pytest.mark.parametrize(
    "target",
    [
        "/metrics",
        "/metrics/",
        "//metrics",
        "///metrics/",
        "/%2Fmetrics",
        "/%6detrics",
        "/x/../metrics",
        "/metrics?a",
        "/./metrics",
    ],
)
def test_metrics_are_refused_from_outside(nginx: Nginx, app: UnixApp, target: str) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    answer = raw(nginx.port, f"{head}X-Forwarded-For: {OUTSIDE}\r\n\r\n".encode())

    assert_error(answer, 403)
    assert app.asked == []
    assert raw(nginx.port, f"{head}\r\n".encode()).status_code == 200
