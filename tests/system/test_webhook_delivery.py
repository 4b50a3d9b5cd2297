"""Deliveries to real receivers, well and ill, over TLS with a CA of their own."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from app.catalog.event_changes import RETIREMENT_NEAR
from app.catalog.records import CatalogEvent, LifeStage, ModelFacts
from app.webhooks.delivery import DELIVERED, FAILED, MAX_BODY_BYTES, SWITCHED_OFF, Attempt, deliver
from app.webhooks.messages import event_message, probe_message
from app.webhooks.targets import SLACK, Target
from tests.support.webhook_receiver import HOST, Received, Receiver, Respond, answer, receiving

SECRET = b"s" * 32
TIMEOUT_S = 1.0
# A delivery never takes longer than its timeout, but for the machine's own delays.
LATE_S = 3.0


def target(port: int, **changes: Any) -> Target:
    fields: dict[str, Any] = {"host": HOST, "path": "/hook?a=b", "secret": SECRET, "allow_private": True}
    return Target(name="a", port=port, **(fields | changes))


def loopback(host: str, port: int, timeout_s: float) -> list[str]:
    return ["127.0.0.1"]


def send(receiver: Receiver, body: bytes = b"{}", *, timeout_s: float = TIMEOUT_S, **changes: Any) -> Attempt:
    began = time.monotonic()
    attempt = deliver(
        target(receiver.port, **changes),
        {"webhook-id": "1"},
        body,
        context=receiver.context,
        resolve=loopback,
        timeout_s=timeout_s,
    )
    assert time.monotonic() - began < timeout_s + LATE_S
    return attempt


def test_a_receiver_verifies_the_signature_with_the_library(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    after = ModelFacts(
        stages=(LifeStage(regions=("us-east-1",), lifecycle="deprecated", end_of_life_at=now + timedelta(days=7)),)
    )
    event = CatalogEvent(
        id="1764000000000-00007",
        at=now - timedelta(days=1),
        type=RETIREMENT_NEAR,
        model_id="a.b",
        name="Modèle",
        after=after,
        within_days=7,
    )
    with receiving(tmp_path) as receiver:
        to = target(receiver.port)
        headers, body = event_message(to, event, at=now)
        attempt = deliver(to, headers, body, context=receiver.context, resolve=loopback)
    (received,) = receiver.received

    assert (attempt.outcome, attempt.status) == (DELIVERED, 204)
    payload = Webhook(SECRET).verify(received.body, received.headers)
    assert (payload["type"], payload["data"]["id"], payload["data"]["name"]) == (RETIREMENT_NEAR, event.id, "Modèle")
    assert payload["data"]["after"]["within_days"] == 7
    assert received.headers["webhook-id"] == event.id
    with pytest.raises(WebhookVerificationError):
        Webhook(b"t" * 32).verify(received.body, received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body + b" ", received.headers)


def test_a_probe_is_signed_alike(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        to = target(receiver.port)
        deliver(to, *probe_message(to, at=datetime.now(UTC)), context=receiver.context, resolve=loopback)

    payload = Webhook(SECRET).verify(receiver.received[0].body, receiver.received[0].headers)
    assert (payload["type"], payload["data"]["target"]) == ("test", "a")


def test_a_slack_message_is_not_signed(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        to = target(receiver.port, format=SLACK, secret=None)
        deliver(to, *probe_message(to, at=datetime.now(UTC)), context=receiver.context, resolve=loopback)

    (received,) = receiver.received
    assert set(json.loads(received.body)) == {"text"}
    assert not {it for it in received.headers if it.startswith("webhook-")}


def test_the_connection_goes_to_the_checked_address_with_the_hosts_name(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        assert send(receiver, b'{"a": 1}').outcome == DELIVERED
    (received,) = receiver.received

    assert (received.sni, received.line) == (HOST, "POST /hook?a=b HTTP/1.1")
    assert received.headers["host"] == f"{HOST}:{receiver.port}"
    assert (received.headers["content-length"], received.body) == ("8", b'{"a": 1}')


def test_no_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with receiving(tmp_path) as receiver:
        assert send(receiver).outcome == DELIVERED


def test_an_address_in_the_place_of_a_name_is_verified_alike(tmp_path: Path) -> None:
    with receiving(tmp_path, names=("127.0.0.1",)) as receiver:
        assert send(receiver, host="127.0.0.1").outcome == DELIVERED
        refused = send(receiver, host=HOST)

    assert refused.error is not None and refused.error.startswith("CertificateRefused: Hostname mismatch")


def test_a_certificate_of_an_unknown_ca_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with receiving(tmp_path) as receiver, receiving(tmp_path / "other") as other:
        attempt = deliver(target(receiver.port), {}, b"", context=other.context, resolve=loopback, timeout_s=TIMEOUT_S)

    assert attempt.error is not None and attempt.error.startswith("CertificateRefused")
    assert receiver.received == []


def test_a_private_address_is_not_even_connected_to(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        attempt = send(receiver, allow_private=False)

    assert attempt == Attempt(outcome=FAILED, error="AddressRefused: a private or link-local address")
    assert receiver.connections == 0


def test_a_redirect_to_the_metadata_address_is_not_followed(tmp_path: Path) -> None:
    def redirect(received: Received, connection: Any) -> bytes:
        return answer("307 Temporary Redirect", b"", "Location: http://169.254.169.254/latest/meta-data/")

    with receiving(tmp_path, redirect) as receiver:
        attempt = send(receiver)

    assert (attempt.outcome, attempt.status, attempt.error) == (FAILED, 307, "HTTP307")
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "retry_after_s"),
    [
        ("200 OK", (), DELIVERED, None),
        ("299 Odd", (), DELIVERED, None),
        ("410 Gone", (), SWITCHED_OFF, None),
        ("404 Not Found", (), FAILED, None),
        ("429 Too Many Requests", ("Retry-After: 17",), FAILED, 17.0),
        ("503 Service Unavailable", ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT",), FAILED, 0.0),
        ("503 Service Unavailable", ("Retry-After: soon",), FAILED, None),
        ("503 Service Unavailable", ("Retry-After: " + "9" * 500,), FAILED, 999999999999.0),
    ],
)
def test_an_answer_is_judged_by_its_status(
    tmp_path: Path, status: str, headers: tuple[str, ...], outcome: str, retry_after_s: float | None
) -> None:
    with receiving(tmp_path, lambda *_: answer(status, b"body", *headers)) as receiver:
        attempt = send(receiver)

    assert (attempt.outcome, attempt.retry_after_s, attempt.body) == (outcome, retry_after_s, b"body")


def test_ten_megabytes_are_not_read(tmp_path: Path) -> None:
    with receiving(tmp_path, lambda *_: answer("200 OK", b"x" * 10_000_000)) as receiver:
        attempt = send(receiver, timeout_s=5)

    assert (attempt.outcome, len(attempt.body)) == (DELIVERED, MAX_BODY_BYTES)


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200]
)
def test_garbage_is_a_failure(tmp_path: Path, garbage: bytes) -> None:
    with receiving(tmp_path, lambda *_: garbage) as receiver:
        attempt = send(receiver)

    assert attempt.outcome == FAILED
    assert attempt.error in ("InvalidResponse", "ConnectionResetError", "RemoteDisconnected", "TLSFailed")


def drip(data: bytes) -> Respond:
    """Writes a byte every 50 ms: no single read ever waits for long."""

    def respond(received: Received, connection: Any) -> None:
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            time.sleep(0.05)

    return respond


def test_headers_that_never_end_end_with_the_timeout(tmp_path: Path) -> None:
    with receiving(tmp_path, drip(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500)) as receiver:
        assert send(receiver) == Attempt(outcome=FAILED, error="Timeout")


def test_a_body_that_never_ends_does_not_change_the_answer(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"

    def respond(received: Received, connection: Any) -> None:
        connection.sendall(head)
        drip(b"x" * 9000)(received, connection)

    with receiving(tmp_path, respond) as receiver:
        assert (send(receiver).outcome, len(receiver.received)) == (DELIVERED, 1)


def test_no_answer_at_all_ends_with_the_timeout(tmp_path: Path) -> None:
    with receiving(tmp_path, lambda *_: time.sleep(20)) as receiver:
        assert send(receiver) == Attempt(outcome=FAILED, error="Timeout")


@contextmanager
def silent_listener() -> Iterator[int]:
    """Accepts connections and says nothing, not even in the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def listen() -> None:
            try:
                while True:
                    held.append(listener.accept()[0])
            except OSError:
                return

        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for it in held:
            it.close()


def test_a_handshake_that_hangs_ends_with_the_timeout(tmp_path: Path) -> None:
    with receiving(tmp_path) as other, silent_listener() as port:
        began = time.monotonic()
        attempt = deliver(target(port), {}, b"", context=other.context, resolve=loopback, timeout_s=TIMEOUT_S)

    assert attempt == Attempt(outcome=FAILED, error="Timeout")
    assert time.monotonic() - began < TIMEOUT_S + LATE_S


def test_a_resolver_that_hangs_ends_with_the_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        released.wait(20)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hang)
    try:
        attempt = deliver(target(443), {}, b"", timeout_s=0.2)
    finally:
        released.set()

    assert attempt == Attempt(outcome=FAILED, error="HostUnknown: no answer in time")


def test_an_address_that_nobody_answers_at_leaves_time_for_the_next_one(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        attempt = deliver(
            target(receiver.port),
            {},
            b"",
            context=receiver.context,
            resolve=lambda *_: ["127.255.255.254", "127.0.0.1"],
            timeout_s=2,
        )

    assert attempt.outcome == DELIVERED


def test_a_port_that_nobody_listens_at_is_a_failure(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        pass

    assert send(receiver).error == "ConnectionRefusedError"
