"""What differs between two refreshes, computed straight from their listings: what events are checked against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.catalog.records import MODELS, PROFILES, FoundationModel, InferenceProfile, PartListing, Row

Key = tuple[str, str]
# A type without its prefix, and a model's id; of a near retirement the days, too.
Difference = tuple[str, str, int | None]
THRESHOLDS = (90, 30, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one refresh knows of one model in the regions that both refreshes list."""

    ways: dict[str, dict[str, tuple[str, ...]]]
    words: dict[str, str]
    dates: dict[str, tuple[Any, ...]]

    @property
    def word(self) -> str:
        return min(self.words.values(), key=("active", "deprecated", "retired").index)

    @property
    def end(self) -> datetime | None:
        ends = [it[2] for it in self.dates.values()]
        return None if None in ends else max(ends)

    def callable(self) -> set[str]:
        return {region for region, ways in self.ways.items() if ways and self.words[region] != "retired"}

    def known(self) -> set[str]:
        return {region for region, ways in self.ways.items() if ways}


def rows_by_key(listings: Iterable[PartListing]) -> dict[Key, tuple[Row, ...]]:
    return {(it.region, it.part): it.rows for it in listings}


def difference(
    before: Iterable[PartListing], after: Iterable[PartListing], *, was_at: datetime, at: datetime
) -> set[Difference]:
    """The events that are to be, of listings whose regions and parts may differ."""
    old, new = rows_by_key(before), rows_by_key(after)
    common = old.keys() & new.keys()
    seen_old, seen_new = _seen(old, new, common, was_at), _seen(new, old, common, at)
    everywhere_old, everywhere_new = _ids(old), _ids(new)
    found: set[Difference] = set()
    for model_id in seen_old.keys() | seen_new.keys():
        one, two = seen_old.get(model_id), seen_new.get(model_id)
        if one is None and model_id not in everywhere_old:
            found.add(("added", model_id, None))
        elif two is None and model_id not in everywhere_new and _regions(old, model_id) <= {it[0] for it in common}:
            found.add(("removed", model_id, None))
        else:
            found |= {(it, model_id, None) for it in _changes(one, two)}
        found |= {("retirement_near", model_id, days) for days in _near(one, two, was_at, at)}
    return found


def _ids(rows: Mapping[Key, tuple[Row, ...]]) -> set[str]:
    return {row.id for (_, part), listed in rows.items() if part == MODELS for row in listed}


def _regions(rows: Mapping[Key, tuple[Row, ...]], model_id: str) -> set[str]:
    return {key[0] for key, listed in rows.items() if key[1] == MODELS and any(it.id == model_id for it in listed)}


def _seen(
    rows: Mapping[Key, tuple[Row, ...]], others: Mapping[Key, tuple[Row, ...]], common: set[Key], at: datetime
) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    for region, part in common:
        if part != MODELS:
            continue
        for row in rows[region, MODELS]:
            assert isinstance(row, FoundationModel)
            it = found.setdefault(row.id, Seen(ways={}, words={}, dates={}))
            end, legacy = row.end_of_life_at, row.legacy_at
            if end is not None and end <= at:
                it.words[region] = "retired"
            else:
                is_legacy = row.lifecycle_status == "LEGACY" or (legacy is not None and legacy <= at)
                it.words[region] = "deprecated" if is_legacy else "active"
            it.dates[region] = (legacy, row.extended_access_at, end)
            it.ways[region] = {}
            if "ON_DEMAND" in (row.inference_types or ()):
                it.ways[region]["on demand"] = ()
            for profile in rows.get((region, PROFILES), ()) if (region, PROFILES) in common else ():
                assert isinstance(profile, InferenceProfile)
                for model_id, places in profile.models:
                    if model_id == row.id and profile.status in (None, "ACTIVE"):
                        it.ways[region][profile.id] = places
            if "INFERENCE_PROFILE" in (row.inference_types or ()):
                is_unknown = (region, PROFILES) not in rows and (region, PROFILES) not in others
                if is_unknown or (it.words[region] == "retired" and (region, PROFILES) in common):
                    it.ways[region]["unknown"] = ()
    return found


def _changes(one: Seen | None, two: Seen | None) -> Iterable[str]:
    nothing = Seen(ways={}, words={}, dates={})
    old, new = one or nothing, two or nothing
    if old.callable() - new.known() or new.callable() - old.known():
        yield "regions_changed"
    both = old.callable() & new.callable()
    if any(_ways_differ(old.ways[region], new.ways[region]) for region in both):
        yield "invocation_changed"
    if not old.words or not new.words:
        return
    listed = old.words.keys() & new.words.keys()
    if old.word != new.word or any(old.words[it] != new.words[it] for it in listed):
        yield "lifecycle_changed"
    if old.end != new.end or any(old.dates[it] != new.dates[it] for it in listed):
        yield "dates_changed"


def _ways_differ(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> bool:
    return old.keys() != new.keys() or any(old[it] and new[it] and old[it] != new[it] for it in old)


def _near(one: Seen | None, two: Seen | None, was_at: datetime, at: datetime) -> Iterable[int]:
    if two is None or two.end is None or two.word == "retired":
        return
    for days in THRESHOLDS:
        was_near = one is not None and one.end is not None and one.end - was_at <= timedelta(days=days)
        if two.end - at <= timedelta(days=days) and not was_near:
            yield days
