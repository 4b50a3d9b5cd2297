"""What any worker read last from each source, as digests in the runtime directory.

A worker that starts while a source fails would else know the keys of the service's start.
"""

import errno
import json
import os
from pathlib import Path

import structlog

from app.atomic_file import replace_file
from app.auth.key_format import Key
from app.catalog.reading import Reader, parsed

log = structlog.get_logger(__name__)


class KeyCache:
    """Files of one folder, one a source; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def write(self, source: str, keys: tuple[Key, ...]) -> None:
        """Never raises; a failure is logged."""
        if self._folder is None:
            return
        rows = [{"name": key.name, "sha256": key.digest.hex()} for key in keys]
        file = self._file_of(source, self._folder)
        try:
            replace_file(file, json.dumps(rows).encode("ascii"))
        except OSError as error:
            log.warning("key_cache_failed", file=str(file), error=error.strerror)

    def read(self, source: str) -> tuple[Key, ...] | None:
        """None where there is none that can be read; never raises."""
        if self._folder is None:
            return None
        path = self._file_of(source, self._folder)
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                # Where the folder was removed, another user may have one of its name.
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    raise OSError(errno.EPERM, "it is another user's")
                rows = Reader(parsed(file.read())).each()
            return tuple(
                Key(name=row.get("name").maybe(Reader.string), digest=bytes.fromhex(row.get("sha256").string()))
                for row in rows
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("key_cache_failed", file=str(path), error=str(error))
            return None

    @staticmethod
    def _file_of(source: str, folder: Path) -> Path:
        return folder / f"keys-{source}.json"


def _open_at_once(path: str, flags: int) -> int:
    """Not waiting for a writer where the path is a named pipe, and following no link."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
