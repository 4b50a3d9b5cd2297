"""Which models AWS is asked for next, and in which regions: pure, so that any leader goes on where the last one ended.

Models never asked for come first. After that the period is cut into as many equal shares as there are models, and at
the end of each the model with the oldest answer is asked for: once a period each, and all of them spread evenly.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from app.catalog.access import (
    DENIED_CODES,
    DENIED_PAUSE,
    AccessPlan,
    AccessReport,
    AccessState,
    RegionPause,
    retry_at,
)
from app.catalog.entries import CatalogEntry
from app.catalog.records import EPOCH

# What one region is asked for in one run: half a minute's worth at two calls a second.
MAX_CALLS = 60
# What is due sooner than this is asked for together, so that a short period starts no child every second.
MIN_PAUSE = timedelta(minutes=1)
# GetFoundationModelAvailability takes no longer id.
MAX_ID_CHARS = 140


def callable_regions(models: Iterable[CatalogEntry]) -> dict[str, tuple[str, ...]]:
    """The regions that each model can be called from; a model that cannot be called is not asked for."""
    return {it.id: it.regions for it in models if it.invocations and len(it.id) <= MAX_ID_CHARS}


def plan_access(
    models: Mapping[str, Sequence[str]],
    state: AccessState,
    *,
    at: datetime,
    period: timedelta,
    since: datetime,
) -> AccessPlan:
    """What is due.

    Args:
        models: the regions that each model can be called from.
        period: in which each model is asked for once.
        since: a pause for want of permission that began before is over, as a restart is how an operator says that the
            permission was given.
    """
    closed = {it.region for it in state.pauses if it.until > at and not (it.action and it.failed_at < since)}
    plan: dict[str, list[str]] = {}
    for model_id in _due(models, {it.model_id: it for it in state.reports}, at, period):
        region = region_of(model_id, [it for it in models[model_id] if it not in closed])
        if region is not None and len(plan.setdefault(region, [])) < MAX_CALLS:
            plan[region].append(model_id)
    form_regions = sorted({region for regions in models.values() for region in regions} - closed)
    asks_form = form_regions and _is_form_due(state.form, at, period, since)
    return AccessPlan(
        regions={region: tuple(ids) for region, ids in plan.items() if ids},
        form_region=min(plan or form_regions) if asks_form else None,
    )


def region_of(model_id: str, regions: Iterable[str]) -> str | None:
    """The region that a model is asked for in: the same one while it is there, and spread over models."""
    return max(regions, key=lambda region: _weight(model_id, region), default=None)


def open_pauses(pauses: Iterable[RegionPause], *, at: datetime) -> tuple[RegionPause, ...]:
    return tuple(it for it in pauses if it.until > at)


def _weight(model_id: str, region: str) -> bytes:
    return hashlib.blake2b(f"{model_id} {region}".encode(), digest_size=8).digest()


def _due(
    models: Mapping[str, object], reports: Mapping[str, AccessReport], at: datetime, period: timedelta
) -> list[str]:
    """The models that are due, those never asked for first, then by the time of their last answer."""
    never = sorted(it for it in models if it not in reports)
    known = sorted((it for it in reports.values() if it.model_id in models), key=lambda it: it.access.checked_at)
    retried = [it.model_id for it in known if it.failures and _is_due(it, at, period)]
    answered = [it for it in known if not it.failures]
    overdue = sum(_is_due(it, at, period) for it in answered)
    # An answer from the future is of before the clock was set back: it counts as the oldest, and is due.
    answered.sort(key=lambda it: (it.access.checked_at <= at, it.access.checked_at))
    return never + retried + [it.model_id for it in answered[: max(overdue, _paced(answered, at, period))]]


def _paced(answered: Sequence[AccessReport], at: datetime, period: timedelta) -> int:
    """How many equal shares of the period, one for each model, have ended since the last answer.

    Shares are counted from the epoch, so that a look that comes late does not make all later ones late.
    """
    last = max((it.access.checked_at for it in answered if it.access.checked_at <= at), default=None)
    if last is None or at - last < min(MIN_PAUSE, period):
        return 0
    share = period / len(answered)
    return (at - EPOCH) // share - (last - EPOCH) // share


def _is_form_due(form: AccessReport | None, at: datetime, period: timedelta, since: datetime) -> bool:
    """Where it may not be asked for, as a region that permits no call: in a day, or after a restart."""
    if form is None or form.failed_at is None or form.failure not in DENIED_CODES:
        return _is_due(form, at, period)
    return not since <= form.failed_at <= at or at >= form.failed_at + DENIED_PAUSE


def _is_due(report: AccessReport | None, at: datetime, period: timedelta) -> bool:
    if report is None:
        return True
    again = retry_at(report, period=period)
    return report.asked_at > at or at >= (report.access.checked_at + period if again is None else again)
