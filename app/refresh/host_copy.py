"""This host's copy of what a fleet shares."""

import structlog

from app.refresh.file_store import FileStore
from app.refresh.formats import FORMAT
from app.refresh.store import NO_VERSION, Stored, StoreUnreachable, UnsupportedFormat, Version
from app.telemetry import metrics

log = structlog.get_logger(__name__)


class HostCopy:
    """The host's file; while that cannot be written, memory, which this worker alone can read."""

    def __init__(self, file: FileStore) -> None:
        """
        Args:
            file: this object's own: a store remembers what was loaded from it last.
        """
        self._file = file
        self._memory: Stored | None = None

    def version(self) -> Version:
        memory = self._memory
        return max(self._file.version(), memory.version if memory else NO_VERSION)

    def load(self) -> Stored | None:
        """What other hosts can use; None where there is none, or it cannot be loaded."""
        memory = self.in_memory()
        if memory is not None:
            return memory
        try:
            stored = self._file.load()
        except (StoreUnreachable, UnsupportedFormat):
            return None
        return stored if stored is not None and stored.format == FORMAT else None

    def keep(self, data: bytes, version: Version) -> object:
        """Store it, unless one as late is there; the token of what is there then."""
        try:
            token = self._file.keep(data, version)
        except (StoreUnreachable, UnsupportedFormat) as error:
            if self._memory is None:
                metrics.STORE_SAVES.labels("failed").inc()
                log.error("snapshot_save_failed", error=str(error), consequence="served from one worker's memory alone")
            self._memory = Stored(data=data, format=FORMAT, version=version)
            return version
        self._memory = None
        return token

    def write_memory(self) -> None:
        """Try again to write what could not be written."""
        if self._memory is not None:
            self.keep(self._memory.data, self._memory.version)

    def in_memory(self) -> Stored | None:
        """What is newer than the file."""
        memory = self._memory
        return memory if memory is not None and memory.version > self._file.version() else None
