"""Runs a worker's background jobs: APScheduler, on the monotonic clock, in daemon threads."""

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import structlog
from apscheduler.executors.base import BaseExecutor, MaxInstancesReachedError, run_job
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from app.telemetry import metrics

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 5.0
MIN_INTERVAL_S = 0.01
MAX_WAIT_S = 1.0
# Jobs that are due so soon are run with one that is due now: at rest a wake-up costs more than what the jobs do.
EARLY_S = 0.05


class JobScheduler:
    """The jobs of one worker; no thread runs before `start`, which is to be called after the fork.

    A run that would begin while the job's last one is still under way is left out. A job that raises is logged and
    counted, and runs again.
    """

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, executor: BaseExecutor | None = None
    ) -> None:
        self._monotonic = monotonic
        self._executor = executor or DaemonThreadExecutor()
        self._jobs: list[tuple[str, Callable[[], object], IntervalTrigger]] = []
        self._interrupts: list[Callable[[], object]] = []
        self._scheduler: BackgroundScheduler | None = None
        self._stopping = Event()

    def add_job(
        self,
        job: Callable[[], object],
        *,
        name: str,
        every_s: Callable[[], float],
        jitter: bool = True,
        interrupt: Callable[[], object] | None = None,
    ) -> None:
        """Register a job, before `start`.

        Args:
            name: what the log and the metric call it.
            every_s: asked before each run for the seconds until the next one.
            jitter: spread the runs, so that the workers of one host do not run theirs at the same moments.
            interrupt: ends a run that waits for something else than `is_stopping`; called by `stop`.
        """
        metrics.JOB_FAILURES.labels(name)
        if interrupt is not None:
            self._interrupts.append(interrupt)
        self._jobs.append((name, job, IntervalTrigger(every_s, jitter=jitter, monotonic=self._monotonic)))

    def start(self) -> None:
        # It logs each run, and a pass of its own twice a second, below the level warning.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        scheduler = SteadyScheduler(
            timezone=UTC,  # Without one it reads the system's files for the local zone.
            jobstores={"default": MonotonicJobStore(self._monotonic)},
            executors={"default": self._executor},
        )
        for name, job, trigger in self._jobs:
            scheduler.add_job(
                run_logged,
                trigger,
                args=(name, job),
                id=name,
                name=name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
        scheduler.start()
        self._scheduler = scheduler

    def stop(self) -> None:
        """End all jobs; those under way see `is_stopping`, and have 5 s."""
        self._stopping.set()
        for interrupt in self._interrupts:
            interrupt()
        if self._scheduler is not None:
            self._scheduler.shutdown()
            self._scheduler = None

    def is_stopping(self) -> bool:
        return self._stopping.is_set()


def run_logged(name: str, job: Callable[[], object]) -> None:
    try:
        job()
    except Exception:
        metrics.JOB_FAILURES.labels(name).inc()
        log.exception("job_failed", job=name)


class IntervalTrigger(BaseTrigger):  # type: ignore[misc]
    """Due so many seconds after the last run began; `due_at` says when, on the monotonic clock."""

    def __init__(self, every_s: Callable[[], float], *, jitter: bool, monotonic: Callable[[], float]) -> None:
        self._every_s = every_s
        self._jitter = jitter
        self._monotonic = monotonic
        self.due_at = 0.0

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        share = 0.0 if previous_fire_time is None else 1.0
        if self._jitter:
            share = random.uniform(0, 0.5) if previous_fire_time is None else random.uniform(0.9, 1.0)
        # Not zero: APScheduler goes through all times up to now for those that were missed.
        pause_s = max(MIN_INTERVAL_S, self._every_s() * share)
        self.due_at = self._monotonic() + pause_s
        return now + timedelta(seconds=pause_s)


class MonotonicJobStore(MemoryJobStore):  # type: ignore[misc]
    """Finds the jobs that are due by the monotonic clock.

    APScheduler compares a job's next run with the wall clock: set back by an hour, that stops a job for an hour
    (https://github.com/agronholm/apscheduler/issues/351). It has its jobs from here, so the next run of one that is due
    is now, whatever the time of day.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._pass: tuple[datetime, float] = datetime.now(UTC), monotonic()

    def get_due_jobs(self, now: datetime) -> list[Job]:
        self._pass = now, self._monotonic()
        due = [job for job in self.get_all_jobs() if job.trigger.due_at <= self._pass[1] + EARLY_S]
        for job in due:
            job.next_run_time = now
        return due

    def get_next_run_time(self) -> datetime | None:
        now, at = self._pass
        due = [job.trigger.due_at for job in self.get_all_jobs()]
        return now + timedelta(seconds=min(due) - at) if due else None


class SteadyScheduler(BackgroundScheduler):  # type: ignore[misc]
    """Waits no longer than a second: its wait is a difference of two times of day, and the clock may step between."""

    def _process_jobs(self) -> float:
        wait_s: float | None = super()._process_jobs()
        return MAX_WAIT_S if wait_s is None else min(wait_s, MAX_WAIT_S)


class DaemonThreadExecutor(BaseExecutor):  # type: ignore[misc]
    """Runs each job in a daemon thread of its own.

    The threads of APScheduler's pool are joined when the interpreter exits, however long their jobs hang, and have the
    name by which app/server/cpu_affinity.py knows those that serve.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads: dict[str, tuple[Thread, SimpleQueue[Any]]] = {}

    def submit_job(self, job: Job, run_times: list[datetime]) -> None:
        # The job's last run is still under way, which is no reason for the scheduler's warning.
        with suppress(MaxInstancesReachedError):
            super().submit_job(job, run_times)

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        if job.id not in self._threads:
            runs: SimpleQueue[Any] = SimpleQueue()
            thread = Thread(target=self._run_all, args=(runs,), name=f"job-{job.id}", daemon=True)
            thread.start()
            self._threads[job.id] = thread, runs
        self._threads[job.id][1].put((job, run_times))

    def _run_all(self, runs: "SimpleQueue[Any]") -> None:
        while (run := runs.get()) is not None:
            job, run_times = run
            self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))

    def shutdown(self, wait: bool = True) -> None:
        """Wait for the runs under way, 5 s at most; what hangs for longer ends with the process."""
        for _, runs in self._threads.values():
            runs.put(None)
        give_up = time.monotonic() + STOP_TIMEOUT_S
        for thread, _ in self._threads.values():
            thread.join(max(0.0, give_up - time.monotonic()))
