"""Where keys are kept: a setting, a file, and two services of AWS, which a child process reads."""

import time
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Protocol

from app.auth.key_format import InvalidKeySource, Key, parse_key, parse_lines
from config import Settings

# Sources are called by the names of their settings.
SETTING, FILE, PARAMETER, SECRET = "API_KEYS", "API_KEYS_FILE", "API_KEYS_SSM_PARAMETER", "API_KEYS_SECRET_ID"
SOURCES = (SETTING, FILE, PARAMETER, SECRET)
AWS_SOURCES: Mapping[str, Callable[[Settings], str]] = {
    PARAMETER: attrgetter("api_keys_ssm_parameter"),
    SECRET: attrgetter("api_keys_secret_id"),
}

# Two looks at a file that shrank must be as far apart: half a second, less a job's jitter and the first one's delay. So
# a line taken out counts within a second, and behind nginx within two.
SHRUNK_FILE_PAUSE_S = 0.3


def aws_sources_of(settings: Settings) -> dict[str, str]:
    """The AWS sources that are configured, each with the name or ARN of what it holds."""
    return {source: name for source, name_of in AWS_SOURCES.items() if (name := name_of(settings))}


class ReadAwsSources(Protocol):
    """Reads the AWS sources: the document of each one that could be read, why not of each other."""

    def __call__(
        self, settings: Settings, *, stopping: Callable[[], bool]
    ) -> Mapping[str, "str | InvalidKeySource"]: ...


def keys_of_setting(settings: Settings) -> tuple[Key, ...]:
    """
    Raises:
        InvalidKeySource
    """
    return tuple(parse_key(entry) for entry in settings.api_keys)


class KeyFile:
    """A file of keys, read again when it changes.

    A file that is rewritten in place is empty, then short, for a moment. So one that is empty, or smaller than before,
    counts when two looks about half a second apart agree on it.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._monotonic = monotonic
        self._version: object = None
        self._data = b""
        # A smaller content that one look has found, and when.
        self._shrunk: tuple[bytes, float] | None = None

    def read(self) -> tuple[Key, ...]:
        """What it holds, as at the start.

        Raises:
            InvalidKeySource: it cannot be read, or one of its lines is no key.
        """
        self._version = self._version_now()
        self._data = self._bytes()
        return _keys_of(self._data)

    def read_if_changed(self, *, known: int, force: bool) -> tuple[Key, ...] | None:
        """What it holds; None where nothing changed, or a smaller content waits for the second look.

        Args:
            known: how many of its keys count now; another worker may have read them.
            force: look even where nothing changed.

        Raises:
            InvalidKeySource
        """
        version, shrunk = self._version_now(), self._shrunk
        if version == self._version and shrunk is None and not force:
            return None
        self._version, self._shrunk = version, None
        data = self._bytes()
        if len(data) < len(self._data) or len(_keys_of(data)) < known:
            now_s = self._monotonic()
            if shrunk is None or shrunk[0] != data:
                shrunk = data, now_s
            if now_s - shrunk[1] < SHRUNK_FILE_PAUSE_S:
                self._shrunk = shrunk
                return None
        self._data = data
        return _keys_of(data)

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise InvalidKeySource(f"the file cannot be read: {error.strerror}") from None

    def _version_now(self) -> object:
        """Changes when the file does, or can no longer be found."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _keys_of(data: bytes) -> tuple[Key, ...]:
    try:
        return parse_lines(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidKeySource("the file is not UTF-8") from None


def names_of_local_keys(settings: Settings) -> frozenset[str]:
    """The names of the keys whose sources are on this host.

    Raises:
        InvalidKeySource: one of them cannot be read.
    """
    keys = keys_of_setting(settings)
    if settings.api_keys_file:
        keys += KeyFile(Path(settings.api_keys_file)).read()
    return frozenset(key.name for key in keys if key.name)
