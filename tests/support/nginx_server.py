"""A real nginx with the shipped configuration, on loopback; only what depends on the host is replaced."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.support.builders import KEY
from tests.support.servers import PROJECT, START_TIMEOUT_S, free_port

SHIPPED = PROJECT / "deploy" / "nginx"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SOCKET = "/run/bedrock-model-catalog.sock"
CACHE = "/run/nginx-bedrock-model-catalog"
LOG = "/var/log/nginx/bedrock-model-catalog.log"
ERROR_LOG = "/var/log/nginx/bedrock-model-catalog-error.log"

# What Debian's own nginx.conf has and the shipped files build on.
MAIN = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{user}
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    client_body_temp_path {folder}/tmp-body;
    proxy_temp_path {folder}/tmp-proxy;
    fastcgi_temp_path {folder}/tmp-fastcgi;
    uwsgi_temp_path {folder}/tmp-uwsgi;
    scgi_temp_path {folder}/tmp-scgi;
    include conf.d/*.conf;
    include sites-enabled/*;
}}
"""


@dataclass
class Nginx:
    """A running nginx: its URL (no slash at the end), port, TLS port, and the folder of its configuration and logs."""

    url: str
    port: int
    tls_port: int | None
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def get(self, path: str, key: str | None = KEY, **headers: str) -> httpx.Response:
        given = {"x-api-key": key} if key else {}
        return httpx.get(
            self.url + path, headers=given | {n.replace("_", "-"): v for n, v in headers.items()}, timeout=15
        )

    def errors(self) -> str:
        """All error logs: nginx's own, and the site's."""
        return "".join((self.folder / name).read_text() for name in ("error.log", "site-error.log"))

    def access_log(self) -> str:
        """Its whole lines: nginx may be writing the last one."""
        lines, end, _ = (self.folder / "access.log").read_text().rpartition("\n")
        return lines + end

    def logged(self, request_id: str) -> dict[str, Any]:
        """The access log's line of one request; nginx writes it within a second."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            for line in self.access_log().splitlines():
                entry: dict[str, Any] = json.loads(line)
                if entry["request_id"] == request_id:
                    return entry
            time.sleep(0.1)
        raise AssertionError(f"{request_id} is not in the access log")


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with each old part as its new one. A part that is not there means a test that tests nothing."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_configuration(
    folder: Path,
    socket: Path,
    port: int,
    tls_port: int | None = None,
    changes: Mapping[str, Mapping[str, str]] | None = None,
    gateway_port: int | None = None,
) -> Path:
    """Lay the shipped files out as Debian has them, and return the path of the main file.

    Args:
        tls_port: fill the TLS block in, with `cert.pem` and `key.pem` of the folder.
        changes: what a test needs otherwise, {file: {old: new}}.
        gateway_port: gateway.conf instead of site.conf, with a gateway that listens there; its name is nginx's address,
            and any other is the catalog's.
    """
    snippets = folder / "snippets" / "bedrock-model-catalog"
    for place in (snippets, folder / "conf.d", folder / "sites-enabled"):
        place.mkdir(parents=True, exist_ok=True)
    site = "gateway.conf" if gateway_port else "site.conf"
    places = {file.name: snippets for file in SHIPPED.glob("*.conf") if file.name not in ("site.conf", "gateway.conf")}
    places |= {"http.conf": folder / "conf.d", site: folder / "sites-enabled"}
    host = {
        SOCKET: str(socket),
        CACHE: str(folder / "cache"),
        LOG: str(folder / "access.log"),
        ERROR_LOG: str(folder / "site-error.log"),
        "listen 80 default_server;": f"listen 127.0.0.1:{port} default_server;",
        "    listen [::]:80 default_server;\n": "",
    }
    if gateway_port:
        host |= {
            "listen 80;": f"listen 127.0.0.1:{port};",
            "    listen [::]:80;\n": "",
            "server_name models.example.com;": "server_name 127.0.0.1 a;",
            "server 127.0.0.1:4000": f"server 127.0.0.1:{gateway_port}",
        }
    if tls_port:
        host |= {
            "#~": "",
            "listen 443 ssl": f"listen 127.0.0.1:{tls_port} ssl",
            "/etc/ssl/certs/models.example.com.pem": str(folder / "cert.pem"),
            "/etc/ssl/private/models.example.com.key": str(folder / "key.pem"),
            "    listen [::]:443 ssl http2 default_server;\n": "",
        }
    for name, place in places.items():
        text = replaced((SHIPPED / name).read_text(), (changes or {}).get(name, {}))
        (place / name).write_text(replaced(text, host) if name == site else text)
    main = folder / "nginx.conf"
    # Started as root nginx would drop to www-data, who may not enter a test's folder.
    main.write_text(MAIN.format(folder=folder, user="user root;"))
    return main


@contextmanager
def running_nginx(
    folder: Path,
    socket: Path,
    *,
    tls: bool = False,
    changes: Mapping[str, Mapping[str, str]] | None = None,
    gateway_port: int | None = None,
) -> Iterator[Nginx]:
    """nginx before a unix socket.

    Args:
        folder: where its configuration, cache and logs go.
        socket: gunicorn's.
        tls, changes, gateway_port: as for `write_configuration`.
    """
    assert NGINX is not None
    folder.mkdir(parents=True, exist_ok=True)
    port, tls_port = free_port(), free_port() if tls else None
    main = write_configuration(folder, socket, port, tls_port, changes, gateway_port)
    output = folder / "nginx.out"
    with output.open("wb") as out:
        process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(main)], stdout=out, stderr=out)
    try:
        _wait_until_it_answers(process, port, output)
        yield Nginx(f"http://127.0.0.1:{port}", port, tls_port, folder, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/.nginx-error", timeout=5)
            return
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx does not answer:\n{output.read_text()}") from None
        time.sleep(0.02)
