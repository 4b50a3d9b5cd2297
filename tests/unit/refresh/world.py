"""A host for the tests of refreshing: a folder, clocks to set, and regions that answer what they are to."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.catalog.current import Catalog
from app.catalog.records import PartResult
from app.discovery.parent import Visits
from app.refresh.file_store import FileStore, file_store
from app.refresh.refresher import Refresher
from app.refresh.store import SnapshotStore
from app.telemetry.metrics import REGISTRY
from config import ALL_REGIONS, Settings
from tests.support.builders import NOW, listing, model

INTERVAL_S = 900
EAST, WEST = "us-east-1", "eu-west-1"


class World:
    """`answer` gives what each region that is asked brings, part by part; `asked` are the regions of each visit."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.monotonic_s = 1000.0
        self.folder = folder
        self.settings = Settings(
            regions=(EAST,), refresh_s=INTERVAL_S, refresh_timeout_s=5, auth_disabled=True, catalog_dir=folder
        )
        self.store = file_store(self.settings)
        self.answer: Callable[[], Iterable[Iterable[PartResult]]] = lambda: (listing(EAST, model("a"), at=self.now),)
        self.asked: list[tuple[str, ...]] = []

    @property
    def visits(self) -> int:
        return len(self.asked)

    def discover(self, settings: Settings, *, on_result: Callable[[PartResult], None], **_: Any) -> Visits:
        self.asked.append(settings.regions)
        results = [result for region in self.answer() for result in region]
        regions = settings.regions
        if regions == (ALL_REGIONS,):
            regions = tuple(dict.fromkeys(result.region for result in results))
        results = [result for result in results if result.region in regions]
        for result in results:
            on_result(result)
        return Visits(regions=regions, results=tuple(results))

    def changed(self, **settings: Any) -> Settings:
        return replace(self.settings, **settings)

    def worker(
        self, discover: Any = None, *, store: SnapshotStore | None = None, **settings: Any
    ) -> tuple[Refresher, Catalog]:
        catalog = Catalog()
        changed = self.changed(**settings)
        refresher = Refresher(
            changed,
            catalog,
            store or file_store(changed),
            discover or self.discover,
            clock=lambda: self.now,
            monotonic=lambda: self.monotonic_s,
        )
        return refresher, catalog

    def store_of(self, parts: tuple[str, ...]) -> FileStore:
        """Another process's, with these parts."""
        return file_store(self.changed(parts=parts))

    def wait(self, **duration: float) -> None:
        """Both clocks advance."""
        self.now += timedelta(**duration)
        self.monotonic_s += timedelta(**duration).total_seconds()

    def step(self, **duration: float) -> None:
        """The wall clock alone is set."""
        self.now += timedelta(**duration)


def save(store: FileStore, data: bytes) -> object:
    """Save under a lease of its own."""
    with store.lease() as lease:
        return store.save(data, lease).token


def ids(catalog: Catalog) -> list[str]:
    return [it.id for it in catalog.current().models]


@contextmanager
def counting(name: str, **labels: str) -> Iterator[list[float]]:
    """How far a counter rose meanwhile, in a list, once that is over."""

    def value() -> float:
        return REGISTRY.get_sample_value(f"model_catalog_{name}_total", labels) or 0

    before, rose = value(), list[float]()
    yield rose
    rose.append(value() - before)
