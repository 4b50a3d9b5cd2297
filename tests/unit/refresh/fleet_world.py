"""A fleet without servers: hosts with folders and wall clocks of their own, an engine in memory, one time for all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from app.catalog.current import Catalog
from app.refresh.engine import EngineUnreachable
from app.refresh.file_store import file_store
from app.refresh.fleet import FleetStore
from app.refresh.refresher import Refresher
from app.refresh.result import Refresh
from app.refresh.store import Version
from config.store_url import StoreUrl
from tests.support.memory_engine import MemoryEngine, MemoryServer
from tests.unit.refresh.world import World


class Fleet:
    """`host()` adds one; `tick()` lets a second pass for all."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings
        self.elapsed_s = 0.0
        self.server = MemoryServer(self.engine_ms)
        self.hosts: list[Host] = []

    def engine_ms(self) -> int:
        return round((1_800_000_000 + self.elapsed_s) * 1000)

    def host(self, clock_off_s: float = 0, **settings: Any) -> "Host":
        host = Host(self, len(self.hosts), clock_off_s, self.settings | settings)
        self.hosts.append(host)
        return host

    def tick(self, seconds: float = 1.0) -> None:
        self.elapsed_s += seconds
        for host in self.hosts:
            host.wait(seconds=seconds)
        for host in self.hosts:
            host.tick()

    def run(self, seconds: int, every_s: float = 1.0) -> None:
        for _ in range(round(seconds / every_s)):
            self.tick(every_s)

    @property
    def visits(self) -> int:
        return sum(host.visits for host in self.hosts)

    def attempts(self) -> set[object]:
        """When what each host serves was asked for: one of all, where they agree."""
        return {host.catalog.latest and host.catalog.latest.state.attempted_at for host in self.hosts}


class Host(World):
    """One host, and the worker on it that holds the link."""

    def __init__(self, fleet: Fleet, place: int, clock_off_s: float, settings: dict[str, Any]) -> None:
        super().__init__(fleet.folder / f"host-{place}")
        self.settings = replace(
            self.settings, store=StoreUrl(tls=False, host="memory"), **({"refresh_s": 60} | settings)
        )
        self.store = file_store(self.settings)
        self.step(seconds=clock_off_s)
        self.fleet = fleet
        self.began: list[float] = []
        self.engine = MemoryEngine(fleet.server)
        self.started_again()

    def another_worker(self) -> tuple[Refresher, Catalog]:
        """Of the same store."""
        return self.worker(self.visit, store=self.shared)

    def visit(self, *arguments: Any, **options: Any) -> Any:
        self.began.append(self.fleet.elapsed_s)
        return self.discover(*arguments, **options)

    def follow(self) -> None:
        """What the link does in a round."""
        try:
            self.shared.link.follow_once()
        except EngineUnreachable as error:
            self.shared.link.note_failure(str(error))

    def tick(self) -> Refresh | None:
        self.follow()
        self.refresher.reload_if_changed()
        done = self.refresher.refresh_if_due()
        self.refresher.reload_if_changed()
        return done

    def version(self) -> Version:
        return self.store.version()

    def started_again(self) -> None:
        """A new process on the same folder."""
        self.shared = FleetStore(
            self.settings,
            lambda: self.engine,
            monotonic=lambda: self.monotonic_s,
            wall_ms=lambda: round(self.now.timestamp() * 1000),
        )
        self.refresher, self.catalog = self.another_worker()
