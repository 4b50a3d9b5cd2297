"""Locks on files (flock): the kernel frees them with their holder, however that dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path("/proc/locks")
FILE_MODE = 0o600
POLL_S = 0.01
MAX_COMMAND = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """The process that holds a lock."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid}, {self.command}"


class Locked(Exception):
    """Another process holds the lock on a file; says which, where that can be known."""

    def __init__(self, path: Path, file: os.stat_result) -> None:
        self.file = file
        self.holder = lock_holder(file)
        super().__init__(f"{path} is locked by {self.holder or 'a process that cannot be seen from here'}")


def lock(path: Path, *, create: bool = True) -> int:
    """Lock the file at a path.

    Args:
        create: make it where it is missing.

    Returns:
        Its descriptor, whose closing frees the lock; a child does not inherit it.

    Raises:
        Locked
        OSError: the file cannot be made or opened.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file = os.fstat(descriptor)
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise Locked(path, file) from None
        raise
    return descriptor


@contextmanager
def locked(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold the lock for the length of a `with`.

    Raises:
        Locked: another process holds it for so long.
        OSError: the file cannot be made or opened.
    """
    give_up = time.monotonic() + wait_s
    while True:
        try:
            descriptor = lock(path)
            break
        except Locked:
            if time.monotonic() >= give_up:
                raise
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


def is_at(path: Path, file: os.stat_result) -> bool:
    """Whether a path still leads to a file; another process may have replaced or removed it."""
    try:
        return os.path.samestat(path.stat(), file)
    except OSError:
        return False


def lock_holder(file: os.stat_result) -> LockHolder | None:
    """Who holds the lock on a file; None where the kernel does not say, as to a container of what is outside.

    Source:
        /proc/locks, proc_locks(5): `1: FLOCK ADVISORY WRITE 1234 fd:01:5678 0 EOF`.
    """
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
    found: dict[bool, int] = {}
    with suppress(OSError):
        for line in LOCKS.read_text().splitlines():
            words = line.split()
            if len(words) < 6 or words[1] != "FLOCK":
                continue
            its_device, _, inode = words[5].rpartition(":")
            # A file system of several layers may show another device here than to stat.
            if inode == str(file.st_ino) and words[4].isdecimal():
                found[its_device == device] = int(words[4])
    pid = found.get(True, found.get(False, 0))
    return LockHolder(pid=pid, command=_command(pid)) if pid else None


def _command(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "ended"
    return command.replace(b"\0", b" ").decode(errors="replace").strip()[:MAX_COMMAND]
