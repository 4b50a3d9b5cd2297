"""The stored catalog in a folder: what is there between starts, and what the workers of a host share."""

import os
import pwd
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from app.refresh.file_header import MAX_HEADER_BYTES, Damaged, Header, check_payload, header_line, read_header
from app.refresh.file_lease import WRITE_LOCK_S, FileLease, LeaseFile
from app.refresh.file_lock import Locked, lock, locked
from app.refresh.fingerprint import fingerprint
from app.refresh.formats import FORMAT, readable_as
from app.refresh.job_lease import file_job_lease
from app.refresh.store import (
    LEASE_REPLACED,
    NO_VERSION,
    JobLease,
    Lease,
    LeaseLost,
    LeaseTaken,
    Saved,
    Stored,
    StoreUnreachable,
    UnsupportedFormat,
    Version,
)
from config import Settings

log = structlog.get_logger(__name__)

SNAPSHOT = "snapshot.json"
# A catalog of 31 regions is under 1 MB; a larger file than this is no catalog and not worth the memory.
MAX_FILE_BYTES = 256 << 20
MAX_QUARANTINED = 3
MAX_OTHERS = 8
NOT_A_FILE = "a folder stands where the file should"
FOLDER_MODE = 0o700
NS_IN_MS = 1_000_000
# What a refresh may take beyond its deadline: to end its child, merge, and save.
LEASE_MARGIN_S = 10.0


def file_store(settings: Settings) -> "FileStore":
    """The store that these settings name."""
    folder = settings.catalog_dir / fingerprint(settings)
    return FileStore(folder, max_lease_s=settings.refresh_timeout_s + LEASE_MARGIN_S)


