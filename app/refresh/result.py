"""What a refresh brought, for its caller and for the log."""

from dataclasses import dataclass

import structlog

from app.catalog.records import CatalogSnapshot
from app.discovery.parent import Visit

log = structlog.get_logger(__name__)


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


def log_refresh(done: Refresh) -> None:
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
                serving="their last values, where there are any",
            )
    tell = log.info if done.listed else log.error
    tell(
        "catalog_refreshed" if done.listed else "refresh_failed",
        took_ms=done.took_ms,
        regions_listed=done.listed,
        regions_failed=done.failed,
        models=len(done.snapshot.models),
        skipped_rows=sum(listing.skipped_rows for listing in fresh),
        completed_rows=sum(listing.completed_rows for listing in fresh),
        stored=done.stored,
        fault=done.fault,
    )
