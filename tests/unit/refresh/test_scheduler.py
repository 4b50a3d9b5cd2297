"""The background jobs of a worker, on a clock of the test's and in real threads."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from apscheduler.executors.debug import DebugExecutor
from structlog.testing import capture_logs

from app.refresh import scheduler as scheduling
from app.refresh.scheduler import JobScheduler
from app.telemetry.metrics import REGISTRY
from tests.support.servers import PROJECT, eventually
from tests.unit.refresh.clocks import Time


def passes(scheduler: JobScheduler, clocks: Time, *, for_s: float) -> None:
    """What the scheduler's thread does in so many seconds."""
    end = clocks.monotonic_s + for_s
    while clocks.monotonic_s < end:
        assert scheduler._scheduler is not None
        clocks.monotonic_s += scheduler._scheduler._process_jobs() + 0.001


def by_hand(clocks: Time, every_s: Callable[[], float], *, jitter: bool = True) -> tuple[JobScheduler, list[float]]:
    """A scheduler with one job, and when that ran."""
    ran: list[float] = []
    scheduler = JobScheduler(monotonic=clocks.monotonic, executor=DebugExecutor())
    scheduler.add_job(lambda: ran.append(clocks.monotonic_s), name="job", every_s=every_s, jitter=jitter)
    scheduler.start()
    return scheduler, ran


def pauses(ran: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(ran)]


@pytest.mark.parametrize("hours", [1, -1, 24 * 365 * 10, -24 * 365 * 10])
@pytest.mark.parametrize("after_s", [0.0, 7.3])
def test_a_wall_clock_that_steps_neither_stops_nor_hurries_a_job(clocks: Time, hours: int, after_s: float) -> None:
    scheduler, ran = by_hand(clocks, lambda: 2.0, jitter=False)
    passes(scheduler, clocks, for_s=after_s)
    clocks.stepped += timedelta(hours=hours)
    passes(scheduler, clocks, for_s=60)
    clocks.stepped -= timedelta(hours=2 * hours)
    passes(scheduler, clocks, for_s=60)

    assert len(ran) >= 55
    assert all(2.0 <= pause < 2.1 for pause in pauses(ran)), pauses(ran)


