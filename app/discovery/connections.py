"""How many calls of optional parts are under way at once: what base parts leave of a limit."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Connections:
    """Calls of base parts begin at once; each has its place reserved from the start until it ends.

    Calls of optional parts take the places that are left, so that one that hangs never stands in a base part's way.
    """

    def __init__(self, limit: int, *, base_calls: int) -> None:
        self._free = limit - base_calls
        self._changed = threading.Condition()

    @contextmanager
    def open(self, *, is_base: bool) -> Iterator[None]:
        if not is_base:
            with self._changed:
                self._changed.wait_for(lambda: self._free > 0)
                self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify()
