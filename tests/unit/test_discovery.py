"""What a visit to a region makes of its answers: botocore's stub for single answers, the stand-in for real HTTP."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from app.catalog.records import FoundationModel, InferenceProfile, RegionFailure, RegionListing
from app.discovery.__main__ import BedrockClients, visit_all, visit_region, visits_of
from app.discovery.parent import discover
from app.telemetry.redaction import redacted
from config import Settings
from tests.support.bedrock_standin import ACCOUNT, BedrockStandin, model_row, profile_row

EAST, WEST = "us-east-1", "us-west-2"


def stubbed(models: list[dict[str, Any]], *profile_pages: list[dict[str, Any]]) -> Any:
    """A client whose region lists these models, and these profiles, a page each."""
    client = boto3.client("bedrock", region_name=EAST)
    stub = Stubber(client)
    stub.add_response("list_foundation_models", {"modelSummaries": models}, {})
    pages = profile_pages or ([],)
    for number, page in enumerate(pages):
        asked: dict[str, Any] = {"typeEquals": "SYSTEM_DEFINED", "maxResults": 1000}
        answer: dict[str, Any] = {"inferenceProfileSummaries": page}
        if number:
            asked["nextToken"] = str(number)
        if number + 1 < len(pages):
            answer["nextToken"] = str(number + 1)
        stub.add_response("list_inference_profiles", answer, asked)
    stub.activate()
    return client


def visited(client: Any) -> RegionListing:
    result = visit_region(client)
    assert isinstance(result, RegionListing), result
    return result


def test_a_row_is_read_whole() -> None:
    start = datetime(2026, 2, 17, tzinfo=UTC)
    lifecycle = {"status": "LEGACY", "startOfLifeTime": start, "legacyTime": start, "endOfLifeTime": start}
    row = model_row("a", inferenceTypesSupported=["INFERENCE_PROFILE", "ON_DEMAND"], modelLifecycle=lifecycle)

    assert visited(stubbed([row])).models == (
        FoundationModel(
            id="a",
            name="A",
            provider="Stand-in",
            input_modalities=("TEXT",),
            output_modalities=("TEXT",),
            response_streaming=True,
            inference_types=("INFERENCE_PROFILE", "ON_DEMAND"),
            lifecycle_status="LEGACY",
            start_of_life_at=start,
            legacy_at=start,
            end_of_life_at=start,
        ),
    )


def test_a_row_needs_nothing_but_its_id() -> None:
    row = {"modelId": "a", "modelArn": model_row("a")["modelArn"]}

    assert visited(stubbed([row])).models == (FoundationModel(id="a"),)


def test_a_profile_of_something_else_than_a_foundation_model_is_read() -> None:
    row = profile_row("us.a", models=[{"modelArn": "arn:aws:bedrock:::other/x"}])

    assert visited(stubbed([], [row])).profiles[0].model_ids == ("arn:aws:bedrock:::other/x",)


def test_profiles_are_read_from_every_page_without_their_account() -> None:
    arns = [{"modelArn": "arn:aws-us-gov:bedrock:::foundation-model/a"}, *profile_row("", "a", "b")["models"]]
    client = stubbed([], [profile_row("us.a", models=arns)], [profile_row("us.b", "b", status="CREATING")])
    listing = visited(client)

    assert listing.profiles == (
        InferenceProfile(id="us.a", status="ACTIVE", model_ids=("a", "b")),
        InferenceProfile(id="us.b", status="CREATING", model_ids=("b",)),
    )
    assert ACCOUNT not in repr(listing)


def test_a_row_twice_is_a_row_once() -> None:
    assert [row.name for row in visited(stubbed([model_row("a", modelName="1"), model_row("a")])).models] == ["1"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("AccessDeniedException", f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Reader/i-0 is not authorized"),
        ("ExpiredTokenException", f"The token of AKIAIOSFODNN7EXAMPLE in account {ACCOUNT} is expired"),
    ],
)
def test_an_error_of_aws_is_a_value_without_identities(code: str, text: str) -> None:
    client = boto3.client("bedrock", region_name=EAST)
    with Stubber(client) as stub:
        stub.add_client_error("list_foundation_models", code, text, 403)
        failure = visit_region(client)

    assert isinstance(failure, RegionFailure)
    assert (failure.region, failure.code) == (EAST, code)
    assert "[redacted]" in failure.detail
    assert not {ACCOUNT, "Reader", "AKIAIOSFODNN7EXAMPLE"} & set(failure.detail.replace("/", " ").split())


@pytest.mark.parametrize("secret", [ACCOUNT, f"arn:aws-cn:iam::{ACCOUNT}:role/x", "ASIAIOSFODNN7EXAMPLE"])
def test_identities_are_redacted_wherever_they_stand(secret: str) -> None:
    assert secret not in redacted(f"({secret}) {secret}, {secret}")


def test_a_bug_in_one_visit_is_that_regions_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def bug() -> RegionListing:
        raise ZeroDivisionError

    good = visited(stubbed([]))
    results = {it.region: it for it in visit_all({WEST: bug, EAST: lambda: good})}

    assert results[EAST] is good
    west = results[WEST]
    assert isinstance(west, RegionFailure) and west.code == "ZeroDivisionError"
    assert "Traceback" in capsys.readouterr().err


def test_all_stands_for_every_region_of_the_partition() -> None:
    names = BedrockClients(Settings(regions=("all",))).regions

    assert len(names) > 30 and EAST in names and "us-gov-west-1" not in names


def test_all_regions_of_another_partition_are_that_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-gov-west-1")

    assert "us-gov-west-1" in BedrockClients(Settings(regions=("all",))).regions


def test_clients_are_built_with_the_sdks_own_timeouts_and_retries() -> None:
    config: Config = BedrockClients(Settings(regions=(EAST,), refresh_timeout_s=3)).client(EAST).meta.config

    assert (config.connect_timeout, config.read_timeout) == (3, 3)  # type: ignore[attr-defined]
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}  # type: ignore[attr-defined]


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockStandin]:
    with BedrockStandin([EAST, WEST]) as running:
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        yield running


def found(settings: Settings) -> dict[str, RegionListing | RegionFailure]:
    return {it.region: it for it in discover(settings).results}


def test_the_child_visits_real_regions(standin: BedrockStandin) -> None:
    standin[WEST].fault = "denied"
    results = found(Settings(regions=(EAST, WEST)))
    east, west = results[EAST], results[WEST]

    assert isinstance(east, RegionListing)
    assert {row.id for row in east.models} == {row["modelId"] for row in standin[EAST].models}
    assert {row.id for row in east.profiles} == {row["inferenceProfileId"] for row in standin[EAST].profiles}
    assert isinstance(west, RegionFailure) and west.code == "AccessDeniedException"
    assert ACCOUNT not in west.detail


def test_a_malformed_row_is_skipped_under_its_id(standin: BedrockStandin) -> None:
    standin[EAST].models = [model_row("a"), model_row("b", modelName=5), model_row("", modelName="no id")]
    standin[EAST].profiles = [profile_row("us.a", "a"), profile_row("us.b", "a", status=5)]
    listing = visited(BedrockClients(Settings(regions=(EAST,))).client(EAST))

    assert [row.id for row in listing.models] == ["a"]
    assert [row.id for row in listing.profiles] == ["us.a"]
    assert (listing.skipped_rows, listing.skipped_ids) == (3, ("b", "us.b"))


def test_thousands_of_profiles_come_in_pages_of_a_thousand(standin: BedrockStandin) -> None:
    standin[EAST].profiles = [profile_row(f"us.{number}", "a") for number in range(2500)]
    east = found(Settings(regions=(EAST,)))[EAST]

    assert isinstance(east, RegionListing) and len(east.profiles) == 2500
    assert standin.calls == {(EAST, "ListFoundationModels"): 1, (EAST, "ListInferenceProfiles"): 3}


def test_all_regions_that_refuse_are_failures_and_the_others_are_listed(standin: BedrockStandin) -> None:
    results = found(Settings(regions=("all",)))

    assert len(results) > 30
    assert {name for name, it in results.items() if isinstance(it, RegionListing)} == {EAST, WEST}
    assert {it.code for it in results.values() if isinstance(it, RegionFailure)} == {"UnrecognizedClientException"}


def test_a_throttled_region_is_asked_three_times(standin: BedrockStandin) -> None:
    standin[WEST].fault = "throttled"
    results = found(Settings(regions=(WEST,)))

    assert isinstance(results[WEST], RegionFailure)
    assert standin.calls[WEST, "ListFoundationModels"] == 3


WRONG_BODIES: dict[str, bytes] = {
    "a list": b"[]",
    "null": b"null",
    "rows that are no list": b'{"modelSummaries": {"a": 1}}',
    "rows that are text": b'{"modelSummaries": "rows"}',
    "nothing": b"",
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("way", WRONG_BODIES)
def test_an_answer_that_is_no_listing_is_a_failure(standin: BedrockStandin, way: str) -> None:
    standin[EAST].body = WRONG_BODIES[way]
    failure = visit_region(BedrockClients(Settings(regions=(EAST,))).client(EAST))

    assert isinstance(failure, RegionFailure)
    assert failure.code in ("MalformedAnswer", "Malformed")


def test_the_demo_is_visited_like_any_other_source() -> None:
    visits = visits_of(Settings(source="demo", regions=(EAST,)))
    (listing,) = visit_all(visits)

    assert isinstance(listing, RegionListing) and json.dumps([row.id for row in listing.models])
