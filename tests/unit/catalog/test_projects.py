"""What a project opens, beside what the account has, which stays as it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.codec import decode_state, encode_state
from app.catalog.entries import CatalogEntry
from app.catalog.next_snapshot import is_incomplete, next_snapshot
from app.catalog.records import (
    DATA_RETENTION,
    MODELS,
    PROGRAMS,
    PROJECT_MODELS,
    PROJECT_PARTS,
    PROJECT_PROFILES,
    AccountSetting,
    FoundationModel,
    InferenceProfile,
    PartFailure,
    PartListing,
    PartResult,
    Row,
)
from app.catalog.scope import EntryPatterns
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import status_of
from app.catalog.view import CatalogView, ListFilter
from tests.support.builders import NOW, failure, listing, model, profile, snapshot, view

EAST, WEST = "us-east-1", "eu-west-1"
PROJECT = "proj_a"
VIEWS = ("models", "profiles", "all")


def part(name: str, *rows: Row, region: str = EAST, **changes: Any) -> tuple[PartListing, ...]:
    return (PartListing(region=region, part=name, listed_at=NOW, rows=rows, **changes),)


def with_project(*listings: Sequence[PartListing], projects: tuple[str, ...] = (PROJECT,)) -> CatalogSnapshot:
    return snapshot(*listings, projects=projects)


def ids(found: CatalogView, wanted: str, **filters: Any) -> list[str]:
    return [it.id for it in found.entry_list(ListFilter(view=wanted, **filters)).entries]


def entry(found: CatalogView, name: str) -> CatalogEntry:
    it = found.find(name)
    assert it is not None
    return it


BASE = (*listing(EAST, model("a"), profile("us.a", "a")), *listing(WEST, model("b")))
OPENED = with_project(
    BASE,
    part(PROJECT_MODELS, model("a"), model("gated", name="Gated")),
    part(PROJECT_PROFILES, profile("us.a", "a"), profile("us.gated", {"gated": [EAST]}, name="US Gated")),
    part(PROJECT_MODELS, model("a"), region=WEST),
    part(PROJECT_PROFILES, region=WEST),
)


def test_a_model_that_only_a_project_lists_is_an_entry_without_an_id_to_send() -> None:
    gated = entry(view(OPENED), "gated")

    assert (gated.invoke, gated.regions, gated.projects) == ({}, (), {EAST: PROJECT})
    assert gated.name == "Gated"


def test_a_profile_that_only_a_project_lists_is_an_entry_of_its_own() -> None:
    gated = entry(view(OPENED), "us.gated")

    assert (gated.kind, gated.model_id, gated.name) == ("inference_profile", "gated", "US Gated")
    assert (gated.invoke, gated.projects) == ({}, {EAST: PROJECT})


def test_a_region_that_only_a_project_opens_stands_in_projects_and_not_in_invoke() -> None:
    model_a = entry(view(OPENED), "a")

    assert (model_a.invoke, model_a.projects) == ({EAST: "a"}, {WEST: PROJECT})


def test_what_the_account_can_call_has_no_project() -> None:
    found = view(OPENED)

    assert (entry(found, "b").projects, entry(found, "us.a").projects) == ({}, {})


def test_without_a_project_no_entry_has_ways_of_one() -> None:
    assert [it.project_ways for it in snapshot(BASE).models] == [None, None]


def test_entries_of_a_project_stand_in_the_view_of_all_alone() -> None:
    found = view(OPENED)

    assert {name: ids(found, name) for name in VIEWS} == {
        "models": ["a", "b"],
        "profiles": ["a", "b", "us.a"],
        "all": ["a", "b", "gated", "us.a", "us.gated"],
    }


def test_filters_hold_for_what_a_project_opens() -> None:
    found = view(OPENED)

    assert ids(found, "all", regions=(EAST,)) == ["a", "gated", "us.a", "us.gated"]
    assert ids(found, "all", regions=(WEST,)) == ["a", "b"]
    assert ids(found, "models", regions=(WEST,)) == ["b"]
    [opened] = [it for it in found.entry_list(ListFilter(view="all", regions=(WEST,))).entries if it.id == "a"]
    assert (opened.invoke, opened.projects, opened.endpoints) == ({}, {WEST: PROJECT}, ["bedrock-runtime"])


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ({"models": EntryPatterns(("gated",))}, ["gated", "us.gated"]),
        ({"models": EntryPatterns(("a",))}, ["a", "us.a"]),
        ({"excluded": EntryPatterns(("gated",))}, ["a", "b", "us.a"]),
        ({"excluded": EntryPatterns(("us.gated",))}, ["a", "b", "gated", "us.a"]),
        ({"regions": (WEST,)}, ["a", "b"]),
    ],
)
def test_scopes_hold_for_what_a_project_opens(scope: dict[str, Any], seen: list[str]) -> None:
    found = view(OPENED, **scope)

    assert ids(found, "all") == seen
    assert [name for name in ("gated", "us.gated") if found.find(name)] == [it for it in seen if "gated" in it]


def test_what_a_project_lists_takes_no_place_of_a_profile() -> None:
    shadowed = with_project(BASE, part(PROJECT_MODELS, model("us.a"), region=WEST))

    assert entry(view(shadowed), "us.a").kind == "inference_profile"
    assert ids(view(shadowed), "all") == ["a", "b", "us.a"]


def test_a_pair_opens_its_region_alone() -> None:
    found = view(replace_projects(OPENED, (f"{EAST}=proj_b",)))

    assert (entry(found, "gated").projects, entry(found, "a").projects) == ({EAST: "proj_b"}, {})


def replace_projects(found: CatalogSnapshot, projects: tuple[str, ...]) -> CatalogSnapshot:
    return snapshot(found.state.listings, projects=projects)


def test_a_project_without_profiles_of_its_own_is_read_with_the_accounts() -> None:
    row = model("gated", inference_types=("INFERENCE_PROFILE",))
    found = view(with_project(listing(EAST, model("a"), profile("us.gated", "gated")), part(PROJECT_MODELS, row)))

    assert entry(found, "us.gated").projects == {EAST: PROJECT}


def test_a_name_that_the_account_has_is_told_apart_on_the_projects_side() -> None:
    base = listing(EAST, model("a", name="One"), profile("us.a", "a", name="Two"))
    opened = part(PROJECT_MODELS, model("b", name="One"), model("c", name="Two"), model("d", name="Two"))
    found = view(with_project(base, opened))

    names = [it.name for it in found.entry_list(ListFilter(view="all")).entries]
    assert names == ["One", "One (b)", "Two (c)", "Two (d)", "Two"]


def test_a_model_is_not_there_for_a_scope_without_the_profile_that_a_project_opens_it_by() -> None:
    row = model("gated", inference_types=("INFERENCE_PROFILE",))
    opened = with_project(BASE, part(PROJECT_MODELS, row), part(PROJECT_PROFILES, profile("us.gated", "gated")))

    assert view(opened).find("gated") is not None
    assert view(opened, excluded=EntryPatterns(("us.gated",))).find("gated") is None


def test_a_model_that_the_account_lists_and_cannot_call_is_an_entry_of_the_project() -> None:
    sold = model("sold", inference_types=())
    found = with_project(listing(EAST, model("a"), sold), part(PROJECT_MODELS, model("sold")))

    assert ids(view(found), "all") == ["a", "sold"]
    assert (ids(view(found), "models"), ids(view(found), "all", regions=(EAST,))) == (["a"], ["a", "sold"])
    assert ids(view(found, include_provisioned=True), "all") == ["a", "sold"]


def test_a_model_that_has_ended_is_not_opened() -> None:
    ended = model("gone", end_of_life_at=NOW - timedelta(days=1))

    assert with_project(BASE, part(PROJECT_MODELS, ended)).project_entries == ()


def test_what_is_stored_of_a_project_is_read_back() -> None:
    state = with_project(
        BASE,
        part(PROJECT_MODELS, model("a")),
        part(PROJECT_PROFILES, is_offered=False),
        part(PROGRAMS, AccountSetting(id="one-program", value="enabled"), AccountSetting(id="two-programs")),
        part(DATA_RETENTION, AccountSetting(id="none")),
    ).state

    assert decode_state(encode_state(state)) == state
    assert b"project" not in encode_state(snapshot(BASE).state)


def refreshed(*results: PartResult, previous: CatalogSnapshot | None = None, after: timedelta = timedelta()) -> Any:
    return next_snapshot(
        previous,
        results,
        source="aws",
        regions=(EAST,),
        parts=("models", "profiles", *PROJECT_PARTS),
        projects=(PROJECT,),
        at=NOW + after,
        max_stale=timedelta(days=1),
    )


ACCOUNT_ALONE = listing(EAST, model("a"))


def test_a_project_that_fails_leaves_the_catalog_complete_and_its_region_fresh() -> None:
    found = refreshed(*ACCOUNT_ALONE, *(failure(EAST, name) for name in PROJECT_PARTS))
    [region] = status_of(found, at=NOW, refresh_s=900).regions

    assert not is_incomplete(found.state)
    assert (region.state, region.failure, region.parts[2].state) == ("fresh", None, "missing")


def test_a_project_that_answers_alone_is_no_refresh() -> None:
    found = refreshed(*part(PROJECT_MODELS, model("a")), failure(EAST, MODELS), failure(EAST, "profiles"))

    assert (found.state.refreshed_at, is_incomplete(found.state)) == (None, True)


def test_a_project_that_fails_keeps_what_it_last_opened_and_one_that_is_not_there_nothing() -> None:
    before = refreshed(*ACCOUNT_ALONE, *part(PROJECT_MODELS, model("gated")))
    failed = refreshed(*ACCOUNT_ALONE, failure(EAST, PROJECT_MODELS), previous=before)
    emptied = refreshed(*ACCOUNT_ALONE, *part(PROJECT_MODELS), previous=before)
    gone = refreshed(*ACCOUNT_ALONE, *part(PROJECT_MODELS, is_offered=False), previous=before)

    assert [[it.id for it in found.project_entries] for found in (failed, emptied, gone)] == [["gated"], ["gated"], []]


def test_a_cursor_on_an_entry_of_a_project_outlives_it() -> None:
    before = refreshed(*ACCOUNT_ALONE, *part(PROJECT_MODELS, model("gated")))
    gone = refreshed(*ACCOUNT_ALONE, *part(PROJECT_MODELS, is_offered=False), previous=before)
    found = view(gone)

    assert found.cursor("after_id", "gated", found.entry_list(ListFilter(view="all"))) is not None


def test_the_status_has_the_mode_and_the_programs_of_regions_with_a_project() -> None:
    found = with_project(
        BASE,
        part(PROGRAMS, AccountSetting(id="one-program", value="a new word"), AccountSetting(id="two-programs")),
        part(DATA_RETENTION, AccountSetting(id="provider_data_share")),
    )
    projects = status_of(found, at=NOW, refresh_s=900).projects

    assert projects is not None
    assert [(it.region, it.project, it.data_retention, dict(it.programs)) for it in projects] == [
        (WEST, PROJECT, None, {}),
        (EAST, PROJECT, "provider_data_share", {"one-program": "a new word", "two-programs": None}),
    ]
    assert status_of(snapshot(BASE), at=NOW, refresh_s=900).projects is None


MODEL_ROWS = st.builds(
    model,
    st.sampled_from(["a", "b", "us.a", "gated"]),
    name=st.sampled_from([None, "A", "Same"]),
    inference_types=st.sampled_from([(), ("ON_DEMAND",), ("INFERENCE_PROFILE",), ("ON_DEMAND", "INFERENCE_PROFILE")]),
    end_of_life_at=st.sampled_from([None, NOW - timedelta(days=1)]),
)
PROFILE_ROWS = st.builds(
    profile,
    st.sampled_from(["us.a", "us.b", "a", "us.gated"]),
    st.sampled_from(["a", "b", "gated"]).map(lambda name: {name: [EAST]}),
    name=st.sampled_from([None, "A", "Same"]),
)


def plain_of(found: CatalogEntry | None) -> CatalogEntry | None:
    return None if found is None else replace(found, project_ways=None, projects_setting=())


def _unique(rows: list[Any]) -> list[Any]:
    return list({row.id: row for row in rows}.values())


@st.composite
def projects_listings(draw: st.DrawFn) -> list[PartListing | PartFailure]:
    results: list[PartListing | PartFailure] = []
    for region in (EAST, WEST):
        rows: dict[str, st.SearchStrategy[list[Any]]] = {
            PROJECT_MODELS: st.lists(MODEL_ROWS, max_size=4),
            PROJECT_PROFILES: st.lists(PROFILE_ROWS, max_size=4),
        }
        for name, strategy in rows.items():
            if draw(st.booleans()):
                results += part(name, *_unique(draw(strategy)), region=region)
            elif draw(st.booleans()):
                results.append(failure(region, name))
    return results


@settings(max_examples=100, deadline=None)
@given(
    base_models=st.lists(MODEL_ROWS, max_size=4),
    base_profiles=st.lists(PROFILE_ROWS, max_size=4),
    results=projects_listings(),
    include_provisioned=st.booleans(),
    region=st.sampled_from([(), (EAST,), (WEST,)]),
)
def test_whatever_a_project_answers_the_accounts_entries_are_the_same_but_for_its_keys(
    base_models: list[FoundationModel],
    base_profiles: list[InferenceProfile],
    results: list[PartListing | PartFailure],
    include_provisioned: bool,
    region: tuple[str, ...],
) -> None:
    base = listing(EAST, *_unique(base_models), *_unique(base_profiles)) + listing(WEST, model("a"))
    listings = [it for it in results if isinstance(it, PartListing)]
    failures = tuple(it for it in results if isinstance(it, PartFailure))
    without = view(snapshot(base), include_provisioned=include_provisioned)
    opened = snapshot(base, listings, failures=failures, projects=(PROJECT,))
    with_it = view(opened, include_provisioned=include_provisioned)

    for wanted in VIEWS:
        filters = ListFilter(view=wanted, regions=region)
        entries = with_it.entry_list(filters).entries
        plain = [plain_of(it) for it in entries if not it.is_of_project]
        assert plain == list(without.entry_list(filters).entries)
        assert wanted == "all" or len(plain) == len(entries)
        for it in without.entry_list(ListFilter(view=wanted)).entries:
            assert plain_of(with_it.find(it.id)) == without.find(it.id)
