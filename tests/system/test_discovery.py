"""Discovery whole: the child, asked by its parent, visits the stand-in over real HTTP."""

from collections.abc import Iterator
from functools import partial

import pytest

from app.catalog.records import APPLICATION_PROFILES, MODELS, PROFILES, PartFailure, PartListing, PartResult
from app.discovery import bedrock
from app.discovery.bedrock import BedrockSource, visit_part
from app.discovery.parent import discover
from config import Settings, read_settings
from tests.support.bedrock_standin import (
    ACCOUNT,
    APPLICATION_CALLS,
    BedrockStandin,
    application_profile_row,
    model_row,
    profile_row,
)

EAST, WEST = "us-east-1", "us-west-2"
ALL_OF_BEDROCK = (MODELS, PROFILES, APPLICATION_PROFILES)


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockStandin]:
    with BedrockStandin([EAST, WEST]) as running:
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        yield running


def found(settings: Settings) -> dict[tuple[str, str], PartResult]:
    return {(it.region, it.part): it for it in discover(settings).results}


def code_of(result: PartResult) -> str:
    return result.code if isinstance(result, PartFailure) else "listed"


def visited(region: str, part: str) -> PartResult:
    """A visit without a child."""
    return visit_part(partial(BedrockSource(Settings(regions=(region,))).client, region), region, part)


def test_the_child_visits_each_part_of_each_region(standin: BedrockStandin) -> None:
    results = found(Settings(regions=(EAST, WEST)))

    assert set(results) == {(region, part) for region in (EAST, WEST) for part in (MODELS, PROFILES)}
    for region in (EAST, WEST):
        models, profiles = results[region, MODELS], results[region, PROFILES]
        assert isinstance(models, PartListing) and isinstance(profiles, PartListing)
        assert {row.id for row in models.rows} == {row["modelId"] for row in standin[region].models}
        assert {row.id for row in profiles.rows} == {row["inferenceProfileId"] for row in standin[region].profiles}
    assert APPLICATION_CALLS not in {call for _, call in standin.calls}


def test_application_profiles_are_asked_for_where_they_are_configured(standin: BedrockStandin) -> None:
    row = application_profile_row("billing", "arn:aws:bedrock:us-east-1::foundation-model/a")
    standin[EAST].application_profiles = [row]
    listing = found(Settings(regions=(EAST,), parts=ALL_OF_BEDROCK))[EAST, APPLICATION_PROFILES]

    assert isinstance(listing, PartListing)
    assert [row.id for row in listing.rows] == [row["inferenceProfileArn"]]


@pytest.mark.parametrize("part", [MODELS, PROFILES])
def test_a_part_that_is_not_permitted_fails_alone(standin: BedrockStandin, part: str) -> None:
    standin[EAST].faults[part] = "denied"
    results = found(Settings(regions=(EAST,)))
    failed = results.pop((EAST, part))

    assert isinstance(failed, PartFailure) and failed.code == "AccessDeniedException"
    assert failed.action == {MODELS: "bedrock:ListFoundationModels", PROFILES: "bedrock:ListInferenceProfiles"}[part]
    assert ACCOUNT not in failed.detail
    assert {code_of(result) for result in results.values()} == {"listed"}


@pytest.mark.parametrize("part", [MODELS, PROFILES])
def test_a_part_that_hangs_fails_alone_and_keeps_no_other_waiting(standin: BedrockStandin, part: str) -> None:
    standin[EAST].faults[part] = "hang"
    results = found(Settings(regions=(EAST, WEST), refresh_timeout_s=4))

    assert {place for place, result in results.items() if code_of(result) != "listed"} == {(EAST, part)}
    assert code_of(results[EAST, part]) == "Timeout"


def test_a_malformed_value_costs_itself_and_a_missing_id_its_row(standin: BedrockStandin) -> None:
    standin[EAST].models = [model_row("a"), model_row("b", modelName=5), model_row("", modelName="no id")]
    standin[EAST].profiles = [profile_row("us.a", "a"), profile_row("us.b", "a", status=5)]
    results = found(Settings(regions=(EAST,)))
    models, profiles = results[EAST, MODELS], results[EAST, PROFILES]

    assert isinstance(models, PartListing) and isinstance(profiles, PartListing)
    assert ([row.id for row in models.rows], models.skipped_rows, models.unread_fields) == (["a", "b"], 1, 1)
    assert ([row.id for row in profiles.rows], profiles.skipped_rows, profiles.unread_fields) == (
        ["us.a", "us.b"],
        0,
        1,
    )


