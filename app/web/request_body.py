"""Request bodies, read within a limit and a time; app/server/connections.py drops what no one reads."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest
from werkzeug.wsgi import get_content_length, get_input_stream

from app.errors import RequestTooLarge

# As deploy/nginx/catalog.conf's client_max_body_size.
MAX_BODY_BYTES = 1 << 20
# nginx has the whole body before it calls the application; a client without nginx gets this long to send it.
READ_TIMEOUT_S = 5.0


def content_length_of(environ: dict[str, Any]) -> int | None:
    """None where the client sends chunks, or nothing readable as a length."""
    return get_content_length(environ)


def read_body(environ: dict[str, Any], *, max_bytes: int) -> bytes:
    """The whole body.

    Raises:
        RequestTooLarge: it is larger than `max_bytes`, by its Content-Length or by what was sent.
        BadRequest: it ended early, took too long or is malformed.
    """
    length = content_length_of(environ)
    if length is not None and length > max_bytes:
        raise RequestTooLarge
    with _deadline(environ):
        try:
            body = get_input_stream(environ).read(max_bytes + 1)
        except (OSError, ParseException):
            raise BadRequest from None
    if len(body) > max_bytes:
        raise RequestTooLarge
    if length is not None and len(body) < length:
        raise BadRequest
    return body


@contextmanager
def _deadline(environ: Mapping[str, Any]) -> Iterator[None]:
    """End reads of the connection after READ_TIMEOUT_S: they return what is there, and the server then closes it.

    A socket's own timeout would not do: it begins anew with each byte.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None:
        yield
        return

    def end_reading() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)

    timer = threading.Timer(READ_TIMEOUT_S, end_reading)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
