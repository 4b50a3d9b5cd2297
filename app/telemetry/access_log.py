"""The record of every finished request: its metrics, and its line in the log."""

from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from app.telemetry import logs, metrics
from config import Settings

# The route of a request that no rule matches: paths are the clients' to choose, so none becomes a label.
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
# As long as the longest IPv6 address with a scope; a proxy may hand on what a client wrote.
MAX_ADDRESS_CHARS = 64


class AccessRecord(NamedTuple):
    """What the line of a finished request holds."""

    at: str
    request_id: str
    method: str
    route: str
    status: int
    duration_ms: float
    sent_bytes: int
    client: str
    key_name: str | None


class AccessLog:
    """Counts requests and, if the settings have it so, writes a line for each."""

    def __init__(self, settings: Settings) -> None:
        self.is_enabled = settings.access_log and settings.log_level in ("debug", "info")
        self._line: Callable[[AccessRecord], str] = (
            _json_line if logs.format_of(settings.log_format) == logs.JSON else _console_line
        )

    def record_request(
        self,
        *,
        method: str,
        route: str,
        status: int,
        duration_s: float,
        sent_bytes: int,
        request_id: str,
        client: str,
        key_name: str | None,
    ) -> None:
        """Count a finished request and write its line. Never raises for what a client sent or a log refuses.

        Args:
            route: the URL rule, or UNMATCHED.
            duration_s: from the request's arrival to its response.
            sent_bytes: of the body.
            request_id: one of ours, or one that a trusted proxy gave in the same form.
            client: its address, which a client may have made up.
            key_name: that of the key that authenticated it.
        """
        if method not in METHODS:
            method = OTHER_METHOD
        metrics.count_request(route, method, status, duration_s)
        if self.is_enabled:
            record = AccessRecord(
                datetime.now(UTC).isoformat(timespec="milliseconds"),
                request_id,
                method,
                route,
                status,
                duration_s * 1000,
                sent_bytes,
                client[:MAX_ADDRESS_CHARS],
                key_name,
            )
            logs.lines.write(self._line(record))


# A line is formatted by hand: structlog takes 15 to 30 us for it, and a whole request is to take 55.
def _json_line(record: AccessRecord) -> str:
    return (
        f'{{"event": "request", "level": "info", "logger": "app.access", "timestamp": "{record.at[:-6]}Z", '
        f'"request_id": {quoted(record.request_id)}, "method": "{record.method}", "route": {quoted(record.route)}, '
        f'"status": {record.status}, "duration_ms": {record.duration_ms:.3f}, "sent_bytes": {record.sent_bytes}, '
        f'"client": {quoted(record.client)}, '
        f'"key": {"null" if record.key_name is None else quoted(record.key_name)}}}\n'
    )


def _console_line(record: AccessRecord) -> str:
    return (
        f"{record.at[:-6]}Z [info     ] {record.method} {record.route} {record.status} {record.duration_ms:.3f} ms "
        f"{record.sent_bytes} B client={quoted(record.client)} key={quoted(record.key_name or '')} "
        f"{record.request_id}\n"
    )