def test_thousands_of_profiles_come_in_pages_of_a_thousand(standin: BedrockStandin) -> None:
    standin[EAST].profiles = [profile_row(f"us.{number}", "a") for number in range(2500)]
    profiles = found(Settings(regions=(EAST,)))[EAST, PROFILES]

    assert isinstance(profiles, PartListing) and len(profiles.rows) == 2500
    assert standin.calls == {(EAST, "ListFoundationModels"): 1, (EAST, "ListInferenceProfiles"): 3}


def test_all_regions_that_refuse_are_failures_and_the_others_are_listed(standin: BedrockStandin) -> None:
    results = found(Settings(regions=("all",)))

    assert len({region for region, _ in results}) > 30
    assert {region for (region, _), it in results.items() if code_of(it) == "listed"} == {EAST, WEST}
    assert {code_of(it) for it in results.values()} == {"listed", "UnrecognizedClientException"}


def test_all_regions_are_those_of_the_default_regions_partition(
    standin: BedrockStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings({"AWS_BEDROCK_REGIONS": "all", "AWS_REGION": "us-gov-west-1"})

    assert set(discover(settings).regions) == {"us-gov-east-1", "us-gov-west-1"}


def test_a_partition_without_bedrock_is_a_fault_that_names_it() -> None:
    visits = discover(Settings(regions=("all",), aws_region="cn-north-1"))

    assert visits.results == ()
    assert (visits.fault or "").endswith("AWS_BEDROCK_REGIONS=all: the SDK knows none in the partition aws-cn")


def test_a_throttled_part_is_asked_three_times(standin: BedrockStandin) -> None:
    standin[WEST].faults[MODELS] = "throttled"
    results = found(Settings(regions=(WEST,)))

    assert code_of(results[WEST, MODELS]) == "ThrottlingException"
    assert standin.calls[WEST, "ListFoundationModels"] == 3
    assert code_of(results[WEST, PROFILES]) == "listed"


WRONG_BODIES: dict[str, bytes] = {
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "an error": b'{"__type": "AccessDeniedException", "message": "no"}',
    "a null listing": b'{"modelSummaries": null, "inferenceProfileSummaries": null}',
    "rows that are no list": b'{"modelSummaries": {"a": 1}, "inferenceProfileSummaries": {"a": 1}}',
    "rows that are text": b'{"modelSummaries": "rows", "inferenceProfileSummaries": "rows"}',
    "nothing": b"",
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe",
    "not JSON": b"<html><body>Sign in</body></html>",
}


@pytest.mark.parametrize("part", [MODELS, PROFILES, APPLICATION_PROFILES])
@pytest.mark.parametrize("way", WRONG_BODIES)
def test_an_answer_without_a_listing_is_a_failure(standin: BedrockStandin, way: str, part: str) -> None:
    standin[EAST].body = WRONG_BODIES[way]

    assert code_of(visited(EAST, part)) == "Malformed"


@pytest.mark.parametrize("part", [MODELS, PROFILES])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_answer_of_no_content_is_a_failure(standin: BedrockStandin, part: str, body: bytes) -> None:
    standin[EAST].body, standin[EAST].status = body, 204

    assert code_of(visited(EAST, part)) == "Malformed"


def test_an_empty_list_is_a_listing(standin: BedrockStandin) -> None:
    standin[EAST].models = []

    listing = visited(EAST, MODELS)
    assert isinstance(listing, PartListing) and listing.rows == ()


def test_more_regions_than_threads_are_all_visited(standin: BedrockStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedrock, "MAX_THREADS", 1)
    came: list[PartResult] = []
    BedrockSource(Settings(regions=(EAST, WEST))).visit_all(came.append)

    assert [(it.region, it.part) for it in came] == [(r, p) for r in (EAST, WEST) for p in (MODELS, PROFILES)]
