"""Keeping the catalog fresh: restore it, follow the store, refresh when it is due."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from app.catalog.codec import decode_state, encode_state
from app.catalog.current import Catalog
from app.catalog.merge import advance, derive, for_regions, sharing
from app.catalog.reading import Malformed
from app.catalog.records import CatalogSnapshot, CatalogState
from app.discovery.parent import Visit, Visits
from app.refresh.scheduler import STOP_TIMEOUT_S
from app.refresh.store import LeaseTaken, SnapshotStore
from app.telemetry import metrics
from config import ALL_REGIONS, Settings

log = structlog.get_logger(__name__)

RELOAD_CHECK_S = 0.5
DUE_CHECK_S = 1.0
# While a worker has nothing to serve, it looks more often: for what another one stored, and for a lease that is free.
EMPTY_CHECK_S = 0.05
REQUEST_WAIT_S = 0.1
# While no region has ever answered there is nothing to serve, so the next try comes sooner than the interval.
RETRY_S = 10
# A snapshot from further in the future than this was taken before the clock was set back.
CLOCK_TOLERANCE = timedelta(minutes=1)
# An operator's refresh waits for one that is under way.
LEASE_POLL_S = 0.2


class OtherSettings(Exception):
    """The stored catalog has what a refresh with this process's settings would throw away; says what it was made of."""


