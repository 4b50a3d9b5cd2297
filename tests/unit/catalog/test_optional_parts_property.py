"""Whatever optional parts list, and whoever asks: base entries stay as they are, and nothing of other regions shows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.aliases import Alias, AliasTargetGone
from app.catalog.entries import ALIAS, CatalogEntry
from app.catalog.records import (
    BASE_PARTS,
    MANTLE,
    PROJECT_MODELS,
    PROJECT_PROFILES,
    PROVISIONED,
    AccountModel,
    MantleModel,
    PartListing,
)
from app.catalog.retirements import retirements
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from app.catalog.view import CatalogView, EntryList, ListFilter, UnknownValue
from tests.support.builders import NOW, listing, model, profile, snapshot

REGIONS = ("eu-west-1", "us-east-1", "us-west-2")
IDS = st.sampled_from(["a", "b", "c", "us.a", "only"])
ARN = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/x"

MODELS_IN_A_REGION = st.lists(
    st.builds(
        model,
        st.sampled_from(["a", "b", "c"]),
        name=st.sampled_from([None, "A", "Same"]),
        provider=st.sampled_from(["P", "Q"]),
        inference_types=st.sampled_from([(), ("ON_DEMAND",), ("PROVISIONED",), ("INFERENCE_PROFILE",)]),
        end_of_life_at=st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=9)]),
    ),
    max_size=3,
    unique_by=lambda it: it.id,
)
PROFILES_IN_A_REGION = st.lists(
    st.builds(
        profile,
        st.sampled_from(["us.a", "us.b", "eu.c"]),
        st.sampled_from(["a", "b", "c"]).map(lambda it: {it: ["us-east-1", "us-west-2"]}),
        name=st.sampled_from([None, "A", "Same"]),
    ),
    max_size=2,
    unique_by=lambda it: it.id,
)


def rows_of(ids: st.SearchStrategy[str], build: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.builds(build, ids), max_size=3, unique_by=lambda it: it.id)


OPTIONAL = {
    MANTLE: rows_of(IDS, lambda name: MantleModel(id=name)),
    PROJECT_MODELS: rows_of(IDS, lambda name: model(name, name="Same", provider="R")),
    PROJECT_PROFILES: rows_of(st.sampled_from(["us.a", "us.c"]), lambda name: profile(name, name[3:])),
    PROVISIONED: rows_of(
        st.just(ARN), lambda name: AccountModel(id=name, name="Same", base_id="a", status="InService")
    ),
}


@st.composite
def catalogs(draw: st.DrawFn) -> tuple[CatalogSnapshot, CatalogSnapshot]:
    """One of the base parts alone, and one with all parts."""
    base = [it for region in REGIONS for it in listing(region, *draw(MODELS_IN_A_REGION), *draw(PROFILES_IN_A_REGION))]
    optional = [
        PartListing(region=region, part=part, listed_at=NOW, rows=tuple(draw(rows)))
        for region in REGIONS
        for part, rows in OPTIONAL.items()
    ]
    without = snapshot(base, regions=REGIONS)
    state = replace(
        without.state,
        parts=(*BASE_PARTS, *OPTIONAL),
        projects=("proj_a",),
        listings=(*without.state.listings, *optional),
    )
    return without, build_snapshot(state, at=NOW)


PATTERNS = st.none() | st.lists(st.sampled_from(["a", "b", "us.*", "only", "provider:P", "*"]), max_size=2).map(
    lambda it: EntryPatterns(tuple(it))
)
SOME_REGIONS = st.lists(st.sampled_from([*REGIONS, "us-*"]), max_size=2).map(tuple)
SCOPES = st.builds(
    Scope,
    models=PATTERNS,
    excluded=PATTERNS,
    regions=st.none() | SOME_REGIONS,
    within=st.none() | SOME_REGIONS,
    include_provisioned=st.booleans(),
)
FILTERS = st.builds(
    ListFilter, view=st.sampled_from(["models", "profiles", "all"]), regions=SOME_REGIONS, within=SOME_REGIONS
)
ALIASES = st.lists(
    st.builds(Alias, name=st.sampled_from(["only", "us.c", "latest"]), target=st.sampled_from(["a", "us.a", "b"])),
    max_size=2,
    unique_by=lambda it: it.name,
)


def listed(view: CatalogView, wanted: ListFilter) -> EntryList | str:
    try:
        return view.entry_list(wanted)
    except UnknownValue as error:
        return error.field


def plain(entry: CatalogEntry) -> CatalogEntry:
    """Without what the optional parts add; an alias may come to stand for what only they list."""
    return replace(entry, mantle_rows=None, project_ways=None, projects_setting=(), aliases=())


def shown_regions(entry: CatalogEntry) -> set[str]:
    ways = (*entry.invocations, *entry.former_invocations, *(entry.project_ways or ()))
    groups = (*entry.rows, *(entry.mantle_rows or ()))
    return {region for it in (*(way.regions for way in ways), *(regions for _, regions in groups)) for region in it}


@settings(max_examples=400, deadline=None)
@given(snapshots=catalogs(), scope=SCOPES, wanted=FILTERS, aliases=ALIASES)
def test_base_entries_stay_and_a_scope_holds(
    snapshots: tuple[CatalogSnapshot, CatalogSnapshot], scope: Scope, wanted: ListFilter, aliases: Sequence[Alias]
) -> None:
    without, with_parts = (CatalogView(it, scope, aliases) for it in snapshots)
    before, after = listed(without, wanted), listed(with_parts, wanted)

    if isinstance(before, EntryList):
        assert isinstance(after, EntryList)
        found = [plain(after.by_id[it.id]) if it.id in after.by_id else it.id for it in before.entries]
        assert found == [plain(it) for it in before.entries]
        for entry in without.entry_list(ListFilter(view=wanted.view)).entries:
            kept = with_parts.find(entry.id)
            assert kept is not None and plain(kept) == plain(without.find(entry.id) or entry)
    assert without.resolved.items() <= with_parts.resolved.items()
    for entry in after.entries if isinstance(after, EntryList) else ():
        assert shown_regions(entry) <= set(with_parts.regions)
        assert scope.excluded is None or not scope.excluded.match_id(entry.id)
    for entry in with_parts.entry_list(ListFilter(view="all")).entries:
        try:
            same = with_parts.find(entry.id)
        except AliasTargetGone:
            same = None
        assert same is not None and same.id == (entry.alias_of if entry.kind == ALIAS else entry.id)
    retirements(with_parts)
