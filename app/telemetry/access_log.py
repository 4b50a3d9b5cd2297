"""What is told of every finished request: its metrics, and its line in the log."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from app.telemetry import logs, metrics
from app.web.proxies import client_address
from config import Settings

# In the environ, the name of the key that let the request in.
KEY_NAME = "model_catalog.key_name"
# The route of a request that no rule matches: paths are the clients' to choose, so none becomes a label.
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
# As long as the longest IPv6 address with a scope; a proxy may hand on what a client wrote.
ADDRESS_LENGTH_AT_MOST = 64


class Finished(NamedTuple):
    """What the line of a finished request says."""

    at: str
    request_id: str
    method: str
    route: str
    status: int
    took_ms: float
    sent_bytes: int
    client: str
    key: str | None


def finish_request(
    environ: Mapping[str, Any], *, route: str, status: int, took_s: float, sent_bytes: int, request_id: str
) -> None:
    """Count a finished request and write its line. Never raises for what a client sent or a log refuses.

    Args:
        environ: WSGI's, with the key's name under KEY_NAME where a key let the request in.
        route: the URL rule, or UNMATCHED.
        took_s: seconds from the request's arrival to its answer.
        sent_bytes: of the body.
        request_id: one of ours, or one that a trusted proxy gave in the same form.
    """
    method = environ.get("REQUEST_METHOD", "")
    if method not in METHODS:
        method = OTHER_METHOD
    metrics.count_request(route, method, status, took_s)
    if _line is not None:
        logs.lines.write(
            _line(
                Finished(
                    datetime.now(UTC).isoformat(timespec="milliseconds"),
                    request_id,
                    method,
                    route,
                    status,
                    took_s * 1000,
                    sent_bytes,
                    client_address(environ, _proxies)[:ADDRESS_LENGTH_AT_MOST],
                    environ.get(KEY_NAME),
                )
            )
        )


# A line is formatted by hand: structlog takes 15 to 30 us for it, and a whole request is to take 55.
def _json_line(it: Finished) -> str:
    return (
        f'{{"event": "request", "level": "info", "logger": "app.access", "timestamp": "{it.at[:-6]}Z", '
        f'"request_id": {quoted(it.request_id)}, "method": "{it.method}", "route": {quoted(it.route)}, '
        f'"status": {it.status}, "duration_ms": {it.took_ms:.3f}, "sent_bytes": {it.sent_bytes}, '
        f'"client": {quoted(it.client)}, "key": {"null" if it.key is None else quoted(it.key)}}}\n'
    )


def _console_line(it: Finished) -> str:
    return (
        f"{it.at[:-6]}Z [info     ] {it.method} {it.route} {it.status} {it.took_ms:.3f} ms {it.sent_bytes} B "
        f"client={quoted(it.client)} key={quoted(it.key or '')} {it.request_id}\n"
    )


_line: Callable[[Finished], str] | None = None
_proxies: tuple[str, ...] = ()


def configure(settings: Settings) -> None:
    """Set, for this process, whether and how a request's line is written."""
    global _line, _proxies
    is_wanted = settings.access_log and settings.log_level in ("debug", "info")
    _line = None if not is_wanted else _json_line if logs.format_of(settings.log_format) == logs.JSON else _console_line
    _proxies = settings.trusted_proxies
