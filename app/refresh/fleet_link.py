"""A host's link to its fleet: one elected worker keeps the host's copy equal to the engine."""

import os
import random
import threading
import time
from collections.abc import Callable
from enum import Enum, auto

import structlog

from app.catalog.reading import Malformed
from app.refresh.engine import Engine, EngineUnreachable, Entry, compress, decompress
from app.refresh.file_lock import Locked
from app.refresh.file_store import FileStore
from app.refresh.fingerprint import fingerprint
from app.refresh.follower import named, settings_of
from app.refresh.formats import DECODERS, FORMAT
from app.refresh.host_copy import HostCopy
from app.refresh.store import NO_VERSION, StoreUnreachable, Version
from app.telemetry import metrics
from config import Settings

log = structlog.get_logger(__name__)

ELECTION_S = 1.0
OWN_WAIT_S = 0.05
FIRST_ELECTION_S = 0.1
MIN_BACKOFF_S, MAX_BACKOFF_S = 0.5, 5.0
ASK_NEWEST_S = 60.0
MIN_PROBE_S, MAX_PROBE_S = 5.0, 60.0


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class LinkState(Enum):
    """Where this host's link is, as one of its workers sees it."""

    UNKNOWN = auto()
    ELSEWHERE = auto()
    CONNECTING = auto()
    LINKED = auto()
    UNLINKED = auto()


