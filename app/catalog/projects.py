"""What only a project opens: entries of their own, and ways beside those of the account, which stay as they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app.catalog.cards import CardBook
from app.catalog.entries import INFERENCE_PROFILE, UNKNOWN_PROFILE, CatalogEntry, profile_ids
from app.catalog.merge import MergedCatalog, geography_of, merge_listings
from app.catalog.paging import sort_key
from app.catalog.records import MODELS, PROFILES, PROJECT_MODELS, PROJECT_PROFILES, Invocation, PartListing

# Which base part a project's part is read as.
READ_AS = {PROJECT_MODELS: MODELS, PROJECT_PROFILES: PROFILES}


def with_projects(
    merged: MergedCatalog,
    listings: Iterable[PartListing],
    projects: tuple[str, ...],
    *,
    at: datetime,
    regions: Sequence[str],
    invoke_order: Sequence[str],
    cards: CardBook,
) -> MergedCatalog:
    """The catalog with what projects open beside what the account can call, and with what they alone open.

    Args:
        merged: what the account lists.
        listings: of all parts.
        projects: as AWS_BEDROCK_PROJECT names them.
        at, regions, invoke_order, cards: as for `merge_listings`.
    """
    of_projects = merge_listings(
        _as_base_parts(listings), at=at, regions=regions, invoke_order=invoke_order, cards=cards
    )
    base = {model.id: model for model in merged.models}
    base_profiles = merged.profile_ids
    opened: dict[str, tuple[Invocation, ...]] = {}
    entries: dict[str, CatalogEntry] = {}
    for model in of_projects.models:
        account = base.get(model.id)
        ways = model.invocations if account is None else _beyond(model.invocations, account)
        if not ways:
            continue
        opened[model.id] = ways
        entry = replace(
            model,
            invocations=(),
            former_invocations=(),
            project_ways=ways,
            projects_setting=projects,
            is_of_project=True,
        )
        # Also of what the account has: a filter may leave what the project opens, and nothing of the account's.
        if model.id not in base_profiles:
            entries[model.id] = entry
        for profile_id in profile_ids(ways):
            if profile_id not in base:
                entries.setdefault(profile_id, _profile_entry(entry, profile_id, of_projects.profile_names, cards))
    return replace(
        merged,
        models=tuple(
            replace(it, project_ways=opened[it.id], projects_setting=projects) if it.id in opened else it
            for it in merged.models
        ),
        project_entries=tuple(sorted(entries.values(), key=sort_key)),
    )


def _as_base_parts(listings: Iterable[PartListing]) -> list[PartListing]:
    """The projects' listings; where a region's profiles are not known as the project, as the account."""
    found = {(it.region, it.part): it for it in listings}
    parts = []
    for (region, part), listing in found.items():
        if part in READ_AS:
            parts.append(replace(listing, part=READ_AS[part]))
        elif part == PROFILES and (region, PROJECT_MODELS) in found and (region, PROJECT_PROFILES) not in found:
            parts.append(listing)
    return parts


def _beyond(ways: Iterable[Invocation], account: CatalogEntry) -> tuple[Invocation, ...]:
    """The invocations without those that the account has, region by region."""
    known: dict[tuple[str, str | None], set[str]] = {}
    for way in (*account.invocations, *account.former_invocations):
        known.setdefault((way.kind, way.profile_id), set()).update(way.regions)
    callable_in = set(account.regions)
    left = []
    for way in ways:
        before = callable_in if way.kind == UNKNOWN_PROFILE else known.get((way.kind, way.profile_id), set())
        regions = tuple(region for region in way.regions if region not in before)
        if regions:
            left.append(replace(way, regions=regions))
    return tuple(left)


def _profile_entry(model: CatalogEntry, profile_id: str, names: Mapping[str, str], cards: CardBook) -> CatalogEntry:
    geography = geography_of(profile_id, model.id)
    return replace(
        model,
        kind=INFERENCE_PROFILE,
        id=profile_id,
        name=names.get(profile_id) or f"{model.name} ({geography or profile_id})",
        geography=geography,
        project_ways=tuple(way for way in model.project_ways or () if way.profile_id == profile_id),
        card=cards.card_for_profile(model.card, profile_id),
    )
