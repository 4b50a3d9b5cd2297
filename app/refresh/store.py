"""What the refresher needs of a place for the stored catalog: bytes in, bytes out, and one lease."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

LEASE_REPLACED = "another process took the lease over, as it was held for longer than a refresh may last"


# A refresh never saves so often.
LOCAL = 1 << 32


class Version(NamedTuple):
    """A save's place in the order of all saves: its refresh, named by milliseconds, and its place within that."""

    ms: int
    n: int = 0

    def next(self) -> "Version":
        """That of the same refresh's next save."""
        return Version(self.ms, self.n + 1)

    def local(self) -> "Version":
        """A later one for this host alone: what is stored under it is nothing new to other hosts."""
        return Version(self.ms, max(self.n + 1, LOCAL))

    def is_local(self) -> bool:
        return self.n >= LOCAL

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"


NO_VERSION = Version(0)


class LeaseTaken(Exception):
    """Another process holds the lease; says which, where that can be known.

    `retry_s` is how long to wait at least before the next try.
    """

    def __init__(self, reason: str, *, retry_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_s = retry_s


class NotDue(LeaseTaken):
    """By the store's clock, the stored catalog is younger than the caller takes it to be."""


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
    version: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a save did: the token of what is stored now, and its version.

    `alone` says why only this host has it; None where all have it that share the store.
    """

    token: object
    version: Version
    alone: str | None = None


class Lease(Protocol):
    """The right to refresh and to save.

    What is saved next gets `version`, which is greater than that of all that was stored, and grows with each save.
    """

    version: Version

    def held(self) -> bool:
        """False where another process may be refreshing."""


class JobLease(Protocol):
    """The right to do a background job."""

    def held(self) -> bool:
        """False where another process may be doing it; to be asked often, as asking is what keeps the lease."""


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

    def save(self, data: bytes, lease: Lease, *, answered: bool = True) -> Saved:
        """Replace the stored bytes, wholly or not at all.

        Args:
            answered: False where no region did, which says nothing of AWS to other hosts.

        Raises:
            StoreUnreachable: what was stored before still is.
            LeaseLost
            UnsupportedFormat: a later version of this program stored what is there.
        """

    def quarantine(self, reason: str) -> None:
        """Put the bytes last loaded, which turned out to be no catalog, where no process loads them."""

    def lease(self, *, unless_younger_s: float = 0, amends: bool = False) -> AbstractContextManager[Lease]:
        """Hold the right to refresh for the length of a `with`; it ends with its holder, however that dies.

        Args:
            unless_younger_s: how old the caller takes the catalog to be; 0 for a refresh at any age. A store with a
                clock of its own refuses where that says otherwise.
            amends: what is saved is the last refresh's catalog with something added, which puts no refresh off.

        Raises:
            LeaseTaken, NotDue
            StoreUnreachable
        """

    def job_lease(
        self, name: str, *, max_held_s: float, lease_s: float | None = None, needs_newest: bool = False
    ) -> AbstractContextManager["JobLease | None"]:
        """Hold the right to do a background job for the length of a `with`; None where another process has it.

        Args:
            name: the job's; each has a lease of its own, which is not the one to refresh.
            max_held_s: what holds it for longer means ill, and is replaced.
            lease_s: on a fleet's engine, how soon the lease ends after its holder last asked for it; a step of the
                job has to be shorter. By default as soon as that of a refresh.
            needs_newest: None, too, where this host does not have a fleet's newest catalog: what the job goes on from
                may stand there.
        """

    def others(self) -> Iterable[Stored]:
        """What processes with other settings, or of older versions, have lately stored, as far as it can be read."""

    def check_user(self) -> None:
        """
        Raises:
            StoreUnreachable: what this process's user stores, the service's user could not use.
        """
