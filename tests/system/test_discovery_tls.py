"""Discovery over TLS: the CA bundle is read once, and still decides which server is trusted."""

import datetime
import ipaddress
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore import httpsession
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.discovery.tls import share_tls_context
from tests.support.servers import PROJECT, service_environ

# Runs the child's own main, and writes to standard error how often a CA bundle was really read.
COUNTING_MAIN = """
import sys, threading
import app.discovery.__main__ as discovery
reads = []
def profile(frame, event, function):
    if event == "c_call" and function.__name__ == "load_verify_locations":
        reads.append(1)
threading.setprofile(profile)
discovery.main()
print(len(reads), file=sys.stderr)
"""


class _Bedrock(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"modelSummaries": [{"modelId": "a"}], "inferenceProfileSummaries": []}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def _certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for loopback, its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def bedrock_over_tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a Bedrock that speaks TLS, and the file of its certificate."""
    certificate = _certificate(tmp_path, "bedrock")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bedrock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", certificate
    server.shutdown()
    thread.join()
    server.server_close()


def _discover(folder: Path, url: str, ca_bundle: Path) -> tuple[list[dict[str, Any]], str]:
    """The lines behind the first one, and the count of bundles read."""
    environ = service_environ(
        folder,
        CATALOG_SOURCE="aws",
        AWS_BEDROCK_REGIONS="us-east-1,us-west-2,eu-west-1",
        AWS_ENDPOINT_URL_BEDROCK=url,
        AWS_CA_BUNDLE=str(ca_bundle),
    )
    done = subprocess.run(
        [sys.executable, "-c", COUNTING_MAIN], cwd=PROJECT, env=environ, capture_output=True, timeout=60, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()[1:]], done.stderr.decode().strip()


def test_three_regions_over_tls_read_the_ca_bundle_once(tmp_path: Path, bedrock_over_tls: tuple[str, Path]) -> None:
    url, certificate = bedrock_over_tls

    lines, reads = _discover(tmp_path, url, certificate)

    assert {line["listing"]["region"] for line in lines} == {"eu-west-1", "us-east-1", "us-west-2"}
    assert len(lines) == 6
    assert reads == "1"


def test_a_server_that_the_ca_bundle_does_not_vouch_for_is_not_trusted(
    tmp_path: Path, bedrock_over_tls: tuple[str, Path]
) -> None:
    url, _ = bedrock_over_tls

    lines, _ = _discover(tmp_path, url, _certificate(tmp_path, "another"))

    assert [line["failure"]["code"] for line in lines] == ["SSLError"] * 6


@pytest.mark.parametrize(
    ("holder", "function", "name"),
    [
        (httpsession.URLLib3Session, "_get_ssl_context", "create_urllib3_context"),
        (httpsession, "create_urllib3_context", "SSLContext"),
    ],
)
def test_a_botocore_that_no_longer_uses_a_patched_name_is_refused_loudly(
    holder: Any, function: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder, function, lambda *_: ssl.create_default_context())

    with pytest.raises(RuntimeError, match=f"{function} does not use {name} any longer"):
        share_tls_context()