class FleetLink:
    """A worker's part in its host's link: the job `run` takes the link if it is free, and then holds it.

    The kernel frees the lock of a worker that ends, however it does.
    """

    def __init__(
        self,
        settings: Settings,
        file: FileStore,
        copy: HostCopy,
        engine: Callable[[], Engine],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = wall_ms,
    ) -> None:
        """
        Args:
            engine: makes the engine at its first call.
        """
        self._settings = settings
        self._file = file
        self._copy = copy
        self._engine = engine
        self._monotonic = monotonic
        self._wall_ms = wall_ms
        self._stop = threading.Event()
        # What the engine has, as far as it is known since the connection was made, and when it was last asked.
        self._newest: Version | None = None
        self._asked_at = 0.0
        # The last entry that could not be kept here.
        self._passed = NO_VERSION
        # What this process has put, and is about to keep.
        self.own = NO_VERSION
        # When to ask again for what the engine refuses to do for a refresh; None where it does.
        self._probe_at: float | None = None
        self._probe_s = MIN_PROBE_S
        # An entry that no host of these settings can use.
        self.unusable = NO_VERSION
        # How far the engine's clock was ahead of this host's; what the host saves alone is in the engine's time, too.
        self.engine_ahead_ms = 0
        self.state = LinkState.UNKNOWN

    def check_s(self) -> float:
        """Seconds until the next try to take the link."""
        return FIRST_ELECTION_S if self.state is LinkState.UNKNOWN else ELECTION_S

    def run(self) -> None:
        """Take the link if no other worker of this host has it, and hold it until `stop`."""
        try:
            descriptor = self._file.lock_link()
        except Locked:
            self.state = LinkState.ELSEWHERE
            return
        except StoreUnreachable:
            # Without a folder workers share nothing, and each goes alone, as the refresher says in the log.
            self.state = LinkState.UNLINKED
            return
        try:
            self.state = LinkState.CONNECTING
            metrics.FLEET_INFO.labels(self._settings.fleet, fingerprint(self._settings)).set(1)
            self._hold()
        finally:
            self.state = LinkState.UNKNOWN
            os.close(descriptor)

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._stop.set()
        if self.state is not LinkState.UNKNOWN and self.state is not LinkState.ELSEWHERE:
            self._engine().close()

    def _hold(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self.follow_once()
                failures = 0
                continue
            except EngineUnreachable as error:
                if self._stop.is_set():
                    return
                self.note_failure(str(error))
            pause_s = min(MAX_BACKOFF_S, MIN_BACKOFF_S * 2**failures)
            failures = min(failures + 1, 10)
            self._stop.wait(pause_s * random.uniform(0.5, 1.0))

    def follow_once(self) -> None:
        """Offer what is later here, then wait some seconds for what is later there.

        Raises:
            EngineUnreachable
        """
        engine = self._engine()
        self._copy.write_memory()
        if self._is_later(self._look(engine)) and self._is_later(self._ask_newest(engine)):
            self._offer(engine)
        self._probe(engine)
        if self.state is not LinkState.LINKED:
            self.engine_ahead_ms = engine.now_ms() - self._wall_ms()
        self._note_linked()
        # Of the host's copy, which a command keeps, too.
        metrics.FLEET_VERSION.labels(self._settings.fleet).set(self._copy.version().ms)
        entry = engine.after(max(self._copy.version(), self._passed))
        if entry is not None:
            self._newest = entry.version
            if entry.version == self.own:
                self._stop.wait(OWN_WAIT_S)
                return
            self._take(engine, entry)
            if self._copy.version() < entry.version:
                self._passed = entry.version

    def is_behind(self, newest: Version) -> bool:
        """Whether a version is still to be taken; what cannot be used here is not."""
        return newest > max(self._copy.version(), self._passed, self.unusable)

    def _look(self, engine: Engine) -> Version:
        """The engine's newest version, without asking for it each time: the answer to that is long."""
        newest = self._newest
        if newest is None or self._monotonic() - self._asked_at > ASK_NEWEST_S or engine.is_empty():
            return self._ask_newest(engine)
        return newest

    def _ask_newest(self, engine: Engine) -> Version:
        self._newest = newest = engine.newest()
        self._asked_at = self._monotonic()
        if newest < self._passed:
            self._passed = NO_VERSION  # The engine lost what it had.
        return newest

    def _is_later(self, newest: Version) -> bool:
        """Whether this host has what the fleet lacks."""
        mine = self._copy.version()
        return mine.ms > newest.ms if mine.is_local() else mine > newest

    def _offer(self, engine: Engine) -> None:
        """Put this host's copy: the engine came back empty, or with an older one, or this host was alone."""
        stored = self._copy.load()
        if stored is None:
            return
        try:
            accepted = engine.put(stored.version, compress(stored.data))
        except EngineUnreachable:
            metrics.FLEET_PUTS.labels("failed").inc()
            raise
        metrics.FLEET_PUTS.labels("accepted" if accepted else "superseded").inc()
        if accepted:
            metrics.FLEET_OFFERS.inc()
            log.info("fleet_offered", version=str(stored.version), fleet=self._settings.fleet)

    def _take(self, engine: Engine, entry: Entry) -> None:
        """Keep an entry on this host if it is a catalog of this host's settings."""
        if entry.version <= self._copy.version():
            metrics.FLEET_TAKES.labels("older").inc()
            return
        try:
            data = self._checked(entry)
        except Malformed as error:
            self.unusable = entry.version
            metrics.FLEET_TAKES.labels("malformed").inc()
            log.error("fleet_malformed", version=str(entry.version), error=str(error), consequence="it is ignored")
            return
        is_new_refresh = entry.version.ms != self._copy.version().ms
        self._copy.keep(data, entry.version)
        metrics.FLEET_TAKES.labels("kept").inc()
        now_ms = engine.now_ms()
        self.engine_ahead_ms = now_ms - self._wall_ms()
        if is_new_refresh:  # A version says when its refresh was saved first.
            metrics.FLEET_LAG.labels(self._settings.fleet).set(max(0, now_ms - entry.version.ms) / 1000)

    def _checked(self, entry: Entry) -> bytes:
        """
        Raises:
            Malformed
        """
        if entry.payload is None:
            raise Malformed("it has other fields than a catalog's")
        data = decompress(entry.payload)
        state = DECODERS[FORMAT](data)
        mine = self._settings
        if state.source != mine.source or set(state.configured_regions) != set(mine.regions):
            raise Malformed(f"it is of {settings_of(state)}, and this host of {named(mine.source, mine.regions)}")
        return data

    def _probe(self, engine: Engine) -> None:
        """Look whether the engine does again what it refused to do for a refresh."""
        if self._probe_at is None or self._monotonic() < self._probe_at:
            return
        self._probe_s = min(MAX_PROBE_S, 2 * self._probe_s)
        self._probe_at = self._monotonic() + self._probe_s
        lease = engine.acquire()
        if lease is not None:
            lease.release()
        self._probe_at, self._probe_s = None, MIN_PROBE_S

    def note_refusal(self, reason: str) -> None:
        """A refresh could not use the engine, though entries may still come from it."""
        self._probe_at = self._monotonic() + self._probe_s
        self.note_failure(reason)

    def note_failure(self, reason: str) -> None:
        self._newest = None
        if self.state is not LinkState.UNLINKED:
            log.error("fleet_unreachable", error=reason, consequence="this host refreshes for itself")
        self.state = LinkState.UNLINKED
        metrics.FLEET_LINKED.labels(self._settings.fleet).set(0)

    def _note_linked(self) -> None:
        if self._probe_at is None and self.state is not LinkState.LINKED:
            self.state = LinkState.LINKED
            metrics.FLEET_LINKED.labels(self._settings.fleet).set(1)
            log.info("fleet_linked", store=str(self._settings.store), fleet=self._settings.fleet)
