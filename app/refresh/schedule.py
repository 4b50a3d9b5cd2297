"""When the next refresh is due."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from app.catalog.records import CatalogState
from config import Settings

# While there is no model to serve, the next try comes sooner than the interval.
RETRY_S = 10
# A snapshot from further in the future than this was taken before the clock was set back.
CLOCK_TOLERANCE = timedelta(minutes=1)


class RefreshSchedule:
    """Makes a refresh due an interval after the last one, on the monotonic clock.

    The wall clock only tells how old the first catalog is that a process loads. Any later one was stored a moment ago,
    and never makes a refresh due sooner: so neither a clock that steps nor another process makes many due.
    """

    def __init__(
        self, settings: Settings, *, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        # None while no refresh is known of.
        self._due_at: float | None = None

    def is_due(self) -> bool:
        return self._due_at is None or self._monotonic() >= self._due_at

    def note_loaded(self, state: CatalogState) -> None:
        """A catalog was loaded, that another process stored."""
        if self._due_at is not None:
            self.note_refreshed(state)
            return
        now = self._monotonic()
        age = self._clock() - state.attempted_at
        self._due_at = now
        if age >= -CLOCK_TOLERANCE:
            self._due_at += self._pause_s(state) - max(0.0, age.total_seconds())

    def note_refreshed(self, state: CatalogState) -> None:
        """A refresh has just ended, here or in another process."""
        now = self._monotonic()
        self._due_at = max(self._due_at or now, now + self._pause_s(state))

    def _pause_s(self, state: CatalogState) -> float:
        has_models = any(listing.models for listing in state.listings)
        return self._settings.refresh_s if has_models else min(RETRY_S, self._settings.refresh_s)
