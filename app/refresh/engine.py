"""What a fleet needs of the server that its hosts share, and the form in which a catalog goes there."""

import bz2
from dataclasses import dataclass
from typing import Protocol

from app.catalog.reading import Malformed
from app.refresh.store import Version

# A lease ends so long after its holder last renewed it, which it does when a third of that is gone.
LEASE_S = 10.0
# How long a host waits for news at a time: an empty answer shows that the connection lives, in both directions.
BLOCK_S = 5.0
# A job's value goes so long after it was last saved.
VALUE_EXPIRY_S = 400 * 86_400
# For each other command, and to connect.
TIMEOUT_S = 2.0
# A catalog of 31 regions is under 1 MB, one of 10,000 models 4 MB.
MAX_CATALOG_BYTES = 32 << 20
# In blocks of 100 KB. Measured with 18 regions: 157 KB become 8.1 KB in 16 ms, once a refresh, and that is read in 3 ms
# on each host; zlib needs 10.5 KB, so that 1,000 hosts would take over 10 MB a refresh.
BLOCKS = 2


class EngineUnreachable(Exception):
    """The engine did not do what was asked of it; says why, without any secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A version's bytes as they came, compressed; None where they are not in the form of an entry."""

    version: Version
    payload: bytes | None


class JobLock(Protocol):
    """A lock that runs out so long after it was last renewed."""

    def renew(self) -> bool:
        """False where the lease ran out.

        Raises:
            EngineUnreachable
        """

    def release(self) -> None: ...


class EngineLease(JobLock, Protocol):
    """The fleet's lease, as had at a moment: `now_ms` on the engine's clock, when `newest` was the newest version."""

    now_ms: int
    newest: Version


class Engine(Protocol):
    """A server with a clock, one lease, and one entry that only a later version replaces.

    All but `close` raise EngineUnreachable.
    """

    def acquire(self) -> EngineLease | None:
        """None where another host holds the lease."""

    def acquire_job(self, name: str, *, lease_s: float) -> JobLock | None:
        """The lock of a background job, apart from the lease; None where another host holds it."""

    def load_value(self, name: str) -> bytes | None:
        """What a job has saved under a name."""

    def save_value(self, name: str, data: bytes) -> None: ...

    def put(self, version: Version, payload: bytes) -> bool:
        """False where an equal or later version is there, and it is not this one."""

    def after(self, version: Version) -> Entry | None:
        """The newest entry, once there is one later than a version; None if none comes within some seconds."""

    def newest(self) -> Version:
        """That of the newest entry there has been."""

    def is_empty(self) -> bool:
        """Whether there is no entry; asked at each look, so cheap."""

    def now_ms(self) -> int: ...

    def close(self) -> None:
        """End what is under way; may be called by any thread, and again."""


def compress(data: bytes) -> bytes:
    return bz2.compress(data, BLOCKS)


def decompress(payload: bytes) -> bytes:
    """
    Raises:
        Malformed: it is no whole compressed catalog, or one of over 32 MiB.
    """
    decompressor = bz2.BZ2Decompressor()
    try:
        data = decompressor.decompress(payload, MAX_CATALOG_BYTES)
    except OSError as error:
        raise Malformed(f"it cannot be decompressed: {error}") from None
    if not decompressor.eof:
        raise Malformed(f"it is cut short, or over {MAX_CATALOG_BYTES >> 20} MiB long")
    if decompressor.unused_data:
        raise Malformed("something follows the compressed catalog")
    return data
