"""What the refresher needs of a place for the stored catalog: bytes in, bytes out, and one lease."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

LEASE_REPLACED = "another process took the lease over, as it was held for longer than a refresh may last"


class LeaseTaken(Exception):
    """Another process holds the lease; says which, where that can be known."""


class LeaseLost(Exception):
    """A save was refused: another process may be refreshing, or has stored a later catalog; says why."""


class StoreUnreachable(Exception):
    """The store could not be used just now; says what failed."""


class UnsupportedFormat(Exception):
    """What is stored has a format that this version neither reads nor may replace."""

    def __init__(self, format: int, readable_from: int) -> None:
        super().__init__(f"the stored catalog has format {format}, which can be read from format {readable_from} on")
        self.format = format
        self.readable_from = readable_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored catalog: its bytes, the format to read them as, and its place in the order of all saves."""

    data: bytes
    format: int
    version: int


class Lease(Protocol):
    """The right to refresh and to save.

    What is saved next gets `version`, which is greater than that of all that was stored, and grows with each save.
    """

    version: int

    def held(self) -> bool:
        """False where another process may be refreshing."""


class SnapshotStore(Protocol):
    """A place for one catalog and one lease, shared by all processes of equal settings."""

    def token(self) -> object | None:
        """A value that changes when the stored bytes do, cheap enough for twice a second; None without any."""

    def load(self) -> Stored | None:
        """The stored catalog; None where there is none, or none that can be trusted.

        Raises:
            StoreUnreachable
            UnsupportedFormat: it stays where it is.
        """

    def save(self, data: bytes, lease: Lease) -> object:
        """Replace the stored bytes, wholly or not at all.

        Returns:
            Their token.

        Raises:
            StoreUnreachable: what was stored before still is.
            LeaseLost
            UnsupportedFormat: a later version of this program stored what is there.
        """

    def quarantine(self, reason: str) -> None:
        """Put the bytes last loaded, which turned out to be no catalog, where no process loads them."""

    def lease(self) -> AbstractContextManager[Lease]:
        """Hold the right to refresh for the length of a `with`; it ends with its holder, however that dies.

        Raises:
            LeaseTaken
            StoreUnreachable
        """

    def others(self) -> Iterable[Stored]:
        """What processes with other settings, or of older versions, have lately stored, as far as it can be read."""

    def check_user(self) -> None:
        """
        Raises:
            StoreUnreachable: what this process's user stores, the service's user could not use.
        """
