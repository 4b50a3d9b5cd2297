"""The whole catalog at one moment, derived from state by one pure function, on refresh and on load alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter

from app.catalog.account_models import account_entries
from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.entries import INVOKE_ORDER, CatalogEntry
from app.catalog.lifecycle import turning_points
from app.catalog.merge import merge_listings
from app.catalog.projects import ProjectCatalog, with_projects
from app.catalog.records import (
    DEMO,
    EPOCH,
    MODELS,
    PROJECT_MODELS,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    RemovedModel,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CatalogSnapshot:
    """The whole catalog at one moment; immutable, shared by all readers.

    `models`, and what is the account's own, are newest first, then by id. `changed_at` is when a client could last have
    seen them change. At `valid_until` the same state gives another answer (a model reaches its end of life), so it is
    derived anew.
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
    if state.projects:
        found = with_projects(
            merged,
            state.listings,
            state.projects,
            at=at,
            regions=state.regions,
            invoke_order=invoke_order,
            cards=cards,
        )
    else:
        found = ProjectCatalog(
            models=merged.models, application_profiles=merged.application_profiles, project_entries=()
        )
    distinct_rows = {
        id(row): row
        for listing in state.listings
        if listing.part in (MODELS, PROJECT_MODELS)
        for row in listing.rows
        if isinstance(row, FoundationModel)
    }
    moments = turning_points(distinct_rows.values())
    changes = (state.changed_at, cards.changed_at, *(moment for moment in moments if moment <= at))
    profiles = (row for it in state.listings if it.part != MODELS for row in it.rows)
    destinations = frozenset(
        place for row in profiles if isinstance(row, InferenceProfile) for _, places in row.models for place in places
    )
    by_id = {model.id: model for model in found.models}
    account_models = account_entries(state.listings, {it.id: it for it in merged.models}, cards=cards, at=at)
    if state.projects:
        account_models = tuple(replace(it, project_ways=(), projects_setting=state.projects) for it in account_models)
    return CatalogSnapshot(
        state=state,
        at=at,
        models=found.models,
        application_profiles=found.application_profiles,
        project_entries=found.project_entries,
        account_models=account_models,
        orphan_profiles=merged.orphan_profiles,
        destinations=destinations,
        changed_at=max((moment for moment in changes if moment is not None), default=EPOCH),
        valid_until=min((moment for moment in moments if moment > at), default=None),
        invoke_order=tuple(invoke_order),
        cards=cards,
        by_id=by_id,
        by_profile=models_by_profile(found.models),
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
        A snapshot that changed at `at`, or with the same entries as before where the cards tell nothing new of them.
    """
    new = build_snapshot(snapshot.state, at=snapshot.at, invoke_order=snapshot.invoke_order, cards=cards)
    new = reuse_models(new, snapshot)
    changed_at = snapshot.changed_at if new.models is snapshot.models else max(at, snapshot.changed_at)
    return replace(new, changed_at=changed_at)


def restrict_to_regions(state: CatalogState, regions: Sequence[str]) -> CatalogState:
    """The state with the given regions alone, in their order: what is configured decides, not what was stored."""
    kept = frozenset(regions)
    return replace(
        state,
        regions=tuple(regions),
        listings=tuple(listing for listing in state.listings if listing.region in kept),
        failures=tuple(failure for failure in state.failures if failure.region in kept),
    )
