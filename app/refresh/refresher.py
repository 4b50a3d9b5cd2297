"""Keeps the catalog fresh: load what is stored, reload what another worker stored, refresh when it is due."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.current import Catalog
from app.catalog.next_snapshot import is_incomplete, never_listed, next_snapshot
from app.catalog.records import ACCESS, BASE_PARTS, PartResult
from app.catalog.snapshot import CatalogSnapshot
from app.discovery.parent import Visits
from app.refresh.arriving import ArrivingResults
from app.refresh.follower import StoreFollower, decoded, settings_of
from app.refresh.result import Refresh, log_refresh
from app.refresh.schedule import RefreshSchedule
from app.refresh.scheduler import STOP_TIMEOUT_S
from app.refresh.store import (
    LEASE_REPLACED,
    NO_VERSION,
    Lease,
    LeaseLost,
    LeaseTaken,
    SnapshotStore,
    StoreUnreachable,
)
from app.telemetry import metrics
from app.telemetry.change_metrics import count_events
from config import ALL_REGIONS, Settings, requested_parts, requested_projects

log = structlog.get_logger(__name__)

RELOAD_CHECK_S = 0.5
DUE_CHECK_S = 1.0
# While a worker has nothing to serve, it looks more often: for what another one stored, and for a lease that is free.
EMPTY_CHECK_S = 0.05
# An operator's refresh waits for one that is under way.
LEASE_POLL_S = 0.2
# After so many intervals in which only the other one was refreshed, no service has the operator's settings.
INTERVALS_UNTIL_UNUSED = 2


class SettingsMismatch(Exception):
    """No service refreshes the catalog of this process's settings, and one does that of others; says which others."""


class Discover(Protocol):
    def __call__(
        self,
        settings: Settings,
        *,
        known_regions: tuple[str, ...],
        stopping: Callable[[], bool],
        on_result: Callable[[PartResult], None],
    ) -> Visits: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


