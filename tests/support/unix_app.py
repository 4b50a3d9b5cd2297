"""An application on a unix socket whose every answer a test decides."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from app.web.response_cache_middleware import FOR_NGINX

PAST = 1  # A second that is over: what is valid until then is asked for again at once.


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came over the socket; header names in lower case, a repeated one as the list has it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for given, value in self.headers if given == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int = 200
    body: bytes = b'{"from":"app"}'
    headers: tuple[tuple[str, str], ...] = ()


def storable(body: bytes, *, until: int | None = None, tag: str = '"v1"', stale_if_error_s: int = 3600) -> Answer:
    """An answer with the application's header lines by which nginx may store it, in the order that it needs.

    Args:
        until: the Unix second at whose end it is no longer fresh; by default the present one, as the application says.
    """
    second = int(time.time()) if until is None else until
    freshness = (
        (FOR_NGINX[0], FOR_NGINX[1].replace("3600", str(stale_if_error_s))),
        ("X-Accel-Expires", f"@{second}"),
        ("Cache-Control", "private, max-age=900"),
    )
    return Answer(body=body, headers=(*freshness, ("ETag", tag)))


@dataclass
class UnixApp:
    """Serves from `start` to `stop`, with `answer`; keeps what it was asked.

    It closes the connections of the next `hangs_up` requests instead of answering.
    """

    socket: Path
    answer: Callable[[Asked], Answer] = lambda asked: Answer()
    asked: list[Asked] = field(default_factory=list)
    hangs_up: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: Any = None
    _down: bool = False

    def start(self) -> None:
        app = self
        self._down = False

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self._respond
                raise AttributeError(name)

            def _respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                method, target, _ = self.requestline.split(" ")
                headers = tuple((name.lower(), value) for name, value in self.headers.items())
                answer = app._answered(Asked(method=method, target=target, headers=headers, body=body))
                self.send_response_only(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                if answer.status != 304:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if method != "HEAD" and answer.status != 304:
                    self.wfile.write(answer.body)

        class Server(ThreadingMixIn, UnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """nginx closes a connection whose client went away."""

        self._server = Server(str(self.socket), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Stop listening; connections that are open end at their next request."""
        if self._server is not None:
            self._down = True
            self._server.shutdown()
            self._server.server_close()
            self.socket.unlink()
            self._server = None

    def _answered(self, asked: Asked) -> Answer:
        if self._down:
            raise ConnectionAbortedError
        with self._lock:
            self.asked.append(asked)
            self.hangs_up -= 1
            if self.hangs_up >= 0:
                raise ConnectionAbortedError
        answer = self.answer(asked)
        given = asked.header("if-none-match")
        if answer.status == 200 and given is not None and given == dict(answer.headers).get("ETag"):
            return Answer(status=304, headers=answer.headers)
        return answer
