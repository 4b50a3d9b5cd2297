"""The keys that open the service: how they are written, where they are kept, and how they change without a restart.

An entry is `key`, `name:key`, `sha256:HEX` or `name:sha256:HEX`. The text before the first colon is always a name, so a
key that holds a colon itself must be given one.
"""

import errno
import hashlib
import hmac
import json
import os
import random
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from app.catalog.reading import Malformed, Reader, parsed
from app.telemetry import metrics
from config import ConfigError, Settings

log = structlog.get_logger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DIGEST = "sha256"
HEX_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")

SETTING, FILE, PARAMETER, SECRET = "API_KEYS", "API_KEYS_FILE", "API_KEYS_SSM_PARAMETER", "API_KEYS_SECRET_ID"

CHECK_S = 1.0
# A source that has never been read keeps clients out who may well have a key.
RETRY_S = 10.0
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: its SHA-256, and its name for the log; None where it was given none."""

    name: str | None
    digest: bytes


class BadKeys(ValueError):
    """A source that holds something that is no key, or cannot be read; says why, and never what it holds."""


class KeyRing:
    """The keys that open the service just now."""

    def __init__(self, keys: Iterable[Key] = (), *, is_complete: bool = True) -> None:
        self.publish(keys, is_complete=is_complete)

    def publish(self, keys: Iterable[Key], *, is_complete: bool) -> None:
        """
        Args:
            keys: those without a name are called by their place, `key-1` the first of all.
            is_complete: False while a source has never been read, so that an unknown key may be a good one.
        """
        named = (
            key if key.name else replace(key, name=f"key-{place}") for place, key in enumerate(_once_each(keys), 1)
        )
        self.keys = tuple(named)
        self.is_complete = is_complete

    def name_of(self, presented: Iterable[str]) -> str | None:
        """The name of the first key among header values, None if there is none.

        Digests of equal length are compared in constant time, with every key, so the time tells nothing.
        """
        found = None
        for value in presented:
            # WSGI hands header bytes over as Latin-1.
            digest = digest_of(value.encode("latin-1", "replace"))
            for key in self.keys:
                if hmac.compare_digest(digest, key.digest) and found is None:
                    found = key.name
        return found


def _once_each(keys: Iterable[Key]) -> list[Key]:
    first: dict[bytes, Key] = {}
    for key in keys:
        first.setdefault(key.digest, key)
    return list(first.values())


def digest_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def parse_key(entry: str) -> Key:
    """
    Raises:
        BadKeys: the entry is none of the forms.
    """
    name, colon, secret = (part.strip() for part in entry.partition(":"))
    if not colon or name == DIGEST:
        name, secret = "", entry
    elif not NAME.fullmatch(name) or name.lower() == DIGEST:
        raise BadKeys(
            "the text before the first colon is the key's name, of up to 64 letters, digits, dots, dashes and "
            f"underscores and not {DIGEST}; a key that holds a colon needs one"
        )
    if not secret:
        raise BadKeys("there is a name without a key")
    if not secret.startswith(f"{DIGEST}:"):
        return Key(name=name or None, digest=digest_of(secret.encode()))
    hex_digits = secret.removeprefix(f"{DIGEST}:")
    if not HEX_DIGEST.fullmatch(hex_digits):
        raise BadKeys(f"{DIGEST}: is not followed by 64 hexadecimal digits")
    return Key(name=name or None, digest=bytes.fromhex(hex_digits))


def parse_lines(text: str) -> tuple[Key, ...]:
    """One entry a line; empty lines and those that begin with `#` count for nothing."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        try:
            keys.append(parse_key(entry))
        except BadKeys as error:
            raise BadKeys(f"entry {number}: {error}") from None
    return tuple(keys)


def parse_document(text: str) -> tuple[Key, ...]:
    """What AWS keeps: a JSON object of keys by name, as Secrets Manager's console makes it, or entries.

    Entries stand one a line, or between commas, as a StringList has them.
    """
    try:
        named = parsed(text.encode())
    except Malformed:
        named = None
    if isinstance(named, list | str):
        raise BadKeys("it is JSON, but no object of keys by name")
    if not isinstance(named, dict):
        return parse_lines(text.replace(",", "\n"))
    if not all(isinstance(value, str) for value in named.values()):
        raise BadKeys("the JSON object has a value that is no string")
    if not all(NAME.fullmatch(name) for name in named):
        raise BadKeys("a key's name in the JSON object is none of up to 64 letters, digits, dots, dashes, underscores")
    return tuple(parse_key(f"{name}:{value}") for name, value in named.items())


