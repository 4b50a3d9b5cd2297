"""Reading JSON that may be wrong: every value is checked, and an error names the path to it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class Malformed(ValueError):
    """A value that is not what it should be; says where and what."""


class Reader:
    """One JSON value and the path that leads to it."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def fail(self, expected: str) -> NoReturn:
        raise Malformed(f"{self.path or 'top level'}: expected {expected}, got {type(self.value).__name__}")

    def get(self, key: str) -> "Reader":
        if not isinstance(self.value, dict):
            self.fail("an object")
        return Reader(self.value.get(key), f"{self.path}.{key}" if self.path else key)

    def each(self) -> "Iterator[Reader]":
        """The items of a list; a missing one is empty, as AWS leaves empty lists out."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fail("a list")
        for place, item in enumerate(self.value):
            yield Reader(item, f"{self.path}[{place}]")

    def string(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            self.fail("a non-empty string")
        try:
            self.value.encode()
        except UnicodeEncodeError:
            # JSON can escape half a character; one in a list makes strict clients refuse the whole list.
            self.fail("whole Unicode characters")
        return str(self.value)

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

    def instant(self) -> datetime:
        """A moment in UTC, from RFC 3339 text, seconds since the epoch, or an SDK's datetime."""
        value = self.value
        try:
            if isinstance(value, str):
                value = datetime.fromisoformat(value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                value = datetime.fromtimestamp(value, UTC)
            if isinstance(value, datetime) and value.tzinfo is not None:
                return value.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            pass
        self.fail("a date and time with its offset")

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