class Discover(Protocol):
    def __call__(
        self,
        settings: Settings,
        *,
        known_regions: tuple[str, ...],
        stopping: Callable[[], bool],
        on_visit: Callable[[Visit], None],
    ) -> Visits: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """One refresh: the snapshot that it published, each region's result, whether it could be stored."""

    snapshot: CatalogSnapshot
    visits: tuple[Visit, ...]
    fault: str | None
    stored: bool
    took_ms: int

    @property
    def listed(self) -> int:
        """How many regions have a good listing from this refresh."""
        return len(self.visits) - self.failed

    @property
    def failed(self) -> int:
        return len(self.snapshot.state.failures)


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
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            stopping: asked during a refresh; True ends it, and its discovery child with it.
        """
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._discover = discover
        self._clock = clock
        self._stopping = stopping
        self._seen: object | None = None
        # The source and the regions that the stored catalog was made of.
        self._stored_of: tuple[str, tuple[str, ...]] | None = None
        # The version that could not be read, and why.
        self._unreadable: tuple[object, OSError] | None = None
        # Two jobs load and publish; the older of two catalogs must not be the last one published.
        self._publishing = threading.RLock()

    def reload_check_s(self) -> float:
        """Seconds until the next look for what another worker stored."""
        return RELOAD_CHECK_S if self._catalog.latest else EMPTY_CHECK_S

    def due_check_s(self) -> float:
        """Seconds until the next look whether a refresh is due."""
        return DUE_CHECK_S if self._catalog.latest else EMPTY_CHECK_S

    def reload_if_changed(self) -> None:
        """Load the stored catalog if it changed; derive it anew if a model reached its end of life."""
        with self._publishing:
            version = self._store.version()
            if version is not None and version != self._seen and self._load(version):
                self._seen = version
            latest = self._catalog.latest
            now = self._clock()
            if latest is not None and latest.rederive_at is not None and latest.rederive_at <= now:
                self._publish(latest.state, now)

    def reload_before_404(self) -> None:
        """Reload for a request that names something unknown; it waits at most 0.1 s for a load or a save under way."""
        if self._publishing.acquire(timeout=REQUEST_WAIT_S):
            try:
                self.reload_if_changed()
            finally:
                self._publishing.release()

    def _load(self, version: object) -> bool:
        """Publish the stored catalog, if it is one; False where it could not be read, and is to be tried again."""
        try:
            data = self._store.load()
        except OSError as error:
            if self._unreadable is None or version != self._unreadable[0]:
                self._unreadable = version, error
                metrics.STORE_LOADS.labels("unreadable").inc()
                log.error("stored_catalog_unreadable", file=error.filename, error=error.strerror)
            return False
        self._unreadable = None
        if data is None:
            metrics.STORE_LOADS.labels("unreadable").inc()
            return True
        try:
            state = decode_state(data)
        except Malformed as error:
            metrics.STORE_LOADS.labels("malformed").inc()
            self._store.set_aside(str(error))
            return True
        self._stored_of = state.source, state.asked_for
        if state.source != self._settings.source:
            metrics.STORE_LOADS.labels("other_source").inc()
            log.warning("stored_catalog_ignored", source=state.source, configured=self._settings.source)
            return True
        if self._settings.regions != (ALL_REGIONS,):
            state = for_regions(state, self._settings.regions)
        self._publish(state, self._clock())
        metrics.STORE_LOADS.labels("loaded").inc()
        log.info("catalog_loaded", regions=len(state.listings), attempted_at=state.attempted_at.isoformat())
        return True

    def _publish(self, state: CatalogState, at: datetime) -> None:
        self._catalog.publish(sharing(derive(state, at=at), self._catalog.latest))

    def refresh_if_due(self) -> Refresh | None:
        """Refresh if the catalog is due and no other worker holds the lease."""
        if not self._is_due():
            return None
        try:
            with self._store.lease(), metrics.holding_lease():
                self.reload_if_changed()
                return self._run() if self._is_due() else None
        except LeaseTaken:
            return None
        except OSError as error:
            consequence = "this worker refreshes for itself"
            log.error("lease_unavailable", file=error.filename, error=error.strerror, consequence=consequence)
        return self._run()

    def refresh_now(
        self, on_visit: Callable[[Visit], None] = lambda visit: None, *, replacing: bool = False
    ) -> Refresh | None:
        """Refresh whatever the catalog's age, after one that is under way; None if asked to stop meanwhile.

        Args:
            replacing: also where the stored catalog is of another source, or of regions that are not configured here.

        Raises:
            OtherSettings: it is, and is not to be replaced.
            LeaseTaken: another refresh holds the lease for longer than one may last.
            OSError: the store's folder cannot be used.
        """
        give_up = time.monotonic() + self._settings.refresh_timeout_s + STOP_TIMEOUT_S
        while True:
            try:
                with self._store.lease(), metrics.holding_lease():
                    self.reload_if_changed()
                    if not replacing:
                        self._check_settings()
                    return self._run(on_visit)
            except LeaseTaken:
                if time.monotonic() > give_up:
                    raise
                time.sleep(LEASE_POLL_S)

    def _check_settings(self) -> None:
        """
        Raises:
            OtherSettings
            OSError: nobody can tell.
        """
        if self._unreadable is not None:
            raise self._unreadable[1]
        if self._stored_of is None:
            return
        (source, asked_for), mine = self._stored_of, self._settings.regions
        if source != self._settings.source or not (mine == (ALL_REGIONS,) or set(asked_for) <= set(mine)):
            raise OtherSettings(f"CATALOG_SOURCE={source} AWS_BEDROCK_REGIONS={','.join(asked_for)}")

    def _is_due(self) -> bool:
        latest = self._catalog.latest
        if latest is None:
            return True
        state = latest.state
        # Set anew: regions that were not asked before are asked at once.
        if not set(self._settings.regions) <= {*state.regions, *state.asked_for}:
            return True
        age = self._clock() - state.attempted_at
        interval_s = self._settings.refresh_s if state.listings else min(RETRY_S, self._settings.refresh_s)
        return age < -CLOCK_TOLERANCE or age >= timedelta(seconds=interval_s)

    def _run(self, on_visit: Callable[[Visit], None] = lambda visit: None) -> Refresh | None:
        began = time.monotonic()
        previous = self._catalog.latest
        known = () if previous is None else previous.state.regions
        visits = self._discover(self._settings, known_regions=known, stopping=self._stopping, on_visit=on_visit)
        if self._stopping():
            return None
        snapshot = advance(
            previous,
            visits.results,
            source=self._settings.source,
            regions=visits.regions,
            at=self._clock(),
            max_stale=timedelta(seconds=self._settings.max_stale_s),
            asked_for=self._settings.regions,
        )
        with self._publishing:
            stored = self._save(snapshot.state)
            self._catalog.publish(snapshot)
        done = Refresh(
            snapshot=snapshot,
            visits=visits.results,
            fault=visits.fault,
            stored=stored,
            took_ms=round((time.monotonic() - began) * 1000),
        )
        at = snapshot.state.attempted_at
        metrics.count_refresh(listed=done.listed, failed=done.failed, took_ms=done.took_ms, at=at)
        _log_refresh(done)
        return done

    def _save(self, state: CatalogState) -> bool:
        try:
            self._seen = self._store.save(encode_state(state))
        except OSError as error:
            metrics.STORE_SAVES.labels("failed").inc()
            consequence = "served from memory alone"
            log.error("catalog_not_stored", file=error.filename, error=error.strerror, consequence=consequence)
            return False
        metrics.STORE_SAVES.labels("saved").inc()
        return True


def _log_refresh(done: Refresh) -> None:
    listed_at = {listing.region: listing.listed_at for listing in done.snapshot.state.listings}
    for failure in done.snapshot.state.failures:
        kept = listed_at.get(failure.region)
        log.warning(
            "region_failed",
            region=failure.region,
            code=failure.code,
            detail=failure.detail,
            took_ms=failure.took_ms,
            serving=f"its listing of {kept.isoformat(timespec='seconds')}" if kept else "nothing of it",
        )
    failed = {failure.region for failure in done.snapshot.state.failures}
    fresh = [listing for listing in done.snapshot.state.listings if listing.region not in failed]
    for listing in fresh:
        if listing.skipped_rows or listing.completed_rows:
            log.warning(
                "region_incomplete",
                region=listing.region,
                skipped_rows=listing.skipped_rows,
                completed_rows=listing.completed_rows,
                serving="what they said before, where they did",
            )
    tell = log.info if done.listed else log.error
    tell(
        "catalog_refreshed" if done.listed else "catalog_not_refreshed",
        took_ms=done.took_ms,
        regions_listed=done.listed,
        regions_failed=done.failed,
        models=len(done.snapshot.models),
        skipped_rows=sum(listing.skipped_rows for listing in fresh),
        completed_rows=sum(listing.completed_rows for listing in fresh),
        stored=done.stored,
        fault=done.fault,
    )
