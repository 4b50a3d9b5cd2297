"""A world without time of its own, and a scheduler without a thread."""

from datetime import datetime, tzinfo
from pathlib import Path

import pytest
from apscheduler.schedulers.base import BaseScheduler

from app.refresh import scheduler as scheduling
from app.refresh.scheduler import SteadyScheduler
from tests.unit.refresh.clocks import Time
from tests.unit.refresh.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "catalog")


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The clocks of the test, and a scheduler without a thread: `passes` has it work."""
    clocks = Time()

    class WallClock(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clocks.wall(zone)

    class ByHand(SteadyScheduler):
        start = BaseScheduler.start

        def wakeup(self) -> None:
            pass

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", WallClock)
    monkeypatch.setattr(scheduling, "SteadyScheduler", ByHand)
    return clocks