class FileStore:
    """A folder of `CATALOG_DIR`, named by the fingerprint, with the catalog, the lease's file, and a lock for writing.

    The folder is its user's alone: who can open the lease's file can hold it.
    """

    def __init__(self, folder: Path, *, max_lease_s: float = 3600.0) -> None:
        """
        Args:
            max_lease_s: a lease that is held for longer is taken from its holder.
        """
        self.folder = folder
        self._file = folder / SNAPSHOT
        self._lease = folder / "lease"
        self._write_lock = folder / "write"
        self.link = folder / "link"
        self._lease_file = LeaseFile(self._lease, self._write_lock, max_held_s=max_lease_s)
        self._job_files: dict[str, LeaseFile] = {}
        self._loaded: object | None = None
        self._newest = NO_VERSION

    def token(self) -> object | None:
        try:
            return _token(self._file.stat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return error.errno  # It may be there; loading it says what is wrong.

    def load(self) -> Stored | None:
        try:
            self._loaded = _token(self._file.stat())
            stored = _read(self._file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Damaged as error:
            self.quarantine(str(error))
            return None
        except IsADirectoryError:
            self.quarantine(NOT_A_FILE)
            return None
        except OSError as error:
            raise self._unreachable(error) from error
        self._newest = max(self._newest, stored.version)
        return stored

    def save(self, data: bytes, lease: Lease, *, answered: bool = True) -> Saved:
        version = lease.version
        with self._writing():
            _check_held(lease)
            stored = self._replaceable()
            if stored >= version:
                raise LeaseLost(f"version {stored} is stored, and this one would be {version}")
            token = self._write(data, version, lease)
        self._newest = version
        lease.version = version.next()
        return Saved(token=token, version=version)

    def keep(self, data: bytes, version: Version) -> object:
        """Store what was saved elsewhere under a version, unless one as late is stored already.

        Returns:
            The token of what is stored then.

        Raises:
            StoreUnreachable
            UnsupportedFormat: a later version of this program stored what is there.
        """
        with self._writing():
            if self._replaceable() >= version:
                return self.token()
            return self._write(data, version)

    def version(self) -> Version:
        """That of the stored bytes, if they are of the format that this program writes."""
        stored = self._stored_header()
        return stored[1] if stored is not None and stored[0].format == FORMAT else NO_VERSION

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock for writing.

        Raises:
            StoreUnreachable
        """
        try:
            self._make_folder()
            with locked(self._write_lock, wait_s=WRITE_LOCK_S):
                # Who writes holds the lock, so any other temporary file is what a killed writer left.
                for left in self.folder.glob(".snapshot-*"):
                    left.unlink(missing_ok=True)
                yield
            self._sync_folder()
        except Locked as error:
            raise StoreUnreachable(str(error)) from None
        except OSError as error:
            raise self._unreachable(error) from error

    def _replaceable(self) -> Version:
        """The version of what may be replaced.

        Raises:
            UnsupportedFormat
        """
        if self._file.is_dir():
            self._loaded = _token(self._file.stat())
            self._move_aside(NOT_A_FILE)
        stored = self._stored_header()
        if stored is None:
            return NO_VERSION
        header, version = stored
        if header.format > FORMAT:
            raise UnsupportedFormat(header.format, header.readable_from)
        return version

    def _write(self, data: bytes, version: Version, lease: Lease | None = None) -> object:
        descriptor, name = tempfile.mkstemp(prefix=".snapshot-", dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(header_line(data, version=version) + data)
                file.flush()
                os.fsync(file.fileno())
                # Of this file, by its descriptor: at its name another writer's may already stand.
                token = _token(os.fstat(file.fileno()))
            if lease is not None:
                _check_held(lease)  # A disk may have taken its time.
            os.replace(name, self._file)
        except (OSError, LeaseLost):
            with suppress(OSError):
                os.unlink(name)
            raise
        return token

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def quarantine(self, reason: str) -> None:
        try:
            with locked(self._write_lock, wait_s=WRITE_LOCK_S):
                self._move_aside(reason)
        except (OSError, Locked):
            self._move_aside(reason)

    def _move_aside(self, reason: str) -> None:
        file = self._file
        target = file.with_name(f"{file.name}.quarantined-{time.time_ns()}")
        try:
            if _token(file.stat()) != self._loaded:
                return  # Another worker was quicker, or a good catalog has taken the place of the judged one.
            os.rename(file, target)
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("snapshot_quarantine_failed", file=str(file), reason=reason, error=error.strerror)
            return
        log.error("snapshot_quarantined", file=str(file), reason=reason, moved_to=target.name)
        for old in sorted(file.parent.glob(f"{file.name}.quarantined-*"))[:-MAX_QUARANTINED]:
            with suppress(OSError):
                old.unlink()

    @contextmanager
    def lease(self, *, unless_younger_s: float = 0, amends: bool = False) -> Iterator[FileLease]:
        try:
            self._make_folder()
            descriptor = self._lease_file.acquire()
        except OSError as error:
            raise self._unreachable(error) from error
        try:
            lease = FileLease(self._lease, descriptor, self._next_version())
            if not lease.held():
                raise LeaseTaken("another process has just replaced the lease")
            yield lease
        finally:
            os.close(descriptor)

    @contextmanager
    def job_lease(
        self, name: str, *, max_held_s: float, lease_s: float | None = None, needs_newest: bool = False
    ) -> Iterator[JobLease | None]:
        try:
            self._make_folder()
        except (OSError, StoreUnreachable):
            yield None
            return
        if name not in self._job_files:
            self._job_files[name] = LeaseFile(self.folder / name, self._write_lock, max_held_s=max_held_s)
        with file_job_lease(self._job_files[name]) as lease:
            yield lease

    def lock_link(self) -> int:
        """Lock the file whose holder is this host's link to a fleet; the lock ends with the descriptor.

        Raises:
            Locked
            StoreUnreachable
        """
        try:
            self._make_folder()
            return lock(self.link)
        except OSError as error:
            raise self._unreachable(error) from error

    def link_holder(self) -> str | None:
        """The process that holds it, as far as it can be seen; None where none does."""
        try:
            os.close(lock(self.link, create=False))
        except Locked as error:
            return str(error.holder or "a process that cannot be seen from here")
        except OSError:
            pass
        return None

    def _next_version(self) -> Version:
        stored = self._stored_header()
        newest = max(self._newest, stored[1] if stored else NO_VERSION)
        return Version(max(newest.ms + 1, time.time_ns() // NS_IN_MS))

    def _stored_header(self) -> tuple[Header, Version] | None:
        """The header of the stored catalog and its version; None where there is none that can be read."""
        try:
            with open(self._file, "rb", opener=_open_at_once) as file:
                line = file.readline(MAX_HEADER_BYTES).rstrip(b"\n")
                header = read_header(line)
                return header, _version(header, os.fstat(file.fileno()))
        except (OSError, Damaged):
            return None

    def others(self) -> Iterator[Stored]:
        # Versions before the fingerprint kept theirs in CATALOG_DIR itself.
        parent = self.folder.parent
        files = {
            file: _written(file) for file in (parent / SNAPSHOT, *parent.glob(f"*/{SNAPSHOT}")) if file != self._file
        }
        for file in sorted(files, key=files.__getitem__, reverse=True)[:MAX_OTHERS]:
            with suppress(OSError, Damaged, UnsupportedFormat):
                yield _read(file)

    def check_user(self) -> None:
        # Before there is a folder, root may not make the one that another user's service is to use.
        folders = (self.folder, self.folder.parent) if os.geteuid() == 0 else (self.folder,)
        for folder in folders:
            with suppress(FileNotFoundError, NotADirectoryError):
                try:
                    owner = folder.stat().st_uid
                except PermissionError as error:
                    raise self._unreachable(error) from error
                if owner != os.geteuid():
                    raise StoreUnreachable(_wrong_user(folder, owner))
                return

    def _make_folder(self) -> None:
        """
        Raises:
            StoreUnreachable: it is another user's.
            OSError
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.folder.mkdir(FOLDER_MODE)
        found = self.folder.stat()
        if found.st_uid != os.geteuid():
            raise StoreUnreachable(_wrong_user(self.folder, found.st_uid))
        if stat.S_IMODE(found.st_mode) != FOLDER_MODE:
            self.folder.chmod(FOLDER_MODE)

    def _unreachable(self, error: OSError) -> StoreUnreachable:
        reason = f"{error.filename or self.folder}: {error.strerror or error}"
        if isinstance(error, PermissionError):
            with suppress(OSError):
                owner = self.folder.stat().st_uid
                if owner != os.geteuid():
                    reason += f"; {_wrong_user(self.folder, owner)}"
        return StoreUnreachable(reason)


def _written(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _token(found: os.stat_result) -> object:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _version(header: Header, found: os.stat_result) -> Version:
    """Files of before there were versions have the time of their writing, in the same unit."""
    return Version(found.st_mtime_ns // NS_IN_MS) if header.version is None else header.version


def _check_held(lease: Lease) -> None:
    if not lease.held():
        raise LeaseLost(LEASE_REPLACED)


def _wrong_user(folder: Path, owner: int) -> str:
    return f"{folder} belongs to {_user(owner)}, and this process runs as {_user(os.geteuid())}: run it as that user"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


def _open_at_once(path: str, flags: int) -> int:
    """Not waiting for a writer where a named pipe stands at the path."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _read(file: Path) -> Stored:
    """
    Raises:
        Damaged, UnsupportedFormat, OSError
    """
    with open(file, "rb", opener=_open_at_once) as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Damaged("it is no regular file")
        if found.st_size > MAX_FILE_BYTES:
            raise Damaged(f"it is {found.st_size} bytes long, which no catalog is")
        content = opened.read()
    if not content:
        raise Damaged("it is empty")
    line, _, data = content.partition(b"\n") if b"\n" in content[:MAX_HEADER_BYTES] else (content, b"", b"")
    header = read_header(line)
    format = readable_as(header.format, header.readable_from)
    if format is None:
        raise UnsupportedFormat(header.format, header.readable_from)
    check_payload(header, data)
    return Stored(data=data, format=format, version=_version(header, found))
