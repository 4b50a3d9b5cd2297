"""Hosts of a fleet: gunicorns with folders and ports of their own, on one engine and one stand-in for Bedrock."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.refresh.file_store import FileStore, file_store
from app.refresh.store import Version
from config import read_settings
from tests.support.bedrock_standin import BedrockStandin
from tests.support.redis_server import RedisServer, running_redis
from tests.support.servers import PROJECT, Service, eventually, running_service, service_environ

REGIONS = ("us-east-1", "eu-west-1")


@dataclass
class Host:
    """A gunicorn, and what its folder tells."""

    service: Service
    folder: Path
    environ: dict[str, str]
    stack: ExitStack = field(repr=False, default_factory=ExitStack)

    @property
    def store(self) -> FileStore:
        return file_store(read_settings(self.environ))

    def version(self) -> Version:
        return self.store.version()

    def workers(self) -> list[int]:
        master = self.service.process.pid
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def link_holder(self) -> int:
        """The worker with the link."""
        return int((self.store.link_holder() or "process 0,").split()[1].rstrip(","))

    def ids(self, path: str = "/v1/models") -> set[str]:
        return {row["id"] for row in self.service.get(path).json()["data"]}

    def events(self, name: str) -> list[dict[str, Any]]:
        return self.service.events(name)

    def metric(self, name: str, **labels: str) -> float | None:
        """A sample of the page at /metrics, by its labels' text."""
        marks = [f'{label}="{value}"' for label, value in labels.items()]
        for line in self.service.get("/metrics").text.splitlines():
            if line.startswith(f"model_catalog_{name}") and all(mark in line for mark in marks):
                return float(line.rpartition(" ")[2])
        return None

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`flask catalog ...` as this host's operator runs it."""
        return subprocess.run(
            [str(Path(sys.executable).with_name("flask")), "--app", "wsgi", "catalog", *arguments],
            cwd=PROJECT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def stop(self) -> None:
        self.stack.close()


class FleetOfHosts:
    """`start_host()` adds a gunicorn; all share one Redis, and one stand-in for Bedrock."""

    def __init__(
        self, folder: Path, redis: RedisServer, standin: BedrockStandin, stack: ExitStack, *, user: str = ""
    ) -> None:
        self.folder = folder
        self.redis = redis
        self.standin = standin
        self.hosts: list[Host] = []
        self._stack = stack
        self._numbers = itertools.count()
        self._url = redis.url.replace("redis://", f"redis://{user}@") if user else redis.url

    def start_host(self, **settings: str) -> Host:
        folder = self.folder / f"host-{next(self._numbers)}"
        folder.mkdir()
        options: dict[str, Any] = {
            **self.standin.environ,
            "CATALOG_STORE": self._url,
            "CATALOG_REFRESH_SECONDS": "3600",
            "CATALOG_REFRESH_TIMEOUT_SECONDS": "10",
            "WEB_CONCURRENCY": "2",
            "WEB_THREADS": "2",
        } | settings
        stack = ExitStack()
        self._stack.push(stack)
        service = stack.enter_context(running_service(folder, **options))
        options.pop("application", None)
        host = Host(service, folder, os.environ | service_environ(folder, **options), stack)
        self.hosts.append(host)
        return host

    def refreshes(self) -> int:
        """How many discoveries reached AWS in all."""
        return self.standin.listings // len(self.standin.regions)

    def agree(self, within_s: float = 10.0) -> Version:
        """Wait until all hosts have the newest version, and the engine, too; that version."""

        def do() -> bool:
            newest = self.newest()
            return bool(newest.ms) and {host.version() for host in self.hosts} == {newest}

        eventually(do, timeout_s=within_s)
        return self.newest()

    def newest(self) -> Version:
        with self.redis.client() as client:
            keys = client.keys("*:catalog")
            if not keys:
                return Version(0)
            ms, _, n = client.xinfo_stream(keys[0])["last-generated-id"].decode().partition("-")
            return Version(int(ms), int(n))


@contextmanager
def running_fleet(folder: Path, hosts: int = 0, *, user: str = "", **settings: str) -> Iterator[FleetOfHosts]:
    """
    Args:
        user: the engine's user and its password, with a colon between.
    """
    with (
        running_redis(folder / "redis") as redis,
        BedrockStandin(REGIONS) as standin,
        ExitStack() as stack,
    ):
        if user:
            redis.add_catalog_user(user.partition(":")[2])
        fleet = FleetOfHosts(folder, redis, standin, stack, user=user)
        for _ in range(hosts):
            fleet.start_host(**settings)
        yield fleet
