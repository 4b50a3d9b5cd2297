"""The folder that one gunicorn's workers share while it runs: what they count, and the keys that they read last.

prometheus_client maps files there, a few a process. A write to a mapped file that the disk has no room for ends the
process (SIGBUS), so the room is taken beforehand.
Nothing here may import prometheus_client, which looks for the folder when it is imported.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "RUNTIME_FOLDER_OWNER"
PREFIX = "model-catalog-run-"
IN_MEMORY = "/dev/shm"  # noqa: S108 - mkdtemp makes a folder of its own there.
# prometheus_client's names for the kinds that app/metrics.py has, and more than one process's counts of them take.
KINDS = ("counter", "histogram", "gauge_liveall", "gauge_livemax")
FILE_BYTES = 1 << 17


def make_folder() -> None:
    """The folder of this master, gone when it ends.

    A reload comes here again and keeps the folder; a binary upgrade's new master inherits the variable and takes a
    folder of its own, since the old one's workers still count in theirs.

    Raises:
        OSError: no folder for temporary files has room.
    """
    me = str(os.getpid())
    if os.environ.get(OWNER) != me:
        os.environ.update({OWNER: me, VARIABLE: _new_folder()})


def file_in_folder(name: str) -> Path | None:
    """None outside of gunicorn, where there is no such folder."""
    return Path(os.environ[VARIABLE], name) if VARIABLE in os.environ else None


def reserve() -> None:
    """In a new worker: make sure of the folder and of the room there; where there is none, count elsewhere."""
    folder = os.environ[VARIABLE]
    try:
        os.makedirs(folder, exist_ok=True)  # Whoever cleans /tmp may have removed it.
        _take_room(folder)
    except OSError as error:
        log.error("metrics_not_shared", folder=folder, error=error.strerror, consequence="this worker counts elsewhere")
        os.environ[VARIABLE] = _new_folder()


def _new_folder() -> str:
    """A folder in TMPDIR, else in memory, else where temporary files are: the first that has room."""
    first: OSError | None = None
    for parent in (os.environ.get("TMPDIR"), IN_MEMORY, tempfile.gettempdir()):
        if parent is None:
            continue
        try:
            folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
            _remove_at_exit(folder)
            _take_room(folder)
        except OSError as error:
            first = first or OSError(error.errno, error.strerror, parent)
        else:
            return folder
    assert first is not None
    raise first


def _take_room(folder: str) -> None:
    for kind in KINDS:
        descriptor = os.open(f"{folder}/{kind}_{os.getpid()}.db", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, FILE_BYTES)
        finally:
            os.close(descriptor)


def _remove_at_exit(folder: str) -> None:
    me = os.getpid()

    def remove() -> None:
        # Workers inherit what is to happen at the exit.
        if os.getpid() == me:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
