"""Where the catalog is kept between starts and shared between workers: bytes in, bytes out."""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

KIND = "bedrock-model-catalog"
FORMAT = 1
HEADER_BYTES_AT_MOST = 1024
# A catalog of 31 regions is under 1 MB; a larger file than this is nobody's catalog and not worth the memory.
FILE_BYTES_AT_MOST = 256 << 20
SET_ASIDE_KEPT = 3
# Everybody may read: a catalog is no secret, and an operator's refresh may run as another user than the service.
FILE_MODE = 0o644


class LeaseTaken(Exception):
    """Somebody else is refreshing just now."""


class SnapshotStore(Protocol):
    """A place for one catalog and one lease, shared by all workers."""

    def version(self) -> object | None:
        """A value that changes when the stored bytes do, cheap enough for every second; None without any."""

    def load(self) -> bytes | None:
        """The stored bytes, whole; None where there are none, or none that can be trusted.

        Raises:
            OSError: they could not be read just now.
        """

    def save(self, data: bytes) -> object:
        """Replace the stored bytes, wholly or not at all.

        Returns:
            Their version.

        Raises:
            OSError: they could not be stored; what was stored before still is.
        """

    def set_aside(self, reason: str) -> None:
        """Put the bytes last loaded, which turned out to be no catalog, where nobody loads them."""

    def lease(self) -> AbstractContextManager[None]:
        """Hold the right to refresh for the length of a `with`; it ends with its holder, however that dies.

        Raises:
            LeaseTaken: somebody else holds it.
            OSError: nobody can tell.
        """


class _NotTrusted(Exception):
    """A file that is not what `FileStore.save` wrote; says why."""


class FileStore:
    """A folder with the catalog in `snapshot.json` and the lease in `lease`.

    The file is one header line, `{"kind", "format", "bytes", "sha256"}`, and the bytes that it speaks of.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "snapshot.json"
        self._lease = folder / "lease"
        self._loaded: object | None = None

    def version(self) -> object | None:
        try:
            return _version(self._file.stat())
        except OSError:
            return None

    def load(self) -> bytes | None:
        try:
            with open(self._file, "rb", opener=_open_at_once) as file:
                found = os.fstat(file.fileno())
                self._loaded = _version(found)
                if not stat.S_ISREG(found.st_mode):
                    raise _NotTrusted("it is no regular file")
                if found.st_size > FILE_BYTES_AT_MOST:
                    raise _NotTrusted(f"it is {found.st_size} bytes long, which no catalog is")
                return _payload(file.read())
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            self._set_folder_aside()
        except _NotTrusted as error:
            self.set_aside(str(error))
        return None

    def save(self, data: bytes) -> object:
        header = {"kind": KIND, "format": FORMAT, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._file.is_dir():
            self._set_folder_aside()
        # Whoever saves holds the lease, so any other temporary file is what a killed writer left. (Where no lease can
        # be had, two may save at once: then one of them fails, and says so.)
        for left in self._folder.glob(".snapshot-*"):
            left.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".snapshot-", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(json.dumps(header).encode() + b"\n")
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                # Of this file, by its descriptor: at its name another writer's may already stand.
                version = _version(os.fstat(file.fileno()))
            os.replace(name, self._file)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise
        self._sync_folder()
        return version

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _set_folder_aside(self) -> None:
        self._loaded = self.version()
        self.set_aside("a folder stands where the file should")

    def set_aside(self, reason: str) -> None:
        if self.version() != self._loaded:
            return  # Another worker was quicker, or a good catalog has taken the place of the judged one.
        target = self._file.with_name(f"{self._file.name}.set-aside-{time.time_ns()}")
        try:
            os.rename(self._file, target)
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("stored_catalog_not_trusted", file=str(self._file), reason=reason, not_moved=error.strerror)
            return
        log.error("stored_catalog_set_aside", file=str(self._file), reason=reason, moved_to=target.name)
        for old in sorted(self._folder.glob(f"{self._file.name}.set-aside-*"))[:-SET_ASIDE_KEPT]:
            with suppress(OSError):
                old.unlink()

    @contextmanager
    def lease(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not inherited by a child, and never removed: the lock is the kernel's, the file only gives it a name.
        descriptor = os.open(self._lease, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LeaseTaken from None
            yield
        finally:
            os.close(descriptor)


def _version(found: os.stat_result) -> object:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _open_at_once(path: str, flags: int) -> int:
    """Not waiting for a writer where a named pipe stands at the path."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _payload(stored: bytes) -> bytes:
    head, _, data = stored.partition(b"\n") if b"\n" in stored[:HEADER_BYTES_AT_MOST] else (stored, b"", b"")
    if not stored:
        raise _NotTrusted("it is empty")
    try:
        header = json.loads(head[:HEADER_BYTES_AT_MOST])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise _NotTrusted("it is not a stored catalog")
    if header.get("format") != FORMAT:
        raise _NotTrusted(f"it has format {header.get('format')!r}, and this version reads {FORMAT}")
    if header.get("bytes") != len(data):
        raise _NotTrusted(f"it is {len(data)} bytes long and should be {header.get('bytes')!r}")
    if header.get("sha256") != hashlib.sha256(data).hexdigest():
        raise _NotTrusted("its checksum does not match")
    return data
