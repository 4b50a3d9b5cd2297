"""Reading JSON that may be wrong: every value is checked, and an error names the path to it."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class Malformed(ValueError):
    """A value that is not what it should be; says where and what."""


def plain_instant(at: datetime | None) -> str | None:
    """What `Reader.instant` reads."""
    return None if at is None else at.isoformat()


class Reader:
    """One JSON value, and where it was found: the key or place, and the value that holds it.

    A catalog is a hundred thousand of these, of which hardly one fails; so the path is put together when one does.
    """

    __slots__ = ("_found_at", "_holder", "value")

    def __init__(self, value: Any, found_at: str | int = "", holder: "Reader | None" = None) -> None:
        self.value = value
        self._found_at = found_at
        self._holder = holder

    @property
    def path(self) -> str:
        before = self._holder.path if self._holder is not None else ""
        if isinstance(self._found_at, int):
            return f"{before}[{self._found_at}]"
        return f"{before}.{self._found_at}" if before else self._found_at

    def fail(self, expected: str) -> NoReturn:
        raise Malformed(f"{self.path or 'top level'}: expected {expected}, got {type(self.value).__name__}")

    def get(self, key: str) -> "Reader":
        if not isinstance(self.value, dict):
            self.fail("an object")
        return Reader(self.value.get(key), key, self)

    def each(self) -> "Iterator[Reader]":
        """The items of a list; a missing one is empty, as AWS leaves empty lists out."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fail("a list")
        for place, item in enumerate(self.value):
            yield Reader(item, place, self)

    def string(self) -> str:
        value = self.value
        if not isinstance(value, str) or not value:
            self.fail("a non-empty string")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                # JSON can escape half a character; one in a list makes strict clients refuse the whole list.
                self.fail("whole Unicode characters")
        return value

    def strings(self) -> tuple[str, ...]:
        return tuple(item.string() for item in self.each())

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return bool(self.value)

    def count(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < 0:
            self.fail("a whole number from 0")
        return int(self.value)

    def items(self, count: int, *, optional: int = 0) -> "list[Reader]":
        """The items of a list of so many, or of some more."""
        items = list(self.each())
        if not count <= len(items) <= count + optional:
            self.fail(f"a list of {count}")
        return items

    def pair(self) -> "tuple[Reader, Reader]":
        """The two items of a list of two."""
        first, second = self.items(2)
        return first, second

    def item_of(self, table: "Sequence[T]") -> T:
        """What stands at this place in a table."""
        place = self.count()
        if place >= len(table):
            self.fail(f"a place in a table of {len(table)}")
        return table[place]

    def instant(self) -> datetime:
        """A moment in UTC, from RFC 3339 text, seconds since the epoch, or an SDK's datetime.

        Without an offset it is UTC; a day alone is its midnight.
        """
        value = self.value
        try:
            if isinstance(value, str):
                value = datetime.fromisoformat(value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                value = datetime.fromtimestamp(value, UTC)
            if isinstance(value, datetime):
                return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            pass
        self.fail("a date and time")

    def maybe(self, read: "Callable[[Reader], T]") -> T | None:
        """What `read` makes of the value, None where it is missing or null."""
        return None if self.value is None else read(self)


def parsed(data: bytes) -> Any:
    """
    Raises:
        Malformed: the bytes are not JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {type(error).__name__}") from None
