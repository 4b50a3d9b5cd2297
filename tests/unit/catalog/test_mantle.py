"""Models on Mantle: where they are joined to the runtime endpoint's, what is known of the others, and who sees them."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.aliases import Alias, taken_names
from app.catalog.cards import CardBook
from app.catalog.changes import derive_events
from app.catalog.entries import CatalogEntry
from app.catalog.event_changes import ADDED, REMOVED
from app.catalog.next_snapshot import next_snapshot
from app.catalog.paging import UnknownCursor
from app.catalog.records import BASE_PARTS, EPOCH, MANTLE, PROJECT_MODELS, MantleModel
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.search import ModelFilter, search
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import status_of
from app.catalog.view import CatalogView, ListFilter
from tests.support.builders import NOW, day, failures, listing, model, profile, snapshot, view
from tests.unit.cards.support import book

EAST, WEST = "eu-west-1", "us-west-2"
ONLY = "maker.mantle-only"


def entry(catalog: CatalogSnapshot | CatalogView, model_id: str) -> CatalogEntry:
    found = view(catalog).find(model_id) if isinstance(catalog, CatalogSnapshot) else catalog.find(model_id)
    assert found is not None
    return found


def ids(seen: CatalogView, **wanted: Any) -> list[str]:
    return [it.id for it in seen.entry_list(ListFilter(**wanted)).entries]


def patterns(*words: str) -> EntryPatterns:
    return EntryPatterns(words)


def chat_card(**changes: Any) -> CardBook:
    card = {"display_name": "Only", "input_modalities": ["TEXT"], "output_modalities": ["TEXT"], "max_tokens": 5}
    return book(operator={ONLY: card | changes})


BOTH = snapshot(
    listing(EAST, model("a"), profile("eu.a", "a"), mantle=["a", ONLY]),
    listing(WEST, model("b"), mantle=[ONLY]),
)


def test_a_model_of_the_same_id_is_one_entry_whose_invocations_stay_the_runtimes() -> None:
    found = entry(BOTH, "a")

    assert found.mantle == {EAST: "a"}
    assert (found.invoke, found.regions) == ({EAST: "a"}, (EAST,))
    assert found.endpoints == ["bedrock-runtime", "bedrock-mantle"]


def test_a_model_that_is_not_on_mantle_is_served_by_the_runtime_alone() -> None:
    found = entry(BOTH, "b")

    assert (found.mantle, found.endpoints) == ({}, ["bedrock-runtime"])


def test_a_model_on_mantle_alone_is_an_entry_without_invocations() -> None:
    found = entry(BOTH, ONLY)

    assert found.mantle == {EAST: ONLY, WEST: ONLY}
    assert (found.invoke, found.regions, found.invocations) == ({}, (), ())
    assert found.endpoints == ["bedrock-mantle"]
    assert (found.name, found.created_at, found.provider) == (ONLY, EPOCH, None)
    assert ONLY in ids(view(BOTH))


def test_ids_that_only_look_alike_are_two_models() -> None:
    catalog = snapshot(listing(EAST, model("openai.gpt-oss-120b-1:0"), mantle=["openai.gpt-oss-120b"]))

    assert entry(catalog, "openai.gpt-oss-120b-1:0").mantle == {}
    assert entry(catalog, "openai.gpt-oss-120b").mantle == {EAST: "openai.gpt-oss-120b"}


def test_a_profile_is_not_on_mantle() -> None:
    found = entry(BOTH, "eu.a")

    assert (found.mantle, found.endpoints) == ({}, ["bedrock-runtime"])


def test_while_the_part_is_off_nothing_is_known_of_mantle() -> None:
    assert entry(snapshot(listing(EAST, model("a"))), "a").mantle is None


@pytest.mark.parametrize(
    ("status", "is_there"), [(None, True), ("available", True), ("Available", False), ("x", False)]
)
def test_a_row_counts_where_it_is_available_or_has_no_status(status: str | None, is_there: bool) -> None:
    catalog = snapshot(listing(EAST, model("a"), mantle=[MantleModel(id=ONLY, status=status)]))

    assert (view(catalog).find(ONLY) is not None) == is_there


def test_a_card_tells_what_a_model_on_mantle_alone_is_and_nothing_else_does() -> None:
    catalog = listing(EAST, model("a"), mantle=[ONLY])
    known, unknown = entry(snapshot(catalog, cards=chat_card()), ONLY), entry(snapshot(catalog), ONLY)

    assert (known.name, known.is_text, known.input_modalities) == ("Only", True, ("TEXT",))
    assert (unknown.name, unknown.is_text, unknown.input_modalities, unknown.card) == (ONLY, False, (), None)


def test_a_card_of_the_runtimes_model_tells_no_modalities() -> None:
    catalog = snapshot(listing(EAST, model(ONLY, input_modalities=("IMAGE",)), mantle=[ONLY]), cards=chat_card())

    assert entry(catalog, ONLY).input_modalities == ("IMAGE",)
    assert "input_modalities" in entry(catalog, ONLY).unused_card_fields


def test_the_earliest_date_and_the_preferred_regions_retention_describe_a_model() -> None:
    rows = [
        MantleModel(id=ONLY, created_at=day(5), data_retention_modes=("default",)),
        MantleModel(id=ONLY, created_at=day(3), data_retention_modes=("none",)),
    ]
    catalog = snapshot(*(listing(name, mantle=[row]) for name, row in zip([WEST, EAST], rows, strict=True)))
    east = view(catalog).entry_list(ListFilter(regions=(WEST,))).by_id[ONLY]

    assert entry(catalog, ONLY).created_at == day(3)
    assert entry(catalog, ONLY).data_retention == {"allowed_modes": ["default"]}
    assert (east.created_at, east.mantle) == (day(5), {WEST: ONLY})


def test_a_retention_that_no_region_tells_is_not_known() -> None:
    assert entry(BOTH, ONLY).data_retention is None


def test_a_filter_of_regions_finds_a_model_on_mantle_alone_and_shows_it_there() -> None:
    found = view(BOTH).entry_list(ListFilter(regions=(WEST,)))

    assert set(found.by_id) == {"b", ONLY}
    assert found.by_id[ONLY].mantle == {WEST: ONLY}


def test_a_model_of_the_runtimes_is_found_where_that_serves_it() -> None:
    catalog = snapshot(listing(EAST, model("a"), mantle=[]), listing(WEST, model("b"), mantle=["a"]))

    assert ids(view(catalog), regions=(WEST,)) == ["b"]
    assert view(catalog).entry_list(ListFilter(regions=(EAST,))).by_id["a"].mantle == {}


def test_a_filter_of_destinations_leaves_mantle_out_as_aws_does_not_tell_them() -> None:
    found = view(BOTH).entry_list(ListFilter(within=("eu-*",)))

    assert set(found.by_id) == {"a"} and found.by_id["a"].mantle == {}


def test_a_list_of_ids_to_send_to_the_runtime_has_no_model_on_mantle_alone() -> None:
    assert ids(view(BOTH), view="profiles") == ["a", "b", "eu.a"]
    assert ONLY in ids(view(BOTH), view="all")


def test_search_finds_a_model_on_mantle_alone_but_for_what_is_not_known_of_it() -> None:
    everywhere, seen = ListFilter(), view(BOTH)

    def found(**wanted: Any) -> list[str]:
        return [it.id for it in search(seen, ModelFilter(**wanted), everywhere, limit=10).page.entries]

    assert found(text="mantle-only") == [ONLY]
    assert ONLY not in found(input_modalities=["TEXT"])


@pytest.mark.parametrize(
    ("scope", "mantle"),
    [
        ({"models": patterns("maker.*")}, {EAST: ONLY, WEST: ONLY}),
        ({"models": patterns("other.*")}, None),
        ({"models": patterns()}, None),
        ({"excluded": patterns(ONLY)}, None),
        ({"regions": ("us-*",)}, {WEST: ONLY}),
        ({"regions": ("ap-*",)}, None),
        ({"within": ("*",)}, None),
    ],
)
def test_what_a_scope_does_not_see_does_not_exist_for_it(scope: dict[str, Any], mantle: dict[str, str] | None) -> None:
    seen = view(BOTH, **scope)
    found = seen.find(ONLY)

    assert (found.mantle if found is not None else None) == mantle
    assert (ONLY in ids(seen)) == (mantle is not None)
    if mantle is None:
        with pytest.raises(UnknownCursor):
            seen.cursor("after_id", ONLY, seen.entry_list(ListFilter()))


def test_a_scope_of_a_profile_alone_does_not_see_its_model_on_mantle() -> None:
    assert entry(view(BOTH, models=patterns("eu.a")), "a").mantle == {}


def test_an_alias_can_name_a_model_on_mantle_alone() -> None:
    aliases = [Alias(name="house", target=ONLY), Alias(name="newest", target="maker.*")]
    seen = CatalogView(BOTH, view(BOTH).scope, aliases)

    assert entry(seen, "house").id == ONLY
    assert "newest" not in seen.resolved, "a pattern stands for what the runtime endpoint serves"


def test_a_model_that_left_mantle_is_a_cursor_for_those_who_saw_it() -> None:
    gone = next_snapshot(
        BOTH,
        (*listing(EAST, model("a"), profile("eu.a", "a"), mantle=["a"]), *listing(WEST, model("b"), mantle=["b"])),
        source="aws",
        regions=(EAST, WEST),
        parts=(*BASE_PARTS, MANTLE),
        at=NOW + timedelta(hours=1),
        max_stale=timedelta(days=1),
    )
    seen, other = view(gone), view(gone, regions=(EAST,), models=patterns("a"))

    assert seen.find(ONLY) is None
    assert seen.cursor("after_id", ONLY, seen.entry_list(ListFilter())) is not None
    with pytest.raises(UnknownCursor):
        other.cursor("after_id", ONLY, other.entry_list(ListFilter()))


def test_mantle_alone_does_not_make_a_catalog_fresh() -> None:
    later = NOW + timedelta(hours=1)
    result = next_snapshot(
        BOTH,
        (*failures(EAST), *failures(WEST), *listing(EAST, without=BASE_PARTS, mantle=[ONLY])),
        source="aws",
        regions=(EAST, WEST),
        parts=(*BASE_PARTS, MANTLE),
        at=later,
        max_stale=timedelta(days=1),
    )

    assert (result.state.attempted_at, result.state.refreshed_at) == (later, NOW)


def test_in_the_demo_a_card_gives_the_date_too() -> None:
    cards = book(langchain={ONLY: {"display_name": "Only", "released": "2026-05-01"}})
    demo, aws = (snapshot(listing(EAST, mantle=[ONLY]), cards=cards, source=source) for source in ("demo", "aws"))

    assert entry(demo, ONLY).created_at.date() == date(2026, 5, 1)
    assert entry(aws, ONLY).created_at == EPOCH


NAMES = st.sampled_from(["a", "b", "c", "d", "eu.a", "eu.b", "Same"])
REGIONS = st.sampled_from([EAST, WEST])
ROWS = st.builds(
    MantleModel,
    id=NAMES,
    created_at=st.none() | st.just(day(400)),
    status=st.none() | st.sampled_from(["available", "gone"]),
    data_retention_modes=st.none() | st.just(("none",)),
)
FILTERS = st.builds(
    ListFilter,
    view=st.sampled_from(["models", "profiles", "all"]),
    regions=st.lists(REGIONS, max_size=1).map(tuple),
    within=st.lists(REGIONS, max_size=1).map(tuple),
)
BASE = (
    listing(EAST, model("a", end_of_life_at=NOW), model("b"), profile("eu.b", {"b": [EAST]})),
    listing(WEST, model("a"), model("c", inference_types=())),
)


@given(rows=st.lists(st.tuples(REGIONS, ROWS), max_size=6, unique_by=lambda it: (it[0], it[1].id)), wanted=FILTERS)
@settings(max_examples=100)
def test_whatever_mantle_lists_the_entries_of_the_base_parts_are_the_same(
    rows: list[tuple[str, MantleModel]], wanted: ListFilter
) -> None:
    mantle = [
        listing(name, without=BASE_PARTS, mantle=[row for at, row in rows if at == name]) for name in (EAST, WEST)
    ]
    aliases = [Alias(name=name, target="b") for name in ("c", "d", "free")]
    without, with_it = (CatalogView(it, Scope(), aliases=aliases) for it in (snapshot(*BASE), snapshot(*BASE, *mantle)))
    before, after = (it.entry_list(wanted).by_id for it in (without, with_it))

    assert {it: replace(after[it], mantle_rows=None) for it in before} == before
    assert set(after) - set(before) <= {row.id for _, row in rows}
    assert {it: replace(entry(with_it, it), mantle_rows=None) for it in before} == {
        it: entry(without, it) for it in before
    }


def types_between(before: CatalogSnapshot, after: CatalogSnapshot) -> list[tuple[str, str]]:
    return [(it.type, it.model_id) for it in derive_events(before, after, at=NOW + timedelta(hours=1))]


def test_a_model_on_mantle_alone_is_new_once_bedrock_lists_it_and_removed_once_it_does_no_longer() -> None:
    alone = snapshot(listing(EAST, model("b"), mantle=["a", "b"]))
    both = snapshot(listing(EAST, model("a"), model("b"), mantle=["a", "b"]))

    assert types_between(alone, both) == [(ADDED, "a")]
    assert types_between(both, alone) == [(REMOVED, "a")]
    assert types_between(snapshot(listing(EAST, model("b"), mantle=["b"])), alone) == []


def test_an_alias_with_the_id_of_a_model_on_mantle_stays_what_it_was() -> None:
    """Two ids of one model are what operators bridge."""
    found = snapshot(listing(EAST, model("gpt-1:0"), mantle=["gpt"]))
    seen = CatalogView(found, Scope(), [Alias(name="gpt", target="gpt-1:0")])

    assert (entry(seen, "gpt").id, entry(seen, "gpt-1:0").aliases) == ("gpt-1:0", ("gpt",))
    assert [(it.id, it.kind) for it in seen.entry_list(ListFilter()).entries] == [
        ("gpt", "alias"),
        ("gpt-1:0", "model"),
    ]
    assert taken_names([Alias(name="gpt", target="gpt-1:0")], found) == ()


def test_a_row_with_the_id_of_a_profile_or_an_arn_is_no_model() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x"
    found = snapshot(listing(EAST, model("a"), profile("eu.a", "a", name="Same"), mantle=["eu.a", arn, "Same"]))

    assert set(found.by_id) == {"a", "Same"}
    assert {it.id: it.name for it in view(found).entry_list(ListFilter(view="all")).entries} == {
        "a": "a",
        "eu.a": "Same",
        "Same": "Same (Same)",
    }


def test_a_catalogs_size_is_that_of_what_bedrock_lists() -> None:
    found = snapshot(listing(EAST, model("a"), mantle=["x", "y"]))

    assert status_of(found, at=NOW, refresh_s=900).models == 1


def test_values_that_an_entry_of_the_list_alone_has_can_be_searched_for() -> None:
    gated = replace(listing(EAST, model("g", provider="Gated", input_modalities=("VIDEO",)))[0], part=PROJECT_MODELS)
    seen = view(snapshot(listing(EAST, model("a")), (gated,), projects=("proj_a",)))
    wanted = ModelFilter(providers=("gated",), input_modalities=("video",))

    found = search(seen, wanted, listed=ListFilter(view="all"), limit=5)
    assert [it.id for it in found.page.entries] == ["g"]
