"""No request can count as an outage of the application: a stored answer never stands in for the refusal of its key."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.builders import KEY
from tests.support.nginx_checks import AT_MOST_S, MODELS, UNBUFFERED
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import eventually, running_service

OTHER_KEY = "another"
BODY = b"x" * 1_000_000
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = f"Content-Length: {len(BODY)}"
LONG = "x" * 7800
# All that an answer is stored by but the key: together 31 KiB with it.
LARGE_HEADERS = (f"Authorization: Bearer {LONG}", f"Origin: {LONG}", f"Accept-Encoding: {LONG}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A request for something stored, with something on top of it; the bytes of `sent` go out a pause apart."""

    headers: tuple[str, ...] = ()
    stored_by: tuple[str, ...] = ()
    method: str = "GET"
    target: str = "/v1/models"
    version: str = "HTTP/1.1"
    sent: tuple[bytes, ...] = (b"",)
    statuses: frozenset[int | None] = frozenset({401})
    tries: int = 5
    hangs_up: bool = False

    def request(self, key: str) -> tuple[bytes, ...]:
        lines = (f"{self.method} {self.target} {self.version}", *head_lines(key), *self.stored_by, *self.headers)
        first, *rest = self.sent
        return "\r\n".join((*lines, "", "")).encode("latin-1") + first, *rest


def head_lines(key: str) -> tuple[str, ...]:
    return "Host: a", "Connection: close", f"x-api-key: {key}"


