"""When the next refresh is due."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from app.catalog.next_snapshot import RETRY_PAUSE, retry_pause
from app.catalog.records import CatalogState
from config import Settings

# A snapshot from further in the future than this was taken before the clock was set back.
CLOCK_TOLERANCE = timedelta(minutes=1)


class RefreshSchedule:
    """Makes a refresh due an interval after the last one, and a retry of what was never listed sooner.

    Both on the monotonic clock: the wall clock only shows how old the first catalog is that a process loads. Any later
    one was stored a moment ago, and never makes a refresh due sooner: so neither a clock that steps nor another process
    makes many due.
    """

    def __init__(
        self, settings: Settings, *, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = timedelta(seconds=settings.refresh_s)
        self._clock = clock
        self._monotonic = monotonic
        # None while no refresh is known of.
        self._due_at: float | None = None
        self._retry_at: float | None = None
        self._retry_pause: timedelta | None = None
        self._attempted_at: datetime | None = None
        self._not_before = 0.0
        # The refresh or retry that the next retry follows; a catalog that was only added to is of the same one.
        self._retry_follows: object = None

    def is_due(self) -> bool:
        """Whether a refresh or a retry is."""
        now = self._monotonic()
        if now < self._not_before:
            return False
        return self.is_refresh_due() or (self._retry_at is not None and now >= self._retry_at)

    def is_refresh_due(self) -> bool:
        """Whether all regions are to be asked."""
        return self._due_at is None or self._monotonic() >= self._due_at

    def pause_s(self) -> float:
        """How long what is due, or is so next, waits after the last refresh or retry; for a retry it is less."""
        if self._due_at is None:
            return min(RETRY_PAUSE, self._interval).total_seconds()
        pause = None if self.is_refresh_due() else self._retry_pause
        return (pause or self._interval).total_seconds()

    def postpone(self, wait_s: float) -> None:
        """Let nothing be due for so long, whatever else is known."""
        self._not_before = self._monotonic() + wait_s

    def note_loaded(self, state: CatalogState) -> None:
        """A catalog was loaded, that another process stored."""
        if self._due_at is not None:
            self.note_refreshed(state)
            return
        now = self._monotonic()
        self._attempted_at = state.attempted_at
        age = self._clock() - state.attempted_at
        self._due_at = now
        if age >= -CLOCK_TOLERANCE:
            self._due_at += self._interval.total_seconds() - max(0.0, age.total_seconds())
        self._note_retry(state, now)

    def note_refreshed(self, state: CatalogState) -> None:
        """A refresh or a retry has just ended, here or in another process."""
        now = self._monotonic()
        # After a retry all else is as old as before.
        if state.attempted_at != self._attempted_at:
            self._attempted_at = state.attempted_at
            self._due_at = max(self._due_at or now, now + self._interval.total_seconds())
        self._note_retry(state, now)

    def _note_retry(self, state: CatalogState, now: float) -> None:
        last = state.attempted_at, state.retried_at, state.retries
        if last == self._retry_follows:
            return
        self._retry_follows = last
        self._retry_pause = pause = retry_pause(state, interval=self._interval)
        self._retry_at = None if pause is None else now + pause.total_seconds()
