"""Real servers for the end-to-end tests, on loopback."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.support.builders import KEY

PROJECT = Path(__file__).parent.parent.parent
# Not `python -m gunicorn`: started anew for an upgrade, its own `http` hides the standard library's.
GUNICORN = str(Path(sys.executable).with_name("gunicorn"))
START_TIMEOUT_S = 30.0
# httpx reads all of the system's certificates for every client without one; nothing here speaks TLS.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANSWERS_IN_A_ROW = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Service:
    """A running gunicorn: its process, its base URL (no slash at the end) and the file of its log."""

    process: "subprocess.Popen[bytes]"
    url: str
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        written = self.log().rpartition("\n")[0]  # The last line may be half there.
        lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def get(self, path: str, key: str | None = KEY) -> httpx.Response:
        headers = {"x-api-key": key} if key else {}
        return httpx.get(self.url + path, headers=headers, timeout=10, verify=NO_CERTIFICATES)


def service_environ(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a service: the demo source unless `settings` says otherwise."""
    own = {
        "PATH": os.environ["PATH"],
        "API_KEYS": KEY,
        "CATALOG_SOURCE": "demo",
        "AWS_BEDROCK_REGIONS": "us-east-1,eu-west-1",
        "CATALOG_DIR": str(folder / "catalog"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return own | settings


@contextmanager
def running_process(
    command: Sequence[str], log: Path, environ: Mapping[str, str], *, cwd: Path = PROJECT
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server; ended with SIGTERM, and half a minute later with SIGKILL."""
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_service(
    folder: Path,
    *arguments: str,
    ready: bool = True,
    socket: Path | None = None,
    application: str = "wsgi:app",
    within: tuple[str, ...] = (),
    **settings: str,
) -> Iterator[Service]:
    """gunicorn with this project's configuration.

    Args:
        folder: where its catalog and its log go.
        arguments: more arguments for gunicorn.
        socket: a unix socket to serve on, too.
        application: what gunicorn serves, as `module:name`.
        within: the beginning of a command that runs it in a place of its own.
        ready: wait until /readyz answers 200, else until /livez does.
        settings: environment variables.
    """
    port = free_port()
    log_file = folder / "service.log"
    if socket is not None:
        arguments = (*arguments, "--bind", f"127.0.0.1:{port}", "--bind", f"unix:{socket}")
    environ = service_environ(folder, **({"BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "1"} | settings))
    command = [*within, GUNICORN, "-c", "gunicorn.conf.py", application, *arguments]
    with running_process(command, log_file, environ) as process:
        service = Service(process, f"http://127.0.0.1:{port}", log_file)
        wait_for_answer(service, "/readyz" if ready else "/livez")
        yield service


def wait_for_answer(service: Service, path: str) -> None:
    """Wait until a path answers 200 many times in a row, so that no worker is likely to be left out."""
    deadline = time.monotonic() + START_TIMEOUT_S
    in_a_row = 0
    while True:
        if service.process.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {service.process.returncode}:\n{service.log()}")
        try:
            in_a_row = in_a_row + 1 if service.get(path, key=None).status_code == 200 else 0
            if in_a_row == ANSWERS_IN_A_ROW:
                return
            if in_a_row:
                continue
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"no 200 from {path} in {START_TIMEOUT_S} s:\n{service.log()}")
        time.sleep(0.05)


@contextmanager
def asking_without_pause(ask: Callable[[int, threading.Event], None], clients: int) -> Iterator[None]:
    """Run so many clients at once, each told its place and when it is over; what one of them raises is raised."""
    over = threading.Event()
    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(ask, place, over) for place in range(clients)]
        try:
            yield
        finally:
            over.set()
    for client in running:
        client.result()


def eventually(check: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until it returns something true."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.05)
