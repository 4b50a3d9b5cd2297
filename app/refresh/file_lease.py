"""The lease as a lock on a file, and what is done where its holder does not end."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.refresh.file_lock import Locked, is_at, lock, locked
from app.refresh.store import LeaseTaken, Version
from app.telemetry import metrics

log = structlog.get_logger(__name__)

# A worker that is due looks at least once a second; after a longer pause it begins to count anew.
MAX_PAUSE_S = 5.0
# The other lock is held for milliseconds.
WRITE_LOCK_S = 5.0


class FileLease:
    """A lock on the lease's file, which counts while the file is at its path."""

    def __init__(self, path: Path, descriptor: int, version: Version) -> None:
        self.version = version
        self._path = path
        self._file = os.fstat(descriptor)

    def held(self) -> bool:
        return is_at(self._path, self._file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A lease seen taken, by whom and since when; times are monotonic."""

    file: os.stat_result
    pid: int | None
    since: float
    last: float


class LeaseFile:
    """The file whose lock is the lease.

    The kernel frees the lock of a holder that dies. One that is stopped, or means ill, keeps it: so a file that is
    locked for longer than a refresh may last is replaced by a new one. The old holder's lease is no longer `held` then.
    """

    def __init__(self, path: Path, write_lock: Path, *, max_held_s: float) -> None:
        self.path = path
        self._write_lock = write_lock
        self._max_held_s = max_held_s
        self._sighting: Sighting | None = None

    def acquire(self) -> int:
        """The descriptor of the locked file.

        Raises:
            LeaseTaken
            OSError
        """
        try:
            try:
                descriptor = lock(self.path)
            except Locked as taken:
                if not self._is_overdue(taken):
                    raise
                self._replace(taken)
                descriptor = lock(self.path)
        except Locked as taken:
            raise LeaseTaken(f"another refresh holds the lease: {taken}") from None
        self._sighting = None
        return descriptor

    def _is_overdue(self, taken: Locked) -> bool:
        now = time.monotonic()
        pid = taken.holder.pid if taken.holder else None
        before = self._sighting
        goes_on = (
            before is not None
            and os.path.samestat(before.file, taken.file)
            and before.pid == pid
            and now - before.last <= MAX_PAUSE_S
        )
        since = before.since if before is not None and goes_on else now
        self._sighting = Sighting(file=taken.file, pid=pid, since=since, last=now)
        return now - since > self._max_held_s

    def _replace(self, taken: Locked) -> None:
        """Remove the file, unless another process has already replaced it; the next lock makes a new one."""
        with locked(self._write_lock, wait_s=WRITE_LOCK_S):
            if not is_at(self.path, taken.file):
                return
            self.path.unlink()
        metrics.LEASES_REPLACED.inc()
        log.error(
            "lease_replaced",
            holder_pid=taken.holder.pid if taken.holder else None,
            holder_command=taken.holder.command if taken.holder else None,
            held_s=round(self._max_held_s),
        )
