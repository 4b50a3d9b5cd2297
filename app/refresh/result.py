"""What a refresh brought, for its caller and for the log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from app.catalog.records import (
    ACCOUNT_PARTS,
    BASE_PARTS,
    MODELS,
    PROJECT_MODELS,
    PROJECT_PARTS,
    PartFailure,
    PartListing,
    PartResult,
)
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import models_without_limits

log = structlog.get_logger(__name__)

# A part that loses more of its rows than this in one refresh is worth a look.
SHRUNK = 0.5
PROJECT_LISTINGS = tuple(it for it in PROJECT_PARTS if it not in ACCOUNT_PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """One refresh, or a retry of some regions: the snapshot that it published, what each part brought, how it ended.

    `fault` says why discovery ended early, None where it did not; `alone` why only this host of a fleet has the result,
    None where all have it.
    """

    snapshot: CatalogSnapshot
    results: tuple[PartResult, ...]
    fault: str | None
    stored: bool
    duration_ms: int
    is_retry: bool = False
    alone: str | None = None

    @property
    def regions(self) -> frozenset[str]:
        """The regions that were asked."""
        return frozenset(result.region for result in self.results)

    @property
    def failed(self) -> int:
        """How many of these have a base part that failed."""
        return len({it.region for it in self.snapshot.state.failures if it.part in BASE_PARTS} & self.regions)

    @property
    def listed(self) -> int:
        """How many of these listed their models."""
        failed = {(it.region, it.part) for it in self.snapshot.state.failures}
        return sum(1 for region in self.regions if (region, MODELS) not in failed)


def log_refresh(done: Refresh, previous: CatalogSnapshot | None) -> None:
    state = done.snapshot.state
    listings = {(it.region, it.part): it for it in state.listings if it.region in done.regions}
    failures = [it for it in state.failures if it.region in done.regions]
    for failure in failures:
        kept = listings.pop((failure.region, failure.part), None)
        is_quiet = failure.part in PROJECT_PARTS or (failure.action and failure.part not in BASE_PARTS)
        if not is_quiet:
            _log_failure(failure, kept)
    _log_not_permitted(state.failures, () if previous is None else previous.state.failures)
    _log_project_failures([it for it in failures if it.part in PROJECT_LISTINGS and not it.action])
    unknown_in = _unknown_in(state.listings)
    if unknown_in and unknown_in != _unknown_in(() if previous is None else previous.state.listings):
        log.warning("project_unknown", projects=list(state.projects), regions=unknown_in)
    before = {} if previous is None else {(it.region, it.part): it for it in previous.state.listings}
    for key, listing in listings.items():
        if listing.part not in ACCOUNT_PARTS:
            _log_listing(listing, before.get(key))
    fresh = listings.values()
    report = log.info if done.listed else log.error
    report(
        "catalog_refreshed" if done.listed else "refresh_failed",
        is_retry=done.is_retry,
        duration_ms=done.duration_ms,
        regions_listed=done.listed,
        regions_failed=done.failed,
        models=len(done.snapshot.models),
        orphan_profiles=done.snapshot.orphan_profiles,
        models_without_limits=models_without_limits(done.snapshot),
        skipped_rows=sum(listing.skipped_rows for listing in fresh),
        unread_fields=sum(listing.unread_fields for listing in fresh),
        backfilled_rows=sum(listing.backfilled_rows for listing in fresh),
        stored=done.stored,
        alone=done.alone,
        fault=done.fault,
    )


def _log_failure(failure: PartFailure, kept: PartListing | None) -> None:
    log.warning(
        "region_failed",
        region=failure.region,
        part=failure.part,
        code=failure.code,
        missing_permission=failure.action or None,
        detail=failure.detail,
        duration_ms=failure.duration_ms,
        serving=f"its listing of {kept.listed_at.isoformat(timespec='seconds')}" if kept else "nothing of it",
    )


def _log_not_permitted(failures: Sequence[PartFailure], before: Sequence[PartFailure]) -> None:
    """A line for all regions, once: a policy is of the account, and what it lacks costs no region its models."""
    known = _refused(before)
    for (part, action), regions in _refused(failures).items():
        if known.get((part, action)) != regions:
            log.warning("part_not_permitted", part=part, missing_permission=action, regions=regions)


def _refused(failures: Sequence[PartFailure]) -> dict[tuple[str, str], list[str]]:
    """The regions that do not permit an optional part, sorted, by the part and the IAM action."""
    refused: dict[tuple[str, str], list[str]] = {}
    for failure in sorted(failures, key=lambda it: it.region):
        if failure.action and failure.part not in BASE_PARTS:
            refused.setdefault((failure.part, failure.action), []).append(failure.region)
    return refused


def _log_project_failures(failures: Sequence[PartFailure]) -> None:
    """A line for all regions that failed alike. What a region keeps for the account stands in the status alone."""
    alike: dict[tuple[str, str], list[PartFailure]] = {}
    for failure in failures:
        alike.setdefault((failure.part, failure.code), []).append(failure)
    for (part, code), found in alike.items():
        log.warning(
            "project_failed",
            part=part,
            code=code,
            regions=[it.region for it in found],
            detail=found[0].detail,
        )


def _unknown_in(listings: Iterable[PartListing]) -> list[str]:
    """The regions that do not know their project, where none does."""
    of_project = [it for it in listings if it.part == PROJECT_MODELS]
    return [] if any(it.is_offered for it in of_project) else sorted(it.region for it in of_project)


def _log_listing(listing: PartListing, before: PartListing | None) -> None:
    if listing.skipped_rows or listing.unread_fields or listing.backfilled_rows:
        log.warning(
            "region_incomplete",
            region=listing.region,
            part=listing.part,
            skipped_rows=listing.skipped_rows,
            unread_fields=listing.unread_fields,
            backfilled_rows=listing.backfilled_rows,
            serving="their last values, where there are any",
        )
    if before is not None and len(listing.rows) < SHRUNK * len(before.rows):
        log.warning(
            "region_shrunk",
            region=listing.region,
            part=listing.part,
            rows_before=len(before.rows),
            rows=len(listing.rows),
        )
