"""The lease of a background job that one process does for all: a lock on a file, or on a fleet's engine."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.refresh.engine import EngineUnreachable, JobLock
from app.refresh.file_lease import FileLease, LeaseFile
from app.refresh.store import NO_VERSION, JobLease, LeaseTaken


@contextmanager
def file_job_lease(file: LeaseFile) -> Iterator[JobLease | None]:
    """Hold a job's lease for the length of a `with`; None where another process has it, or it cannot be had."""
    try:
        descriptor = file.acquire()
    except (LeaseTaken, OSError):
        yield None
        return
    try:
        yield FileLease(file.path, descriptor, NO_VERSION)
    finally:
        os.close(descriptor)


class EngineJobLease:
    """A lock on a fleet's engine, which runs out where it is not renewed."""

    def __init__(self, lock: JobLock, lease_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lock = lock
        self._renew_after_s = lease_s / 3
        self._monotonic = monotonic
        self._renewed_at = monotonic()
        self._is_lost = False

    def held(self) -> bool:
        now = self._monotonic()
        if not self._is_lost and now - self._renewed_at > self._renew_after_s:
            self._renewed_at = now
            try:
                self._is_lost = not self._lock.renew()
            except EngineUnreachable:
                self._is_lost = True
        return not self._is_lost

    def end(self) -> None:
        if not self._is_lost:
            self._lock.release()
