"""Without a proxy in front: clients that are slow or silent stop neither the probes nor the refreshes."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.builders import KEY
from tests.support.servers import Service, eventually, running_service

HEAD = f"GET /v1/models HTTP/1.1\r\nHost: a\r\nx-api-key: {KEY}\r\n".encode()
BODY, CLOSE = b"Content-Length: 9\r\n\r\n", b"Connection: close\r\n"
# So much longer than without such clients may a probe take on a machine that is busy.
PROBE_S = 2.0
SLOW_CLIENTS = 24
IDLE_CLIENTS = 3000
# What most systems give a process.
USUAL_DESCRIPTORS = 1024


@contextmanager
def connections(service: Service, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections to the service, which sent something and then no more."""
    url = urlsplit(service.url)
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            connection = socket.create_connection((url.hostname, url.port), timeout=30)
            made.append(stack.enter_context(connection))
            with suppress(BrokenPipeError, ConnectionResetError):  # The service may have closed it for others.
                connection.sendall(sent)
        yield made


def slowest_probe_s(service: Service, *, for_s: float = 3.0) -> float:
    slowest, until = 0.0, time.monotonic() + for_s
    while time.monotonic() < until:
        began = time.monotonic()
        assert service.get("/livez", key=None).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD[:1],
        HEAD,
        HEAD + b"\r",
        HEAD + b"\r\n" + HEAD,
        HEAD + BODY,
        HEAD + CLOSE + BODY,
        HEAD + CLOSE + b"\r\n",
    ],
    ids=[
        "nothing",
        "a letter",
        "half a head",
        "nearly a head",
        "a request and half a head",
        "no body",
        "no body, and an end",
        "all, and do not close",
    ],
)
def test_probes_go_on_while_many_clients_send_half_a_request(tmp_path: Path, sent: bytes) -> None:
    with running_service(tmp_path) as service, connections(service, SLOW_CLIENTS, sent):
        assert slowest_probe_s(service) < PROBE_S


def test_probes_go_on_while_many_clients_send_their_heads_a_letter_at_a_time(tmp_path: Path) -> None:
    with running_service(tmp_path) as service, connections(service, SLOW_CLIENTS) as slow:
        for letter in HEAD[:20]:
            for connection in slow:
                connection.sendall(bytes([letter]))
            assert service.get("/livez", key=None).elapsed.total_seconds() < PROBE_S


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["idle", "half a head"])
def test_probes_and_refreshes_go_on_beside_thousands_of_idle_connections(tmp_path: Path, sent: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE_CLIENTS + 200
    if hard < needed:
        pytest.skip(f"this process may not open {needed} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    limited = ("prlimit", f"--nofile={USUAL_DESCRIPTORS}:{USUAL_DESCRIPTORS}")
    try:
        with (
            running_service(tmp_path, within=limited, CATALOG_REFRESH_SECONDS="1") as service,
            connections(service, IDLE_CLIENTS, sent),
        ):
            slowest = slowest_probe_s(service)
            refreshes = len(service.events("catalog_refreshed"))
            eventually(lambda: len(service.events("catalog_refreshed")) > refreshes + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert slowest < PROBE_S
    assert "Traceback" not in service.log()


def test_a_service_that_stops_does_not_wait_for_clients_that_send_nothing(tmp_path: Path) -> None:
    with running_service(tmp_path) as service, connections(service, 2):
        service.process.terminate()

        assert service.process.wait(8) == 0


def test_a_response_is_received_although_a_megabyte_of_the_request_was_not_read(tmp_path: Path) -> None:
    body = b"x" * (1 << 20)
    head = f"POST /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with running_service(tmp_path) as service:
        for _ in range(30):
            with connections(service, 1, head + body) as [connection]:
                received = b"".join(iter(lambda: connection.recv(1 << 16), b""))

            assert received.startswith(b"HTTP/1.1 401 ")
