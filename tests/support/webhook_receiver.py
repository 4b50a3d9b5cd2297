"""Receivers of webhooks on loopback, over TLS with a CA of their own, some of them ill."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "receiver.test"

# What a receiver does with a request that it has read; its answer, or None where it writes by itself.
Respond = Callable[["Received", ssl.SSLSocket], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, and the name that its TLS handshake asked for."""

    line: str
    headers: dict[str, str]
    body: bytes
    sni: str | None


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def accept(received: Received, connection: ssl.SSLSocket) -> bytes:
    return answer("204 No Content")


@dataclass
class Receiver:
    """A running receiver: where it listens, whose certificates to trust, and what it was sent."""

    port: int
    ca_file: Path
    respond: Respond = accept
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))


@contextmanager
def receiving(folder: Path, respond: Respond = accept, *, names: tuple[str, ...] = (HOST,)) -> Iterator[Receiver]:
    """
    Args:
        names: whom its certificate is for.
    """
    ca_file, chain = make_certificates(folder, names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    asked: dict[ssl.SSLObject | ssl.SSLSocket, str | None] = {}
    context.sni_callback = lambda connection, name, _: asked.update({connection: name})
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(port=listener.getsockname()[1], ca_file=ca_file, respond=respond)

    def serve(plain: socket.socket) -> None:
        with suppress(OSError), plain:
            plain.settimeout(30)
            with context.wrap_socket(plain, server_side=True) as connection:
                received = _read(connection, asked.get(connection))
                if received is None:
                    return
                receiver.received.append(received)
                written = receiver.respond(received, connection)
                if written is not None:
                    connection.sendall(written)

    def listen() -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                receiver.connections += 1
                threading.Thread(target=serve, args=(plain,), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _read(connection: ssl.SSLSocket, sni: str | None) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rows = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    while len(body) < int(headers.get("content-length", 0)):
        more = connection.recv(65536)
        if not more:
            return None
        body += more
    return Received(line=line, headers=headers, body=body, sni=sni)


def make_certificates(folder: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
    """A CA's certificate, and a file with the key and the certificate that it gave a server."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, is_ca: bool
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if not is_ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(it) for it in names]), critical=False)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(certificate("ca", ca_key, "ca", ca_key, is_ca=True).public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    own = certificate("server", key, "ca", ca_key, is_ca=False)
    chain.write_bytes(private + own.public_bytes(serialization.Encoding.PEM))
    return ca_file, chain


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
