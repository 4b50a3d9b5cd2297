"""Filters of invocations: what is left of an entry, and that filters commute."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.catalog.entries import CatalogEntry
from app.catalog.filters import InvocationFilter, restrict
from app.catalog.snapshot import CatalogSnapshot
from tests.support.builders import NOW, day, listing, model, profile, snapshot
from tests.unit.catalog.generated import PLACES, REGIONS, SOURCES, WORLDS, World

RANK = {region: place for place, region in enumerate(REGIONS)}


def left(
    entry: CatalogEntry | None,
    *,
    regions: set[str] | frozenset[str] | None = None,
    within: frozenset[str] | None = None,
) -> CatalogEntry | None:
    """What is left of an entry, without the rows that it remembers."""
    if entry is None:
        return None
    wanted = InvocationFilter(regions=None if regions is None else frozenset(regions), destinations=within)
    return restrict(entry, wanted, rank=RANK, at=NOW)


def told(entry: CatalogEntry | None) -> CatalogEntry | None:
    return None if entry is None else replace(entry, rows=())


def only(snapshot: CatalogSnapshot) -> CatalogEntry:
    [found] = snapshot.models
    return found


TWO_REGIONS = only(
    snapshot(
        listing(
            "us-east-1",
            model("a", name="US", start_of_life_at=day(1), input_modalities=("TEXT", "IMAGE")),
            profile("us.a", {"a": ["us-east-1", "us-west-2"]}),
        ),
        listing(
            "eu-west-1",
            model(
                "a",
                name="EU",
                provider="P",
                start_of_life_at=day(5),
                response_streaming=True,
                lifecycle_status="LEGACY",
                legacy_at=day(6),
                end_of_life_at=day(900),
            ),
            profile("eu.a", {"a": ["eu-west-1", "eu-south-2"]}),
        ),
    )
)


def test_what_rows_tell_is_of_the_regions_that_are_left() -> None:
    assert (TWO_REGIONS.name, TWO_REGIONS.created_at, TWO_REGIONS.lifecycle) == ("US", day(1), "active")

    europe = left(TWO_REGIONS, regions={"eu-west-1"})

    assert europe is not None
    assert (europe.name, europe.provider, europe.created_at) == ("EU", "P", day(5))
    assert (europe.lifecycle, europe.deprecated_at, europe.retires_at) == ("deprecated", day(6), day(900))
    assert (europe.input_modalities, europe.response_streaming) == (("TEXT",), True)
    assert (europe.regions, europe.on_demand_regions, europe.invoke) == (
        ("eu-west-1",),
        ("eu-west-1",),
        {"eu-west-1": "a"},
    )
    assert europe.inference_profiles == {"eu.a": ("eu-west-1",)}


def test_within_keeps_the_invocations_whose_destinations_are_all_inside() -> None:
    all_of_it = left(TWO_REGIONS, within=frozenset({"eu-west-1", "eu-south-2"}))
    one = left(TWO_REGIONS, within=frozenset({"eu-west-1"}))
    other = left(TWO_REGIONS, within=frozenset({"eu-south-2", "us-west-2"}))

    assert all_of_it is not None and one is not None
    assert (all_of_it.regions, all_of_it.inference_profiles) == (("eu-west-1",), {"eu.a": ("eu-west-1",)})
    assert (one.regions, one.inference_profiles) == (("eu-west-1",), {})
    assert one.created_at == day(5)
    assert other is None


def test_the_id_to_send_is_of_the_invocations_that_are_left() -> None:
    entry = only(
        snapshot(
            listing(
                "us-east-1", model("a"), profile("us.a", {"a": ["us-west-2"]}), profile("x.a", {"a": ["us-west-1"]})
            )
        )
    )

    found = left(entry, within=frozenset({"us-west-2"}))

    assert found is not None and found.invoke == {"us-east-1": "us.a"}


def test_a_profile_whose_destinations_are_unknown_may_be_processed_anywhere() -> None:
    entry = only(snapshot(listing("us-east-1", model("a", inference_types=()), profile("us.a", "a"))))

    assert left(entry, within=frozenset({"us-east-1"})) is None
    assert left(entry, regions={"us-east-1"}) == entry


def test_a_model_without_an_invocation_in_the_regions_is_not_there() -> None:
    entry = only(snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("a", inference_types=()))))

    assert left(entry, regions={"eu-west-1"}) is None


def test_a_model_that_has_ended_in_the_regions_is_retired_there() -> None:
    end = NOW - timedelta(days=1)
    entry = only(
        snapshot(
            listing("us-east-1", model("a", start_of_life_at=day(3))),
            listing("eu-west-1", model("a", start_of_life_at=day(1), end_of_life_at=end)),
        )
    )

    found = left(entry, regions={"eu-west-1"})

    assert found is not None
    assert (found.lifecycle, found.retires_at, found.created_at, found.regions) == ("retired", end, day(1), ())
    both = left(entry, regions={"eu-west-1", "us-east-1"})
    assert both is not None
    assert (both.lifecycle, both.created_at, both.regions) == ("active", day(3), ("us-east-1",))


def test_the_preferred_region_of_those_that_are_left_describes_the_model() -> None:
    entry = only(snapshot(*(listing(region, model("a", name=region)) for region in REGIONS)))

    names = {
        regions: it.name
        for regions in (REGIONS, REGIONS[1:], REGIONS[2:])
        if (it := left(entry, regions=frozenset(regions)))
    }

    assert names == {REGIONS: REGIONS[0], REGIONS[1:]: REGIONS[1], REGIONS[2:]: REGIONS[2]}


def test_a_profile_keeps_its_name_wherever_its_model_has_another() -> None:
    arn = "arn:own"
    world = snapshot(
        listing("us-east-1", model("a", name="US")),
        listing(
            "eu-west-1",
            model("a", name="EU", start_of_life_at=day(4)),
            application_profiles=[profile(arn, "a", name="Own")],
        ),
    )

    found = left(world.application_profiles[0], regions={"eu-west-1"})

    assert found is not None and (found.id, found.name, found.created_at) == (arn, "Own", day(4))


@given(WORLDS, SOURCES, SOURCES, PLACES, PLACES)
def test_filters_commute_and_two_at_once_are_one_after_the_other(
    world: World, some: frozenset[str], others: frozenset[str], inside: frozenset[str], within: frozenset[str]
) -> None:
    catalog = world.snapshot()
    for entry in (*catalog.models, *catalog.application_profiles):
        assert (
            told(left(left(entry, regions=some), within=within))
            == told(left(left(entry, within=within), regions=some))
            == told(left(entry, regions=some, within=within))
        )
        assert told(left(left(entry, regions=some), regions=others)) == told(left(entry, regions=some & others))
        assert told(left(left(entry, within=inside), within=within)) == told(left(entry, within=inside & within))


@given(WORLDS, SOURCES, PLACES)
def test_a_filter_that_is_applied_twice_takes_no_more_away(
    world: World, regions: frozenset[str], within: frozenset[str]
) -> None:
    for entry in world.snapshot().models:
        once = left(entry, regions=regions, within=within)

        assert told(left(once, regions=regions, within=within)) == told(once)


@given(WORLDS, st.sampled_from(REGIONS))
def test_what_is_left_of_a_model_in_a_region_is_what_that_region_alone_would_tell(world: World, region: str) -> None:
    alone = {it.id: it for it in snapshot([it for it in world if it.region == region], regions=REGIONS).models}

    for entry in world.snapshot().models:
        found = told(left(entry, regions={region}))
        expected = alone.get(entry.id)

        assert found == (told(expected) if expected is not None and expected.is_callable else None)
