"""How far each target has got: kept apart from the catalog, so that a lost catalog sends nothing twice."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from app.atomic_file import replace_file
from app.catalog.reading import Malformed, Reader, parsed, plain_instant
from app.refresh.store import StoreUnreachable

FOLDER = "webhooks"
FOLDER_MODE = 0o700
MAX_BYTES = 1 << 20
# Retries of one event end after so long; so does a backlog that a target was away for.
RETRIED_FOR = timedelta(days=3)
# The end of the key on a fleet's engine.
VALUE = "webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far one target has got.

    `event_id` is the last event that was delivered, passed over or given up. `failing_since` is the first failure in a
    row, `attempts` their number; they are of the target's `revision`, which `is_gone` where it answered 410.
    `absent_since` is when the target was first not configured.
    """

    event_id: str
    delivered_at: datetime | None = None
    failing_since: datetime | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    revision: str | None = None
    is_gone: bool = False
    absent_since: datetime | None = None


Cursors = Mapping[str, Cursor]


class CursorsUnavailable(Exception):
    """Cursors could not be read or written, so nothing may be sent; says why."""


class CursorStore(Protocol):
    """A place for the cursors of all targets: a file of one host, or a key of a fleet."""

    def peek(self) -> Cursors:
        """What is known here without the lease, and may be behind.

        Raises:
            CursorsUnavailable
        """

    def load(self) -> Cursors:
        """
        Raises:
            CursorsUnavailable
        """

    def save(self, cursors: Cursors) -> None:
        """Replace all cursors, wholly or not at all.

        Raises:
            CursorsUnavailable
        """


class CursorFile:
    """The cursors of one catalog in a file of `CATALOG_DIR/webhooks`.

    While there is none, those saved lately beside it show how far targets have got: the settings that name the catalog
    have changed, it begins with what was stored before, and targets get what they are owed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def peek(self) -> Cursors:
        return self.load()

    def load(self) -> Cursors:
        try:
            return _read_file(self._path)
        except FileNotFoundError:
            return self._saved_last()
        except OSError as error:
            raise CursorsUnavailable(f"{self._path}: {error.strerror}") from error
        except Malformed as error:
            raise CursorsUnavailable(f"{self._path} is damaged ({error}): remove it, and targets begin anew") from None

    def _saved_last(self) -> Cursors:
        saved: list[tuple[float, Path]] = []
        with suppress(OSError):
            saved += [(it.stat().st_mtime, it) for it in self._path.parent.glob("*.json")]
        for saved_ts, file in sorted(saved, reverse=True):
            if time.time() - saved_ts < RETRIED_FOR.total_seconds():
                with suppress(OSError, Malformed):
                    cursors = _read_file(file)
                    return {name: Cursor(event_id=it.event_id) for name, it in cursors.items()}
        return {}

    def save(self, cursors: Cursors) -> None:
        try:
            self._path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            replace_file(self._path, encode_cursors(cursors), is_synced=True)
        except OSError as error:
            raise CursorsUnavailable(f"{self._path}: {error.strerror}") from error


class Fleet(Protocol):
    """What hosts share, as one of their processes sees it."""

    def load_value(self, name: str) -> bytes | None:
        """
        Raises:
            StoreUnreachable
        """

    def save_value(self, name: str, data: bytes) -> None:
        """
        Raises:
            StoreUnreachable
        """


class FleetCursors:
    """The cursors of a fleet, with a copy on each host: a look costs the engine nothing, and it may lose its own."""

    def __init__(self, fleet: Fleet, copy: CursorFile) -> None:
        self._fleet = fleet
        self._copy = copy
        self._copied: Cursors | None = None

    def peek(self) -> Cursors:
        return self._copy.load()

    def load(self) -> Cursors:
        try:
            data = self._fleet.load_value(VALUE)
        except StoreUnreachable as error:
            raise CursorsUnavailable(str(error)) from None
        if data is None:
            return self._copy.load()
        try:
            cursors = decode_cursors(data)
        except Malformed as error:
            raise CursorsUnavailable(f"the fleet's cursors are damaged ({error}): delete the key") from None
        self._keep_copy(cursors)
        return cursors

    def save(self, cursors: Cursors) -> None:
        try:
            self._fleet.save_value(VALUE, encode_cursors(cursors))
        except StoreUnreachable as error:
            raise CursorsUnavailable(str(error)) from None
        self._keep_copy(cursors)

    def _keep_copy(self, cursors: Cursors) -> None:
        if cursors != self._copied:
            # A host whose disk is full sends all the same.
            with suppress(CursorsUnavailable):
                self._copy.save(cursors)
            self._copied = dict(cursors)


def cursor_store(catalog_dir: Path, fingerprint: str, fleet: Fleet | None) -> CursorStore:
    """The cursors of the catalog that these settings name.

    Args:
        fleet: what the hosts of a fleet share.
    """
    file = CursorFile(catalog_dir / FOLDER / f"{fingerprint}.json")
    return file if fleet is None else FleetCursors(fleet, file)


def _read_file(path: Path) -> Cursors:
    """
    Raises:
        OSError, Malformed
    """
    with path.open("rb") as file:
        return decode_cursors(file.read(MAX_BYTES))


def encode_cursors(cursors: Cursors) -> bytes:
    return json.dumps({"targets": {name: _plain(cursor) for name, cursor in cursors.items()}}).encode("ascii") + b"\n"


def decode_cursors(data: bytes) -> Cursors:
    """
    Raises:
        Malformed
    """
    targets = Reader(parsed(data)).get("targets")
    if not isinstance(targets.value, dict):
        targets.fail("an object")
    return {str(name): _read(targets.get(name)) for name in targets.value}


def _plain(cursor: Cursor) -> dict[str, Any]:
    return {
        "event_id": cursor.event_id or None,
        "delivered_at": plain_instant(cursor.delivered_at),
        "failing_since": plain_instant(cursor.failing_since),
        "attempts": cursor.attempts,
        "next_attempt_at": plain_instant(cursor.next_attempt_at),
        "last_error": cursor.last_error,
        "revision": cursor.revision,
        "is_gone": cursor.is_gone,
        "absent_since": plain_instant(cursor.absent_since),
    }


def _read(value: Reader) -> Cursor:
    return Cursor(
        event_id=value.get("event_id").maybe(Reader.string) or "",
        delivered_at=value.get("delivered_at").maybe(Reader.instant),
        failing_since=value.get("failing_since").maybe(Reader.instant),
        attempts=value.get("attempts").maybe(Reader.count) or 0,
        next_attempt_at=value.get("next_attempt_at").maybe(Reader.instant),
        last_error=value.get("last_error").maybe(Reader.string),
        revision=value.get("revision").maybe(Reader.string),
        is_gone=value.get("is_gone").maybe(Reader.boolean) or False,
        absent_since=value.get("absent_since").maybe(Reader.instant),
    )
