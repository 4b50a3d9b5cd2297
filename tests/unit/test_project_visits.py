"""What a visit to a region makes of its project's parts: botocore's stub checks what is sent, and answers."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from app.catalog.records import (
    DATA_RETENTION,
    MODELS,
    PROFILES,
    PROGRAMS,
    PROJECT_MODELS,
    PROJECT_PARTS,
    PROJECT_PROFILES,
    AccountSetting,
    PartFailure,
    PartListing,
)
from app.discovery.bedrock import CALLS, visit_part
from config import PROJECT_PARTS as CONFIGURED_PARTS
from config import Settings, requested_parts
from tests.support.bedrock_standin import model_row, profile_row
from tests.support.project_standin import program_row

EAST, PROJECT = "us-east-1", "proj_a"
FOR_ALL, FOR_EAST, FOR_WEST = (PROJECT,), (f"{EAST}={PROJECT}",), (f"us-west-2={PROJECT}",)
OF_PROJECT = (PROJECT_MODELS, PROJECT_PROFILES, PROGRAMS)


def answering(part: str, answer: dict[str, Any], **arguments: Any) -> Callable[[], Any]:
    client = boto3.client("bedrock", region_name=EAST)
    stub = Stubber(client)
    stub.add_response(CALLS[part].operation, answer, arguments)
    stub.activate()
    return lambda: client


def refusing(part: str, code: str) -> Callable[[], Any]:
    client = boto3.client("bedrock", region_name=EAST)
    stub = Stubber(client)
    stub.add_client_error(CALLS[part].operation, code, "no", 400)
    stub.activate()
    return lambda: client


def unreachable() -> Any:
    raise AssertionError("a call was made")


def test_the_parts_of_a_project_are_those_that_are_configured() -> None:
    assert CONFIGURED_PARTS == PROJECT_PARTS


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (Settings(), (MODELS, PROFILES)),
        (Settings(projects=FOR_ALL), (MODELS, PROFILES, *PROJECT_PARTS)),
        (Settings(projects=FOR_ALL, parts=(MODELS,)), (MODELS, PROJECT_MODELS, DATA_RETENTION, PROGRAMS)),
        (Settings(projects=FOR_ALL, source="demo"), (MODELS, PROFILES)),
    ],
)
def test_a_projects_parts_come_last_and_where_one_is_configured(settings: Settings, parts: tuple[str, ...]) -> None:
    assert requested_parts(settings) == parts


def test_listings_of_a_project_name_it() -> None:
    models = answering(PROJECT_MODELS, {"modelSummaries": [model_row("a")]}, projectIdentifier=PROJECT)
    profiles = answering(
        PROJECT_PROFILES,
        {"inferenceProfileSummaries": [profile_row("us.a", "a")]},
        projectIdentifier=PROJECT,
        typeEquals="SYSTEM_DEFINED",
        maxResults=1000,
    )
    listed = [visit_part(models, EAST, PROJECT_MODELS, FOR_ALL), visit_part(profiles, EAST, PROJECT_PROFILES, FOR_EAST)]

    assert [[row.id for row in it.rows] for it in listed if isinstance(it, PartListing)] == [["a"], ["us.a"]]


def test_the_accounts_own_listings_name_no_project() -> None:
    models = answering(MODELS, {"modelSummaries": []})

    assert isinstance(visit_part(models, EAST, MODELS, FOR_ALL), PartListing)


@pytest.mark.parametrize("mode", ["none", "provider_data_share", "a new word"])
def test_the_data_retention_mode_is_a_row(mode: str) -> None:
    result = visit_part(answering(DATA_RETENTION, {"mode": mode}), EAST, DATA_RETENTION, FOR_ALL)

    assert isinstance(result, PartListing)
    assert result.rows == (AccountSetting(id=mode),)


def test_a_mode_that_is_not_there_is_a_row_that_cannot_be_read() -> None:
    result = visit_part(answering(DATA_RETENTION, {"mode": ""}), EAST, DATA_RETENTION, FOR_ALL)

    assert isinstance(result, PartListing)
    assert (result.rows, result.skipped_rows) == ((), 1)


def test_programs_are_rows_with_their_status() -> None:
    rows = [program_row("one-a", "enabled"), program_row("two-b", "a new word")]
    client = answering(PROGRAMS, {"programSummaries": rows}, projectIdentifier=PROJECT, maxResults=1000)
    result = visit_part(client, EAST, PROGRAMS, FOR_ALL)

    assert isinstance(result, PartListing)
    assert result.rows == (
        AccountSetting(id="one-a", value="enabled"),
        AccountSetting(id="two-b", value="a new word"),
    )


@pytest.mark.parametrize("part", OF_PROJECT)
@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFoundException"])
def test_a_region_that_does_not_know_the_project_of_all_regions_has_none_of_it(part: str, code: str) -> None:
    result = visit_part(refusing(part, code), EAST, part, FOR_ALL)

    assert isinstance(result, PartListing)
    assert (result.rows, result.is_offered) == ((), False)


@pytest.mark.parametrize("part", OF_PROJECT)
def test_a_region_that_does_not_know_the_project_that_is_named_for_it_fails(part: str) -> None:
    result = visit_part(refusing(part, "ValidationException"), EAST, part, FOR_EAST)

    assert isinstance(result, PartFailure)
    assert (result.code, result.detail) == ("ValidationException", f"{PROJECT}: no")


@pytest.mark.parametrize(
    ("part", "code"),
    [(PROJECT_MODELS, "ThrottlingException"), (DATA_RETENTION, "ValidationException"), (MODELS, "ValidationException")],
)
def test_any_other_refusal_is_a_failure(part: str, code: str) -> None:
    assert isinstance(visit_part(refusing(part, code), EAST, part, FOR_ALL), PartFailure)


@pytest.mark.parametrize("part", PROJECT_PARTS)
def test_a_region_without_a_project_is_not_called(part: str) -> None:
    result = visit_part(unreachable, EAST, part, FOR_WEST)

    assert isinstance(result, PartListing)
    assert not result.is_offered


@pytest.mark.parametrize(
    ("part", "action"),
    [
        (PROJECT_MODELS, "bedrock:ListFoundationModels"),
        (PROJECT_PROFILES, "bedrock:ListInferenceProfiles"),
        (DATA_RETENTION, "bedrock:GetAccountDataRetention"),
        (PROGRAMS, "bedrock:ListTrustedAccessPrograms"),
    ],
)
def test_a_missing_permission_names_the_action(part: str, action: str) -> None:
    result = visit_part(refusing(part, "AccessDeniedException"), EAST, part, FOR_ALL)

    assert isinstance(result, PartFailure)
    assert result.action == action