def read_file(path: Path) -> tuple[Key, ...]:
    """
    Raises:
        BadKeys: it cannot be read, or one of its lines is no key.
    """
    try:
        return parse_lines(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadKeys(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadKeys("the file is not UTF-8") from None


class Fetch(Protocol):
    """Asks AWS for the sources that it keeps: the document of each one that could be read, why not of each other."""

    def __call__(self, settings: Settings, *, stopping: Callable[[], bool]) -> Mapping[str, "str | BadKeys"]: ...


class KeyKeeper:
    """Keeps one ring equal to its sources: reads a file when it changes, and all of them every refresh interval.

    A source that fails keeps the keys that it had. Every worker has a keeper, since each must know a removed key.
    """

    def __init__(
        self,
        settings: Settings,
        fetch: Fetch,
        *,
        memory: Path | None = None,
        required: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            memory: a folder where the workers keep, as digests, what any of them read last: a worker that starts while
                a source fails would else know the keys of the service's start.
            required: False where nothing is served: no source is read, and the ring stays empty.

        Raises:
            ConfigError: a source on this host cannot be read, or there is no source at all although keys are asked for.
        """
        self._settings = settings
        self._fetch = fetch
        self._memory = memory
        self._monotonic = monotonic
        self._file = Path(settings.api_keys_file) if settings.api_keys_file else None
        self._file_version: object = None
        remote = {PARAMETER: settings.api_keys_ssm_parameter, SECRET: settings.api_keys_secret_id}
        self._remote = [] if settings.auth_disabled else [source for source, name in remote.items() if name]
        self._known: dict[str, tuple[Key, ...]] = {}
        self._next_read = float("-inf")
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        if required:
            self._read_at_start()
        self.ring = KeyRing()
        self._publish()
        if required and not self.ring.keys and not self._remote and not settings.auth_disabled:
            raise ConfigError(
                f"{SETTING}, {FILE}, {PARAMETER} and {SECRET} name no key; "
                "allowed: at least one, or AUTH_DISABLED=true to let everybody in"
            )

    def _read_at_start(self) -> None:
        try:
            self._known[SETTING] = tuple(parse_key(entry) for entry in self._settings.api_keys)
        except BadKeys as error:
            raise ConfigError(f"{SETTING}=(not shown) is not allowed: {error}") from None
        if self._file is not None:
            self._file_version = _version(self._file)
            try:
                self._known[FILE] = read_file(self._file)
            except BadKeys as error:
                raise ConfigError(
                    f"{FILE}={str(self._file)!r} is not allowed: {error}; allowed: a text file of keys, one a line"
                ) from None

    def start(self) -> None:
        """Read all sources, then keep reading in the background. Call it after the fork, before the first request."""
        if self._memory is not None:
            self._recall()
        self.check()
        self._thread = threading.Thread(target=self._repeat, name="keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def _repeat(self) -> None:
        while not self._stopping.wait(CHECK_S):
            try:
                self.check()
            except Exception:
                metrics.JOB_FAILURES.labels("keys").inc()
                log.exception("job_failed", job="keys")

    def check(self) -> None:
        """Read what may have changed."""
        is_due = self._monotonic() >= self._next_read
        if self._file is not None:
            version = _version(self._file)
            if is_due or version != self._file_version:
                self._file_version = version
                try:
                    self._take(FILE, read_file(self._file))
                except BadKeys as error:
                    self._take(FILE, error)
        if is_due and self._remote:
            for source, document in self._fetch(self._settings, stopping=self._stopping.is_set).items():
                try:
                    self._take(source, parse_document(document) if isinstance(document, str) else document)
                except BadKeys as error:
                    self._take(source, error)
        if is_due:
            # Some time before the interval is over, and not when all the other workers do.
            pause_s = self._settings.refresh_s * random.uniform(0.7, 0.9)
            self._next_read = self._monotonic() + (pause_s if self._is_complete() else min(RETRY_S, pause_s))
        self._publish()

    def _take(self, source: str, read: tuple[Key, ...] | BadKeys) -> None:
        if isinstance(read, BadKeys):
            if self._stopping.is_set():
                return
            metrics.KEY_SOURCE_FAILURES.labels(source).inc()
            metrics.KEY_SOURCE_FAILING.labels(source).set(1)
            kept = len(self._known.get(source, ()))
            log.error("keys_not_read", source=source, reason=str(read), consequence=f"its last {kept} keys stay")
            return
        metrics.KEY_SOURCE_FAILING.labels(source).set(0)
        before = self._known.get(source)
        if read != before:
            self._known[source] = read
            tell = log.info if read else log.warning
            tell("keys_read", source=source, before=None if before is None else len(before), keys=len(read))
            self._remember(source)

    def _remember(self, source: str) -> None:
        if self._memory is None:
            return
        keys = [{"name": key.name, "sha256": key.digest.hex()} for key in self._known[source]]
        file = self._memory_of(source)
        try:
            descriptor, new = tempfile.mkstemp(prefix=".keys-", dir=self._memory)  # Its owner's alone.
            try:
                with os.fdopen(descriptor, "w") as writing:
                    json.dump(keys, writing)
                os.replace(new, file)
            except OSError:
                os.unlink(new)
                raise
        except OSError as error:
            log.warning("keys_not_remembered", file=str(file), error=error.strerror)

    def _recall(self) -> None:
        for source in (*([FILE] if self._file is not None else []), *self._remote):
            try:
                with open(self._memory_of(source), "rb", opener=_open_at_once) as file:
                    # Whose folder was removed may find another user's at its name.
                    if os.fstat(file.fileno()).st_uid != os.geteuid():
                        raise OSError(errno.EPERM, "it is another user's")
                    rows = Reader(parsed(file.read())).each()
                self._known[source] = tuple(
                    Key(name=row.get("name").maybe(Reader.string), digest=bytes.fromhex(row.get("sha256").string()))
                    for row in rows
                )
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                log.warning("keys_not_remembered", file=str(self._memory_of(source)), error=str(error))

    def _memory_of(self, source: str) -> Path:
        assert self._memory is not None
        return self._memory / f"keys-{source}.json"

    def _is_complete(self) -> bool:
        return all(source in self._known for source in self._remote)

    def _publish(self) -> None:
        keys = [key for source in (SETTING, FILE, PARAMETER, SECRET) for key in self._known.get(source, ())]
        self.ring.publish(keys, is_complete=self._is_complete())


def _open_at_once(path: str, flags: int) -> int:
    """Not waiting for a writer where somebody put a named pipe, and following no link."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)


def _version(path: Path) -> object:
    """Changes when the file does, or can no longer be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
