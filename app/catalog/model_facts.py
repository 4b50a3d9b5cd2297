"""What events compare of a model, region by region."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.catalog.entries import LIFECYCLES, ON_DEMAND, RETIRED, UNKNOWN_PROFILE, CatalogEntry
from app.catalog.lifecycle import ended_everywhere_at, lifecycle_of
from app.catalog.records import MODELS, PROFILES, CatalogState, FoundationModel, Invocation, LifeStage, ModelFacts

NO_FACTS = ModelFacts()

# One invocation in one region: its kind, the profile's id, the region; and where it is processed.
WayKey = tuple[str, str | None, str]
Ways = dict[WayKey, tuple[str, ...]]
# Kind, profile, destinations; and the regions where all three are the same.
Groups = dict[tuple[str, str | None, tuple[str, ...]], set[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparableRegions:
    """The regions whose parts two states both list: what only one of them lists, AWS need not have changed.

    `profiles` are those where the models are comparable, too; `without_profiles` those where neither state knows any.
    """

    models: frozenset[str]
    profiles: frozenset[str]
    without_profiles: frozenset[str]


def comparable_regions(before: CatalogState, after: CatalogState) -> ComparableRegions:
    old = {(it.region, it.part) for it in before.listings}
    new = {(it.region, it.part) for it in after.listings}
    models = frozenset(region for region, part in old & new if part == MODELS)
    return ComparableRegions(
        models=models,
        profiles=frozenset(region for region, part in old & new if part == PROFILES and region in models),
        without_profiles=models - {region for region, part in old | new if part == PROFILES},
    )


def facts_at(entry: CatalogEntry, at: datetime, comparable: ComparableRegions) -> ModelFacts | None:
    """What is comparable of a model at a moment, which may be before that of its entry; None where nothing is."""
    stages: dict[tuple[Any, ...], list[str]] = {}
    for row, regions in entry.rows:
        kept = [region for region in regions if region in comparable.models]
        if kept:
            stages.setdefault(_life_of(row, at), []).extend(kept)
    if not stages:
        return None
    ended = {region for life, regions in stages.items() if life[0] == RETIRED for region in regions}
    current: Groups = {}
    former: Groups = {}
    for way in (*entry.invocations, *entry.former_invocations):
        for region in way.regions:
            if _is_comparable(way, region, comparable, has_ended=region in ended):
                ways = former if region in ended else current
                ways.setdefault((way.kind, way.profile_id, way.destinations), set()).add(region)
    return ModelFacts(
        invocations=_invocations(current),
        former_invocations=_invocations(former),
        stages=tuple(
            LifeStage(
                regions=tuple(sorted(regions)),
                lifecycle=word,
                legacy_at=legacy,
                extended_access_at=extended,
                end_of_life_at=end,
            )
            for (word, legacy, extended, end), regions in sorted(stages.items(), key=lambda it: min(it[1]))
        ),
    )


def _life_of(row: FoundationModel, at: datetime) -> tuple[Any, ...]:
    return lifecycle_of([row], at)[0], row.legacy_at, row.extended_access_at, row.end_of_life_at


def _is_comparable(way: Invocation, region: str, comparable: ComparableRegions, *, has_ended: bool) -> bool:
    if way.kind == ON_DEMAND:
        return region in comparable.models
    if way.kind == UNKNOWN_PROFILE:  # Of a model that has ended it says what was, whether profiles are known or not.
        return region in comparable.without_profiles or (has_ended and region in comparable.profiles)
    return region in comparable.profiles


def _invocations(ways: Groups) -> tuple[Invocation, ...]:
    return tuple(
        Invocation(kind=kind, regions=tuple(sorted(regions)), profile_id=profile_id, destinations=destinations)
        for (kind, profile_id, destinations), regions in sorted(ways.items(), key=lambda it: (it[0][0], it[0][1] or ""))
    )


def restrict_facts(
    facts: ModelFacts, current: tuple[Invocation, ...], former: tuple[Invocation, ...]
) -> ModelFacts | None:
    """The facts with these invocations alone, and the life of their regions; None where none is left."""
    left = regions_of(current) | regions_of(former)
    if not left:
        return None
    stages = ((it, tuple(region for region in it.regions if region in left)) for it in facts.stages)
    return ModelFacts(
        invocations=current,
        former_invocations=former,
        stages=tuple(replace(it, regions=regions) for it, regions in stages if regions),
        access=facts.access,
    )


def regions_of(ways: Iterable[Invocation]) -> set[str]:
    return {region for way in ways for region in way.regions}


def lifecycle_in(facts: ModelFacts) -> str | None:
    """The model's lifecycle, as `lifecycle_of` decides it; None where no region lists it."""
    words = {it.lifecycle for it in facts.stages}
    return next((word for word in LIFECYCLES if word in words), None)


def retires_at(facts: ModelFacts) -> datetime | None:
    """When the model has ended in every region; None while a region has no end for it."""
    return ended_everywhere_at([it.end_of_life_at for it in facts.stages])


def ways_of(facts: ModelFacts) -> Ways:
    """Where each invocation in each region is processed. An id that is not known is no profile's."""
    return {
        (way.kind if way.profile_id is None else "", way.profile_id, region): way.destinations
        for way in facts.invocations
        for region in way.regions
    }


def changed_ways(before: ModelFacts, after: ModelFacts) -> tuple[Ways, Ways]:
    """The invocations that are no more, and those that are new. Destinations that AWS does not state are no change."""
    old, new = ways_of(before), ways_of(after)

    def is_same(key: WayKey) -> bool:
        return key in old and key in new and (old[key] == new[key] or not old[key] or not new[key])

    return (
        {key: places for key, places in old.items() if not is_same(key)},
        {key: places for key, places in new.items() if not is_same(key)},
    )


def stages_by_region(facts: ModelFacts) -> dict[str, LifeStage]:
    return {region: it for it in facts.stages for region in it.regions}
