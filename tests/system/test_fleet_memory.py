"""Who imports redis and who opens a socket: of a fleet's host the worker with the link, of any other nobody."""

import ast
import subprocess
import sys
from pathlib import Path

from config import read_settings
from tests.support.redis_server import needs_redis, running_redis
from tests.support.servers import PROJECT, service_environ

# A worker without its server. It says which modules of redis it has loaded and where it connected to, at first, and at
# a word again once it is linked.
WORKER = """
import socket, sys, time
connects = []
real = socket.socket.connect
def connect(self, address):
    connects.append(address)
    return real(self, address)
socket.socket.connect = connect
from app.services import services_of
from wsgi import app
services = services_of(app)
services.start()
time.sleep(1)
def tell():
    rss = int(open("/proc/self/statm").read().split()[1]) * 4096
    print({"redis": "redis" in sys.modules, "connects": connects, "bytes": rss}, flush=True)
tell()
if sys.stdin.readline().strip() == "again":
    deadline = time.monotonic() + 20
    while "redis" not in sys.modules and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    tell()
services.stop()
"""


class Worker:
    def __init__(self, folder: Path, **settings: str) -> None:
        environ = service_environ(folder, **settings)
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=PROJECT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.settings = read_settings(environ)

    def report(self) -> dict[str, object]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{'redis'"):
                found: dict[str, object] = ast.literal_eval(line)
                return found
        raise AssertionError("the worker ended")

    def word(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.word("end")
        self.process.communicate(timeout=20)


def test_without_a_store_nothing_opens_a_socket_or_imports_redis(tmp_path: Path) -> None:
    worker = Worker(tmp_path)

    report = worker.report()

    worker.end()
    assert (report["redis"], report["connects"]) == (False, [])


@needs_redis
def test_only_the_worker_with_the_link_imports_redis(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as redis:
        worker = Worker(tmp_path, CATALOG_STORE=redis.url)
        holder = Worker(tmp_path, CATALOG_STORE=redis.url)
        reports = {worker: worker.report(), holder: holder.report()}
        [linked] = [it for it, report in reports.items() if report["redis"]]
        [other] = [it for it in reports if it is not linked]

        assert reports[linked]["connects"]
        assert reports[other]["connects"] == []

        linked.end()
        other.word("again")
        report = other.report()
        other.end()

    assert report["redis"] and report["connects"]
    before, after = reports[other]["bytes"], report["bytes"]
    assert isinstance(before, int) and isinstance(after, int)
    assert after - before < 8 << 20
