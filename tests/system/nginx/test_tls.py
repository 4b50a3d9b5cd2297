"""The TLS block of the shipped nginx configuration."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx

from tests.support.builders import KEY
from tests.support.nginx_checks import (
    MODELS,
    assert_error,
    behind_nginx,
    raw,
    request_id_of,
)


def test_the_tls_block_serves_once_it_is_filled_in(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    write_certificate(folder)
    trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with behind_nginx(tmp_path, tls=True) as (nginx, app), httpx.Client(verify=trusted) as client:
        answer = client.get(f"https://localhost:{nginx.tls_port}{MODELS}", headers={"x-api-key": KEY})
        assert nginx.tls_port is not None
        plain = raw(nginx.tls_port, b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        negotiated = negotiate(trusted, nginx.tls_port)

    assert answer.status_code == 200
    assert app.asked[-1].header("x-forwarded-proto") == "https"
    assert request_id_of(answer) == app.asked[-1].header("x-request-id")
    assert_error(plain, 400, "openai")
    assert negotiated == ("h2", "TLSv1.3")


def negotiate(context: ssl.SSLContext, port: int) -> tuple[str | None, str | None]:
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as tls,
    ):
        return tls.selected_alpn_protocol(), tls.version()


def write_certificate(folder: Path) -> None:
    """A self-signed certificate for localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
