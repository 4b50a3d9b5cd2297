"""Mantle's `GET /v1/models` on loopback, over real HTTP: it checks who asks as AWS does, and is able to fail.

Who asks is checked by botocore's own signer, with the secret key that the stand-in shares with the caller.
"""

import hmac
import json
import re
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY = "AKIDMANTLE"
SECRET_KEY = "secret-of-the-stand-in"
SESSION_TOKEN = "session-token"
BEARER_KEY = "bedrock-api-key-" + "k" * 40
CREDENTIALS = Credentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
ACCOUNT = "112233445566"

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)

# Answers that are no listing, and what the connection can do instead.
STATUSES = {"401": 401, "403": 403, "500": 500, "429": 429, "echo": 403}
FAULTS = (*STATUSES, "html", "garbage", "no_data", "huge", "redirect", "hang", "drip", "half", "reset", "empty", "lies")
DRIP_S = 0.05
HUGE_BYTES = 10 << 20


def mantle_row(model_id: str, **changes: Any) -> dict[str, Any]:
    return {"id": model_id, "object": "model", "created": 1_770_000_000, "owned_by": "system"} | changes


# Rows of which some can be read, though each of them has something wrong.
LIES: list[Any] = [
    None,
    7,
    "row",
    [],
    {},
    {"id": 7},
    {"id": ""},
    {"id": "\ud800"},
    mantle_row("maker.lies-1", created="yesterday", status=7, data_retention=[]),
    mantle_row("maker.lies-2", created=1e300, data_retention={"allowed_modes": "none"}),
    mantle_row("maker.lies-3", created=-(10**30), data_retention={"allowed_modes": [None, "default", 7]}),
    mantle_row("maker.lies-1"),
]


class MantleStandin(ThreadingHTTPServer):
    """`with MantleStandin("us-east-1") as standin:` serves `standin.url`; `standin.rows[region]` are what it lists.

    `standin.faults[region] = "hang"` breaks a region; one that it does not have is refused. `standin.seen` are the
    headers of every request, by path. With a certificate and its key it speaks TLS, as `localhost`.
    """

    daemon_threads = True

    def __init__(self, *regions: str, certificate: tuple[Path, Path] | None = None, latency_ms: int = 0) -> None:
        self.latency_s = latency_ms / 1000
        self.rows: dict[str, list[Any]] = {it: [mantle_row("maker.mantle-only")] for it in regions}
        self.faults: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://localhost:{self.server_port}"

    def __enter__(self) -> "MantleStandin":
        threading.Thread(target=self.serve_forever, args=(0.02,), name="mantle-standin", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30
    server: MantleStandin

    def do_GET(self) -> None:
        standin = self.server
        standin.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        region = self._region()
        time.sleep(standin.latency_s)
        if region is None or region not in standin.rows or self.path != "/v1/models":
            self._error(401, "who asks is not known")
            return
        fault = standin.faults.get(region, "")
        body = json.dumps({"object": "list", "data": standin.rows[region]}).encode()
        if fault in STATUSES:
            echoed = self.headers["Authorization"] if fault == "echo" else f"arn:aws:iam::{ACCOUNT}:user/Ann may not"
            self._error(STATUSES[fault], echoed)
        elif fault == "redirect":
            self._send(302, b"", location=f"{standin.url}/stolen")
        elif fault == "hang":
            standin.closing.wait()
            self.close_connection = True
        elif fault == "reset":
            self.close_connection = True
        elif fault == "drip":
            self._drip(body)
        elif fault == "half":
            self._send(200, body[: len(body) // 2], length=len(body))
            self.close_connection = True
        else:
            self._send(200, _spoiled(body, fault))

    def _region(self) -> str | None:
        """The region that the request is for, None where nothing proves who asks."""
        authorization = self.headers.get("Authorization", "")
        if authorization == f"Bearer {BEARER_KEY}":
            return next(iter(self.server.rows))
        found = AUTHORIZATION.fullmatch(authorization)
        if found is None or found["key"] != ACCESS_KEY or found["service"] != "bedrock-mantle":
            return None
        names = found["names"].split(";")
        if not {"host", "x-amz-date", "x-amz-security-token"} <= set(names):
            return None
        request = AWSRequest(
            method=self.command,
            url=f"https://{self.headers['Host']}{self.path}",
            headers={name: self.headers[name] for name in names if name != "host"},
        )
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = SigV4Auth(CREDENTIALS, "bedrock-mantle", found["region"])
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return found["region"] if hmac.compare_digest(expected, found["signature"]) else None

    def _error(self, status: int, message: str) -> None:
        error = {"code": "access_denied" if status in (401, 403) else "server_error", "message": message}
        self._send(status, json.dumps({"error": error}).encode())

    def _send(self, status: int, body: bytes, *, length: int | None = None, location: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, body: bytes) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            if self.server.closing.wait(DRIP_S):
                return

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _spoiled(body: bytes, fault: str) -> bytes:
    wrong = {
        "html": b"<html><body>Sign in</body></html>",
        "garbage": bytes(range(256)) * 4,
        "no_data": b'{"object":"list","data":{"id":"x"}}',
        "empty": b'{"object":"list","data":[]}',
        "lies": json.dumps({"data": LIES}).encode(),
    }
    if fault == "huge":
        return body[:-2] + b" " * HUGE_BYTES + body[-2:]
    return wrong.get(fault, body)
