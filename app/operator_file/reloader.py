"""Reads the operator's file again while the service runs. A bad change leaves the last good file in force."""

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import structlog

from app.atomic_file import replace_file
from app.operator_file.reading import InvalidOperatorFile, OperatorFile
from app.telemetry import metrics

log = structlog.get_logger(__name__)

MAX_BYTES = 1 << 20
KEPT_NAME = "operator.toml"
# An editor that empties a file before it writes it is done between two looks: half a second, less a job's jitter and
# the first one's delay.
SETTLE_S = 0.3
# What a file is checked against may change without it: a key that two scopes name is taken out of the keys.
JUDGE_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """The bytes of the operator's file, its day (UTC), and when it came to be what it is, by the file system."""

    data: bytes
    as_of: date
    changed_at: datetime


def read_content(path: Path) -> FileContent:
    """
    Raises:
        InvalidOperatorFile: there is no such file, or it cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InvalidOperatorFile("it must be a regular file")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidOperatorFile(f"it cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise InvalidOperatorFile(f"it must be at most {MAX_BYTES} bytes long")
    # The change time is that of a rename, too, which brings a file with an old modification time.
    changed_at = datetime.fromtimestamp(max(found.st_mtime, found.st_ctime), UTC)
    return FileContent(data=data, as_of=datetime.fromtimestamp(found.st_mtime, UTC).date(), changed_at=changed_at)


def decode(data: bytes) -> str:
    """
    Raises:
        InvalidOperatorFile: the bytes are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidOperatorFile(f"line {line}: not UTF-8") from None


Read = Callable[[str, date], OperatorFile]
Apply = Callable[[OperatorFile, datetime], None]


class OperatorFileReloader:
    """The operator's file in force, and the job that follows it.

    The last good text is kept in `keep_in`, which lives as long as one start of the service: a worker that starts anew
    uses it where the file has become bad. A start of the service, which finds no kept text, refuses a bad file.
    """

    def __init__(
        self,
        path: Path,
        *,
        read: Read,
        apply: Apply,
        keep_in: Path | None,
        read_kept: Read | None = None,
        changed_files: Callable[[], object] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            read: from the text and the file's day, checked whole.
            apply: puts a file in force, given when it was changed; called by `load` and by `reload_if_changed`.
            keep_in: the runtime directory that the workers of one start share; None for none.
            read_kept: `read` for the kept text, where the file itself is bad.
            changed_files: what has changed of other files that the file in force names, none of which is false.
        """
        self._path = path
        self._read = read
        self._apply = apply
        self._read_kept_text = read_kept or read
        self._changed_files = changed_files
        self._kept = None if keep_in is None else keep_in / KEPT_NAME
        self._monotonic = monotonic
        self._data: bytes | None = None
        self._smaller: tuple[bytes, float] | None = None
        self._rejected: tuple[object, float] | None = None
        self._last_reason = ""

    def load(self) -> None:
        """Put the file in force when the process starts.

        Raises:
            InvalidOperatorFile: the file is not allowed, and there is no last good one.
        """
        kept = self._read_kept()
        try:
            content = read_content(self._path)
            if kept is not None and len(content.data) < len(kept.data):
                # Perhaps it is just being written: `reload_if_changed` will see.
                content = kept
            self._put_in_force(content)
        except InvalidOperatorFile as error:
            if kept is None:
                raise InvalidOperatorFile(f"CATALOG_CONFIG_FILE {self._path}: {error}") from None
            self._reject(None, str(error))
            self._put_in_force(kept, self._read_kept_text)

    def reload_if_changed(self) -> None:
        """Put a changed file in force; to be run about twice a second."""
        try:
            content = read_content(self._path)
        except InvalidOperatorFile as error:
            self._reject(None, str(error))
            return
        changed_files = self._changed_files()
        if content.data == self._data and not changed_files:
            self._smaller = None
            self._accept()
        elif self._is_settled(content.data) and not self._was_rejected((content.data, changed_files)):
            try:
                self._put_in_force(content)
            except InvalidOperatorFile as error:
                self._reject((content.data, changed_files), str(error))
            else:
                self._accept()
                log.info("operator_file_reloaded", file=str(self._path))

    def _put_in_force(self, content: FileContent, read: Read | None = None) -> None:
        self._apply((read or self._read)(decode(content.data), content.as_of), content.changed_at)
        self._data = content.data
        self._smaller = None
        self._keep(content)

    def _is_settled(self, data: bytes) -> bool:
        """Whether a file may count: a smaller one where it was the same half a second ago."""
        if self._data is None or len(data) >= len(self._data):
            self._smaller = None
            return True
        now = self._monotonic()
        if self._smaller is None or self._smaller[0] != data:
            self._smaller = data, now
        return now - self._smaller[1] >= SETTLE_S

    def _was_rejected(self, seen: object) -> bool:
        return (
            self._rejected is not None
            and self._rejected[0] == seen
            and self._monotonic() - self._rejected[1] < JUDGE_AGAIN_S
        )

    def _reject(self, seen: object, reason: str) -> None:
        """Keep the last good file, and say why, once for each reason.

        Args:
            seen: the refused bytes, with what had changed beside them; None where there are none.
        """
        self._rejected = seen, self._monotonic()
        metrics.OPERATOR_FILE_REJECTED.set(1)
        if reason != self._last_reason:
            self._last_reason = reason
            log.error(
                "operator_file_rejected",
                file=str(self._path),
                reason=reason,
                consequence="the last good file stays in force",
            )

    def _accept(self) -> None:
        self._rejected = None
        self._last_reason = ""
        metrics.OPERATOR_FILE_REJECTED.set(0)

    def _read_kept(self) -> FileContent | None:
        if self._kept is None:
            return None
        with suppress(InvalidOperatorFile):
            return read_content(self._kept)
        return None

    def _keep(self, content: FileContent) -> None:
        """Keep the good text for workers that start anew, with the file's day; one that is the same stays."""
        kept = self._read_kept()
        if self._kept is None or (kept is not None and kept.data == content.data):
            return
        try:
            noon = datetime(content.as_of.year, content.as_of.month, content.as_of.day, 12, tzinfo=UTC).timestamp()
            replace_file(self._kept, content.data, modified_ts=noon)
        except OSError as error:
            log.warning(
                "operator_file_not_kept",
                directory=str(self._kept.parent),
                error=error.strerror,
                consequence="a worker that starts anew refuses a bad file",
            )


def _open_without_waiting(path: str, flags: int) -> int:
    """Opened without waiting for a writer where a named pipe stands at the path."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
