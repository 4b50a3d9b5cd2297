"""The directory that one gunicorn's workers share while it runs: their metrics, and the keys that they read last.

prometheus_client maps files there, a few a process. A write to a mapped file that the disk has no room for ends the
process (SIGBUS), so the files get their size beforehand.
Nothing here may import prometheus_client, which reads the variable when it is imported.
"""

import atexit
import errno
import os
import shutil
import stat
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "RUNTIME_DIR_OWNER"
PREFIX = "model-catalog-run-"
# Memory before disks. mkdtemp makes a directory of its own there.
PARENTS = ("/dev/shm", "/tmp")  # noqa: S108
# In the directory: the master that made it.
OWNER_FILE = "owner"
# prometheus_client's names for the kinds of metrics in app/telemetry/metrics.py, and the size that it gives a file.
KINDS = ("counter", "histogram", "gauge_liveall", "gauge_livemax")
FILE_BYTES = 1 << 16


def create() -> None:
    """Make this master's directory, in TMPDIR or in memory, removed at its exit; none where there is no room.

    A reload calls this again and keeps the directory; a binary upgrade's new master inherits the variable and makes a
    directory of its own, since the old one's workers still count in theirs.
    """
    me = str(os.getpid())
    if os.environ.get(OWNER) == me:
        return
    os.environ[OWNER] = me
    os.environ.pop(VARIABLE, None)
    for parent in filter(None, (os.environ.get("TMPDIR"), *PARENTS)):
        try:
            _remove_abandoned(Path(parent))
            made = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
            _remove_at_exit(made)
            Path(made, OWNER_FILE).write_text(_process(os.getpid()) or "")
            _preallocate(made)
        except OSError as error:
            log.warning("metrics_not_shared", folder=parent, error=error.strerror, consequence="another is tried")
            continue
        os.environ[VARIABLE] = made
        return
    log.error("metrics_not_shared", error="no room anywhere", consequence="each worker counts for itself")


def folder() -> Path | None:
    """None outside of gunicorn, and where there was no room."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def preallocate() -> bool:
    """In a new worker: give this process's metric files their size.

    Returns:
        False where there is no room, or the directory is not this user's alone: this process must not map files there.
    """
    shared = folder()
    if shared is None:
        return True
    try:
        with suppress(FileExistsError):  # A cleaner of /tmp may have removed it.
            shared.mkdir(0o700)
        found = shared.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise OSError(errno.EPERM, "it is not this user's alone")
        _preallocate(str(shared))
    except OSError as error:
        consequence = "this worker counts nothing"
        log.error("metrics_disabled", folder=str(shared), error=error.strerror, consequence=consequence)
        return False
    return True


def truncate_unused(pid: int) -> None:
    """Give back what an ended process's files do not use; what it counted stays."""
    shared = folder()
    for kind in KINDS if shared is not None else ():
        with suppress(OSError, struct.error), open(f"{shared}/{kind}_{pid}.db", "r+b") as file:
            (used,) = struct.unpack("i", file.read(4))
            file.truncate(max(used, 8))


def _preallocate(shared: str) -> None:
    for kind in KINDS:
        # A reader may find it under its name, so it has its size by then.
        name = f"{shared}/{kind}_{os.getpid()}.db"
        descriptor = os.open(f"{name}.new", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, FILE_BYTES)
            os.rename(f"{name}.new", name)
        except OSError:
            os.unlink(f"{name}.new")
            raise
        finally:
            os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    """Remove the directories of this user's masters that were killed, which no exit has removed."""
    for found in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):  # ValueError: what is recorded there is not of this version.
            if found.is_symlink() or found.lstat().st_uid != os.geteuid():
                continue
            recorded = (found / OWNER_FILE).read_text()
            pid, _, namespace = recorded.split(" ")
            # Processes of other containers cannot be seen, so what they own is left alone.
            if namespace == _pid_namespace() and _process(int(pid)) != recorded:
                shutil.rmtree(found)


def _process(pid: int) -> str | None:
    """A process's number, start and PID namespace, which no later process shares; None if it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    # Field 22 of proc(5), counted from behind the name, which may hold anything.
    return f"{pid} {status.rpartition(')')[2].split()[19]} {_pid_namespace()}"


def _pid_namespace() -> str:
    return os.readlink("/proc/self/ns/pid")


def _remove_at_exit(made: str) -> None:
    me = os.getpid()

    def remove() -> None:
        # Workers inherit what runs at exit.
        if os.getpid() == me:
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
