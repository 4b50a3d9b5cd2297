"""The store of a host in a fleet: its own file, and an engine that all hosts share.

The engine orders what hosts save and holds the one lease; the file serves. Whatever the engine does, the host serves
and refreshes: for itself where it must.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from app.refresh import engine
from app.refresh.engine import Engine, EngineLease, EngineUnreachable, compress
from app.refresh.file_store import file_store
from app.refresh.fingerprint import fingerprint
from app.refresh.fleet_link import FleetLink, LinkState, wall_ms
from app.refresh.fleet_status import FleetStatus
from app.refresh.formats import FORMAT
from app.refresh.host_copy import HostCopy
from app.refresh.job_lease import EngineJobLease
from app.refresh.store import (
    LEASE_REPLACED,
    NO_VERSION,
    JobLease,
    Lease,
    LeaseLost,
    LeaseTaken,
    NotDue,
    Saved,
    Stored,
    StoreUnreachable,
    Version,
)
from app.telemetry import metrics
from config import Settings

ELECTION_RETRY_S = 1.0
CONNECTING_RETRY_S = 0.05
# So that 1,000 hosts do not ask in one second: when one asks again for a lease that another has, and the part of its
# interval after which it asks for one at all.
TAKEN_RETRY_S = (1.0, 3.0)
LINKED_SPREAD = 0.05
# A host alone refreshes before two intervals are over, when its catalog would count as stale.
ALONE_SPREAD = 0.75
EMPTY_SPREAD_S = 2.0
NOT_ANSWERED = "no region answered, which says nothing to other hosts"


def fleet_store(settings: Settings) -> "FleetStore | None":
    """The store of a fleet; None where these settings name none."""
    if settings.store is None:
        return None
    mark = fingerprint(settings)
    key = f"{{model-catalog:{settings.fleet}:{mark}.{FORMAT}}}"

    def redis_engine() -> Engine:
        # Only a process that speaks to the server imports it.
        from app.refresh.redis_engine import RedisEngine

        return RedisEngine(settings, key)

    return FleetStore(settings, redis_engine)


class FleetLease:
    """The host's lease, and the fleet's: `alone` says why that is not had."""

    def __init__(
        self,
        host: Lease,
        fleet: EngineLease | None,
        *,
        version: Version,
        alone: str | None,
        monotonic: Callable[[], float],
    ) -> None:
        self.version = version
        self.alone = alone
        self.is_released_at_end = True
        self._host = host
        self._fleet = fleet
        self._monotonic = monotonic
        self._renewed_at = monotonic()
        self._is_lost = False

    def held(self) -> bool:
        if self._is_lost or not self._host.held():
            return False
        if self._fleet is not None and self.alone is None and self._monotonic() - self._renewed_at > engine.LEASE_S / 3:
            renewed_at = self._monotonic()
            try:
                self._is_lost = not self._fleet.renew()
            except EngineUnreachable as error:
                # What the regions answer is still good for this host, and its version decides whether for others.
                self.alone = str(error)
            self._renewed_at = renewed_at
        return not self._is_lost

    def end(self) -> None:
        if self._fleet is not None and self.is_released_at_end and not self._is_lost and self.alone is None:
            self._fleet.release()


class FleetStore:
    """What is saved goes to the engine, then to the file; what other hosts saved comes by the link to the file."""

    def __init__(
        self,
        settings: Settings,
        make_engine: Callable[[], Engine],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = wall_ms,
    ) -> None:
        """
        Args:
            make_engine: called once, where the engine is first needed.
        """
        self._settings = settings
        self._make_engine = make_engine
        self._monotonic = monotonic
        self._wall_ms = wall_ms
        self._made: Engine | None = None
        self._making = threading.Lock()
        self._file = file_store(settings)
        self._copy = HostCopy(file_store(settings))
        self.link = FleetLink(settings, self._file, self._copy, self._engine, monotonic=monotonic, wall_ms=wall_ms)
        # What the next refresh's moment was drawn for, and that moment.
        self._drawn_for: object = None
        self._turn_at = 0.0
        self._rests_until = 0.0

    def _engine(self) -> Engine:
        with self._making:
            if self._made is None:
                self._made = self._make_engine()
            return self._made

    def token(self) -> object | None:
        memory = self._copy.in_memory()
        return memory.version if memory is not None else self._file.token()

    def load(self) -> Stored | None:
        return self._copy.in_memory() or self._file.load()

    def quarantine(self, reason: str) -> None:
        self._file.quarantine(reason)

    def others(self) -> Iterable[Stored]:
        return self._file.others()

    def check_user(self) -> None:
        self._file.check_user()

    @contextmanager
    def lease(self, *, unless_younger_s: float = 0, amends: bool = False) -> Iterator[FleetLease]:
        if unless_younger_s:
            self._await_turn(unless_younger_s)
        with self._file.lease() as host:
            lease = self._amending_lease(host) if amends else self._fleet_lease(host, unless_younger_s)
            try:
                yield lease
            finally:
                lease.end()

    @contextmanager
    def job_lease(
        self, name: str, *, max_held_s: float, lease_s: float | None = None, needs_newest: bool = False
    ) -> Iterator[JobLease | None]:
        """Only the worker that follows the fleet's server asks it, so no other one imports its library."""
        lease, lease_s = None, lease_s or engine.LEASE_S
        is_behind = False
        if self.is_linked():
            with suppress(EngineUnreachable):
                lock = self._engine().acquire_job(name, lease_s=lease_s)
                lease = None if lock is None else EngineJobLease(lock, lease_s, monotonic=self._monotonic)
                is_behind = lease is not None and needs_newest and self.link.is_behind(self._engine().newest())
        if lease is not None and is_behind:
            lease.end()
            lease = None
        try:
            yield lease
        finally:
            if lease is not None:
                lease.end()

    def is_linked(self) -> bool:
        """Whether this process speaks to the engine, and that answers."""
        return self.link.state is LinkState.LINKED

    def load_value(self, name: str) -> bytes | None:
        """What a job keeps for the whole fleet; None where there is nothing.

        Raises:
            StoreUnreachable
        """
        try:
            return self._engine().load_value(name)
        except EngineUnreachable as error:
            raise StoreUnreachable(str(error)) from None

    def save_value(self, name: str, data: bytes) -> None:
        """Replace what a job keeps; its lease is to be `held`.

        Raises:
            StoreUnreachable
        """
        try:
            self._engine().save_value(name, data)
        except EngineUnreachable as error:
            raise StoreUnreachable(str(error)) from None

    def _await_turn(self, interval_s: float) -> None:
        """
        Raises:
            LeaseTaken: another worker of this host, or another host, is to refresh.
        """
        state = self.link.state
        if state is LinkState.ELSEWHERE:
            raise LeaseTaken("another worker of this host holds the link", retry_s=ELECTION_RETRY_S)
        if state in (LinkState.UNKNOWN, LinkState.CONNECTING):
            raise LeaseTaken("the link is not made yet", retry_s=CONNECTING_RETRY_S)
        version = self._copy.version()
        now = self._monotonic()
        # A catalog that was only added to is of the same refresh, and draws no other moment for the next one.
        drawn_for = version if interval_s < self._settings.refresh_s else version.ms, state
        if self._drawn_for != drawn_for:
            self._drawn_for = drawn_for
            self._turn_at = now + self._spread_s(interval_s, state, is_empty=not version.ms)
        turn_at = max(self._turn_at, self._rests_until)
        if now < turn_at:
            raise NotDue("it is another host's turn", retry_s=turn_at - now)

    def _spread_s(self, interval_s: float, state: LinkState, *, is_empty: bool) -> float:
        if state is LinkState.LINKED:
            return 0.0 if is_empty else random.uniform(0, LINKED_SPREAD * interval_s)
        return random.uniform(0, EMPTY_SPREAD_S if is_empty else ALONE_SPREAD * interval_s)

    def _fleet_lease(self, host: Lease, unless_younger_s: float) -> FleetLease:
        """
        Raises:
            LeaseTaken
            NotDue
        """
        # What was never listed is asked for again before the next refresh is due: that makes further saves of the last
        # refresh, which do not put the next one off.
        is_retry = 0 < unless_younger_s < self._settings.refresh_s
        if unless_younger_s and self.link.state is LinkState.UNLINKED:
            return self._alone(host, "the engine cannot be used", is_retry=is_retry)
        try:
            fleet = self._engine().acquire()
        except EngineUnreachable as error:
            if not unless_younger_s:
                return self._alone(host, str(error), is_retry=False)
            self.link.note_refusal(str(error))
            self._await_turn(unless_younger_s)  # Drawn anew: many hosts may be alone now.
            return self._alone(host, str(error), is_retry=is_retry)
        if fleet is None:
            raise LeaseTaken("another host refreshes the fleet's catalog", retry_s=random.uniform(*TAKEN_RETRY_S))
        try:
            self._check_due(fleet, unless_younger_s)
        except NotDue:
            fleet.release()
            raise
        # By the engine's clock, in the order in which refreshes begin; hosts' clocks decide nothing.
        newest = max(fleet.newest, self._copy.version())
        version = _version_after(newest, fleet.now_ms, is_retry=is_retry)
        return FleetLease(host, fleet, version=version, alone=None, monotonic=self._monotonic)

    def _amending_lease(self, host: Lease) -> FleetLease:
        """A lease whose saves are further ones of the fleet's newest catalog, so that they put no host's refresh off.

        Raises:
            LeaseTaken: another host holds it, or that catalog is not the one that this host has.
        """
        if self.link.state is not LinkState.LINKED:
            raise LeaseTaken("this worker does not follow the fleet's catalog", retry_s=ELECTION_RETRY_S)
        try:
            fleet = self._engine().acquire()
        except EngineUnreachable as error:
            raise LeaseTaken(str(error), retry_s=ELECTION_RETRY_S) from None
        if fleet is None:
            raise LeaseTaken("another host refreshes the fleet's catalog", retry_s=random.uniform(*TAKEN_RETRY_S))
        if fleet.newest != self._copy.version():
            fleet.release()
            raise LeaseTaken("this host's catalog is not the fleet's newest", retry_s=ELECTION_RETRY_S)
        return FleetLease(host, fleet, version=fleet.newest.next(), alone=None, monotonic=self._monotonic)

    def _alone(self, host: Lease, reason: str, *, is_retry: bool) -> FleetLease:
        now_ms = self._wall_ms() + self.link.engine_ahead_ms
        version = _version_after(self._copy.version(), now_ms, is_retry=is_retry)
        return FleetLease(host, None, version=version, alone=reason, monotonic=self._monotonic)

    def _check_due(self, fleet: EngineLease, interval_s: float) -> None:
        """
        Raises:
            NotDue
        """
        newest = fleet.newest
        if not interval_s or not newest.ms or newest == self.link.unusable:
            return
        age_s = (fleet.now_ms - newest.ms) / 1000
        if 0 <= age_s < interval_s:
            raise NotDue("another host refreshed the fleet's catalog", retry_s=interval_s - age_s)
        if self.link.is_behind(newest):
            raise NotDue("the fleet's catalog is on its way", retry_s=ELECTION_RETRY_S)

    def save(self, data: bytes, lease: Lease, *, answered: bool = True) -> Saved:
        assert isinstance(lease, FleetLease)
        if not answered:
            return self._save_unanswered(data, lease)
        if lease.alone is None and not lease.held():
            raise LeaseLost(LEASE_REPLACED)
        version = lease.version
        if lease.alone is None:
            self.link.own = version
            try:
                return self._share(data, lease)
            except EngineUnreachable as error:
                metrics.FLEET_PUTS.labels("failed").inc()
                self.link.note_refusal(str(error))
                lease.alone = str(error)
            finally:
                self.link.own = NO_VERSION
        metrics.FLEET_ALONE.inc()
        token = self._file.save(data, lease).token
        return Saved(token=token, version=version, alone=lease.alone)

    def _share(self, data: bytes, lease: FleetLease) -> Saved:
        """
        Raises:
            EngineUnreachable
            LeaseLost: the engine has a later catalog.
        """
        version = lease.version
        accepted = self._engine().put(version, compress(data))
        metrics.FLEET_PUTS.labels("accepted" if accepted else "superseded").inc()
        if not accepted:
            raise LeaseLost(f"the fleet has a later catalog than version {version}")
        metrics.FLEET_VERSION.labels(self._settings.fleet).set(version.ms)
        lease.version = version.next()
        return Saved(token=self._copy.keep(data, version), version=version)

    def _save_unanswered(self, data: bytes, lease: FleetLease) -> Saved:
        """Keep it here; the lease runs out by itself, so that hosts try one after the other, and not this one again."""
        shared, lease.version = lease.version, self._copy.version().local()
        lease.is_released_at_end = False
        # Longer than the lease that it lets run out, so that other hosts come first.
        self._rests_until = self._monotonic() + 1.5 * engine.LEASE_S
        try:
            saved = self._file.save(data, lease)
        finally:
            lease.version = shared
        return Saved(token=saved.token, version=saved.version, alone=NOT_ANSWERED)

    def status(self) -> FleetStatus:
        """Asks the engine, which may take some seconds."""
        mine = self._copy.version()
        status = FleetStatus(
            fleet=self._settings.fleet,
            store=str(self._settings.store),
            link_holder=self._file.link_holder(),
            host_version=mine,
        )
        try:
            newest = self._engine().newest()
        except EngineUnreachable as error:
            return replace(status, problem=str(error))
        return replace(status, fleet_version=newest, lag_s=max(0, newest.ms - mine.ms) / 1000)


def _version_after(newest: Version, now_ms: int, *, is_retry: bool) -> Version:
    return newest.next() if is_retry and newest.ms else Version(max(now_ms, newest.ms + 1))
