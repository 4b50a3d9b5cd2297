"""From the parts of all regions to one entry per model: what its rows tell, and every way to call it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from app.catalog.entries import GEOGRAPHIC, INVOKE_ORDER, ON_DEMAND, WORLDWIDE, CatalogEntry
from app.catalog.merge import MergedCatalog, geography_of, merge_listings
from app.catalog.records import EPOCH, MODELS, PROFILES, FoundationModel, InferenceProfile, PartListing
from app.catalog.records import INFERENCE_PROFILE as BY_PROFILE
from app.catalog.records import ON_DEMAND as BY_MODEL
from tests.support.builders import NOW, day, listing, model, profile

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"


def merged(*regions: Iterable[PartListing], order: tuple[str, ...] = (), **options: Any) -> MergedCatalog:
    """Merged, with the regions in the order given unless another is wanted."""
    listings = [it for region in regions for it in region]
    return merge_listings(listings, **({"at": NOW, "regions": order or [it.region for it in listings]} | options))


def only(*regions: Iterable[PartListing], **options: Any) -> CatalogEntry:
    [found] = merged(*regions, **options).models
    return found


def through_profile(model_id: str = "a", **changes: Any) -> FoundationModel:
    return model(model_id, **({"inference_types": (BY_PROFILE,)} | changes))


def ended(model_id: str = "a", **changes: Any) -> FoundationModel:
    return model(model_id, **({"lifecycle_status": "LEGACY", "end_of_life_at": NOW} | changes))


# What regions tell of one model.


def test_a_model_listed_twice_is_one_model_in_two_regions() -> None:
    found = merged(listing("us-west-2", model("a")), listing("eu-west-1", model("a")))

    assert [(it.id, it.regions) for it in found.models] == [("a", ("eu-west-1", "us-west-2"))]


@pytest.mark.parametrize("part", [MODELS, PROFILES])
def test_two_listings_of_one_part_of_a_region_are_an_error(part: str) -> None:
    one = listing("us-east-1", without={MODELS, PROFILES} - {part})

    with pytest.raises(ValueError, match=f"{part} in us-east-1"):
        merged(one, one)


def test_the_preferred_region_that_has_a_value_describes_the_model() -> None:
    east = listing("us-east-1", model("a", provider="First"))
    west = listing("eu-west-1", model("a", name="Second Name", provider="Second"))

    for found in (only(east, west), only(west, east, order=("us-east-1", "eu-west-1"))):
        assert (found.name, found.provider) == ("Second Name", "First")
    assert only(east, west, order=("eu-west-1", "us-east-1")).provider == "Second"


def test_a_model_that_no_region_names_is_called_by_its_id() -> None:
    found = only(listing("us-east-1", model("a")))

    assert (found.name, found.provider) == ("a", None)


def test_modalities_and_streaming_are_the_union_in_the_order_of_the_regions() -> None:
    found = only(
        listing("us-east-1", model("a", input_modalities=("TEXT",), output_modalities=("TEXT",))),
        listing(
            "eu-west-1",
            model("a", input_modalities=("IMAGE", "TEXT"), output_modalities=("SPEECH",), response_streaming=True),
        ),
    )

    assert found.input_modalities == ("TEXT", "IMAGE")
    assert found.output_modalities == ("TEXT", "SPEECH")
    assert found.response_streaming


@pytest.mark.parametrize(
    ("values", "streaming"), [((None, None), None), ((False, None), False), ((False, True), True), ((None, True), True)]
)
def test_streaming_is_unknown_where_no_region_tells(values: tuple[bool | None, ...], streaming: bool | None) -> None:
    one, two = (model("a", response_streaming=value) for value in values)

    assert only(listing("us-east-1", one), listing("eu-west-1", two)).response_streaming is streaming


def test_a_model_is_as_old_as_its_earliest_start_in_any_region() -> None:
    found = only(
        listing("us-east-1", model("a", start_of_life_at=None)),
        listing("us-west-2", model("a", start_of_life_at=day(9))),
        listing("eu-west-1", model("a", start_of_life_at=day(2))),
    )

    assert found.created_at == day(2)


def test_a_model_without_a_start_is_as_old_as_the_epoch() -> None:
    assert only(listing("us-east-1", model("a", start_of_life_at=None))).created_at == EPOCH


def test_models_are_listed_newest_first_and_those_of_one_second_by_id() -> None:
    found = merged(
        listing(
            "us-east-1",
            model("old", start_of_life_at=day(1)),
            model("b", start_of_life_at=day(5) + timedelta(milliseconds=1)),
            model("undated", start_of_life_at=None),
            model("a", start_of_life_at=day(5)),
            model("new", start_of_life_at=day(9)),
        )
    )

    assert [it.id for it in found.models] == ["new", "a", "b", "old", "undated"]


def test_a_model_is_retired_where_every_region_that_lists_it_has_ended() -> None:
    everywhere = only(listing("us-east-1", ended()), listing("eu-west-1", ended()))
    in_one = only(listing("us-east-1", ended()), listing("eu-west-1", model("a")))

    assert (everywhere.lifecycle, everywhere.retires_at) == ("retired", NOW)
    assert (in_one.lifecycle, in_one.retires_at) == ("active", None)


# Where a model is callable, and by which id.


def test_a_model_is_callable_on_demand_by_its_own_id_where_its_row_says_so() -> None:
    found = only(
        listing("us-east-1", model("a", inference_types=(BY_PROFILE, BY_MODEL))),
        listing("eu-west-1", model("a", inference_types=("PROVISIONED",))),
        listing("eu-west-3", model("a", inference_types=("SOMETHING_NEW",))),
        listing("sa-east-1", model("a", inference_types=())),
        listing("ap-south-1", model("a", inference_types=None)),
        listing("us-west-2", model("a", inference_types=("ON_DEMAND", "PROVISIONED"))),
    )

    assert found.regions == found.on_demand_regions == ("us-east-1", "us-west-2")
    assert found.invoke == {"us-east-1": "a", "us-west-2": "a"}
    assert found.inference_profiles == {}


def test_a_model_is_callable_through_a_profile_where_the_region_lists_both() -> None:
    found = only(
        listing("us-east-1", through_profile(), profile("us.a", {"a": ["us-east-1", "us-west-2"]})),
        listing("us-west-2", through_profile(inference_types=()), profile("us.a", {"a": ["us-west-2"]})),
    )

    assert found.regions == ("us-east-1", "us-west-2")
    assert found.on_demand_regions == ()
    assert found.invoke == {"us-east-1": "us.a", "us-west-2": "us.a"}
    assert found.inference_profiles == {"us.a": ("us-east-1", "us-west-2")}


def test_profiles_and_their_source_regions_are_sorted() -> None:
    found = only(
        listing("us-west-2", model("a"), profile("us.a", "a"), profile("global.a", "a")),
        listing("us-east-1", model("a"), profile("us.a", "a")),
    )

    assert list(found.inference_profiles.items()) == [
        ("global.a", ("us-west-2",)),
        ("us.a", ("us-east-1", "us-west-2")),
    ]


def test_a_profile_of_a_model_that_the_region_does_not_list_is_an_orphan_and_makes_nothing_callable() -> None:
    found = merged(
        listing("us-east-1", model("a"), profile("us.ghost", "ghost"), profile("us.both", "ghost", "a")),
        listing("eu-north-1", profile("eu.a", "a")),
    )

    assert [(it.id, it.regions) for it in found.models] == [("a", ("us-east-1",))]
    assert found.models[0].inference_profiles == {"us.both": ("us-east-1",)}
    assert found.orphan_profiles == 2


def test_a_profile_whose_model_ended_is_no_orphan_while_the_region_lists_the_model() -> None:
    assert merged(listing("us-east-1", ended(), profile("us.a", "a"))).orphan_profiles == 0


@pytest.mark.parametrize(("status", "regions"), [("ACTIVE", ("us-east-1",)), (None, ("us-east-1",)), ("DELETING", ())])
def test_a_profile_that_is_not_active_makes_nothing_callable(status: str | None, regions: tuple[str, ...]) -> None:
    found = merged(listing("us-east-1", through_profile(), profile("us.a", "a", status=status)))

    assert found.models[0].regions == regions
    assert found.orphan_profiles == 0


def test_a_row_that_says_profile_where_the_region_lists_none_is_callable_nowhere() -> None:
    found = only(listing("us-east-1", through_profile()))

    assert (found.regions, found.invoke, found.is_callable) == ((), {}, False)


def test_where_profiles_were_never_listed_a_row_is_callable_with_no_id_to_send() -> None:
    found = only(
        listing("us-east-1", through_profile(), without=[PROFILES]),
        listing("us-west-2", model("a", inference_types=(BY_MODEL, BY_PROFILE)), without=[PROFILES]),
        listing("eu-west-1", model("a", inference_types=("PROVISIONED",)), without=[PROFILES]),
    )

    assert found.regions == ("us-east-1", "us-west-2")
    assert found.invoke == {"us-west-2": "a"}
    assert found.inference_profiles == {}


def test_where_models_were_never_listed_profiles_make_nothing_callable() -> None:
    found = merged(listing("us-east-1", profile("us.a", "a"), without=[MODELS]))

    assert found.models == ()


def test_a_provisioned_only_model_is_in_the_catalog_and_callable_nowhere() -> None:
    found = only(listing("us-east-1", model("a:0:200k", inference_types=("PROVISIONED",))))

    assert found.regions == () and not found.is_callable


def test_a_region_whose_row_has_ended_leaves_the_regions() -> None:
    found = only(
        listing("us-east-1", ended(), profile("us.a", "a")),
        listing("eu-west-1", model("a"), profile("eu.a", "a")),
        listing("eu-west-3", ended(inference_types=(BY_PROFILE,)), without=[PROFILES]),
    )

    assert found.regions == found.on_demand_regions == ("eu-west-1",)
    assert found.invoke == {"eu-west-1": "a"}
    assert found.inference_profiles == {"eu.a": ("eu-west-1",)}


@pytest.mark.parametrize(
    ("types", "was_callable"),
    [((BY_MODEL,), True), ((BY_PROFILE,), True), (("PROVISIONED",), False), ((), False), (None, False)],
)
def test_a_retired_model_was_callable_where_its_row_said_on_demand_or_profile(
    types: tuple[str, ...] | None, was_callable: bool
) -> None:
    found = only(listing("us-east-1", ended(inference_types=types)))

    assert (found.lifecycle, found.regions, found.invoke, found.inference_profiles) == ("retired", (), {}, {})
    assert found.is_callable is was_callable


def test_a_row_that_is_listed_twice_in_a_region_counts_once() -> None:
    found = only(listing("us-east-1", model("a"), model("a"), profile("us.a", "a"), profile("us.a", "a")))

    assert found.regions == found.on_demand_regions == ("us-east-1",)
    assert found.inference_profiles == {"us.a": ("us-east-1",)}


# Which id to send.


def a_choice() -> tuple[PartListing, ...]:
    """A region with all three kinds."""
    return listing(
        "us-east-1",
        model("a"),
        profile("us.a", {"a": ["us-east-1", "us-west-2"]}),
        profile("global.a", {"a": ["global", "us-east-1"]}),
    )


@pytest.mark.parametrize(
    ("order", "sent"),
    [
        ((ON_DEMAND, GEOGRAPHIC, WORLDWIDE), "a"),
        ((GEOGRAPHIC, ON_DEMAND, WORLDWIDE), "us.a"),
        ((WORLDWIDE, GEOGRAPHIC, ON_DEMAND), "global.a"),
        ((ON_DEMAND,), "a"),
        ((GEOGRAPHIC,), "us.a"),
        ((WORLDWIDE,), "global.a"),
    ],
)
def test_the_id_to_send_is_of_the_first_kind_that_the_region_has(order: tuple[str, ...], sent: str) -> None:
    assert only(a_choice(), invoke_order=order).invoke == {"us-east-1": sent}


def test_each_region_has_the_first_kind_that_it_has() -> None:
    found = only(
        a_choice(),
        listing("us-west-2", through_profile(), profile("us.a", "a"), profile("global.a", {"a": ["global"]})),
        listing("sa-east-1", through_profile(), profile("global.a", {"a": ["global"]})),
    )

    assert found.invoke == {"sa-east-1": "global.a", "us-east-1": "a", "us-west-2": "us.a"}


def test_a_kind_that_is_left_out_is_no_way_to_call_a_model() -> None:
    without_global = only(a_choice(), invoke_order=(ON_DEMAND, GEOGRAPHIC))
    without_on_demand = only(a_choice(), invoke_order=(WORLDWIDE, GEOGRAPHIC))
    without_profiles = only(a_choice(), invoke_order=(ON_DEMAND,))

    assert without_global.inference_profiles == {"us.a": ("us-east-1",)}
    assert (without_on_demand.on_demand_regions, without_on_demand.regions) == ((), ("us-east-1",))
    assert without_profiles.inference_profiles == {}
    assert only(listing("us-east-1", model("a")), invoke_order=(GEOGRAPHIC,)).regions == ()


def test_a_profile_of_an_unknown_kind_counts_unless_no_kind_of_profile_does() -> None:
    unknown = listing("us-east-1", through_profile(), without=[PROFILES])

    assert only(unknown, invoke_order=(WORLDWIDE,)).regions == ("us-east-1",)
    assert only(unknown, invoke_order=(ON_DEMAND,)).regions == ()


def test_a_profile_that_has_a_global_destination_is_global_whatever_it_is_called() -> None:
    found = only(
        listing("us-east-1", through_profile(), profile("us.a", {"a": ["global"]}), profile("global.a", {"a": ["us"]}))
    )

    assert found.invoke == {"us-east-1": "global.a"}


def test_of_several_profiles_of_a_kind_the_one_with_the_fewest_destinations_is_sent_then_by_id() -> None:
    wide = profile("a.a", {"a": ["eu-west-1", "eu-west-2", "eu-west-3"]})
    narrow = profile("z.a", {"a": ["eu-west-1"]})
    as_narrow = profile("y.a", {"a": ["eu-west-2"]})

    assert only(listing("eu-west-1", through_profile(), wide, narrow)).invoke == {"eu-west-1": "z.a"}
    assert only(listing("eu-west-1", through_profile(), narrow, as_narrow)).invoke == {"eu-west-1": "y.a"}


def test_the_fewest_destinations_are_those_that_the_source_region_names() -> None:
    one, three = ["eu-west-1"], ["eu-west-1", "eu-west-2", "eu-west-3"]
    found = only(
        listing("eu-west-1", through_profile(), profile("x.a", {"a": one}), profile("y.a", {"a": three})),
        listing("eu-west-2", through_profile(), profile("x.a", {"a": three}), profile("y.a", {"a": one})),
    )

    assert found.invoke == {"eu-west-1": "x.a", "eu-west-2": "y.a"}


def test_the_order_of_the_rows_and_of_the_regions_decides_nothing() -> None:
    rows: list[FoundationModel | InferenceProfile] = [
        model("a"),
        profile("us.a", "a"),
        profile("global.a", {"a": ["global"]}),
        model("b"),
    ]
    east, west = listing("us-east-1", *rows), listing("us-west-2", *rows)
    backwards = [listing(region, *reversed(rows)) for region in ("us-west-2", "us-east-1")]

    for order in (INVOKE_ORDER, tuple(reversed(INVOKE_ORDER))):
        one = merged(east, west, invoke_order=order)
        two = merged(*backwards, order=("us-east-1", "us-west-2"), invoke_order=order)
        assert [(it.id, it.invoke, it.inference_profiles) for it in one.models] == [
            (it.id, it.invoke, it.inference_profiles) for it in two.models
        ]


# Names and geographies of profiles.


def test_profiles_have_the_names_that_aws_gives_them() -> None:
    found = merged(
        listing("us-east-1", model("a"), profile("us.a", "a", name="US A"), profile("global.a", "a", name=None))
    )

    assert found.profile_names == {"us.a": "US A"}


@pytest.mark.parametrize(
    ("profile_id", "geography"),
    [
        ("eu.maker.a", "eu"),
        ("us-gov.maker.a", "us-gov"),
        ("eu.maker.b", None),
        ("eumaker.a", None),
        ("maker.a", None),
        (".maker.a", None),
    ],
)
def test_a_geography_is_what_stands_before_the_models_id(profile_id: str, geography: str | None) -> None:
    assert geography_of(profile_id, "maker.a") == geography


# The account's own profiles.


def test_an_application_profile_is_an_entry_of_its_own_by_its_arn() -> None:
    own = profile(ARN, {"a": ["us-east-1"]}, name="Team A", type="APPLICATION")

    found = merged(listing("us-east-1", model("a", name="Model A", provider="P"), application_profiles=[own]))

    [entry] = found.application_profiles
    assert (entry.kind, entry.id, entry.name, entry.geography) == ("inference_profile", ARN, "Team A", "application")
    assert (entry.model_id, entry.provider, entry.created_at) == ("a", "P", day(0))
    assert (entry.regions, entry.destinations) == (("us-east-1",), {"us-east-1": ("us-east-1",)})
    assert entry.invoke == {"us-east-1": ARN}


def test_an_application_profile_stands_nowhere_in_its_model() -> None:
    own = profile(ARN, {"a": ["us-east-1"]}, type="APPLICATION")

    found = merged(listing("us-east-1", model("a", inference_types=("PROVISIONED",)), application_profiles=[own]))

    [entry] = found.models
    assert (entry.regions, entry.invoke, entry.inference_profiles, entry.is_callable) == ((), {}, {}, False)
    assert found.orphan_profiles == 0


@pytest.mark.parametrize(
    "other",
    [
        listing("us-east-1", model("a"), application_profiles=[profile(ARN, "ghost")]),
        listing("us-east-1", application_profiles=[profile(ARN, "a")]),
        listing("us-east-1", without=[MODELS], application_profiles=[profile(ARN, "a")]),
        listing("us-east-1", model("a"), application_profiles=[profile(ARN, "a", status="DELETING")]),
        listing("us-east-1", model("a"), application_profiles=[profile(ARN)]),
    ],
)
def test_an_application_profile_that_calls_no_model_of_its_region_is_no_entry(other: tuple[PartListing, ...]) -> None:
    assert merged(other, listing("eu-west-1", model("a"))).application_profiles == ()


def test_an_application_profile_of_a_model_that_has_ended_in_its_region_is_callable_no_more() -> None:
    found = merged(
        listing("us-east-1", ended(), application_profiles=[profile(ARN, "a")]), listing("eu-west-1", model("a"))
    )

    assert [(it.id, it.regions, it.invoke) for it in found.application_profiles] == [(ARN, (), {})]


def test_an_application_profile_of_a_kind_that_is_left_out_is_no_entry() -> None:
    here = listing("us-east-1", model("a"), application_profiles=[profile(ARN, {"a": ["global"]})])

    assert merged(here, invoke_order=(ON_DEMAND, GEOGRAPHIC)).application_profiles == ()
    assert len(merged(here, invoke_order=(ON_DEMAND, WORLDWIDE)).application_profiles) == 1
