"""gunicorn's threaded worker; a request that it refuses before the application sees it gets a JSON error."""

import json
import os
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn import glogging
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)

from app.server.connections import ConnectionsWorker
from app.server.cpu_affinity import Pin
from app.telemetry import logs
from app.telemetry.request_ids import REQUEST_ID_HEADER, new_request_id
from config import ConfigError, Settings, read_settings

# All else that cannot be parsed is 400. (gunicorn says 501 to a transfer coding that it does not know, which the SDKs
# would send again.)
STATUSES = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
TYPES = {414: "request_too_large", 431: "request_too_large"}


class Worker(ConnectionsWorker):
    """A request that cannot be parsed has no path, so its error is in the Anthropic dialect.

    `pin` is set before the fork.
    """

    pin: Pin | None = None

    def init_process(self) -> None:
        # gunicorn asks its configuration for a setting some twenty times a request, each time through two methods. As
        # attributes they are found at once, which saves a sixth of what gunicorn does for a request.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def notify(self) -> None:
        # Called by the main loop: the background threads run by then and are not pinned; this one starts those that
        # serve.
        super().notify()
        if self.pin is not None:
            self.pin.tick()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if isinstance(exc, ParseException) and not isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName):
            status = STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)
            # Not its text: that holds what was sent, and a header that cannot be parsed may be a key's.
            self.log.warning("Invalid request: %s", type(exc).__name__)
        else:
            # It is logged, and in a query may be a key.
            if hasattr(req, "uri"):
                req.uri = req.uri.partition("?")[0]
            super().handle_error(req, _NullSocket(), addr, exc)
        # The client may be gone.
        with suppress(OSError):
            client.sendall(_error_response(status))


class _NullSocket:
    """A socket for the response that gunicorn would send."""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        pass


def _error_response(status: HTTPStatus) -> bytes:
    request_id = new_request_id()
    error = {"type": TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")}
    error["message"] = status.phrase
    body = json.dumps({"type": "error", "error": error, "request_id": request_id}, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{REQUEST_ID_HEADER}: {request_id}\r\n\r\n"
    )
    return head.encode("latin-1") + body


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's own log lines, in the service's format."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        try:
            settings = read_settings(os.environ)
        except ConfigError:
            settings = Settings()  # The application stops the start and logs why.
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.formatter(settings.log_format))