# As often as it takes to see one of ten fail: a write that fails is a matter of moments.
OFTEN = 30
PAUSE_S = 0.3
ATTEMPTS = {
    "a body": Attempt(headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body of the Anthropic dialect": Attempt(target=MODELS, headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body of a search": Attempt(target="/search_models?query=a", headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body of a HEAD": Attempt(method="HEAD", headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body of an OPTIONS": Attempt(method="OPTIONS", headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body of a POST": Attempt(method="POST", headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body in HTTP/1.0": Attempt(version="HTTP/1.0", headers=(LENGTH,), sent=(BODY,), tries=OFTEN),
    "a body in chunks": Attempt(headers=("Transfer-Encoding: chunked",), sent=(CHUNKS,), tries=OFTEN),
    "a body that is expected": Attempt(headers=(LENGTH, "Expect: 100-continue"), sent=(b"", BODY)),
    "a body that comes slowly": Attempt(headers=(LENGTH,), sent=(BODY[:9], BODY[9:500_000], BODY[500_000:])),
    "a body that ends early": Attempt(
        headers=(LENGTH,), sent=(BODY[:-1],), hangs_up=True, statuses=frozenset({None, 400})
    ),
    "a body with a protocol to upgrade to": Attempt(
        headers=(LENGTH, "Upgrade: websocket", "Connection: upgrade"), sent=(BODY,), tries=OFTEN
    ),
    "a length that is none": Attempt(headers=("Content-Length: 1x",), statuses=frozenset({400})),
    "two lengths": Attempt(headers=("Content-Length: 1", "Content-Length: 2"), statuses=frozenset({400})),
    "a length beyond all": Attempt(headers=("Content-Length: 99999999999",), statuses=frozenset({413})),
    "a length and chunks": Attempt(
        headers=("Content-Length: 1", "Transfer-Encoding: chunked"), statuses=frozenset({400})
    ),
    "chunks that are none": Attempt(
        headers=("Transfer-Encoding: chunked",), sent=(b"zz\r\n\r\n",), statuses=frozenset({400})
    ),
    "ninety headers": Attempt(headers=tuple(f"x-{number}: 1" for number in range(80))),
    "a thousand headers": Attempt(headers=tuple(f"x-{n}: 1" for n in range(1000)), statuses=frozenset({431})),
    "a header that gunicorn refuses": Attempt(headers=("x-a: \x01",), statuses=frozenset({400})),
    "a target that gunicorn refuses": Attempt(target="/v1/models?\xff", statuses=frozenset({400})),
    "a protocol to upgrade to": Attempt(headers=("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")),
    "conditions and ranges": Attempt(headers=(f'If-None-Match: "{LONG}"', "Range: bytes=0-1", "TE: trailers")),
    "a header to drop": Attempt(headers=("Connection: x-api-key, host",)),
    "large headers": Attempt(headers=tuple(f"x-{number}: {LONG}" for number in range(3))),
    "large headers that it is stored by": Attempt(stored_by=LARGE_HEADERS),
}


def status_of(port: int, sent: tuple[bytes, ...], *, hangs_up: bool = False) -> int | None:
    """The status of the answer; None where there is none.

    Args:
        sent: goes out with a pause after each part.
        hangs_up: close after it.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        # A server may refuse before all has been sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            for number, part in enumerate(sent):
                time.sleep(PAUSE_S if number else 0)
                connection.sendall(part)
            if hangs_up:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError), connection.makefile("rb") as received:
            while line := received.readline():
                if line.startswith(b"HTTP/") and b" 100 " not in line:
                    return int(line.split()[1])
    return None


@contextmanager
def with_a_revoked_key(folder: Path, *, gateway_port: int | None = None) -> Iterator[Nginx]:
    """nginx before gunicorn, with an answer stored for each attempt, whose key was revoked since."""
    keys, where = folder / "keys", folder / "gunicorn.sock"
    keys.write_text(f"{KEY}\n{OTHER_KEY}\n")
    changes = {"gateway.conf" if gateway_port else "site.conf": UNBUFFERED}
    with (
        running_service(folder, socket=where, API_KEYS="", API_KEYS_FILE=str(keys), CORS_ALLOW_ORIGINS="*") as service,
        running_nginx(folder / "nginx", where, changes=changes, gateway_port=gateway_port) as nginx,
    ):
        for attempt in ATTEMPTS.values():
            stored = Attempt(target=attempt.target, stored_by=attempt.stored_by)
            if attempt.statuses == {401}:
                assert status_of(nginx.port, stored.request(KEY)) == 200
        keys.write_text(f"{OTHER_KEY}\n")
        eventually(lambda: service.get(MODELS).status_code == 401)
        # Until then a stored answer may be served without a question to the application.
        time.sleep(AT_MOST_S)
        yield nginx


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with with_a_revoked_key(tmp_path_factory.mktemp("outages")) as nginx:
        yield nginx


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_revoked_key_is_refused_whatever_its_request_has_on_top(both: Nginx, name: str) -> None:
    attempt = ATTEMPTS[name]

    statuses = Counter(
        status_of(both.port, attempt.request(KEY), hangs_up=attempt.hangs_up) for _ in range(attempt.tries)
    )

    assert set(statuses) <= attempt.statuses, statuses


@pytest.mark.parametrize("target", ["/readyz", "/v1/models", "/nowhere"])
def test_a_body_where_none_is_read_costs_no_answer(both: Nginx, target: str) -> None:
    request = Attempt(target=target, headers=(LENGTH,), sent=(BODY,)).request(OTHER_KEY)

    statuses = Counter(status_of(both.port, request) for _ in range(OFTEN))

    assert set(statuses) == {404 if target == "/nowhere" else 200}, statuses


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
@pytest.mark.parametrize("headers", [(), tuple(f"x-{number}: 1" for number in range(200))], ids=["few", "many"])
def test_the_largest_message_costs_no_answer_before_it_is_read(both: Nginx, key: str, headers: tuple[str, ...]) -> None:
    """A wrong key and too many headers are answered before the body is read."""
    body = b"x" * (64 << 10)
    request = Attempt(
        method="POST", target="/mcp", headers=(*headers, f"Content-Length: {len(body)}"), sent=(body,)
    ).request(key)

    statuses = Counter(status_of(both.port, request) for _ in range(OFTEN))

    assert set(statuses) == {431 if headers else 401 if key == KEY else 400}, statuses


def test_headers_of_any_size_that_is_accepted_cost_no_answer(both: Nginx) -> None:
    """What an answer is stored by and its own headers share one buffer."""
    statuses = Counter[int | None]()
    for length in range(100, 1600, 50):
        last = f"Accept-Encoding: {'x' * (6300 + length)}"
        large = (f"Authorization: Bearer {'x' * 8100}", f"Origin: {'x' * 8150}", last)
        target = f"/v1/models?{'x' * 8100}"
        statuses[status_of(both.port, Attempt(target=target, stored_by=large).request(OTHER_KEY))] += 1

    assert set(statuses) == {200}, statuses


def test_no_stored_answer_stood_in_for_any_of_them(both: Nginx) -> None:
    assert '"cache":"STALE"' not in both.access_log()
