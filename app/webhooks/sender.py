"""Sends events to targets: in order for each, at least once, by one process at a time."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from app.catalog.current import Catalog
from app.catalog.records import CatalogEvent
from app.catalog.snapshot import CatalogSnapshot
from app.telemetry import metrics
from app.webhooks.cursors import RETRIED_FOR, Cursor, Cursors, CursorStore, CursorsUnavailable
from app.webhooks.delivery import DELIVERED, SWITCHED_OFF, Attempt, deliver
from app.webhooks.messages import Message, event_message, probe_message
from app.webhooks.targets import Target

log = structlog.get_logger(__name__)

CHECK_S = 1.0
# Of each host of a fleet: all of them ask the engine when one event is to be sent.
FLEET_CHECK_S = 5.0
# Longer than a delivery and a third of this, after which `held` renews the lease.
LEASE_S = 20.0
# A run lasts 20 s, and what is under way then 10 s more.
MAX_HELD_S = 60.0
LEASE_NAME = "send_webhooks"
FIRST_PAUSE = timedelta(seconds=5)
MAX_PAUSE = timedelta(hours=6)
MAX_DOUBLINGS = 20
ABSENT_KEPT = timedelta(hours=1)
# A run ends about then, so that a lease is held for seconds; what is left is sent in the next one.
MAX_RUN_S = 20.0
# Every outcome of `deliver`, and an event that was given up, or that the catalog kept no longer.
DROPPED = "dropped"


class Lease(Protocol):
    def held(self) -> bool:
        """False where another process may be sending."""


# Holds the right to send for the length of a `with`; None where another process has it.
AcquireLease = Callable[[], AbstractContextManager[Lease | None]]
Deliver = Callable[[Target, Message], Attempt]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """How far a target has got; `lag_s` is the age of the oldest event that it is still to get, 0 without one."""

    name: str
    host: str
    event_id: str | None
    pending: int
    lag_s: int
    delivered_at: datetime | None
    last_error: str | None
    next_attempt_at: datetime | None
    is_switched_off: bool


class WebhookSender:
    """One catalog's targets. `send_due` is a worker's background job."""

    def __init__(
        self,
        catalog: Catalog,
        targets: Callable[[], Sequence[Target]],
        cursors: CursorStore,
        lease: AcquireLease,
        *,
        clock: Callable[[], datetime] = utc_now,
        send: Deliver = lambda target, message: deliver(target, *message),
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            targets: asked at each run, as the operator's file may have changed.
            stopping: asked between two messages; True ends the run.
        """
        self._catalog = catalog
        self._targets = targets
        self._cursors = cursors
        self._lease = lease
        self._clock = clock
        self._send = send
        self._stopping = stopping
        self._last_reason: str | None = None

    def send_due(self) -> None:
        """Send what is due, if no other process does."""
        targets, snapshot = tuple(self._targets()), self._catalog.latest
        if snapshot is None:
            return
        try:
            if self._is_due(targets, self._cursors.peek(), snapshot):
                with self._lease() as lease:
                    if lease is not None:
                        _Run(self, lease, targets, snapshot).run()
            self._last_reason = None
        except CursorsUnavailable as error:
            if str(error) != self._last_reason:
                self._last_reason = str(error)
                log.error("webhook_cursors_unavailable", error=str(error), consequence="nothing is sent")

    def status(self) -> tuple[TargetStatus, ...]:
        """
        Raises:
            CursorsUnavailable
        """
        cursors, snapshot, now = self._cursors.peek(), self._catalog.latest, self._clock()
        found = []
        for target in self._targets():
            cursor = cursors.get(target.name)
            pending = () if cursor is None or snapshot is None else pending_events(target, cursor, snapshot)
            oldest = pending[0].at if pending else now
            found.append(
                TargetStatus(
                    name=target.name,
                    host=target.host,
                    event_id=None if cursor is None else cursor.event_id or None,
                    pending=len(pending),
                    lag_s=max(0, int((now - oldest).total_seconds())),
                    delivered_at=None if cursor is None else cursor.delivered_at,
                    last_error=None if cursor is None else cursor.last_error,
                    next_attempt_at=None if cursor is None else cursor.next_attempt_at,
                    is_switched_off=cursor is not None and cursor.is_gone and cursor.revision == target.revision,
                )
            )
        return tuple(found)

    def lags(self) -> dict[str, int]:
        """Seconds by target; nothing where a cursor is not known."""
        try:
            known = self._cursors.peek()
            return {it.name: it.lag_s for it in self.status() if it.name in known}
        except CursorsUnavailable:
            return {}

    def send_probe(self, name: str) -> Attempt:
        """Send one test event, whatever the target's cursor is.

        Raises:
            KeyError: there is no such target.
        """
        target = {it.name: it for it in self._targets()}[name]
        return self._send(target, probe_message(target, at=self._clock()))

    def _is_due(self, targets: Sequence[Target], cursors: Cursors, snapshot: CatalogSnapshot) -> bool:
        now, names = self._clock(), {target.name for target in targets}
        return any(
            (cursor := cursors.get(target.name)) is None
            or cursor.absent_since is not None
            or (is_open(target, cursor, now) and cursor.event_id < newest_id(snapshot))
            for target in targets
        ) or any(name not in names and cursor.absent_since is None for name, cursor in cursors.items())


