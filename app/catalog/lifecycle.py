"""A model's lifecycle, from its rows. Dates decide before words."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.catalog.entries import ACTIVE, DEPRECATED, RETIRED
from app.catalog.records import FoundationModel

LEGACY = "LEGACY"

Lifecycle = tuple[str, datetime | None, datetime | None]


def has_ended(row: FoundationModel, at: datetime) -> bool:
    return row.end_of_life_at is not None and row.end_of_life_at <= at


def is_legacy(row: FoundationModel, at: datetime) -> bool:
    """A status that is missing, or that AWS has not used yet, leaves the decision to the dates."""
    return row.lifecycle_status == LEGACY or (row.legacy_at is not None and row.legacy_at <= at)


def lifecycle_of(rows: Sequence[FoundationModel], at: datetime) -> Lifecycle:
    """A model's lifecycle, when it was deprecated and when it retires; both None while it is active.

    Args:
        rows: what the regions list of it, in order of preference; at least one.

    Returns:
        Retired where every region has ended; deprecated where no region that has not ended is active.
    """
    alive = [row for row in rows if not has_ended(row, at)]
    if any(not is_legacy(row, at) for row in alive):
        return ACTIVE, None, None
    deprecated_at = next((row.legacy_at for row in rows if row.legacy_at), None)
    retires_at = max((row.end_of_life_at for row in alive or rows if row.end_of_life_at), default=None)
    return DEPRECATED if alive else RETIRED, deprecated_at, retires_at


def ended_everywhere_at(ends: Sequence[datetime | None]) -> datetime | None:
    """The last of a model's ends; None while a region has none for it."""
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def turning_points(rows: Iterable[FoundationModel]) -> set[datetime]:
    """The moments at which a lifecycle can change by itself."""
    return {moment for row in rows for moment in (row.legacy_at, row.end_of_life_at) if moment is not None}
