"""What will end: the models with a date or a legacy status, as one scope sees them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.catalog.entries import ACTIVE, MODEL, RETIRED, CatalogEntry, profile_ids
from app.catalog.event_changes import days_left
from app.catalog.lifecycle import ended_everywhere_at
from app.catalog.patterns import ANY, PatternSet
from app.catalog.scope import MODELS_VIEW
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.view import CatalogView, ListFilter

SOON = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionDates:
    """A model's dates, in the regions where these are the same, sorted."""

    regions: tuple[str, ...]
    legacy_at: datetime | None
    extended_access_at: datetime | None
    end_of_life_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A model that ends or is legacy.

    `retires_at` is when it has ended in all of its regions, None while a region has no end for it; the other dates are
    the earliest ones. `replacement_hint` is the newest active model of the same line, and no more than a hint: AWS
    names no successor.
    """

    model_id: str
    name: str
    provider: str | None
    lifecycle: str
    legacy_at: datetime | None
    extended_access_at: datetime | None
    retires_at: datetime | None
    days_left: int | None
    dates: tuple[RegionDates, ...]
    aliases: tuple[str, ...]
    replacement_hint: str | None


def retirements(
    view: CatalogView, *, include_retired: bool = False, regions: Sequence[str] = (), models: Sequence[str] = ()
) -> tuple[Retirement, ...]:
    """The models that end or are legacy, the next one to end first; days are counted from the snapshot's moment on.

    Args:
        regions: names or patterns; with any, everything in the result is of these regions.
        models: ids or patterns, in any case; all of them without any.

    Raises:
        UnknownValue: a region that is not configured.
    """
    entries: Iterable[CatalogEntry] = view.models
    if regions:
        listed = view.entry_list(ListFilter(view=MODELS_VIEW, regions=tuple(regions))).entries
        entries = [entry for entry in listed if entry.kind == MODEL]
    patterns = PatternSet(it.casefold() for it in models or [ANY])
    newest = _newest_of_lines(view.models)
    found = [
        _retirement(entry, view, newest)
        for entry in entries
        if _has_dates(entry)
        and (include_retired or entry.lifecycle != RETIRED)
        and patterns.matches(entry.id.casefold())
    ]
    return tuple(sorted(found, key=lambda it: (it.retires_at is None, it.retires_at, it.model_id)))


def next_end(retirement: Retirement, *, at: datetime) -> RegionDates | None:
    """The regions where a model ends next, after a moment; None where no end is ahead."""
    ahead = [it for it in retirement.dates if it.end_of_life_at is not None and it.end_of_life_at > at]
    return min(ahead, key=lambda it: it.end_of_life_at or at, default=None)


def ending_within(found: Iterable[Retirement], days: int, *, at: datetime) -> tuple[Retirement, ...]:
    """Those that end in any region within so many calendar days, the next one first."""
    ends = [(end, it) for it in found if (dates := next_end(it, at=at)) and (end := dates.end_of_life_at)]
    near = [(end, it) for end, it in ends if days_left(end, at) <= days]
    return tuple(it for _, it in sorted(near, key=lambda pair: (pair[0], pair[1].model_id)))


def ending_soon(snapshot: CatalogSnapshot, *, at: datetime) -> dict[str, datetime]:
    """When each model ends that does so within 180 days, for the metrics."""
    ends = {it.id: end_of(it) for it in snapshot.models if it.is_callable and it.lifecycle != RETIRED}
    return {model_id: end for model_id, end in ends.items() if end is not None and end - at <= SOON}


def end_of(entry: CatalogEntry) -> datetime | None:
    """When a model has ended in all of its regions; None while a region has no end for it."""
    return ended_everywhere_at([row.end_of_life_at for row, _ in entry.rows])


def _has_dates(entry: CatalogEntry) -> bool:
    return entry.lifecycle != ACTIVE or any(row.legacy_at or row.end_of_life_at for row, _ in entry.rows)


def _retirement(entry: CatalogEntry, view: CatalogView, newest: dict[str, CatalogEntry]) -> Retirement:
    rows = [row for row, _ in entry.rows]
    retires_at = end_of(entry)
    hint = newest.get(_line_of(entry) or "")
    return Retirement(
        model_id=entry.id,
        name=entry.name,
        provider=entry.provider,
        lifecycle=entry.lifecycle,
        legacy_at=_earliest(row.legacy_at for row in rows),
        extended_access_at=_earliest(row.extended_access_at for row in rows),
        retires_at=retires_at,
        days_left=None if retires_at is None else days_left(retires_at, view.snapshot.at),
        dates=_dates_of(entry),
        aliases=_aliases_of(entry, view),
        replacement_hint=None if hint is None or hint.id == entry.id else hint.id,
    )


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((it for it in moments if it is not None), default=None)


def _dates_of(entry: CatalogEntry) -> tuple[RegionDates, ...]:
    groups: dict[tuple[datetime | None, datetime | None, datetime | None], list[str]] = {}
    for row, regions in entry.rows:
        groups.setdefault((row.legacy_at, row.extended_access_at, row.end_of_life_at), []).extend(regions)
    return tuple(
        RegionDates(regions=tuple(sorted(regions)), legacy_at=legacy, extended_access_at=extended, end_of_life_at=end)
        for (legacy, extended, end), regions in groups.items()
    )


def _newest_of_lines(models: Sequence[CatalogEntry]) -> dict[str, CatalogEntry]:
    """The newest active model that can be called, by line."""
    newest: dict[str, CatalogEntry] = {}
    for entry in models:
        line = _line_of(entry)
        if line is not None and entry.lifecycle == ACTIVE and entry.invocations:
            newest.setdefault(line, entry)
    return newest


def _line_of(entry: CatalogEntry) -> str | None:
    return None if entry.card is None else entry.card.line


def _aliases_of(entry: CatalogEntry, view: CatalogView) -> tuple[str, ...]:
    """The names that stand for the model or for one of its profiles."""
    ids = {entry.id, *profile_ids(entry.invocations, entry.former_invocations)}
    return tuple(sorted(name for name, it in view.resolved.items() if it.target_id in ids))
