"""When a refresh is due, also while the wall clock steps: workers and their schedulers, in simulated time."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from apscheduler.executors.debug import DebugExecutor

from app.discovery.parent import Visits
from app.refresh.refresher import Refresher
from app.refresh.scheduler import JobScheduler
from tests.unit.refresh.clocks import Time
from tests.unit.refresh.world import World, save

HOUR = timedelta(hours=1)
INTERVAL_S = 60


class Host:
    """Workers over one folder; `refreshed` is when, on the monotonic clock, regions were asked."""

    def __init__(self, world: World, clocks: Time, workers: int) -> None:
        self.world = world
        self.clocks = clocks
        self.refreshed: list[float] = []
        self.schedulers: list[tuple[JobScheduler, float]] = []
        world.monotonic_s = clocks.monotonic_s
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> Refresher:
        def discover(*arguments: Any, **named: Any) -> Visits:
            self.refreshed.append(self.clocks.monotonic_s)
            return self.world.discover(*arguments, **named)

        refresher, _ = self.world.worker(discover, refresh_s=INTERVAL_S)
        scheduler = JobScheduler(monotonic=self.clocks.monotonic, executor=DebugExecutor())
        scheduler.add_job(refresher.reload_if_changed, name="reload", every_s=refresher.reload_check_s)
        scheduler.add_job(refresher.refresh_if_due, name="refresh", every_s=refresher.due_check_s)
        refresher.reload_if_changed()
        scheduler.start()
        self.schedulers.append((scheduler, self.clocks.monotonic_s))
        return refresher

    def run(self, seconds: float) -> None:
        end = self.clocks.monotonic_s + seconds
        while True:
            scheduler, at = min(self.schedulers, key=lambda waiting: waiting[1])
            self.schedulers.remove((scheduler, at))
            if at >= end:
                self.schedulers.append((scheduler, at))
                break
            self._advance(max(at, self.clocks.monotonic_s))
            assert scheduler._scheduler is not None
            wait_s = scheduler._scheduler._process_jobs()
            self.schedulers.append((scheduler, self.clocks.monotonic_s + wait_s + 0.001))
        self._advance(end)

    def _advance(self, to: float) -> None:
        self.world.wait(seconds=to - self.clocks.monotonic_s)
        self.clocks.monotonic_s = to

    def step(self, by: timedelta) -> None:
        self.world.step(seconds=by.total_seconds())
        self.clocks.stepped += by

    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.refreshed)]


@pytest.fixture
def make_host(world: World, clocks: Time) -> Callable[[int], Host]:
    random.seed(7)
    return lambda workers: Host(world, clocks, workers)


def is_steady(pauses: list[float]) -> bool:
    """Never twice in an interval, never later than it and 2 s."""
    return all(INTERVAL_S <= pause <= INTERVAL_S + 2 for pause in pauses)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_refresh_comes_once_an_interval(make_host: Callable[[int], Host], workers: int) -> None:
    host = make_host(workers)
    host.run(10 * INTERVAL_S)

    assert len(host.refreshed) == 10
    assert is_steady(host.pauses())


@pytest.mark.parametrize("by", [HOUR, -HOUR, timedelta(days=3650), -timedelta(days=3650), timedelta(seconds=-61)])
@pytest.mark.parametrize("after_s", [0.3, 20.0, INTERVAL_S - 0.2, INTERVAL_S + 0.1])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_clock_that_steps_brings_no_refresh_and_delays_none(
    make_host: Callable[[int], Host], by: timedelta, after_s: float, workers: int
) -> None:
    host = make_host(workers)
    host.run(after_s)
    host.step(by)
    host.run(3 * INTERVAL_S)
    host.step(-2 * by)
    host.run(3 * INTERVAL_S)

    assert len(host.refreshed) >= 6
    assert is_steady(host.pauses()), host.pauses()


def test_a_clock_that_steps_all_the_time_changes_nothing(make_host: Callable[[int], Host]) -> None:
    host = make_host(3)
    for _ in range(100):
        host.run(random.uniform(0.1, 10))
        host.step(random.choice([HOUR, -HOUR, -HOUR]) * random.random())

    assert len(host.refreshed) > 5
    assert is_steady(host.pauses()), host.pauses()


def test_a_worker_that_starts_anew_waits_for_the_interval_of_the_others(make_host: Callable[[int], Host]) -> None:
    host = make_host(2)
    for _ in range(20):
        host.run(INTERVAL_S / 3)
        host.add_worker()

    assert is_steady(host.pauses())


def test_a_stored_catalog_from_the_future_is_refreshed_at_once(world: World) -> None:
    world.worker()[0].refresh_if_due()
    world.step(hours=-1)
    refresher, _ = world.worker()
    refresher.reload_if_changed()

    assert refresher.refresh_if_due() is not None


def test_a_clock_that_was_a_little_ahead_is_no_reason_to_refresh(world: World) -> None:
    world.worker()[0].refresh_if_due()
    world.step(seconds=-30)
    refresher, _ = world.worker()
    refresher.reload_if_changed()

    assert refresher.refresh_if_due() is None


def test_nothing_that_another_process_stores_makes_a_refresh_due(world: World) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    stored = world.store.load()
    assert stored is not None
    old = stored.data.replace(b'"attempted_at":"2026', b'"attempted_at":"2016')
    empty = b'{"source":"aws","attempted_at":"2016-11-22T12:00:00+00:00","configured_regions":["us-east-1"]}'
    for data in (old, empty, stored.data) * 5:
        world.wait(seconds=1)
        save(world.store, data)
        refresher.reload_if_changed()

        assert refresher.refresh_if_due() is None
