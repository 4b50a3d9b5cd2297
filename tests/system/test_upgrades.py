"""Reloads and upgrades behind nginx: requests in between are answered."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.builders import KEY
from tests.support.nginx_server import NGINX, Nginx, running_nginx
from tests.support.servers import (
    GUNICORN,
    PROJECT,
    Service,
    asking_without_pause,
    eventually,
    running_service,
    service_environ,
)

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian's package nginx)")

COMMAND = (GUNICORN, "-c", "gunicorn.conf.py", "wsgi:app")
# What systemd does between the fork and the service, for one socket whose descriptor is the first argument.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
# What the clients ask in turn. Each question to the catalog is a new one, so that no cache answers it.
QUESTIONS = ("/livez", "/v1/models?{}", "/anthropic/v1/models?limit=1000&unique={}")


@contextmanager
def load(nginx: Nginx, clients: int = 6) -> Iterator["Counter[tuple[str, int | str]]"]:
    """Clients that ask without a pause, half of them on a new connection each time.

    Gives how often each (path, status or transport error) has come so far.
    """
    seen: Counter[tuple[str, int | str]] = Counter()
    number = itertools.count()
    lock = threading.Lock()

    def ask(place: int, over: threading.Event) -> None:
        headers = {"x-api-key": KEY} | ({"connection": "close"} if place % 2 else {})
        with httpx.Client(base_url=nginx.url, headers=headers, timeout=60) as client:
            while not over.is_set():
                for question in QUESTIONS:
                    try:
                        status: int | str = client.get(question.format(next(number))).status_code
                    except httpx.TransportError as error:
                        status = repr(error)
                    with lock:
                        seen[question.partition("?")[0], status] += 1

    with asking_without_pause(ask, clients):
        yield seen


def answered(seen: "Counter[tuple[str, int | str]]") -> int:
    return sum(dict(seen).values())


def workers_of(master: int) -> set[int]:
    try:
        return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()}
    except FileNotFoundError:
        return set()


@dataclass
class Activated:
    """gunicorn as systemd starts it: the socket is descriptor 3."""

    folder: Path
    held: socket.socket
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ACTIVATE, str(self.held.fileno()), *COMMAND],
                cwd=PROJECT,
                env=service_environ(self.folder, WEB_CONCURRENCY="2"),
                pass_fds=[self.held.fileno()],
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(30) == 0

    def restart(self) -> None:
        self.stop()
        self.start()


@contextmanager
def activated(folder: Path, held: socket.socket) -> Iterator[Activated]:
    service = Activated(folder, held)
    service.start()
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Nginx, Service]]:
    where = tmp_path / "gunicorn.sock"
    with (
        running_service(tmp_path, "--pid", str(tmp_path / "pid"), socket=where, WEB_CONCURRENCY="2") as service,
        running_nginx(tmp_path / "nginx", where) as nginx,
    ):
        yield nginx, service


def test_a_reload_loses_no_request(service: tuple[Nginx, Service]) -> None:
    nginx, gunicorn = service
    master = gunicorn.process.pid
    with load(nginx) as seen:
        for _ in range(3):
            before, count = workers_of(master), answered(seen)
            gunicorn.process.send_signal(signal.SIGHUP)
            eventually(lambda: len(workers_of(master)) == 2 and not workers_of(master) & before, 30)  # noqa: B023
            eventually(lambda: answered(seen) > count + 100, 30)  # noqa: B023

    assert {status for _, status in seen} == {200}, (seen, nginx.errors())


def test_a_binary_upgrade_loses_no_request(service: tuple[Nginx, Service], tmp_path: Path) -> None:
    nginx, gunicorn = service
    pid_file, old = tmp_path / "pid", gunicorn.process
    new = None
    try:
        with load(nginx) as seen:
            old.send_signal(signal.SIGUSR2)
            eventually(lambda: Path(f"{pid_file}.2").exists(), 30)
            new = int(Path(f"{pid_file}.2").read_text())
            eventually(lambda: len(workers_of(new)) == 2, 30)
            # gunicorn heeds WINCH only as a daemon; TERM lets the old workers finish just as well.
            old.send_signal(signal.SIGTERM)
            assert old.wait(30) == 0
            count = answered(seen)
            eventually(lambda: answered(seen) > count + 100, 30)
            eventually(lambda: pid_file.exists() and int(pid_file.read_text()) == new, 30)

        assert {status for _, status in seen} == {200}, (seen, nginx.errors())
    finally:
        if new is not None:
            os.kill(new, signal.SIGTERM)
            eventually(lambda: not pid_file.exists() and not workers_of(new), 30)


def test_a_restart_under_systemds_socket_loses_no_request(tmp_path: Path) -> None:
    where = tmp_path / "gunicorn.sock"
    # A start takes seconds, or many on a machine that is busy.
    patient = {"proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 60s"}}
    with socket.socket(socket.AF_UNIX) as held, running_nginx(tmp_path / "nginx", where, changes=patient) as nginx:
        held.bind(str(where))
        held.listen(2048)
        with activated(tmp_path, held) as gunicorn:
            eventually(lambda: nginx.get("/readyz").status_code == 200, 30)
            with load(nginx) as seen:
                eventually(lambda: answered(seen) > 50, 30)
                gunicorn.restart()
                count = answered(seen)
                eventually(lambda: answered(seen) > count + 50, 60)

    assert {status for _, status in seen} == {200}, (seen, nginx.errors())
