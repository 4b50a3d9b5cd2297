"""Request bodies: bounded in bytes and in time, whatever a client sends."""

import io
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.exceptions import BadRequest

from app.errors import RequestTooLarge
from app.web import request_body
from app.web.request_body import read_body

Pair = tuple[socket.socket, dict[str, Any]]


def environ_of(body: io.BufferedIOBase | io.RawIOBase, **more: Any) -> dict[str, Any]:
    return {"wsgi.input": body, "wsgi.input_terminated": True, **more}


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A client that has sent four bytes of a hundred, and the environ of its request."""
    monkeypatch.setattr(request_body, "READ_TIMEOUT_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"four")
        yield theirs, environ_of(stream, CONTENT_LENGTH="100", **{"gunicorn.socket": ours})


def test_a_body_within_the_limit_is_read_whole() -> None:
    assert read_body(environ_of(io.BytesIO(b"12345"), CONTENT_LENGTH="5"), max_bytes=5) == b"12345"
    assert read_body(environ_of(io.BytesIO(b"12345"), HTTP_TRANSFER_ENCODING="chunked"), max_bytes=5) == b"12345"


@pytest.mark.parametrize("framing", [{"CONTENT_LENGTH": "6"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_body_beyond_the_limit_is_too_large(framing: dict[str, str]) -> None:
    with pytest.raises(RequestTooLarge):
        read_body(environ_of(io.BytesIO(b"123456"), **framing), max_bytes=5)


def test_a_body_that_ends_early_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        read_body(environ_of(io.BytesIO(b"123"), CONTENT_LENGTH="5"), max_bytes=5)


def test_a_client_that_stalls_in_its_body_is_not_waited_for(stalled: Pair) -> None:
    with pytest.raises(BadRequest):
        read_body(stalled[1], max_bytes=1000)
