"""The whole catalog at one moment, derived from state by one pure function, on refresh and on load alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from app.catalog.access import AccessState, EntryAccess, of_models
from app.catalog.account_models import account_entries
from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.entries import INVOKE_ORDER, CatalogEntry
from app.catalog.lifecycle import turning_points
from app.catalog.mantle import with_mantle
from app.catalog.merge import merge_listings
from app.catalog.projects import with_projects
from app.catalog.records import (
    DEMO,
    EPOCH,
    MANTLE,
    MODELS,
    PROJECT_MODELS,
    PROJECT_PARTS,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    RemovedModel,
)

DAY = timedelta(days=1)
NOT_ASKED = EntryAccess()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CatalogSnapshot:
    """The whole catalog at one moment; immutable, shared by all readers.

    `models`, and what is the account's own, are newest first, then by id. `changed_at` is when a client could last have
    seen them change. At `valid_until` the same state gives another answer (a model reaches its end of life, or has a
    day less to it), so it is derived anew. `days_from` is the midnight that days to an end are counted from; None where
    none is ahead.
    `invoke_order` and `cards` are what it was derived with, beside its state.
    """

    state: CatalogState
    at: datetime
    models: tuple[CatalogEntry, ...]
    application_profiles: tuple[CatalogEntry, ...] = ()
    project_entries: tuple[CatalogEntry, ...] = ()
    account_models: tuple[CatalogEntry, ...] = ()
    orphan_profiles: int = 0
    destinations: frozenset[str] = frozenset()
    changed_at: datetime
    valid_until: datetime | None = None
    days_from: datetime | None = None
    invoke_order: tuple[str, ...] = INVOKE_ORDER
    cards: CardBook = field(repr=False, default=NO_CARDS)
    by_id: Mapping[str, CatalogEntry] = field(repr=False, default_factory=dict)
    by_profile: Mapping[str, CatalogEntry] = field(repr=False, default_factory=dict)
    profile_names: Mapping[str, str] = field(repr=False, default_factory=dict)
    removed: Mapping[str, RemovedModel] = field(repr=False, default_factory=dict)


def build_snapshot(
    state: CatalogState,
    *,
    at: datetime,
    invoke_order: Sequence[str] = INVOKE_ORDER,
    cards: CardBook = NO_CARDS,
) -> CatalogSnapshot:
    """The snapshot that a state gives at a moment, with its look-up tables.

    In the demo, cards win over the table of facts that its rows are filled from.

    `by_profile` has the model of each profile, `profile_names` AWS's name of it, where there is one; `removed` has
    what left lately.
    """
    merged = merge_listings(
        state.listings,
        at=at,
        regions=state.regions,
        invoke_order=invoke_order,
        cards=cards,
        prefers_cards=state.source == DEMO,
    )
    listed = {model.id: model for model in merged.models}
    merged = replace(merged, account_models=account_entries(state.listings, listed, cards=cards, at=at))
    if MANTLE in state.parts:
        merged = with_mantle(
            merged, state.listings, regions=state.regions, cards=cards, prefers_cards=state.source == DEMO
        )
    if state.projects:
        merged = with_projects(
            merged,
            state.listings,
            state.projects,
            at=at,
            regions=state.regions,
            invoke_order=invoke_order,
            cards=cards,
        )
    distinct_rows = {
        id(row): row
        for listing in state.listings
        if listing.part in (MODELS, PROJECT_MODELS)
        for row in listing.rows
        if isinstance(row, FoundationModel)
    }
    moments = turning_points(distinct_rows.values())
    days_from = None
    if any(row.end_of_life_at is not None and row.end_of_life_at > at for row in distinct_rows.values()):
        days_from = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    changes = (state.changed_at, cards.changed_at, *(moment for moment in moments if moment <= at))
    next_midnight = () if days_from is None else (days_from + DAY,)
    profiles = (row for it in state.listings if it.part != MODELS for row in it.rows)
    destinations = frozenset(
        place for row in profiles if isinstance(row, InferenceProfile) for _, places in row.models for place in places
    )
    keys = _keys_of_parts(state)
    models, application_profiles, project_entries, account_models = (
        _with_keys(it, keys)
        for it in (merged.models, merged.application_profiles, merged.project_entries, merged.account_models)
    )
    return CatalogSnapshot(
        state=state,
        at=at,
        models=models,
        application_profiles=application_profiles,
        project_entries=project_entries,
        account_models=account_models,
        orphan_profiles=merged.orphan_profiles,
        destinations=destinations,
        changed_at=max((moment for moment in changes if moment is not None), default=EPOCH),
        valid_until=min((moment for moment in (*moments, *next_midnight) if moment > at), default=None),
        days_from=days_from,
        invoke_order=tuple(invoke_order),
        cards=cards,
        by_id={model.id: model for model in models},
        by_profile=models_by_profile(models),
        profile_names=merged.profile_names,
        removed={gone.id: gone for gone in state.removed},
    )


def models_by_profile(models: Sequence[CatalogEntry]) -> dict[str, CatalogEntry]:
    """The model of each profile; of several the first one, those that it calls before those that have ended."""
    by_profile: dict[str, CatalogEntry] = {}
    for ways_of in (attrgetter("former_invocations"), attrgetter("invocations")):
        for model in reversed(models):
            for way in ways_of(model):
                if way.profile_id is not None:
                    by_profile[way.profile_id] = model
    return by_profile


def reuse_models(snapshot: CatalogSnapshot, previous: CatalogSnapshot | None) -> CatalogSnapshot:
    """The snapshot, with the previous one's entries where they are equal: what was made of them can then be kept."""
    if (
        previous is None
        or snapshot.models != previous.models
        or snapshot.application_profiles != previous.application_profiles
        or snapshot.project_entries != previous.project_entries
        or snapshot.account_models != previous.account_models
        or snapshot.profile_names != previous.profile_names
        or not snapshot.cards.has_same_prices(previous.cards, snapshot.by_profile)
    ):
        return snapshot
    return replace(
        snapshot,
        models=previous.models,
        application_profiles=previous.application_profiles,
        project_entries=previous.project_entries,
        account_models=previous.account_models,
        by_id=previous.by_id,
        by_profile=previous.by_profile,
        profile_names=previous.profile_names,
    )