class _Run:
    """One run under the lease."""

    def __init__(
        self, sender: WebhookSender, lease: Lease, targets: Sequence[Target], snapshot: CatalogSnapshot
    ) -> None:
        self._sender = sender
        self._lease = lease
        self._targets = targets
        self._snapshot = snapshot
        self._cursors: dict[str, Cursor] = {}
        self._give_up = time.monotonic() + MAX_RUN_S

    def run(self) -> None:
        # Read anew: another process may have sent since.
        self._cursors = self._known(self._sender._cursors.load())
        # What cannot be noted is not sent: it would be sent again and again.
        self._save()
        waiting = list(self._targets)
        while waiting:
            # One message each in turn: a target with a backlog, or a slow one, is not in the way of the others.
            waiting = [target for target in waiting if self._may_go_on() and self._send_next(target)]

    def _known(self, stored: Cursors) -> dict[str, Cursor]:
        """The cursors of all targets; a new target's is the newest event.

        A target that is not configured is remembered for an hour: processes read a changed file at different moments.
        """
        now = self._sender._clock()
        known = {}
        for name, cursor in stored.items():
            if now - (cursor.absent_since or now) <= ABSENT_KEPT:
                known[name] = replace(cursor, absent_since=cursor.absent_since or now)
        new = Cursor(event_id=newest_id(self._snapshot))
        return known | {it.name: replace(known.get(it.name, new), absent_since=None) for it in self._targets}

    def _may_go_on(self) -> bool:
        return not self._sender._stopping() and time.monotonic() < self._give_up and self._lease.held()

    def _save(self) -> None:
        if self._lease.held():  # Or else its new holder's cursors count, and an event may come twice.
            self._sender._cursors.save(self._cursors)

    def _send_next(self, target: Target) -> bool:
        """Send the next event to a target; False where nothing more is to be sent to it now."""
        cursor, now = self._cursors[target.name], self._sender._clock()
        if not is_open(target, cursor, now):
            return False
        if self._snapshot.state.forgotten_event_id > cursor.event_id:
            self._drop(target, cursor, self._snapshot.state.forgotten_event_id, "no longer kept")
            return True
        pending = pending_events(target, cursor, self._snapshot)
        if not pending:
            passed = newest_id(self._snapshot)
            if passed > cursor.event_id:
                self._set(target, replace(cursor, event_id=passed))
            return False
        attempt = self._sender._send(target, event_message(target, pending[0], at=now))
        metrics.WEBHOOK_DELIVERIES.labels(target.name, attempt.outcome).inc()
        self._take(target, cursor, pending[0], attempt)
        return attempt.outcome == DELIVERED

    def _take(self, target: Target, cursor: Cursor, event: CatalogEvent, attempt: Attempt) -> None:
        now = self._sender._clock()
        if attempt.outcome == DELIVERED:
            self._set(target, Cursor(event_id=event.id, delivered_at=now))
            log.info("webhook_delivered", target=target.name, host=target.host, event_id=event.id)
            return
        if cursor.revision != target.revision:
            cursor = replace(cursor, failing_since=None, attempts=0)
        failing_since, attempts = cursor.failing_since or now, cursor.attempts + 1
        pause = retry_pause(attempts, attempt.retry_after_s)
        failed = replace(
            cursor,
            failing_since=failing_since,
            attempts=attempts,
            next_attempt_at=now + pause,
            last_error=attempt.error,
            revision=target.revision,
            is_gone=attempt.outcome == SWITCHED_OFF,
        )
        self._set(target, failed)
        fields = {"target": target.name, "host": target.host, "event_id": event.id, "error": attempt.error}
        if attempt.outcome == SWITCHED_OFF:
            log.warning("webhook_switched_off", **fields, until="the operator's file changes")
            return
        log.warning("webhook_failed", **fields, attempts=attempts, retry_s=round(pause.total_seconds()))
        if now - failing_since >= RETRIED_FOR:
            given_up = [it for it in pending_events(target, cursor, self._snapshot) if now - it.at >= RETRIED_FOR]
            if given_up:
                self._drop(target, failed, given_up[-1].id, "failing for 3 days", count=len(given_up))

    def _drop(self, target: Target, cursor: Cursor, event_id: str, reason: str, *, count: int = 1) -> None:
        metrics.WEBHOOK_DELIVERIES.labels(target.name, DROPPED).inc(count)
        log.error("webhook_events_dropped", target=target.name, host=target.host, up_to=event_id, reason=reason)
        self._set(target, replace(cursor, event_id=event_id))

    def _set(self, target: Target, cursor: Cursor) -> None:
        self._cursors[target.name] = cursor
        self._save()


def newest_id(snapshot: CatalogSnapshot) -> str:
    events = snapshot.state.events
    return events[-1].id if events else snapshot.state.forgotten_event_id


def pending_events(target: Target, cursor: Cursor, snapshot: CatalogSnapshot) -> tuple[CatalogEvent, ...]:
    return tuple(it for it in snapshot.state.events if it.id > cursor.event_id and target.wants(it))


def is_open(target: Target, cursor: Cursor, now: datetime) -> bool:
    """Whether something may be sent to a target now."""
    if cursor.revision != target.revision:  # The file has changed since it failed, or it did not.
        return True
    if cursor.is_gone:
        return False
    # A clock that was set back by more than the longest pause does not stop a target.
    return cursor.next_attempt_at is None or not now < cursor.next_attempt_at <= now + MAX_PAUSE


def retry_pause(attempts: int, retry_after_s: float | None) -> timedelta:
    """Doubles from five seconds to six hours; a target may ask for a longer one within that."""
    pause = FIRST_PAUSE * (1 << min(MAX_DOUBLINGS, attempts - 1))
    asked = timedelta(seconds=min(retry_after_s or 0.0, MAX_PAUSE.total_seconds()))
    return min(MAX_PAUSE, max(pause, asked))