class Refresher:
    """Publishes to one catalog, from one store and one way to discover. Its methods are a worker's background jobs."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        store: SnapshotStore,
        discover: Discover,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        stopping: Callable[[], bool] = lambda: False,
        cards: Callable[[], CardBook] = lambda: NO_CARDS,
    ) -> None:
        """
        Args:
            stopping: asked during a refresh; True ends it, and its discovery child with it.
            cards: the book in force, which every snapshot is derived with.
        """
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._discover = discover
        self._clock = clock
        self._stopping = stopping
        self._cards = cards
        self._schedule = RefreshSchedule(settings, clock=clock, monotonic=monotonic)
        self._follower = StoreFollower(settings, catalog, store, self._schedule, clock=clock, cards=cards)

    def reload_check_s(self) -> float:
        """Seconds until the next look for what another worker stored."""
        return RELOAD_CHECK_S if self._catalog.latest else EMPTY_CHECK_S

    def due_check_s(self) -> float:
        """Seconds until the next look whether a refresh is due."""
        return DUE_CHECK_S if self._catalog.latest else EMPTY_CHECK_S

    def reload_if_changed(self) -> None:
        """Load the stored catalog if it changed; derive it anew if a model reached its end of life."""
        self._follower.reload_if_changed()

    def reload_before_404(self) -> None:
        """Reload for a request that names something unknown."""
        self._follower.reload_before_404()

    def follow_cards(self) -> None:
        """Derive the catalog anew where the book of cards in force is another one."""
        self._follower.follow_cards()

    def refresh_if_due(self) -> Refresh | None:
        """Refresh if the catalog is due and no other worker holds the lease."""
        if not self._schedule.is_due():
            return None
        try:
            with self._store.lease(unless_younger_s=self._schedule.pause_s()) as lease, metrics.holding_lease():
                self.reload_if_changed()
                return self._run_due(lease) if self._schedule.is_due() else None
        except LeaseTaken as taken:
            self._schedule.postpone(taken.retry_s)
            return None
        except LeaseLost as error:
            log.warning("lease_lost", error=str(error), consequence="what this refresh brought is thrown away")
            return None
        except StoreUnreachable as error:
            log.error("lease_unavailable", error=str(error), consequence="this worker refreshes for itself")
        return self._run_due(None)

    def _run_due(self, lease: Lease | None) -> Refresh | None:
        """Ask all regions if a refresh is due, else those that were never listed."""
        latest = self._catalog.latest
        is_retry = latest is not None and latest.models and not self._schedule.is_refresh_due()
        return self._run(lease, only=never_listed(latest.state) if latest is not None and is_retry else ())

    def refresh_now(
        self, on_result: Callable[[PartResult], None] = lambda result: None, *, force: bool = False
    ) -> Refresh | None:
        """Refresh whatever the catalog's age, after one that is under way; None where the process is to stop meanwhile.

        Args:
            force: also where no service seems to have this process's settings.

        Raises:
            SettingsMismatch: none seems to.
            LeaseTaken: another refresh holds the lease for longer than one may last.
            LeaseLost: this one did; what it brought is thrown away.
            StoreUnreachable: nothing can be stored, or only what the service's user could not use.
        """
        self._store.check_user()
        give_up = time.monotonic() + self._settings.refresh_timeout_s + STOP_TIMEOUT_S
        while True:
            try:
                with self._store.lease() as lease, metrics.holding_lease():
                    self.reload_if_changed()
                    if isinstance(self._follower.known.problem, StoreUnreachable):
                        raise self._follower.known.problem
                    if not force and self._follower.known.problem is None:
                        self._check_settings()
                    return self._run(lease, on_result)
            except LeaseTaken:
                if time.monotonic() > give_up:
                    raise
                time.sleep(LEASE_POLL_S)

    def amend(self, change: Callable[[CatalogSnapshot], CatalogSnapshot]) -> bool:
        """Publish and store the current catalog with something added that no refresh brings.

        Returns:
            False where that cannot be now, as while a refresh is under way.
        """
        try:
            with self._store.lease(amends=True) as lease:
                self.reload_if_changed()
                latest = self._catalog.latest
                known = self._follower.known
                # What was borrowed from other settings is not this store's to save.
                if latest is None or known.problem is not None or known.version == NO_VERSION:
                    return False
                changed = change(latest)
                self._follower.publish_refreshed(changed, lease)
                count_events(latest.state.events, changed.state.events)
                return True
        except (LeaseTaken, LeaseLost, StoreUnreachable):
            return False

    def _check_settings(self) -> None:
        """
        Raises:
            SettingsMismatch
        """
        unused_ms = INTERVALS_UNTIL_UNUSED * self._settings.refresh_s * 1000
        for other in sorted(self._store.others(), key=lambda other: other.version, reverse=True):
            state = decoded(other)
            if state is None or other.version.ms <= self._follower.known.version.ms + unused_ms:
                continue
            if state.source != self._settings.source or set(state.configured_regions) != set(self._settings.regions):
                raise SettingsMismatch(settings_of(state))

    def _run(
        self,
        lease: Lease | None,
        on_result: Callable[[PartResult], None] = lambda result: None,
        *,
        only: tuple[str, ...] = (),
    ) -> Refresh | None:
        """Refresh, and store it where there is a lease.

        Args:
            only: the regions of a retry; all of them where there are none.

        Raises:
            LeaseLost
        """
        began = time.monotonic()
        previous = self._catalog.latest
        arriving = ArrivingResults(
            self._publisher(previous, lease, only=only), awaited=self._awaited(previous, only=only)
        )

        def take(result: PartResult) -> None:
            on_result(result)
            arriving.add(result)

        def stopping() -> bool:
            # Asked ten times a second, also while nothing arrives.
            arriving.publish_if_due()
            return self._stopping() or not (lease is None or lease.held())

        known = () if previous is None else previous.state.regions
        settings = replace(self._settings, regions=only) if only else self._settings
        visits = self._discover(settings, known_regions=known, stopping=stopping, on_result=take)
        if self._stopping():
            return None
        if lease is not None and not lease.held():
            raise LeaseLost(LEASE_REPLACED)
        snapshot = self._next(visits.results, lease, regions=known if only else visits.regions, is_retry=bool(only))
        saved = self._follower.publish_refreshed(snapshot, lease)
        done = Refresh(
            snapshot=snapshot,
            results=visits.results,
            fault=visits.fault,
            stored=saved is not None,
            alone=saved.alone if saved is not None else None,
            duration_ms=round((time.monotonic() - began) * 1000),
            is_retry=bool(only),
        )
        count_events(() if previous is None else previous.state.events, snapshot.state.events)
        metrics.count_refresh(
            listed=done.listed,
            failed=done.failed,
            duration_ms=done.duration_ms,
            at=self._clock(),
            is_retry=done.is_retry,
        )
        log_refresh(done, previous)
        return done

    def _publisher(
        self, previous: CatalogSnapshot | None, lease: Lease | None, *, only: tuple[str, ...]
    ) -> Callable[[tuple[PartResult, ...]], None] | None:
        """Publishes what has arrived so far; None where all was listed before and no optional part is waited for."""
        only_base = set(requested_parts(self._settings)) <= set(BASE_PARTS)
        if previous is not None and not is_incomplete(previous.state) and only_base:
            return None
        known = () if previous is None else previous.state.regions

        def publish(results: tuple[PartResult, ...]) -> None:
            regions = known if only else self._regions(results, known)
            snapshot = self._next(results, lease, regions=regions, is_retry=bool(only), is_complete=False)
            self._follower.publish_refreshed(snapshot, lease)

        return publish

    def _awaited(
        self, previous: CatalogSnapshot | None, *, only: tuple[str, ...]
    ) -> tuple[tuple[str, str], ...] | None:
        """What is published before optional parts are in; None where all is published as it arrives."""
        if previous is None or is_incomplete(previous.state):
            return None
        regions = only or self._regions((), previous.state.regions)
        return tuple((region, part) for region in regions for part in self._settings.parts if part in BASE_PARTS)

    def _regions(self, results: tuple[PartResult, ...], known: tuple[str, ...]) -> tuple[str, ...]:
        """The regions of a refresh that is under way: of `all`, those that are known, and those that answered."""
        if self._settings.regions != (ALL_REGIONS,):
            return self._settings.regions
        return tuple(dict.fromkeys((*known, *(result.region for result in results))))

    def _next(
        self,
        results: tuple[PartResult, ...],
        lease: Lease | None,
        *,
        regions: tuple[str, ...],
        is_retry: bool,
        is_complete: bool = True,
    ) -> CatalogSnapshot:
        return next_snapshot(
            # What was published of this same refresh counts: each change is an event once.
            self._catalog.latest,
            results,
            source=self._settings.source,
            regions=regions,
            parts=requested_parts(self._settings),
            projects=requested_projects(self._settings),
            at=self._clock(),
            max_stale=timedelta(seconds=self._settings.max_stale_s),
            configured_regions=self._settings.regions,
            is_complete=is_complete,
            is_retry=is_retry,
            has_access=ACCESS in self._settings.parts,
            invoke_order=self._settings.invoke_order,
            cards=self._cards(),
            version_ms=None if lease is None else lease.version.ms,
        )
