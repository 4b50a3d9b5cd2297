"""How fresh the catalog is, region by region and part by part: for readiness, the command line and the metrics."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.catalog.access import AccessReport, RegionPause
from app.catalog.access_plan import open_pauses
from app.catalog.aliases import GONE, AliasStatus
from app.catalog.project_names import project_in
from app.catalog.records import (
    BASE_PARTS,
    DATA_RETENTION,
    MODELS,
    PROFILES,
    PROGRAMS,
    AccountSetting,
    PartFailure,
    PartListing,
)
from app.catalog.snapshot import CatalogSnapshot

READY = "ready"
STALE = "stale"
UNAVAILABLE = "unavailable"

FRESH = "fresh"
PARTIAL = "partial"
MISSING = "missing"

# One refresh may fail or run late; when two in a row brought nothing, the catalog is stale.
INTERVALS_UNTIL_STALE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part of a region: `fresh` (the last visit listed it), `stale` (an older listing is served) or `missing`.

    Ages are in seconds, never negative; `failure` is the last visit's, None where it listed the part or is under way.
    """

    part: str
    state: str
    listed_at: datetime | None
    age_s: int | None
    rows: int
    skipped_rows: int
    unread_fields: int
    backfilled_rows: int
    duration_ms: int | None
    failure: PartFailure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatus:
    """One region: `fresh`, `stale` or `missing` where all of its base parts are, else `partial`."""

    region: str
    state: str
    parts: tuple[PartStatus, ...]

    @property
    def models(self) -> int:
        return self._rows(MODELS)

    @property
    def inference_profiles(self) -> int:
        return self._rows(PROFILES)

    @property
    def age_s(self) -> int | None:
        """The age of the oldest listing of a base part that is served."""
        return max((it.age_s for it in self.parts if it.age_s is not None and it.part in BASE_PARTS), default=None)

    @property
    def failure(self) -> PartFailure | None:
        """The first base part's that failed."""
        return next((it.failure for it in self.parts if it.failure is not None and it.part in BASE_PARTS), None)

    def _rows(self, part: str) -> int:
        return sum(it.rows for it in self.parts if it.part == part)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessStatus:
    """What is known of access: how many models are in each state, and how many callable ones were not asked for."""

    models: Mapping[str, int]
    not_asked: int
    form: AccessReport | None
    pauses: tuple[RegionPause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStatus:
    """A region's project, the account's data-retention mode there, and the programs' statuses, where they are known."""

    region: str
    project: str
    data_retention: str | None
    programs: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogStatus:
    """The catalog: `ready` (at least one model is served), `stale` (older than two intervals) or `unavailable`.

    `access` is None while that part is off.
    """

    state: str
    source: str | None = None
    models: int = 0
    orphan_profiles: int = 0
    models_without_limits: int = 0
    attempted_at: datetime | None = None
    refreshed_at: datetime | None = None
    age_s: int | None = None
    regions: tuple[RegionStatus, ...] = ()
    aliases: tuple[AliasStatus, ...] = ()
    access: AccessStatus | None = None
    projects: tuple[ProjectStatus, ...] | None = None

    @property
    def aliases_gone(self) -> int:
        """How many aliases stand for nothing that is there."""
        return sum(it.state == GONE for it in self.aliases)

    @property
    def aliases_ambiguous(self) -> int:
        """How many aliases stand for one of several models of the same date."""
        return sum(bool(it.equally_new) for it in self.aliases)


def status_of(
    snapshot: CatalogSnapshot | None, *, at: datetime, refresh_s: int, aliases: tuple[AliasStatus, ...] = ()
) -> CatalogStatus:
    """
    Args:
        snapshot: the last published one, None before the first.
        refresh_s: the interval between refreshes.
        aliases: the operator's, as they are resolved in the snapshot.
    """
    if snapshot is None:
        return CatalogStatus(state=UNAVAILABLE)
    state = snapshot.state
    age_s = age(state.refreshed_at, at)
    if not snapshot.models or age_s is None:
        word = UNAVAILABLE
    else:
        word = STALE if timedelta(seconds=age_s) > INTERVALS_UNTIL_STALE * timedelta(seconds=refresh_s) else READY
    return CatalogStatus(
        state=word,
        source=state.source,
        models=sum(not it.is_on_mantle_alone for it in snapshot.models),
        orphan_profiles=snapshot.orphan_profiles,
        models_without_limits=models_without_limits(snapshot),
        attempted_at=state.attempted_at,
        refreshed_at=state.refreshed_at,
        age_s=age_s,
        regions=_regions(snapshot, at),
        aliases=aliases,
        access=_access(snapshot, at),
        projects=_projects(snapshot) if state.projects else None,
    )


def _access(snapshot: CatalogSnapshot, at: datetime) -> AccessStatus | None:
    access = snapshot.state.access
    if access is None:
        return None
    asked = {it.model_id for it in access.reports}
    return AccessStatus(
        models=Counter(it.access.state for it in access.reports),
        not_asked=sum(1 for it in snapshot.models if it.invocations and it.id not in asked),
        form=access.form,
        pauses=open_pauses(access.pauses, at=at),
    )


def models_without_limits(snapshot: CatalogSnapshot) -> int:
    """How many callable chat models no card gives both token limits of."""
    return sum(
        1
        for model in snapshot.models
        if model.is_text
        and model.invocations
        and (model.card is None or None in (model.card.max_input_tokens, model.card.max_tokens))
    )


def age(since: datetime | None, at: datetime) -> int | None:
    """Whole seconds, 0 where the clock was set back meanwhile."""
    return None if since is None else max(0, int((at - since).total_seconds()))


def unavailable_reason(snapshot: CatalogSnapshot | None) -> str:
    """Why there is nothing to serve, in words that a client may know: codes and counts, never AWS's text."""
    if snapshot is None:
        return "no region has answered yet"
    total = len(snapshot.state.regions)
    codes: dict[str, set[str]] = {}
    for failure in snapshot.state.failures:
        if failure.part == MODELS:
            codes.setdefault(failure.code, set()).add(failure.region)
    empty = {it.region for it in snapshot.state.listings if it.part == MODELS}
    counts = [f"{code} in {len(found)} of {total} regions" for code, found in sorted(codes.items())]
    if empty:
        return ", ".join((f"no model in {len(empty)} of {total} regions", *counts))
    return f"no region has answered yet: {', '.join(counts)}" if counts else "no region has answered yet"


def _projects(snapshot: CatalogSnapshot) -> tuple[ProjectStatus, ...]:
    """Those of the regions that have one."""
    settings: dict[tuple[str, str], dict[str, str | None]] = {
        (it.region, it.part): {row.id: row.value for row in it.rows if isinstance(row, AccountSetting)}
        for it in snapshot.state.listings
    }
    return tuple(
        ProjectStatus(
            region=region,
            project=project,
            data_retention=next(iter(settings.get((region, DATA_RETENTION), ())), None),
            programs=settings.get((region, PROGRAMS), {}),
        )
        for region in sorted(snapshot.state.regions)
        if (project := project_in(snapshot.state.projects, region)) is not None
    )


def _regions(snapshot: CatalogSnapshot, at: datetime) -> tuple[RegionStatus, ...]:
    state = snapshot.state
    listings = {(it.region, it.part): it for it in state.listings}
    failures = {(it.region, it.part): it for it in state.failures}
    regions = []
    for region in sorted(state.regions):
        parts = tuple(
            _part(part, listings.get((region, part)), failures.get((region, part)), at) for part in state.parts
        )
        states = {it.state for it in parts if it.part in BASE_PARTS}
        regions.append(RegionStatus(region=region, state=states.pop() if len(states) == 1 else PARTIAL, parts=parts))
    return tuple(regions)


def _part(part: str, listing: PartListing | None, failure: PartFailure | None, at: datetime) -> PartStatus:
    last = failure or listing
    return PartStatus(
        part=part,
        state=MISSING if listing is None else FRESH if failure is None else STALE,
        listed_at=listing.listed_at if listing else None,
        age_s=age(listing.listed_at, at) if listing else None,
        rows=len(listing.rows) if listing else 0,
        skipped_rows=listing.skipped_rows if listing else 0,
        unread_fields=listing.unread_fields if listing else 0,
        backfilled_rows=listing.backfilled_rows if listing else 0,
        duration_ms=last.duration_ms if last else None,
        failure=failure,
    )
