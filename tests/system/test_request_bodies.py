"""Responses that come before a body was read arrive all the same, from gunicorn and through nginx."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse

import httpx2 as httpx
import pytest

from tests.support.builders import KEY
from tests.support.nginx_server import NGINX, running_nginx
from tests.support.servers import Service, running_service

# (method, path, key, bytes, status): what is refused before its body is read.
EARLY = [
    ("POST", "/mcp", "wrong", 300_000, 401),
    ("POST", "/mcp", KEY, 300_000, 413),
    ("POST", "/v1/models", KEY, 300_000, 405),
    ("POST", "/nothing", KEY, 900_000, 404),
    ("POST", "/livez", KEY, 900_000, 405),
    ("GET", "/anthropic/v1/models", "wrong", 300_000, 401),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bodies")
    with running_service(folder, socket=folder / "gunicorn.sock") as running:
        yield running


def send_whole(service: Service, method: str, path: str, key: str, size: int, *, chunked: bool) -> int:
    """The status; raises where the connection is reset before the whole body was taken."""
    host, port = service.url.removeprefix("http://").split(":")
    body = b"x" * size
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: {key}\r\n{framing}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        for start in range(0, size, 30_000):
            part = body[start : start + 30_000]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        connection.sendall(b"0\r\n\r\n" if chunked else b"")
        response = HTTPResponse(connection, method=method)
        response.begin()
        response.read()
        return response.status


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path", "key", "size", "status"), EARLY)
def test_a_body_that_no_response_needs_is_taken_before_the_connection_closes(
    service: Service, method: str, path: str, key: str, size: int, status: int, chunked: bool
) -> None:
    statuses = [send_whole(service, method, path, key, size, chunked=chunked) for _ in range(10)]

    assert statuses == [status] * 10


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian's package nginx)")
def test_no_early_response_is_a_502_behind_nginx(service: Service) -> None:
    folder = service.log_file.parent
    with running_nginx(folder / "nginx", folder / "gunicorn.sock") as nginx, ThreadPoolExecutor(8) as pool:

        def status_of(case: tuple[str, str, str, int, int]) -> tuple[int, int]:
            method, path, key, size, expected = case
            if path == "/mcp":  # nginx itself refuses what /mcp does not take.
                expected = 413
            headers = {"x-api-key": key, "content-type": "application/json"}
            answer = httpx.request(method, nginx.url + path, headers=headers, content=b"x" * size, timeout=20)
            return answer.status_code, expected

        statuses = list(pool.map(status_of, EARLY * 20))

    assert [pair for pair in statuses if pair[0] != pair[1]] == []
