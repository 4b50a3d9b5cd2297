"""AWS's rows: what a record keeps of each, and what a value that cannot be read costs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.records import APPLICATION_PROFILES, MODELS, PROFILES, FoundationModel, InferenceProfile
from app.discovery.rows import read_rows
from tests.support.bedrock_standin import ACCOUNT, application_profile_row, model_row, profile_row

START = datetime(2026, 2, 17, tzinfo=UTC)


def model(**changes: Any) -> tuple[FoundationModel, int]:
    """The record of one row, and how many of its values could not be read."""
    found = read_rows([model_row("a", **changes)], MODELS)
    (row,) = found.rows
    assert isinstance(row, FoundationModel) and found.skipped_rows == 0
    return row, found.unread_fields


def profile(row: Any, part: str = PROFILES) -> tuple[InferenceProfile, int]:
    found = read_rows([row], part)
    (read,) = found.rows
    assert isinstance(read, InferenceProfile) and found.skipped_rows == 0
    return read, found.unread_fields


def test_a_model_is_read_whole() -> None:
    lifecycle = {
        "status": "LEGACY",
        "startOfLifeTime": "2026-02-17T00:00:00Z",
        "legacyTime": "2026-02-17T02:00:00+02:00",
        "publicExtendedAccessTime": START.timestamp(),
        "endOfLifeTime": "2026-02-17",
    }

    assert model(inferenceTypesSupported=["INFERENCE_PROFILE", "ON_DEMAND"], modelLifecycle=lifecycle) == (
        FoundationModel(
            id="a",
            name="A",
            provider="Stand-in",
            input_modalities=("TEXT",),
            output_modalities=("TEXT",),
            response_streaming=True,
            inference_types=("INFERENCE_PROFILE", "ON_DEMAND"),
            lifecycle_status="LEGACY",
            start_of_life_at=START,
            legacy_at=START,
            extended_access_at=START,
            end_of_life_at=START,
        ),
        0,
    )


def test_a_model_needs_nothing_but_its_id() -> None:
    found = read_rows([{"modelId": "a"}], MODELS)

    assert found.rows == (FoundationModel(id="a"),)
    assert (found.skipped_rows, found.unread_fields) == (0, 0)


@pytest.mark.parametrize("text", ["2026-02-17T00:00:00", "2026-02-17", "2026-02-17T00:00:00.000000+00:00"])
def test_a_date_without_an_offset_is_utc_and_a_day_alone_its_midnight(text: str) -> None:
    row, unread = model(modelLifecycle={"startOfLifeTime": text})

    assert (row.start_of_life_at, unread) == (START, 0)


UNREADABLE = {
    "modelName": (7, "name"),
    "providerName": (["x"], "provider"),
    "inputModalities": ("TEXT", "input_modalities"),
    "outputModalities": ([None, 7], "output_modalities"),
    "responseStreamingSupported": ("yes", "response_streaming"),
    "inferenceTypesSupported": ({"ON_DEMAND": True}, "inference_types"),
}


@pytest.mark.parametrize("key", UNREADABLE)
def test_a_value_that_cannot_be_read_counts_as_left_out_and_costs_nothing_else(key: str) -> None:
    value, name = UNREADABLE[key]
    row, unread = model(**{key: value})
    whole, _ = model()

    assert getattr(row, name) is None
    assert unread == (2 if isinstance(value, list) and len(value) == 2 else 1)
    assert {it for it in row.__slots__ if getattr(row, it) != getattr(whole, it)} == {name}


@pytest.mark.parametrize("value", ["ACTIVE", 7, ["ACTIVE"]])
def test_a_lifecycle_that_is_no_object_is_one_value_left_out(value: Any) -> None:
    row, unread = model(modelLifecycle=value)

    assert (row.lifecycle_status, row.start_of_life_at, unread) == (None, None, 1)


@pytest.mark.parametrize("date", ["soon", "", 1e300, True, {"seconds": 1}])
def test_a_date_that_cannot_be_read_leaves_the_others(date: Any) -> None:
    row, unread = model(modelLifecycle={"status": "LEGACY", "legacyTime": date, "endOfLifeTime": "2026-02-17"})

    assert (row.lifecycle_status, row.legacy_at, row.end_of_life_at) == ("LEGACY", None, START)
    assert unread == (0 if date == "" else 1)


@pytest.mark.parametrize("name", ["", "  ", None])
def test_an_empty_name_is_a_name_left_out(name: str | None) -> None:
    row, unread = model(modelName=name)

    assert (row.name, unread) == (None, 0)


def test_in_a_list_an_item_that_cannot_be_read_costs_itself_alone() -> None:
    row, unread = model(inputModalities=["TEXT", None, "IMAGE", 7, "\ud800"])

    assert (row.input_modalities, unread) == (("TEXT", "IMAGE"), 3)


def test_an_empty_list_is_a_statement_and_a_missing_one_is_none() -> None:
    row, _ = model(inferenceTypesSupported=[], inputModalities=None)

    assert (row.inference_types, row.input_modalities) == ((), None)


@pytest.mark.parametrize("part", [MODELS, PROFILES, APPLICATION_PROFILES])
def test_a_row_without_a_readable_id_is_skipped_and_counted(part: str) -> None:
    bad: list[Any] = [None, 7, "row", [], {}]
    bad += [{key: value} for key in ("modelId", "inferenceProfileId", "inferenceProfileArn") for value in (7, "", None)]
    good = {MODELS: model_row("a"), PROFILES: profile_row("us.a", "a")}.get(part, application_profile_row("mine"))
    found = read_rows([*bad, good], part)

    assert (len(found.rows), found.skipped_rows) == (1, len(bad))


def test_a_row_twice_is_a_row_once() -> None:
    found = read_rows([model_row("a", modelName="first"), model_row("a")], MODELS)

    assert [row.name for row in found.rows if isinstance(row, FoundationModel)] == ["first"]


def test_a_profile_keeps_its_destinations_by_model() -> None:
    arns = [
        "arn:aws:bedrock:eu-west-3::foundation-model/a-v1:0",
        "arn:aws:bedrock:eu-central-1::foundation-model/a-v1:0",
        "arn:aws:bedrock:eu-west-3::foundation-model/a-v1:0",
        "arn:aws:bedrock:::foundation-model/a-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/b",
    ]
    row = profile_row("eu.a-v1:0", models=[{"modelArn": arn} for arn in arns])

    assert profile(row) == (
        InferenceProfile(
            id="eu.a-v1:0",
            name="Eu.A-V1:0",
            type="SYSTEM_DEFINED",
            status="ACTIVE",
            models=(("a-v1:0", ("eu-central-1", "eu-west-3", "global")), ("b", ("us-gov-west-1",))),
        ),
        0,
    )


def test_an_application_profile_is_called_by_its_arn() -> None:
    row = application_profile_row("billing", "arn:aws:bedrock:us-east-1::foundation-model/a")
    read, unread = profile(row, APPLICATION_PROFILES)

    assert (read.id, read.name, read.type) == (row["inferenceProfileArn"], "billing", "APPLICATION")
    assert (read.models, unread) == ((("a", ("us-east-1",)),), 0)


def test_a_profiles_item_that_names_no_foundation_model_costs_itself_alone() -> None:
    custom = {"modelArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model/x"}
    good = {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a"}
    read, unread = profile(profile_row("us.a", models=[custom, None, {}, {"modelArn": 7}, good, "a"]))

    assert (read.models, unread) == ((("a", ("us-east-1",)),), 5)


@pytest.mark.parametrize("models", [7, "a", {"modelArn": "a"}])
def test_a_profile_whose_models_cannot_be_read_stays(models: Any) -> None:
    read, unread = profile(profile_row("us.a", models=models))

    assert (read.status, read.models, unread) == ("ACTIVE", (), 1)


def test_a_system_defined_profile_keeps_no_account_id() -> None:
    arn = {"modelArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:provisioned-model/x"}

    assert ACCOUNT not in repr(read_rows([profile_row("us.a", "a", models=[arn])], PROFILES))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["modelName", "inputModalities", "inferenceTypesSupported", "modelLifecycle", "type", "status", "models"]


@given(values=st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)), part=st.sampled_from([MODELS, PROFILES]))
def test_whatever_the_optional_values_are_the_row_stays(values: dict[str, Any], part: str) -> None:
    found = read_rows([values | {"modelId": "a", "inferenceProfileId": "a"}], part)

    assert ([row.id for row in found.rows], found.skipped_rows) == (["a"], 0)
