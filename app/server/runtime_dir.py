"""The folder that one gunicorn's workers share while it runs: what they count, and the keys that they read last.

prometheus_client maps files there, a few a process. A write to a mapped file that the disk has no room for ends the
process (SIGBUS), so the room is taken beforehand.
Nothing here may import prometheus_client, which looks for the folder when it is imported.
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
OWNER = "RUNTIME_FOLDER_OWNER"
PREFIX = "model-catalog-run-"
# Of memory before disks. mkdtemp makes a folder of its own there.
PARENTS = ("/dev/shm", "/tmp")  # noqa: S108
# prometheus_client's names for the kinds of metrics in app/telemetry/metrics.py, and the size that it gives a file.
KINDS = ("counter", "histogram", "gauge_liveall", "gauge_livemax")
FILE_BYTES = 1 << 16


def make_folder() -> None:
    """The folder of this master, in TMPDIR or in memory, gone when it ends; none where there is room for none.

    A reload comes here again and keeps the folder; a binary upgrade's new master inherits the variable and takes a
    folder of its own, since the old one's workers still count in theirs.
    """
    me = str(os.getpid())
    if os.environ.get(OWNER) == me:
        return
    os.environ[OWNER] = me
    os.environ.pop(VARIABLE, None)
    for parent in filter(None, (os.environ.get("TMPDIR"), *PARENTS)):
        try:
            made = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
            _remove_at_exit(made)
            _take_room(made)
        except OSError as error:
            log.warning("metrics_not_shared", folder=parent, error=error.strerror, consequence="another is tried")
            continue
        os.environ[VARIABLE] = made
        return
    log.error("metrics_not_shared", error="no room anywhere", consequence="each worker counts for itself")


def folder() -> Path | None:
    """None outside of gunicorn, and where there is room for none."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def reserve() -> bool:
    """In a new worker: make sure of the folder, and take the room for this process's files.

    Returns:
        False where that is not to be had, so that this process must not map files there.
    """
    shared = folder()
    if shared is None:
        return True
    try:
        with suppress(FileExistsError):  # Whoever cleans /tmp may have removed it.
            shared.mkdir(0o700)
        found = shared.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise OSError(errno.EPERM, "it is not this user's alone")
        _take_room(str(shared))
    except OSError as error:
        consequence = "this worker counts for itself"
        log.error("metrics_not_shared", folder=str(shared), error=error.strerror, consequence=consequence)
        return False
    return True


def give_back(pid: int) -> None:
    """The room of an ended process that its counts do not need; what it counted stays."""
    for kind in KINDS:
        with suppress(OSError, struct.error), open(f"{os.environ[VARIABLE]}/{kind}_{pid}.db", "r+b") as file:
            (used,) = struct.unpack("i", file.read(4))
            file.truncate(max(used, 8))


def _take_room(shared: str) -> None:
    for kind in KINDS:
        # Under its name a reader may come upon it, so it has its size by then.
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


def _remove_at_exit(made: str) -> None:
    me = os.getpid()

    def remove() -> None:
        # Workers inherit what is to happen at the exit.
        if os.getpid() == me:
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
