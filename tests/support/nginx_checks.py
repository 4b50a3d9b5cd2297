"""What the tests of the nginx configuration share: requests, checks of answers, load."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx

from tests.support.builders import KEY
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import asking_without_pause
from tests.support.unix_app import Answer, Asked, UnixApp

MODELS = "/anthropic/v1/models"
OUTSIDE = "203.0.113.7"
# How long a stored answer may stand after the application would answer otherwise: by design the rest of a second, and
# what a busy machine adds.
AT_MOST_S = 1.35
# So that a test need not wait for its line.
UNBUFFERED = {" buffer=64k flush=1s": ""}
# Statuses that nginx answers by itself, as the client sees them.
OWN_ERRORS = {400, 401, 403, 404, 405, 413, 414, 429, 431, 500, 502, 503, 504}


@contextmanager
def behind_nginx(
    folder: Path,
    changes: dict[str, dict[str, str]] | None = None,
    *,
    tls: bool = False,
    gateway_port: int | None = None,
) -> Iterator[tuple[Nginx, UnixApp]]:
    app = UnixApp(folder / "app.sock")
    app.start()
    try:
        with running_nginx(folder / "nginx", app.socket, tls=tls, changes=changes, gateway_port=gateway_port) as nginx:
            yield nginx, app
    finally:
        app.stop()


def once(event: threading.Event) -> Callable[[Asked], Answer]:
    """An application that is silent until something happens."""

    def answer(asked: Asked) -> Answer:
        event.wait(30)
        return Answer()

    return answer


def raw(port: int, request: bytes) -> httpx.Response:
    """The answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection, connection.makefile("rb") as file:
        connection.sendall(request)
        head = "".join(line.decode("latin-1") for line in iter(file.readline, b"\r\n"))
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = file.read(int(length[1])) if length else file.read()
    status, *lines = head.splitlines()
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def request_id_of(answer: httpx.Response) -> str:
    """The answer's request id, which stands once in each of its two headers."""
    (request_id,) = answer.headers.get_list("request-id")
    assert answer.headers.get_list("x-request-id") == [request_id]
    return str(request_id)


def assert_error(answer: httpx.Response, status: int, dialect: str = "anthropic") -> None:
    """The answer is an error in a dialect's envelope, whole and of the right types."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    request_id = request_id_of(answer)
    body = json.loads(answer.text)
    if dialect == "anthropic":
        assert body == {
            "type": "error",
            "error": {"type": body["error"]["type"], "message": body["error"]["message"]},
            "request_id": request_id,
        }
        assert body["error"]["type"].endswith("_error") or body["error"]["type"] == "request_too_large"
    elif dialect == "openai":
        assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["param"] is None
    else:
        assert {name: body[name] for name in ("jsonrpc", "id")} == {"jsonrpc": "2.0", "id": None}
        assert isinstance(body["error"]["code"], int)
    message = body["error"]["message"]
    assert message and (message == "Bad request") == (status == 400)


def wait_for_the_second(part: float) -> None:
    """Sleep until the clock's second is as far on: what begins early in one is stored for nearly all of it."""
    time.sleep((part - time.time()) % 1)


@contextmanager
def constant_load(nginx: Nginx, path: str, clients: int = 4) -> Iterator[list[tuple[float, int, str]]]:
    """Clients that ask the same without a pause; gives (when asked, status, body) of every answer so far."""
    seen: list[tuple[float, int, str]] = []

    def ask(place: int, over: threading.Event) -> None:
        with httpx.Client(headers={"x-api-key": KEY}, timeout=15) as client:
            while not over.is_set():
                asked_at = time.time()
                answer = client.get(nginx.url + path)
                seen.append((asked_at, answer.status_code, answer.text))

    with asking_without_pause(ask, clients):
        yield seen