def test_a_clock_set_back_between_a_pass_and_its_wait_delays_a_job_by_a_second_at_most(
    clocks: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, ran = by_hand(clocks, lambda: 2.0, jitter=False)
    passes(scheduler, clocks, for_s=5)
    next_run = scheduling.MonotonicJobStore.get_next_run_time

    def step_after_the_answer(store: scheduling.MonotonicJobStore) -> datetime | None:
        answer = next_run(store)
        clocks.stepped -= timedelta(hours=1)
        return answer

    with monkeypatch.context() as stepping:
        stepping.setattr(scheduling.MonotonicJobStore, "get_next_run_time", step_after_the_answer)
        passes(scheduler, clocks, for_s=60)

    assert len(ran) > 18
    assert max(pauses(ran)) <= 3.1


def test_jobs_that_are_due_at_nearly_the_same_moment_are_run_in_one_pass(clocks: Time) -> None:
    ran: list[tuple[str, float]] = []
    scheduler = JobScheduler(monotonic=clocks.monotonic, executor=DebugExecutor())
    for name, every_s in (("a", 1.0), ("b", 0.96), ("c", 0.9)):
        scheduler.add_job(
            lambda name=name: ran.append((name, clocks.monotonic_s)),  # type: ignore[misc]
            name=name,
            every_s=lambda every_s=every_s: every_s,  # type: ignore[misc]
            jitter=False,
        )
    scheduler.start()
    passes(scheduler, clocks, for_s=1)

    first, second = sorted({at for _, at in ran})[:2]
    assert {name for name, at in ran if at == first} == {"a", "b", "c"}
    assert {name for name, at in ran if at == second} == {"c"}


def test_jitter_spreads_the_first_runs_and_shortens_each_pause_by_a_tenth_at_most(clocks: Time) -> None:
    firsts = []
    for _ in range(20):
        scheduler, ran = by_hand(clocks, lambda: 10.0)
        began = clocks.monotonic_s
        passes(scheduler, clocks, for_s=60)
        firsts.append(ran[0] - began)
        assert all(9.0 <= pause < 10.1 for pause in pauses(ran))

    assert max(firsts) < 5.1
    assert len({round(first, 3) for first in firsts}) > 10


def test_an_interval_that_changes_counts_from_the_next_run_on(clocks: Time) -> None:
    interval = [0.05]
    scheduler, ran = by_hand(clocks, lambda: interval[0], jitter=False)
    passes(scheduler, clocks, for_s=1)
    quick = len(ran)
    interval[0] = 0.5
    passes(scheduler, clocks, for_s=10)

    assert 15 <= quick <= 21
    assert 19 <= len(ran) - quick <= 22


@contextmanager
def running(*jobs: tuple[str, Callable[[], object]], every_s: float = 0.01) -> Iterator[JobScheduler]:
    scheduler = JobScheduler()
    for name, job in jobs:
        scheduler.add_job(job, name=name, every_s=lambda: every_s)
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.stop()


def background() -> list[str]:
    return [it.name for it in threading.enumerate() if it.name.startswith(("job-", "APScheduler"))]


def test_a_job_runs_again_and_again_until_the_scheduler_stops() -> None:
    ran: list[int] = []
    with running(("job", lambda: ran.append(1))):
        eventually(lambda: len(ran) > 3)
    at_the_end = len(ran)
    time.sleep(0.05)

    assert len(ran) == at_the_end
    assert background() == []


def test_a_bug_in_a_job_is_logged_with_its_traceback_and_counted_and_the_job_runs_again() -> None:
    ran: list[int] = []

    def once_broken() -> None:
        ran.append(1)
        if len(ran) == 1:
            raise AssertionError("a bug")

    labels = {"job_name": "once_broken"}
    before = REGISTRY.get_sample_value("model_catalog_job_failures_total", labels) or 0
    with capture_logs() as logs, running(("once_broken", once_broken)):
        eventually(lambda: len(ran) > 1)

    failed = [line for line in logs if line["event"] == "job_failed"]
    assert [(line["job"], line["exc_info"], line["log_level"]) for line in failed] == [("once_broken", True, "error")]
    assert REGISTRY.get_sample_value("model_catalog_job_failures_total", labels) == before + 1


def test_a_job_under_way_delays_no_other_and_is_run_once_at_a_time_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    under_way, most, others = [0], [0], list[int]()
    go_on = threading.Event()

    def slow() -> None:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        go_on.wait(5)
        under_way[0] -= 1

    with caplog.at_level(logging.DEBUG, "apscheduler"), running(("slow", slow), ("other", lambda: others.append(1))):
        eventually(lambda: under_way[0] and len(others) > 20)
        go_on.set()

    assert most == [1]
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_stopping_waits_for_a_job_that_ends_and_not_for_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "STOP_TIMEOUT_S", 0.5)
    began, go_on, ended, never = (threading.Event() for _ in range(4))

    def ends_when_stopping() -> None:
        began.set()
        assert go_on.wait(30) and scheduler._stopping.wait(30)
        ended.set()

    with running(("ending", ends_when_stopping), ("hanging", lambda: never.wait(30))) as scheduler:
        go_on.set()
        assert began.wait(5)
        eventually(lambda: "job-hanging" in background())
        stopping = time.monotonic()
    took_s = time.monotonic() - stopping
    left = background()
    never.set()

    assert ended.is_set()
    assert took_s < 5
    assert left == ["job-hanging"]


def test_a_job_that_hangs_does_not_keep_the_process_from_its_end() -> None:
    code = """
from threading import Event
from app.refresh import scheduler
scheduler.STOP_TIMEOUT_S = 0.1
began = Event()
jobs = scheduler.JobScheduler()
jobs.add_job(lambda: (began.set(), Event().wait()), name="hanging", every_s=lambda: 0.01)
jobs.start()
began.wait()
jobs.stop()
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, timeout=60).returncode == 0


def test_what_is_not_started_has_no_thread_and_stops() -> None:
    scheduler = JobScheduler()
    scheduler.add_job(print, name="job", every_s=lambda: 1.0)
    threads = background()
    scheduler.stop()

    assert threads == []
    assert scheduler.is_stopping()


def test_no_thread_of_a_job_has_the_name_of_those_that_serve() -> None:
    ran = threading.Event()
    with running(("job", ran.set)):
        ran.wait(5)
        names = [thread.name for thread in threading.enumerate()]

    assert "job-job" in names
    assert not [name for name in names if name.startswith("ThreadPoolExecutor")]
