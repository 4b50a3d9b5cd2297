"""nginx and gunicorn agree where each request ends: no part of one becomes another."""

import json
import socket
from contextlib import suppress
from typing import Any

import pytest

from tests.support.builders import KEY
from tests.support.nginx_server import Nginx
from tests.support.servers import Service, eventually

HIDDEN = b"GET /v1/models?hidden HTTP/1.1\r\nHost: a\r\nx-api-key: " + KEY.encode() + b"\r\n\r\n"
CHUNKED_END = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"

# {what: (header lines, body)}; the body holds a request that only one that reads it otherwise would see.
AMBIGUOUS: dict[str, tuple[str, bytes]] = {
    "a length of nothing": ("Content-Length: 0", HIDDEN),
    "no length": ("X-A: b", HIDDEN),
    "a length shorter than the body": ("Content-Length: 4", b"abcd" + HIDDEN),
    "a length, then chunks": (f"Content-Length: {len(HIDDEN)}\r\n{CHUNKED}", CHUNKED_END + HIDDEN),
    "chunks, then a length": (f"{CHUNKED}\r\nContent-Length: {len(HIDDEN)}", CHUNKED_END + HIDDEN),
    "chunks and a length that ends early": (f"{CHUNKED}\r\nContent-Length: 4", b"40\r\n" + HIDDEN),
    "a space before the colon": ("Transfer-Encoding : chunked", CHUNKED_END + HIDDEN),
    "a tab before the coding": ("Transfer-Encoding:\tchunked", CHUNKED_END + HIDDEN),
    "a vertical tab before the coding": ("Transfer-Encoding: \x0bchunked", CHUNKED_END + HIDDEN),
    "an unknown coding": ("Transfer-Encoding: xchunked", CHUNKED_END + HIDDEN),
    "a coding in capitals": ("Transfer-Encoding: CHUNKED", CHUNKED_END + HIDDEN),
    "two codings": ("Transfer-Encoding: chunked, identity", CHUNKED_END + HIDDEN),
    "two lines of codings": (f"{CHUNKED}\r\nTransfer-Encoding: identity", CHUNKED_END + HIDDEN),
    "a coding twice": (f"{CHUNKED}\r\n{CHUNKED}", CHUNKED_END + HIDDEN),
    "a coding with an underscore": ("Transfer_Encoding: chunked", CHUNKED_END + HIDDEN),
    "a coding on a folded line": ("X-A: b\r\n Transfer-Encoding: chunked", CHUNKED_END + HIDDEN),
    "a coding behind a line feed": ("X-A: b\nTransfer-Encoding: chunked", CHUNKED_END + HIDDEN),
    "a coding behind a carriage return": ("X-A: b\rTransfer-Encoding: chunked", CHUNKED_END + HIDDEN),
    "two lengths": ("Content-Length: 0\r\nContent-Length: 99", HIDDEN),
    "one length twice": ("Content-Length: 0\r\nContent-Length: 0", HIDDEN),
    "a list of lengths": ("Content-Length: 0, 0", HIDDEN),
    "a length with a sign": ("Content-Length: +0", HIDDEN),
    "a length below nothing": ("Content-Length: -1", HIDDEN),
    "a hexadecimal length": ("Content-Length: 0x4", b"abcd" + HIDDEN),
    "a length beyond 64 bits": ("Content-Length: 18446744073709551616", HIDDEN),
    "a chunk size with a prefix": (CHUNKED, b"0x4\r\nabcd\r\n" + CHUNKED_END + HIDDEN),
    "a chunk size with a sign": (CHUNKED, b"+0\r\n\r\n" + HIDDEN),
    "a chunk size beyond 64 bits": (CHUNKED, b"10000000000000000\r\n" + HIDDEN),
    "a chunk with an extension": (CHUNKED, b"4;a=b\r\nabcd\r\n" + CHUNKED_END + HIDDEN),
    "an extension with a line feed": (CHUNKED, b"4;a\nabcd\r\n" + CHUNKED_END + HIDDEN),
    "a chunk that ends in a line feed": (CHUNKED, b"4\nabcd\n0\n\n" + HIDDEN),
    "a chunk longer than its size": (CHUNKED, b"2\r\nabcd\r\n" + CHUNKED_END + HIDDEN),
    "trailers": (CHUNKED, b"0\r\nContent-Length: 4\r\n\r\n" + HIDDEN),
    "a protocol to upgrade to": ("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA", HIDDEN),
    "a length that the connection is to keep": ("Connection: Content-Length\r\nContent-Length: 0", HIDDEN),
    "an expectation": (f"Expect: 100-continue\r\nContent-Length: {len(HIDDEN)}", HIDDEN),
}
REQUEST_LINES = ("GET /v1/models HTTP/1.1", "POST /mcp HTTP/1.1", "POST /livez HTTP/1.1", "GET /readyz HTTP/1.0")


def requests_in(log: str) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in log.splitlines() if '"request_id"' in line]
    return [entry for entry in entries if entry["event"] == "request"]


def sent(nginx: Nginx, data: bytes) -> None:
    """Send it, and read until nginx closes or is silent."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", nginx.port), timeout=0.2) as connection:
        connection.sendall(data)
        while connection.recv(1 << 16):
            pass


@pytest.mark.parametrize("request_line", REQUEST_LINES)
def test_gunicorn_sees_no_request_that_nginx_did_not(service: tuple[Nginx, Service], request_line: str) -> None:
    """Each of nginx's requests brings its id; one that gunicorn alone sees would have another."""
    nginx, gunicorn = service
    for lines, body in AMBIGUOUS.values():
        head = f"{request_line}\r\nHost: a\r\nx-api-key: {KEY}\r\n{lines}\r\n\r\n".encode("latin-1")
        sent(nginx, head + body)
        # The connection that it took to gunicorn is used again: what is left there would come first.
        assert nginx.get("/livez").status_code == 200
    last = nginx.get("/v1/models?last").headers["request-id"]
    nginx.logged(last)
    eventually(lambda: f'"{last}"' in gunicorn.log())
    of_nginx = {json.loads(line)["request_id"] for line in nginx.access_log().splitlines()}
    # Before the tests, probes for readiness came without nginx.
    of_gunicorn = {entry["request_id"] for entry in requests_in(gunicorn.log()) if entry["route"] != "/readyz"}

    assert last in of_gunicorn
    assert of_gunicorn <= of_nginx
