"""Clocks for the tests of what is scheduled."""

from datetime import datetime, timedelta, tzinfo

REAL_DATETIME = datetime


class Time:
    """Two clocks: the monotonic one only advances; the wall clock, as APScheduler reads it, steps, too."""

    def __init__(self) -> None:
        self.monotonic_s = 1000.0
        self.stepped = timedelta()

    def monotonic(self) -> float:
        return self.monotonic_s

    def wall(self, zone: tzinfo | None) -> datetime:
        start = REAL_DATETIME(2026, 11, 22, 12, 0, tzinfo=zone)
        return start + timedelta(seconds=self.monotonic_s) + self.stepped
