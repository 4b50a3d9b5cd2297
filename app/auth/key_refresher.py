"""Keeps the key ring equal to its sources: a file when it changes, and all of them every refresh interval."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from app.auth.key_cache import KeyCache
from app.auth.key_format import InvalidKeySource, Key, parse_document
from app.auth.key_ring import KeyRing
from app.auth.key_sources import FILE, SETTING, SOURCES, KeyFile, ReadAwsSources, aws_sources_of, keys_of_setting
from app.telemetry import metrics
from config import ConfigError, Settings

log = structlog.get_logger(__name__)

# While a source has never been read, good keys may be refused.
RETRY_S = 10.0


class KeyRefresher:
    """Publishes to one ring; a source that fails keeps the keys that it had.

    It owns no thread: a job of every worker calls `refresh`, since each must learn of a removed key.
    """

    def __init__(
        self,
        settings: Settings,
        read_aws: ReadAwsSources,
        *,
        cache_dir: Path | None = None,
        is_required: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the sources on this host.

        Args:
            cache_dir: where workers keep, as digests, what any of them read last.
            is_required: False where nothing is served: no source is read, and the ring stays empty.

        Raises:
            ConfigError: one cannot be read, or there is no source at all although keys are required.
        """
        self._settings = settings
        self._read_aws = read_aws
        self._cache = KeyCache(cache_dir)
        self._monotonic = monotonic
        self._aws = () if settings.auth_disabled else tuple(aws_sources_of(settings))
        self._file = KeyFile(Path(settings.api_keys_file), monotonic=monotonic) if settings.api_keys_file else None
        self._known: dict[str, tuple[Key, ...]] = {}
        self._is_cache_read = False
        self._next_read = float("-inf")
        self._stopping = threading.Event()
        if is_required:
            self._read_at_start()
        self.ring = KeyRing()
        self._publish()
        if is_required and not self.ring.keys and not self._aws and not settings.auth_disabled:
            raise ConfigError(
                f"{', '.join(SOURCES[:-1])} and {SOURCES[-1]} name no key; "
                "allowed: at least one, or AUTH_DISABLED=true to admit every caller"
            )

    def _read_at_start(self) -> None:
        try:
            self._known[SETTING] = keys_of_setting(self._settings)
        except InvalidKeySource as error:
            raise ConfigError(f"{SETTING}=(not shown) is not allowed: {error}") from None
        if self._file is not None:
            try:
                self._known[FILE] = self._file.read()
            except InvalidKeySource as error:
                raise ConfigError(
                    f"{FILE}={str(self._file.path)!r} is not allowed: {error}; allowed: a text file of keys, one a line"
                ) from None

    def refresh(self) -> None:
        """Read what may have changed; the first time, after the fork, all that other workers have read."""
        if not self._is_cache_read:
            self._is_cache_read = True
            self._read_cache()
        is_due = self._monotonic() >= self._next_read
        if self._file is not None:
            self._refresh_file(self._file, is_due)
        if is_due:
            self._refresh_aws()
            # Some time before the interval is over, and not when all the other workers do.
            pause_s = self._settings.refresh_s * random.uniform(0.7, 0.9)
            self._next_read = self._monotonic() + (pause_s if self._is_complete() else min(RETRY_S, pause_s))
        self._publish()

    def stop(self) -> None:
        """End a child under way."""
        self._stopping.set()

    def _refresh_file(self, file: KeyFile, is_due: bool) -> None:
        try:
            keys = file.read_if_changed(known=len(self._known.get(FILE, ())), force=is_due)
        except InvalidKeySource as error:
            self._take(FILE, error)
        else:
            if keys is not None:
                self._take(FILE, keys)

    def _refresh_aws(self) -> None:
        if not self._aws:
            return
        documents: Mapping[str, str | InvalidKeySource] = self._read_aws(self._settings, stopping=self._stopping.is_set)
        for source, document in documents.items():
            try:
                self._take(source, parse_document(document) if isinstance(document, str) else document)
            except InvalidKeySource as error:
                self._take(source, error)

    def _take(self, source: str, read: tuple[Key, ...] | InvalidKeySource) -> None:
        if isinstance(read, InvalidKeySource):
            if self._stopping.is_set():
                return
            metrics.KEY_SOURCE_FAILURES.labels(source).inc()
            metrics.KEY_SOURCE_FAILING.labels(source).set(1)
            kept = len(self._known.get(source, ()))
            log.error("key_source_failed", source=source, reason=str(read), consequence=f"its last {kept} keys stay")
            return
        metrics.KEY_SOURCE_FAILING.labels(source).set(0)
        before = self._known.get(source)
        if read != before:
            self._known[source] = read
            report = log.info if read else log.warning
            report("keys_reloaded", source=source, before=None if before is None else len(before), keys=len(read))
            self._write_cache(source)

    def _write_cache(self, source: str) -> None:
        self._cache.write(source, self._known[source])

    def _read_cache(self) -> None:
        for source in (*([FILE] if self._file is not None else []), *self._aws):
            keys = self._cache.read(source)
            if keys is not None:
                self._known[source] = keys

    def _is_complete(self) -> bool:
        return all(source in self._known for source in self._aws)

    def _publish(self) -> None:
        keys = [key for source in SOURCES for key in self._known.get(source, ())]
        self.ring.publish(keys, is_complete=self._is_complete())
