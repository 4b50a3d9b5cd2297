"""How fresh the catalog is, region by region: what readiness, the command line and the metrics tell."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.catalog.records import CatalogSnapshot, RegionFailure

READY = "ready"
STALE = "stale"
UNAVAILABLE = "unavailable"

FRESH = "fresh"
MISSING = "missing"

# One refresh may fail or run late; when two in a row brought nothing, the catalog is stale.
INTERVALS_UNTIL_STALE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatus:
    """One region: `fresh` (the last refresh listed it), `stale` (an older listing is served) or `missing`.

    Ages are in seconds, never negative; `failure` is the last refresh's, None where it listed the region.
    """

    region: str
    state: str
    listed_at: datetime | None
    age_s: int | None
    models: int
    inference_profiles: int
    skipped_rows: int
    completed_rows: int
    took_ms: int | None
    failure: RegionFailure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogStatus:
    """The catalog: `ready`, `stale` (served, and older than two refresh intervals) or `unavailable`."""

    state: str
    source: str | None
    models: int
    attempted_at: datetime | None
    refreshed_at: datetime | None
    age_s: int | None
    regions: tuple[RegionStatus, ...]


def status_of(snapshot: CatalogSnapshot | None, *, at: datetime, refresh_s: int) -> CatalogStatus:
    """
    Args:
        snapshot: the last published one, None before the first.
        refresh_s: the interval between refreshes.
    """
    if snapshot is None:
        return CatalogStatus(
            state=UNAVAILABLE, source=None, models=0, attempted_at=None, refreshed_at=None, age_s=None, regions=()
        )
    state = snapshot.state
    age_s = age(state.refreshed_at, at)
    if not state.listings or age_s is None:
        word = UNAVAILABLE
    else:
        word = STALE if timedelta(seconds=age_s) > INTERVALS_UNTIL_STALE * timedelta(seconds=refresh_s) else READY
    return CatalogStatus(
        state=word,
        source=state.source,
        models=len(snapshot.models),
        attempted_at=state.attempted_at,
        refreshed_at=state.refreshed_at,
        age_s=age_s,
        regions=_regions(snapshot, at),
    )


def age(since: datetime | None, at: datetime) -> int | None:
    """Whole seconds, 0 where the clock was set back meanwhile."""
    return None if since is None else max(0, int((at - since).total_seconds()))


def _regions(snapshot: CatalogSnapshot, at: datetime) -> tuple[RegionStatus, ...]:
    listings = {listing.region: listing for listing in snapshot.state.listings}
    failures = {failure.region: failure for failure in snapshot.state.failures}
    told = []
    for region in sorted(listings.keys() | failures.keys()):
        listing, failure = listings.get(region), failures.get(region)
        told.append(
            RegionStatus(
                region=region,
                state=FRESH if failure is None else MISSING if listing is None else STALE,
                listed_at=listing.listed_at if listing else None,
                age_s=age(listing.listed_at, at) if listing else None,
                models=len(listing.models) if listing else 0,
                inference_profiles=len(listing.profiles) if listing else 0,
                skipped_rows=listing.skipped_rows if listing else 0,
                completed_rows=listing.completed_rows if listing else 0,
                took_ms=failure.took_ms if failure else listing.took_ms if listing else None,
                failure=failure,
            )
        )
    return tuple(told)
