"""One attempt to deliver a message: a POST over TLS to the address that was checked, bounded in time and size."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache

from app.webhooks.addresses import AddressRefused, HostUnknown, Resolve, checked_addresses, resolve
from app.webhooks.targets import Target

TIMEOUT_S = 10.0
MAX_BODY_BYTES = 16 * 1024
USER_AGENT = "bedrock-model-catalog"
GONE = 410

DELIVERED = "delivered"
FAILED = "failed"
SWITCHED_OFF = "gone"
OUTCOMES = (DELIVERED, FAILED, SWITCHED_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one attempt. `error` is a code and holds nothing of the address; `body` is for the command line."""

    outcome: str
    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    body: bytes = b""


class _Connection(http.client.HTTPSConnection):
    """A connection to one address, whose certificate has to be the host's; it knows no proxy, follows no redirect."""

    def __init__(self, target: Target, address: str, context: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, context=context)
        self._address = address
        self._tls = context

    def connect_within(self, timeout_s: float) -> None:
        """Connect to the address; the handshake and what follows is bounded by `_aborted_at`."""
        if timeout_s <= 0:
            raise TimeoutError
        plain = socket.create_connection((self._address, self.port), timeout_s)
        try:
            plain.settimeout(TIMEOUT_S)
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        self.sock.do_handshake()

    def abort(self) -> None:
        """Wake whatever waits for the other side."""
        connected = self.sock
        if connected is not None:
            with suppress(OSError):
                # The TLS socket's own would forget the session under the thread that reads from it.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def system_context() -> ssl.SSLContext:
    """The system's CAs, read when the first webhook is sent; SSL_CERT_FILE names others."""
    return ssl.create_default_context()


def deliver(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    *,
    context: Callable[[], ssl.SSLContext] = system_context,
    resolve: Resolve = resolve,
    timeout_s: float = TIMEOUT_S,
) -> Attempt:
    """POST a body to a target; all that can go wrong is an Attempt."""
    deadline = time.monotonic() + timeout_s
    try:
        addresses = checked_addresses(
            target.host, target.port, allow_private=target.allow_private, timeout_s=timeout_s, resolve=resolve
        )
    except HostUnknown as error:
        return Attempt(outcome=FAILED, error=f"HostUnknown: {error}")
    except AddressRefused as error:
        return Attempt(outcome=FAILED, error=f"AddressRefused: {error}")
    attempt = Attempt(outcome=FAILED, error="Timeout")
    for place, address in enumerate(addresses):
        connection = _Connection(target, address, context())
        try:
            with _aborted_at(deadline, connection):
                # An address that does not answer leaves time for the others.
                connection.connect_within((deadline - time.monotonic()) / (len(addresses) - place))
                return _post(connection, target, headers, body, deadline)
        except OSError as error:
            attempt = Attempt(outcome=FAILED, error=_code_of(error, deadline))
            if connection.sock is not None:  # It was reached, so the others would be the same host.
                return attempt
        except http.client.HTTPException:
            error_code = "Timeout" if time.monotonic() >= deadline else "InvalidResponse"
            return Attempt(outcome=FAILED, error=error_code)
        finally:
            connection.close()
    return attempt


@contextmanager
def _aborted_at(deadline: float, connection: _Connection) -> Iterator[None]:
    """Ends the connection at the deadline: a timeout of a socket begins anew with every byte."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), connection.abort)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _post(connection: _Connection, target: Target, headers: Mapping[str, str], body: bytes, deadline: float) -> Attempt:
    connection.request("POST", target.path, body, {**headers, "User-Agent": USER_AGENT, "Connection": "close"})
    response = connection.getresponse()
    if time.monotonic() >= deadline:
        raise TimeoutError  # Headers that were cut off look like whole ones.
    status = response.status
    # The status is the answer; the rest is read no further than people would.
    with suppress(OSError, http.client.HTTPException):
        text = response.read(MAX_BODY_BYTES)
        return _attempt(status, text, response.getheader("Retry-After"))
    return _attempt(status, b"", response.getheader("Retry-After"))


def _attempt(status: int, body: bytes, retry_after: str | None) -> Attempt:
    if 200 <= status < 300:
        return Attempt(outcome=DELIVERED, status=status, body=body)
    return Attempt(
        outcome=SWITCHED_OFF if status == GONE else FAILED,
        status=status,
        error=f"HTTP{status}",
        retry_after_s=_seconds(retry_after),
        body=body,
    )


def _seconds(retry_after: str | None) -> float | None:
    """RFC 9110: seconds or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isascii() and retry_after.strip().isdigit():
        return float(retry_after[:12])
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None


def _code_of(error: OSError, deadline: float) -> str:
    if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
        return "Timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"CertificateRefused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "TLSFailed"
    return type(error).__name__