def with_cards(snapshot: CatalogSnapshot, cards: CardBook, *, at: datetime) -> CatalogSnapshot:
    """The same snapshot with other cards, as an operator writes them while the service runs.

    Returns:
        A snapshot that changed at `at`, or with the same entries as before where the cards have nothing new on them.
    """
    new = build_snapshot(snapshot.state, at=snapshot.at, invoke_order=snapshot.invoke_order, cards=cards)
    new = reuse_models(new, snapshot)
    changed_at = snapshot.changed_at if new.models is snapshot.models else max(at, snapshot.changed_at)
    return replace(new, changed_at=changed_at)


def with_access(snapshot: CatalogSnapshot, access: AccessState | None, *, at: datetime) -> CatalogSnapshot:
    """The same snapshot with other reports on access, but for those of models that it does not have.

    Returns:
        A snapshot that changed at `at`, or with the same entries as before where the reports say nothing new.
    """
    kept = None if access is None else of_models(access, snapshot.by_id)
    state = replace(snapshot.state, access=kept)
    new = build_snapshot(state, at=snapshot.at, invoke_order=snapshot.invoke_order, cards=snapshot.cards)
    new = reuse_models(new, snapshot)
    changed_at = snapshot.changed_at if new.models is snapshot.models else max(at, snapshot.changed_at)
    return replace(new, state=replace(state, changed_at=changed_at), changed_at=changed_at)


# The fields of an entry that stand there while a part is on, each with its value, also where the part has none.
KeysOfParts = Mapping[str, Callable[[CatalogEntry], Any]]


def _keys_of_parts(state: CatalogState) -> KeysOfParts:
    keys: dict[str, Callable[[CatalogEntry], Any]] = {}
    if MANTLE in state.parts:
        keys["mantle_rows"] = lambda it: it.mantle_rows or ()
    if state.projects:
        keys["project_ways"] = lambda it: it.project_ways or ()
    if state.access is not None:
        known = {it.model_id: EntryAccess(report=it.access) for it in state.access.reports}
        keys["access"] = lambda it: known.get(it.model_id, NOT_ASKED)
    return keys


def _with_keys(entries: tuple[CatalogEntry, ...], keys: KeysOfParts) -> tuple[CatalogEntry, ...]:
    """The entries with these; the same ones without any."""
    if not keys:
        return entries
    return tuple(replace(it, **{name: value_of(it) for name, value_of in keys.items()}) for it in entries)


def restrict_to_regions(state: CatalogState, regions: Sequence[str]) -> CatalogState:
    """The state with the given regions alone, in their order: what is configured decides, not what was stored."""
    kept = frozenset(regions)
    return replace(
        state,
        regions=tuple(regions),
        listings=tuple(listing for listing in state.listings if listing.region in kept),
        failures=tuple(failure for failure in state.failures if failure.region in kept),
    )


def restrict_to_parts(state: CatalogState, parts: Sequence[str], *, projects: tuple[str, ...] = ()) -> CatalogState:
    """The state with the given parts alone, and what was listed as these projects: as `restrict_to_regions`."""
    kept = frozenset(parts).difference(() if state.projects == projects else PROJECT_PARTS)
    return replace(
        state,
        parts=tuple(parts),
        projects=projects,
        listings=tuple(listing for listing in state.listings if listing.part in kept),
        failures=tuple(failure for failure in state.failures if failure.part in kept),
    )
