"""A stand-in for the scheduler of a worker's background jobs: one thread a job.

The branch `refresh` replaces this file by one on APScheduler with the same methods.
"""

import random
import threading
from collections.abc import Callable

import structlog

from app.telemetry import metrics

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 5.0


class JobScheduler:
    """Runs each job again and again; nothing runs before `start`."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def add_job(
        self, job: Callable[[], object], *, name: str, every_s: Callable[[], float], jitter: bool = True
    ) -> None:
        def repeat() -> None:
            while not self._stopping.wait(every_s() * (random.uniform(0.9, 1.0) if jitter else 1.0)):
                try:
                    job()
                except Exception:
                    metrics.JOB_FAILURES.labels(name).inc()
                    log.exception("job_failed", job=name)

        self._threads.append(threading.Thread(target=repeat, name=name, daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_TIMEOUT_S)
