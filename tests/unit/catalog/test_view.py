"""What lists hold, what their filters match, what entries are called, and from any name to its entry."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.entries import GEOGRAPHIC, RETIRED
from app.catalog.paging import UnknownCursor, page_of
from app.catalog.records import PROFILES, InferenceProfile, RemovedModel
from app.catalog.scope import ALL_VIEW, MODELS_VIEW, PROFILES_VIEW, VIEWS
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.view import MAX_LISTS, CatalogView, ListFilter, UnknownValue
from tests.support.builders import NOW, day, listing, model, profile, snapshot, view
from tests.unit.catalog.generated import DESTINATIONS, REGIONS, WORLDS, World

ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123"
BY_PROFILE = ("INFERENCE_PROFILE",)
ENDED = {"lifecycle_status": "LEGACY", "end_of_life_at": NOW - timedelta(days=1)}

# On demand and through a profile, through profiles alone, by provisioned throughput alone, and past its end.
WORLD = snapshot(
    listing(
        "us-east-1",
        model("maker.both", name="Both", start_of_life_at=day(9)),
        model("maker.through", name="Through", start_of_life_at=day(8), inference_types=BY_PROFILE),
        model("maker.bought", name="Bought", start_of_life_at=day(7), inference_types=("PROVISIONED",)),
        model("maker.old", name="Old", start_of_life_at=day(1), **ENDED),
        profile("us.maker.both", {"maker.both": ["us-east-1", "us-west-2"]}, name="US Both"),
        profile("us.maker.through", {"maker.through": ["us-east-1", "us-west-2"]}, name="US Through"),
        profile("global.maker.through", {"maker.through": ["global"]}, name="Global Through"),
        profile("us.maker.old", {"maker.old": ["us-east-1"]}, name="US Old"),
    ),
    listing(
        "eu-west-1",
        model("maker.both", name="Both", start_of_life_at=day(9)),
        model("maker.through", name="Through", start_of_life_at=day(8), inference_types=BY_PROFILE),
        profile("eu.maker.through", {"maker.through": ["eu-west-1", "eu-south-2"]}, name="EU Through"),
        profile("global.maker.through", {"maker.through": ["global"]}, name="Global Through"),
        application_profiles=[profile(ARN, {"maker.both": ["eu-west-1"]}, name="Team", type="APPLICATION")],
    ),
)


def ids(catalog: CatalogSnapshot = WORLD, scope: dict[str, Any] | None = None, **wanted: Any) -> list[str]:
    """The ids of a list without what is retired, as every dialect shows it."""
    entries = view(catalog, **(scope or {})).entry_list(ListFilter(**wanted)).entries
    return [it.id for it in entries if it.lifecycle != RETIRED]


def names(catalog: CatalogSnapshot, listed: str = ALL_VIEW) -> dict[str, str]:
    return {it.id: it.name for it in view(catalog).entry_list(ListFilter(view=listed)).entries}


# What stands in a list.


def test_the_view_models_holds_what_can_be_called() -> None:
    assert ids(view=MODELS_VIEW) == ["maker.both", "maker.through"]


def test_the_view_profiles_holds_the_ids_that_can_be_sent_as_they_are() -> None:
    assert ids(view=PROFILES_VIEW) == [
        ARN,
        "maker.both",
        "us.maker.both",
        "eu.maker.through",
        "global.maker.through",
        "us.maker.through",
    ]


def test_the_view_all_holds_models_and_profiles() -> None:
    assert ids(view=ALL_VIEW) == sorted(
        {*ids(view=MODELS_VIEW), *ids(view=PROFILES_VIEW)}, key=lambda it: ("through" in it, it)
    )


@pytest.mark.parametrize("listed", VIEWS)
def test_without_a_view_a_list_is_the_scopes(listed: str) -> None:
    assert ids(scope={"list_view": listed}) == ids(view=listed)
    assert ids() == ids(view=MODELS_VIEW)


def test_models_without_an_invocation_are_listed_where_the_scope_includes_them() -> None:
    scope = {"include_provisioned": True}

    assert ids(scope=scope) == ["maker.both", "maker.through", "maker.bought"]
    assert ids(scope=scope, view=ALL_VIEW)[-1] == "maker.bought"
    assert ids(scope=scope, view=PROFILES_VIEW) == ids(view=PROFILES_VIEW)
    assert ids(scope=scope, regions=("us-east-1",)) == ["maker.both", "maker.through"]
    bought = view(WORLD, include_provisioned=True).find("maker.bought")
    assert bought is not None and (bought.regions, bought.invoke) == ((), {})


def test_a_retired_model_and_its_profiles_are_in_the_lists_and_marked() -> None:
    for listed, expected in (
        (MODELS_VIEW, {"maker.old"}),
        (PROFILES_VIEW, {"maker.old", "us.maker.old"}),
        (ALL_VIEW, {"maker.old", "us.maker.old"}),
    ):
        entries = view(WORLD).entry_list(ListFilter(view=listed)).entries
        retired = [it for it in entries if it.lifecycle == RETIRED]
        assert {it.id for it in retired} == expected
        assert {(it.regions, tuple(it.invoke)) for it in retired} == {((), ())}


def test_a_model_in_the_view_profiles_is_there_where_it_is_on_demand() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a"), profile("us.a", "a")),
        listing("eu-west-1", model("a", inference_types=BY_PROFILE), profile("eu.a", "a")),
    )

    [entry] = [it for it in view(catalog).entry_list(ListFilter(view=PROFILES_VIEW)).entries if it.id == "a"]

    assert (entry.kind, entry.regions, entry.invoke) == ("model", ("us-east-1",), {"us-east-1": "a"})


def test_a_profiles_entry_has_its_own_invocations_and_its_models_facts() -> None:
    catalog = snapshot(
        listing(
            "us-east-1",
            model("a", provider="P", start_of_life_at=day(3), lifecycle_status="LEGACY", end_of_life_at=day(900)),
            profile("us.a", {"a": ["us-west-2", "us-east-1"]}),
        ),
        listing("us-west-2", model("a"), profile("us.a", {"a": ["us-west-2"]}), profile("global.a", {"a": ["global"]})),
    )

    found = view(catalog).find("us.a")

    assert found is not None
    assert (found.kind, found.id, found.model_id, found.geography) == ("inference_profile", "us.a", "a", "us")
    assert found.destinations == {"us-east-1": ("us-east-1", "us-west-2"), "us-west-2": ("us-west-2",)}
    assert found.regions == ("us-east-1", "us-west-2")
    assert found.invoke == {"us-east-1": "us.a", "us-west-2": "us.a"}
    assert found.on_demand_regions == ()
    of_model = view(catalog).find("a")
    assert of_model is not None
    for field in ("provider", "created_at", "lifecycle", "retires_at", "input_modalities", "response_streaming"):
        assert getattr(found, field) == getattr(of_model, field), field


def test_a_profile_whose_regions_have_all_ended_is_not_listed_as_one_that_can_be_called() -> None:
    """Its model lives on in another region, where the profile is not."""
    catalog = snapshot(
        listing("us-east-1", model("a", **ENDED), profile("us.a", "a")),
        listing("eu-west-1", model("a"), profile("eu.a", "a")),
    )

    assert ids(catalog, view=PROFILES_VIEW) == ["a", "eu.a"]


def test_a_model_that_only_provisioned_throughput_still_calls_is_not_listed() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a", **ENDED)), listing("eu-west-1", model("a", inference_types=("PROVISIONED",)))
    )

    assert ids(catalog) == []
    assert ids(catalog, scope={"include_provisioned": True}) == ["a"]


def test_a_profile_of_several_models_stands_once_in_a_list() -> None:
    catalog = snapshot(listing("us-east-1", model("a"), model("b"), profile("us.both", {"a": ["us"], "b": ["us"]})))

    assert ids(catalog, view=ALL_VIEW) == ["a", "b", "us.both"]


def test_an_id_that_is_a_models_and_a_profiles_stands_once_in_a_list() -> None:
    catalog = snapshot(listing("us-east-1", model("x"), model("y"), profile("x", "y")))

    assert sorted(ids(catalog, view=ALL_VIEW)) == ["x", "y"]


def test_a_list_is_made_once_and_only_so_many_are_kept() -> None:
    catalog = view(WORLD)
    first = catalog.entry_list(ListFilter(view=MODELS_VIEW))

    assert catalog.entry_list(ListFilter()) is first
    for count in range(1, MAX_LISTS + 1):
        catalog.entry_list(ListFilter(regions=("us-east-1",) * count))
    again = catalog.entry_list(ListFilter())
    assert again is not first
    assert again.entries == first.entries


# Filters.


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (("eu-west-1",), ["maker.both", "maker.through"]),
        (("eu-*",), ["maker.both", "maker.through"]),
        (("EU-West-1",), ["maker.both", "maker.through"]),
        ((" eu-west-1 ",), ["maker.both", "maker.through"]),
        (("sa-*",), []),
        (("sa-*", "us-east-1"), ["maker.both", "maker.through"]),
    ],
)
def test_a_region_filter_takes_names_and_patterns_and_one_of_several_is_enough(
    patterns: tuple[str, ...], found: list[str]
) -> None:
    """sa-east-1 is configured, and has not answered."""
    catalog = snapshot(WORLD.state.listings, regions=("us-east-1", "eu-west-1", "sa-east-1"))

    assert ids(catalog, regions=patterns) == found


def test_a_region_filter_leaves_what_is_called_from_there() -> None:
    assert ids(view=PROFILES_VIEW, regions=("us-*",)) == [
        "maker.both",
        "us.maker.both",
        "global.maker.through",
        "us.maker.through",
    ]
    assert ids(view=PROFILES_VIEW, regions=("eu-*",)) == [ARN, "maker.both", "eu.maker.through", "global.maker.through"]


@pytest.mark.parametrize("patterns", [("mars-1",), ("us-east-1", "mars-*"), ("",), ("global",), ("eu-south-2",)])
def test_a_region_pattern_that_matches_no_configured_region_is_refused_with_those_that_are(
    patterns: tuple[str, ...],
) -> None:
    with pytest.raises(UnknownValue) as caught:
        ids(regions=patterns)

    assert (caught.value.field, caught.value.allowed) == ("region", ("eu-west-1", "us-east-1"))


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (("eu-*",), [ARN, "maker.both", "eu.maker.through"]),
        (("EU-*",), [ARN, "maker.both", "eu.maker.through"]),
        (("eu-west-1",), [ARN, "maker.both"]),
        (("eu-west-1", "eu-south-2"), [ARN, "maker.both", "eu.maker.through"]),
        (("us-*",), ["maker.both", "us.maker.both", "us.maker.through"]),
        (("us-west-2",), []),
        # Global is no region: its own name and `*` alone match it.
        (("global",), ["global.maker.through"]),
        (("Global",), ["global.maker.through"]),
        (("*-*", "us*", "eu*"), [ARN, "maker.both", "us.maker.both", "eu.maker.through", "us.maker.through"]),
        (
            ("*",),
            [ARN, "maker.both", "us.maker.both", "eu.maker.through", "global.maker.through", "us.maker.through"],
        ),
        (("eu-*", "global"), [ARN, "maker.both", "eu.maker.through", "global.maker.through"]),
    ],
)
def test_within_leaves_what_is_processed_inside_alone(patterns: tuple[str, ...], found: list[str]) -> None:
    assert ids(view=PROFILES_VIEW, within=patterns) == found


@pytest.mark.parametrize("patterns", [("mars-*",), ("eu-*", "mars-1"), ("gl*",), ("*bal",), ("",)])
def test_a_destination_pattern_that_matches_none_is_refused_with_those_that_there_are(
    patterns: tuple[str, ...],
) -> None:
    with pytest.raises(UnknownValue) as caught:
        ids(within=patterns)

    assert caught.value.field == "within"
    assert caught.value.allowed == ("eu-south-2", "eu-west-1", "global", "us-east-1", "us-west-2")


def test_a_filter_takes_from_all_that_a_model_tells_of_its_calls() -> None:
    [both, through] = view(WORLD).entry_list(ListFilter(within=("eu-*",))).entries

    assert (both.regions, both.on_demand_regions, both.invoke) == (
        ("eu-west-1",),
        ("eu-west-1",),
        {"eu-west-1": "maker.both"},
    )
    assert (through.regions, through.invoke) == (("eu-west-1",), {"eu-west-1": "eu.maker.through"})
    assert through.inference_profiles == {"eu.maker.through": ("eu-west-1",)}


def test_a_retired_model_counts_in_the_regions_whose_rows_said_that_it_was_callable() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a", **ENDED)),
        listing("us-west-2", model("a", inference_types=BY_PROFILE, **ENDED)),
        listing("eu-west-1", model("a", inference_types=("PROVISIONED",), **ENDED)),
    )

    def retired(region: str) -> list[str]:
        return [it.id for it in view(catalog).entry_list(ListFilter(regions=(region,))).entries]

    assert [retired(region) for region in ("us-east-1", "us-west-2", "eu-west-1")] == [["a"], ["a"], []]


def test_a_list_is_sorted_by_the_dates_of_the_regions_that_are_left() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a", start_of_life_at=day(1)), model("b", start_of_life_at=day(2))),
        listing("eu-west-1", model("a", start_of_life_at=day(9)), model("b", start_of_life_at=day(8))),
    )

    assert ids(catalog) == ["b", "a"]
    assert ids(catalog, regions=("eu-west-1",)) == ["a", "b"]


# Names.


def test_a_profile_has_aws_name_and_else_its_models_with_the_geography() -> None:
    opus = "anthropic.claude-opus-4-8"
    catalog = snapshot(
        listing(
            "eu-west-1",
            model(opus, name="Claude Opus 4.8"),
            profile(f"us.{opus}", opus, name="US Anthropic Claude Opus 4.8"),
            profile(f"eu.{opus}", opus),
            profile(f"apac.{opus}", opus),
            profile(f"global.{opus}", opus),
            profile("something-else", opus),
        )
    )

    assert names(catalog) == {
        opus: "Claude Opus 4.8",
        f"us.{opus}": "US Anthropic Claude Opus 4.8",
        f"eu.{opus}": "Claude Opus 4.8 (EU)",
        f"apac.{opus}": "Claude Opus 4.8 (APAC)",
        f"global.{opus}": "Claude Opus 4.8 (Global)",
        "something-else": "Claude Opus 4.8 (something-else)",
    }


def test_names_of_profiles_are_distinct_in_a_list() -> None:
    own = profile(ARN, {"a": ["eu-west-1"]}, type="APPLICATION")
    catalog = snapshot(
        listing(
            "eu-west-1",
            model("a", name="A"),
            profile("eu.a", "a", name="Same"),
            profile("us.a", "a", name="Same"),
            profile("global.a", "a", name="A"),
            profile("x", "a", name="Other"),
            application_profiles=[own],
        )
    )

    assert names(catalog) == {
        "a": "A",
        "eu.a": "Same (eu.a)",
        "us.a": "Same (us.a)",
        "global.a": "A (global.a)",
        "x": "Other",
        ARN: f"A ({ARN})",
    }


@given(WORLDS, st.sampled_from([PROFILES_VIEW, ALL_VIEW]))
def test_no_profile_is_called_as_another_entry_of_its_list(world: World, listed: str) -> None:
    entries = view(world.snapshot()).entry_list(ListFilter(view=listed)).entries
    called = [it.name for it in entries if it.kind == "inference_profile"]

    assert len(called) == len(set(called))
    assert set(called).isdisjoint(it.name for it in entries if it.kind == "model")


# The account's own profiles.


@pytest.mark.parametrize(("listed", "is_there"), [(MODELS_VIEW, False), (PROFILES_VIEW, True), (ALL_VIEW, True)])
def test_application_profiles_stand_in_lists_of_profiles_alone(listed: str, is_there: bool) -> None:
    assert (ARN in ids(view=listed)) is is_there


def test_an_application_profile_stands_nowhere_in_its_model() -> None:
    for wanted in (ListFilter(view=ALL_VIEW), ListFilter(view=ALL_VIEW, regions=("eu-*",), within=("eu-*",))):
        models = [it for it in view(WORLD).entry_list(wanted).entries if it.kind == "model"]
        assert models
        assert not any(ARN in it.inference_profiles or ARN in it.invoke.values() for it in models)


@pytest.mark.parametrize("name", [ARN, f"{ARN}[1m]", f"bedrock/{ARN}"])
def test_an_application_profile_is_found_by_its_arn(name: str) -> None:
    found = view(WORLD).find(name)

    assert found is not None
    assert (found.id, found.name, found.model_id, found.geography) == (ARN, "Team", "maker.both", "application")


def test_an_arn_of_an_application_profile_that_is_not_listed_finds_nothing() -> None:
    assert view(WORLD).find(ARN.replace("abc123", "other")) is None
    assert view(WORLD).find("abc123") is None


# From any name to an entry.

NAMES = snapshot(
    listing(
        "us-east-1",
        model("maker.a-v1:0"),
        model("maker.a-v1:0:200k"),
        model("maker.b"),
        model("maker.bought", inference_types=("PROVISIONED",)),
        model("/maker/slash"),
        model("maker\nline"),
        model("anthropic/maker.own"),
        profile("us.maker.a-v1:0", "maker.a-v1:0"),
        profile("global.maker.b", "maker.b"),
        profile("us.maker.gone", "maker.gone"),
        profile("us.maker.b", "maker.b", status="DELETING"),
        profile("us.maker\nline", "maker\nline"),
    )
)
MODEL_ARN = "arn:aws:bedrock:us-east-1::foundation-model/"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"


def found(name: str, catalog: CatalogSnapshot = NAMES, **scope: Any) -> str | None:
    entry = view(catalog, **scope).find(name)
    return None if entry is None else entry.id


@pytest.mark.parametrize(
    "name",
    [
        "maker.a-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/maker.a-v1:0",
        "arn:aws:bedrock:::foundation-model/maker.a-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/maker.a-v1:0",
        "arn:aws-cn:bedrock:cn-north-1::foundation-model/maker.a-v1:0",
        "arn:aws-iso-b:bedrock:us-isob-east-1::foundation-model/maker.a-v1:0",
    ],
)
@pytest.mark.parametrize("suffix", ["", "[1m]", "[1M]"])
@pytest.mark.parametrize("prefix", ["", "bedrock/", "converse/", "anthropic/", "bedrock/converse/"])
def test_every_name_of_a_model_finds_it(name: str, suffix: str, prefix: str) -> None:
    assert found(prefix + name + suffix) == "maker.a-v1:0"


@pytest.mark.parametrize(
    "name",
    [
        "us.maker.a-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.maker.a-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-east-1:123456789012:inference-profile/us.maker.a-v1:0",
    ],
)
@pytest.mark.parametrize("suffix", ["", "[1m]", "[1M]"])
@pytest.mark.parametrize("prefix", ["", "bedrock/", "converse/", "anthropic/"])
def test_every_name_of_a_profile_finds_the_profile(name: str, suffix: str, prefix: str) -> None:
    assert found(prefix + name + suffix) == "us.maker.a-v1:0"


@pytest.mark.parametrize(
    ("name", "entry_id"),
    [
        ("/maker/slash", "/maker/slash"),
        (f"{MODEL_ARN}/maker/slash", "/maker/slash"),
        ("bedrock//maker/slash", "/maker/slash"),
        ("maker\nline", "maker\nline"),
        (f"{MODEL_ARN}maker\nline", "maker\nline"),
        (f"{PROFILE_ARN}us.maker\nline", "us.maker\nline"),
        # As it stands before any spelling of it.
        ("anthropic/maker.own", "anthropic/maker.own"),
    ],
)
def test_ids_are_opaque(name: str, entry_id: str) -> None:
    assert found(name) == entry_id


def test_an_id_that_begins_like_another_is_its_own() -> None:
    assert found("maker.a-v1:0:200k") == "maker.a-v1:0:200k"
    assert found(f"{MODEL_ARN}maker.a-v1:0:200k") == "maker.a-v1:0:200k"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "maker.a",
        "MAKER.A-V1:0",
        "maker.a-v1:0 ",
        "maker.a-v1:0[2m]",
        "[1m]",
        "[1m]maker.b",
        "bedrock/",
        "bedrock",
        "Bedrock/maker.b",
        "vertex/maker.b",
        "maker/slash",
        "maker.own",
        # A profile that is being deleted, or routes to nothing that is listed, is no name.
        "us.maker.b",
        "us.maker.gone",
        # What only provisioned throughput can call.
        "maker.bought",
        f"{MODEL_ARN}maker.bought",
        # The two kinds of ARN each name their own kind.
        f"{PROFILE_ARN}maker.b",
        f"{MODEL_ARN}global.maker.b",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/maker.b",
        "arn:aws:s3:us-east-1::foundation-model/maker.b",
        "arn:aws:bedrock:us-east-1:12345:foundation-model/maker.b",
        "arn:gcp:bedrock:us-east-1::foundation-model/maker.b",
        MODEL_ARN,
        f"x{MODEL_ARN}maker.b",
        f"{MODEL_ARN}{MODEL_ARN}maker.b",
        "maker.b\n",
        "maker.b\x00",
        "\ud800",
    ],
)
def test_what_is_no_name_of_an_entry_finds_nothing(name: str) -> None:
    assert found(name) is None


@pytest.mark.parametrize("piece", ["x", "[1m]", "bedrock/", "bedrock/[1m]", MODEL_ARN])
def test_a_name_of_any_length_finds_nothing(piece: str) -> None:
    assert found(piece * 20_000) is None


def test_the_answer_does_not_depend_on_the_account_in_an_arn() -> None:
    for account in ("000000000000", "123456789012", "999999999999"):
        assert found(f"arn:aws:bedrock:us-east-1:{account}:inference-profile/global.maker.b") == "global.maker.b"


def test_an_id_that_ends_in_the_suffix_is_found_as_it_stands() -> None:
    assert found("maker.a[1m]", snapshot(listing("us-east-1", model("maker.a"), model("maker.a[1m]")))) == "maker.a[1m]"


def test_a_model_goes_before_a_profile_of_the_same_id() -> None:
    entry = view(snapshot(listing("us-east-1", model("x"), model("y"), profile("x", "y")))).find("x")

    assert entry is not None and (entry.kind, entry.model_id) == ("model", "x")


def test_a_profile_of_several_models_is_of_the_first_in_list_order() -> None:
    entry = view(snapshot(listing("us-east-1", model("b"), model("a"), profile("us.both", "b", "a")))).find("us.both")

    assert entry is not None and entry.model_id == "a"


def test_a_kind_of_profile_that_is_left_out_is_found_by_no_name() -> None:
    rows = (model("a"), profile("us.a", {"a": ["us"]}), profile("global.a", {"a": ["global"]}))
    catalog = snapshot(listing("us-east-1", *rows), invoke_order=(GEOGRAPHIC,))

    assert [found(name, catalog) for name in ("a", "us.a", "global.a")] == ["a", "us.a", None]


def test_what_is_found_is_whole_whatever_was_listed_before() -> None:
    catalog = view(WORLD)
    catalog.entry_list(ListFilter(regions=("eu-west-1",)))

    entry = catalog.find("maker.both")

    assert entry is not None and entry.regions == ("eu-west-1", "us-east-1")


def test_a_retired_model_is_found() -> None:
    assert found("maker.old", WORLD) == "maker.old"
    assert found("us.maker.old", WORLD) == "us.maker.old"


# Cursors.


def after(catalog: CatalogView, entry_id: str, **wanted: Any) -> list[str]:
    """The ids behind a cursor in a list."""
    entries = catalog.entry_list(ListFilter(**wanted))
    page = page_of(entries.entries, limit=100, after=catalog.cursor("after_id", entry_id, entries))
    return [it.id for it in page.entries]


def test_a_cursor_is_the_place_of_its_entry() -> None:
    catalog = view(WORLD)

    assert catalog.cursor("after_id", None, catalog.entry_list(ListFilter())) is None
    assert after(catalog, "maker.both") == ["maker.through", "maker.old"]
    assert after(catalog, "global.maker.through", view=ALL_VIEW) == [
        "maker.through",
        "us.maker.through",
        "maker.old",
        "us.maker.old",
    ]


@pytest.mark.parametrize("entry_id", ["us.maker.both", ARN])
def test_a_cursor_may_be_an_entry_that_is_not_in_this_list(entry_id: str) -> None:
    assert after(view(WORLD), entry_id) == [
        *(["maker.both"] if entry_id < "maker.both" else []),
        "maker.through",
        "maker.old",
    ]
    assert "maker.both" not in after(view(WORLD), entry_id, regions=("us-east-1",)) or entry_id == ARN


def test_a_cursor_of_a_filtered_list_has_the_dates_of_that_list() -> None:
    catalog = view(
        snapshot(
            listing("us-east-1", model("a", start_of_life_at=day(1)), model("b", start_of_life_at=day(2))),
            listing("eu-west-1", model("a", start_of_life_at=day(9)), model("b", start_of_life_at=day(8))),
        )
    )

    assert after(catalog, "b") == ["a"]
    assert after(catalog, "a", regions=("eu-west-1",)) == ["b"]
    assert after(catalog, "b", regions=("eu-west-1",)) == []


def test_a_cursor_outlives_its_entry() -> None:
    gone = (RemovedModel(id="gone", created_at=day(8), removed_at=NOW),)
    catalog = view(snapshot(WORLD.state.listings, regions=("us-east-1", "eu-west-1"), removed=gone))

    assert after(catalog, "gone") == ["maker.through", "maker.old"]


@pytest.mark.parametrize("entry_id", ["ghost", "", "maker.bought", "us.maker.ghost"])
def test_a_cursor_that_was_never_listed_names_the_parameter(entry_id: str) -> None:
    catalog = view(WORLD)

    with pytest.raises(UnknownCursor) as caught:
        catalog.cursor("before_id", entry_id, catalog.entry_list(ListFilter()))

    assert (caught.value.field, caught.value.model_id) == ("before_id", entry_id)


# For any listings.


def callable_ids(world: World, **wanted: Any) -> list[str]:
    return ids(world.snapshot(), **wanted)


@given(WORLDS, st.sampled_from(REGIONS))
def test_the_ids_of_the_view_profiles_in_a_region_are_those_that_the_region_accepts(world: World, region: str) -> None:
    assert sorted(callable_ids(world, view=PROFILES_VIEW, regions=(region,))) == sorted(world.ids(region))


@given(WORLDS)
def test_the_ids_of_the_view_profiles_are_those_that_any_region_accepts(world: World) -> None:
    accepted = set().union(*map(world.ids, REGIONS))

    assert sorted(callable_ids(world, view=PROFILES_VIEW)) == sorted(accepted)


@given(WORLDS, st.sampled_from(VIEWS))
def test_the_ids_to_send_are_ids_that_their_regions_accept(world: World, listed: str) -> None:
    for entry in view(world.snapshot()).entry_list(ListFilter(view=listed)).entries:
        for region, sent in entry.invoke.items():
            assert sent in world.ids(region)
        ways = [(it, region) for it, regions in entry.inference_profiles.items() for region in regions]
        own = [(entry.id, region) for region in entry.on_demand_regions]
        assert all(sent in world.ids(region) for sent, region in ways + own)


@given(WORLDS, st.sampled_from(VIEWS))
def test_a_region_without_an_id_to_send_is_one_whose_profiles_were_never_listed(world: World, listed: str) -> None:
    for entry in view(world.snapshot()).entry_list(ListFilter(view=listed)).entries:
        for region in set(entry.regions) - entry.invoke.keys():
            assert not any((it.region, it.part) == (region, PROFILES) for it in world)


@settings(max_examples=50)
@given(WORLDS, st.frozensets(st.sampled_from(DESTINATIONS), min_size=1))
def test_within_lets_through_what_is_processed_inside_and_nothing_else(world: World, inside: frozenset[str]) -> None:
    catalog = world.snapshot()
    known = inside & view(catalog).destinations
    if not known:
        return
    wanted = {"within": tuple(sorted(known))}

    accepted = {region: world.ids(region, known) for region in REGIONS}

    assert sorted(callable_ids(world, view=PROFILES_VIEW, **wanted)) == sorted(set().union(*accepted.values()))
    for listed in VIEWS:
        for entry in view(catalog).entry_list(ListFilter(view=listed, **wanted)).entries:
            ways = [(it, region) for it, regions in entry.inference_profiles.items() for region in regions]
            own = [(entry.id, region) for region in entry.on_demand_regions]
            assert all(sent in accepted[region] for sent, region in ways + own)
            assert set(entry.regions) == entry.invoke.keys()


@given(WORLDS, st.sampled_from(VIEWS), st.sampled_from([(), ("us-east-1",), ("eu-*",)]))
def test_an_entry_stands_once_in_a_list_and_can_be_called_unless_it_is_retired(
    world: World, listed: str, regions: tuple[str, ...]
) -> None:
    entries = view(world.snapshot()).entry_list(ListFilter(view=listed, regions=regions)).entries

    assert len({it.id for it in entries}) == len(entries)
    assert all(bool(it.regions) == (it.lifecycle != RETIRED) for it in entries)


@given(WORLDS)
def test_what_is_listed_is_found_as_it_is_listed(world: World) -> None:
    catalog = view(world.snapshot())
    for entry in catalog.entry_list(ListFilter(view=ALL_VIEW)).entries:
        found = catalog.find(entry.id)

        assert found is not None
        assert (found.id, found.kind, found.invocations) == (entry.id, entry.kind, entry.invocations)


def test_profiles_of_format_1_without_destinations_are_listed_as_geographic() -> None:
    row = InferenceProfile(id="global.a", models=(("a", ()),))

    assert ids(snapshot(listing("us-east-1", model("a", inference_types=()), row)), view=PROFILES_VIEW) == ["global.a"]
