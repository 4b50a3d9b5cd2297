"""How many calls are under way at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Connections:
    """A limit for the calls that may wait; those that may not count, too, and always begin at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0
        self._changed = threading.Condition()

    @contextmanager
    def open(self, *, waits: bool) -> Iterator[None]:
        with self._changed:
            if waits:
                self._changed.wait_for(lambda: self._open < self._limit)
            self._open += 1
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify()
