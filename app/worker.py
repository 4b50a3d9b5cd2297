"""gunicorn's threaded worker, answering in JSON where it refuses a request before the application sees it."""

import json
import os
import re
from typing import Any

from gunicorn import glogging
from gunicorn.workers.gthread import ThreadWorker

from app import logs
from app.request_ids import HEADER, new_request_id
from config import ConfigError, Settings, read_settings

STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([^\r]*)")
TYPES = {414: "request_too_large", 431: "request_too_large"}


class Worker(ThreadWorker):  # type: ignore[misc]
    """A request that cannot be parsed has no path, so its error is in the Anthropic dialect."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Let gunicorn log and classify, then send its status with a body of ours."""
        sent = _Sent()
        super().handle_error(req, sent, addr, exc)
        line = STATUS_LINE.match(sent.data)
        if line is not None:
            client.sendall(_answer(int(line[1]), line[2].decode("latin-1")))


class _Sent:
    """A socket that keeps what gunicorn writes to it."""

    def __init__(self) -> None:
        self.data = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.data += data


def _answer(status: int, reason: str) -> bytes:
    request_id = new_request_id()
    error = {"type": TYPES.get(status, "invalid_request_error" if status < 500 else "api_error"), "message": reason}
    body = json.dumps({"type": "error", "error": error, "request_id": request_id}, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{HEADER}: {request_id}\r\n\r\n"
    )
    return head.encode("latin-1") + body


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's own lines, wherever they are to go, in the form of the service's."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        try:
            settings = read_settings(os.environ)
        except ConfigError:
            settings = Settings()  # The application will say it, and stop the start.
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.formatter(settings.log_format))
