"""What a worker serves of the store: it loads what others stored, and stores what it refreshed itself."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from app.catalog.access import AccessState
from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.codec import encode_state
from app.catalog.current import Catalog
from app.catalog.reading import Malformed
from app.catalog.records import ACCESS, MODELS, CatalogState
from app.catalog.snapshot import (
    CatalogSnapshot,
    build_snapshot,
    restrict_to_parts,
    restrict_to_regions,
    reuse_models,
    with_cards,
)
from app.catalog.status import models_without_limits
from app.refresh.formats import DECODERS, FORMAT
from app.refresh.schedule import RefreshSchedule
from app.refresh.store import (
    LEASE_REPLACED,
    NO_VERSION,
    Lease,
    LeaseLost,
    Saved,
    SnapshotStore,
    Stored,
    StoreUnreachable,
    UnsupportedFormat,
    Version,
)
from app.telemetry import metrics
from config import ALL_REGIONS, Settings, requested_parts, requested_projects

log = structlog.get_logger(__name__)

REQUEST_WAIT_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStore:
    """What a worker knows of the store.

    `token` is that of the bytes last looked at, `problem` why they could not be loaded, and `version` that of the last
    ones that could.
    """

    token: object | None = None
    version: Version = NO_VERSION
    problem: StoreUnreachable | UnsupportedFormat | None = None


class StoreFollower:
    """Keeps one catalog equal to the store; the only one that publishes."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        store: SnapshotStore,
        schedule: RefreshSchedule,
        *,
        clock: Callable[[], datetime],
        cards: Callable[[], CardBook] = lambda: NO_CARDS,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._schedule = schedule
        self._clock = clock
        self._cards = cards
        self._borrowed = False
        self.known = KnownStore()
        # Jobs and requests load and publish; the older of two catalogs must not be the last one published.
        self._publishing = threading.RLock()

    def reload_if_changed(self) -> None:
        """Load the stored catalog if it changed; derive it anew if a model reached its end of life."""
        with self._publishing:
            token = self._store.token()
            if token is None and self.known.token is None and not self._borrowed:
                self._borrow()
            if token is not None and (token != self.known.token or isinstance(self.known.problem, StoreUnreachable)):
                self._load(token)
            latest = self._catalog.latest
            now = self._clock()
            if latest is not None and latest.valid_until is not None and latest.valid_until <= now:
                self._publish(latest.state, now)

    def reload_before_404(self) -> None:
        """Reload for a request that names something unknown; it waits at most 0.1 s for a load that is under way."""
        if self._publishing.acquire(timeout=REQUEST_WAIT_S):
            try:
                self.reload_if_changed()
            finally:
                self._publishing.release()

    def follow_cards(self) -> None:
        """Publish the catalog with the cards in force, where it was derived with others."""
        with self._publishing:
            latest = self._catalog.latest
            if latest is not None and latest.cards is not self._cards():
                self._catalog.publish(self._with_cards(latest))

    def _with_cards(self, snapshot: CatalogSnapshot) -> CatalogSnapshot:
        """The snapshot with the cards in force, which may have changed while a refresh was under way."""
        cards = self._cards()
        return snapshot if snapshot.cards is cards else with_cards(snapshot, cards, at=self._clock())

    def _load(self, token: object) -> None:
        before = self.known
        try:
            stored = self._store.load()
        except StoreUnreachable as error:
            self.known = replace(before, token=token, problem=error)
            if token != before.token or not isinstance(before.problem, StoreUnreachable):
                metrics.STORE_LOADS.labels("unreadable").inc()
                log.error("snapshot_unreadable", error=str(error))
            return
        except UnsupportedFormat as error:
            self.known = replace(before, token=token)
            metrics.STORE_LOADS.labels("other_format").inc()
            self._note_unsupported(error)
            return
        self.known = replace(before, token=token, problem=None)
        if stored is None:
            metrics.STORE_LOADS.labels("unreadable").inc()
            return
        try:
            state = DECODERS[stored.format](stored.data)
        except Malformed as error:
            metrics.STORE_LOADS.labels("malformed").inc()
            self._store.quarantine(str(error))
            return
        self._take(state, stored.version)

    def _note_unsupported(self, error: UnsupportedFormat) -> None:
        """Log it once for each format, and not each time that a newer service refreshes."""
        with self._publishing:
            before = self.known.problem
            self.known = replace(self.known, problem=error)
        if not isinstance(before, UnsupportedFormat) or before.format != error.format:
            log.error(
                "snapshot_format_unsupported",
                format=error.format,
                readable_from=error.readable_from,
                supported=FORMAT,
                consequence="this worker refreshes for itself, and serves from memory",
            )

    def _take(self, state: CatalogState, version: Version) -> None:
        """Publish a stored catalog, unless it is of other settings or older than what is served."""
        mine = self._settings
        if state.source != mine.source or set(state.configured_regions) != set(mine.regions):
            metrics.STORE_LOADS.labels("other_settings").inc()
            log.warning("snapshot_ignored", stored=settings_of(state), configured=named(mine.source, mine.regions))
            return
        if version < self.known.version:
            return
        self.known = replace(self.known, version=version)
        self._serve_loaded(self._as_configured(state))
        self._schedule.note_loaded(state)
        metrics.STORE_LOADS.labels("loaded").inc()

    def _borrow(self) -> None:
        """Serve what was stored with other settings, or by an older version, until the refresh that is due at once."""
        self._borrowed = True
        states = [
            self._as_configured(state)
            for state in map(decoded, self._store.others())
            if state is not None and state.source == self._settings.source
        ]
        best = max(states, key=lambda state: (len(listed_regions(state)), state.attempted_at), default=None)
        if best is not None and best.listings:
            self._serve_loaded(replace(best, retries=0, retried_at=None))

    def _as_configured(self, state: CatalogState) -> CatalogState:
        """What the settings ask for decides, and not those that the state was stored with."""
        has_access = ACCESS in self._settings.parts
        state = replace(state, access=state.access or AccessState() if has_access else None)
        projects = requested_projects(self._settings)
        state = restrict_to_parts(state, requested_parts(self._settings), projects=projects)
        regions = self._settings.regions
        return state if regions == (ALL_REGIONS,) else restrict_to_regions(state, regions)

    def _serve_loaded(self, state: CatalogState) -> None:
        snapshot = self._publish(state, self._clock())
        log.info(
            "catalog_loaded",
            regions=len(listed_regions(state)),
            attempted_at=state.attempted_at.isoformat(),
            models_without_limits=models_without_limits(snapshot),
        )

    def _publish(self, state: CatalogState, at: datetime) -> CatalogSnapshot:
        snapshot = build_snapshot(state, at=at, invoke_order=self._settings.invoke_order, cards=self._cards())
        snapshot = reuse_models(snapshot, self._catalog.latest)
        self._catalog.publish(snapshot)
        return snapshot

    def publish_refreshed(self, snapshot: CatalogSnapshot, lease: Lease | None) -> Saved | None:
        """Store and publish what a refresh brought; without a lease, publish it here alone.

        Returns:
            What was stored; None where nothing could be.

        Raises:
            LeaseLost: it is neither stored nor published.
        """
        # Not under the lock: a disk may hang, and a request that loads must not wait for it.
        saved = self._save(snapshot.state, lease)
        with self._publishing:
            if saved is not None:
                if saved.version < self.known.version:
                    raise LeaseLost(LEASE_REPLACED)
                self.known = KnownStore(token=saved.token, version=saved.version)
            self._catalog.publish(reuse_models(self._with_cards(snapshot), self._catalog.latest))
            self._schedule.note_refreshed(snapshot.state)
        return saved

    def _save(self, state: CatalogState, lease: Lease | None) -> Saved | None:
        """None where nothing could be stored.

        Raises:
            LeaseLost
        """
        if lease is None:
            metrics.STORE_SAVES.labels("failed").inc()
            return None
        try:
            saved = self._store.save(encode_state(state), lease, answered=any_answered(state))
        except StoreUnreachable as error:
            metrics.STORE_SAVES.labels("failed").inc()
            log.error("snapshot_save_failed", error=str(error), consequence="served from memory alone")
            return None
        except UnsupportedFormat as error:
            metrics.STORE_SAVES.labels("failed").inc()
            self._note_unsupported(error)
            return None
        metrics.STORE_SAVES.labels("saved").inc()
        return saved


def any_answered(state: CatalogState) -> bool:
    """Whether any region did in the last refresh."""
    return state.refreshed_at is not None and state.refreshed_at >= state.attempted_at


def listed_regions(state: CatalogState) -> set[str]:
    """The regions with a listing of models."""
    return {listing.region for listing in state.listings if listing.part == MODELS}


def decoded(stored: Stored) -> CatalogState | None:
    try:
        return DECODERS[stored.format](stored.data)
    except Malformed:
        return None


def settings_of(state: CatalogState) -> str:
    return named(state.source, state.configured_regions)


def named(source: str, regions: tuple[str, ...]) -> str:
    return f"CATALOG_SOURCE={source} AWS_BEDROCK_REGIONS={','.join(regions)}"
