"""A real service without a catalog: what has arrived is served, whatever the other regions do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.bedrock_standin import BedrockStandin, model_row
from tests.support.servers import Service, eventually, running_service

# The refresh's deadline, the service's own bound: who waits for it never sees a list while a region hangs.
TIMEOUT_S = "60"
OPERATIONS = {"models": "ListFoundationModels", "profiles": "ListInferenceProfiles"}


@contextmanager
def starting(folder: Path, standin: BedrockStandin, **settings: str) -> Iterator[Service]:
    own: dict[str, Any] = {"CATALOG_REFRESH_TIMEOUT_SECONDS": TIMEOUT_S, "WEB_CONCURRENCY": "2"}
    with running_service(folder, ready=False, **standin.environ | own | settings) as service:
        yield service


def regions_of(service: Service) -> dict[str, dict[str, Any]]:
    return {region["region"]: region for region in service.get("/readyz").json()["regions"]}


def ids_of(service: Service) -> set[str]:
    answer = service.get("/v1/models")
    return {row["id"] for row in answer.json()["data"]} if answer.status_code == 200 else set()


def part_of(region: dict[str, Any], part: str) -> dict[str, Any]:
    found: dict[str, Any] = next(it for it in region["parts"] if it["part"] == part)
    return found


@pytest.mark.parametrize("part", ["models", "profiles"])
@pytest.mark.parametrize(("number", "hanging"), [(3, 1), (33, 2)])
def test_the_first_list_is_served_while_regions_take_the_call_and_never_answer(
    tmp_path: Path, number: int, hanging: int, part: str
) -> None:
    names = boto3.Session().get_available_regions("bedrock")[:number]
    silent, others = set(names[:hanging]), set(names[hanging:])
    with BedrockStandin(names) as standin:
        for name in silent:
            standin[name].faults[part] = "hang"
        with starting(tmp_path, standin) as service:
            there = {row["modelId"] for name in others for row in standin[name].models}
            # Every worker serves all that has arrived.
            eventually(lambda: all(there <= ids_of(service) for _ in range(10)), timeout_s=30)
            states = regions_of(service)
            refreshes = service.events("catalog_refreshed")
            waiting = {name for name in silent if standin[name].in_flight}

            assert (waiting, refreshes) == (silent, [])
            eventually(lambda: {regions_of(service)[name]["state"] for name in others} == {"fresh"})
            for name in silent:
                assert (part_of(states[name], part)["state"], part_of(states[name], part)["failure"]) == (
                    "missing",
                    None,
                )
            # The other call of these regions is not kept waiting.
            other = "profiles" if part == "models" else "models"
            eventually(
                lambda: all(part_of(regions_of(service)[name], other)["state"] == "fresh" for name in silent),
            )
            assert service.events("catalog_refreshed") == []

            for name in silent:
                standin[name].faults.clear()
            eventually(lambda: ids_of(service) == standin.model_ids())
            eventually(lambda: service.events("catalog_refreshed"))
    assert "Traceback" not in service.log()


def test_a_region_that_answers_first_with_a_refusal_keeps_no_other_away(tmp_path: Path) -> None:
    with BedrockStandin(["us-east-1", "eu-west-1", "eu-north-1"]) as standin:
        standin["us-east-1"].fault, standin["eu-north-1"].fault = "denied", "hang"
        with starting(tmp_path, standin) as service:
            there = {row["modelId"] for row in standin["eu-west-1"].models}
            eventually(lambda: ids_of(service) == there, timeout_s=30)
            assert standin["eu-north-1"].in_flight
            eventually(lambda: "us-east-1" in regions_of(service))  # The other worker may be asked.
            failure = part_of(regions_of(service)["us-east-1"], "models")["failure"]

    assert (failure["code"], failure["action"]) == ("AccessDeniedException", "bedrock:ListFoundationModels")


def test_a_region_throttled_at_the_first_refresh_is_asked_again_soon_and_it_alone(tmp_path: Path) -> None:
    with BedrockStandin(["us-east-1", "eu-west-1"]) as standin:
        standin["eu-west-1"].fault = "throttled"
        with starting(tmp_path, standin) as service:
            eventually(lambda: service.events("catalog_refreshed"), timeout_s=30)
            standin["eu-west-1"].fault = None
            eventually(lambda: ids_of(service) == standin.model_ids(), timeout_s=30)
            calls = standin.calls["us-east-1", "ListFoundationModels"]
            refreshes = service.events("catalog_refreshed")

    assert calls == 1
    assert [(it["is_retry"], it["regions_listed"], it["regions_failed"]) for it in refreshes] == [
        (False, 1, 1),
        (True, 1, 0),
    ]


# Answers with status 200 that list nothing.
NO_LISTINGS: dict[str, bytes] = {
    "an empty object": b"{}",
    "a null listing": b'{"modelSummaries": null, "inferenceProfileSummaries": null}',
    "an empty listing": b'{"modelSummaries": [], "inferenceProfileSummaries": []}',
    "a page of a network": b"<html><body>Sign in to the hotel's network</body></html>",
    "no content": b"",
}


def test_answers_without_a_listing_make_no_catalog_ready(tmp_path: Path) -> None:
    def ended(service: Service) -> int:
        return len(service.events("refresh_failed")) + len(service.events("catalog_refreshed"))

    with BedrockStandin(["us-east-1", "eu-west-1"]) as standin:
        for region in standin.regions.values():
            region.body = NO_LISTINGS["an empty object"]
        with starting(tmp_path, standin, CATALOG_REFRESH_SECONDS="1") as service:
            for body in NO_LISTINGS.values():
                for region in standin.regions.values():
                    region.body = body
                before = ended(service)
                # The first of them may have begun before.
                eventually(lambda before=before: ended(service) >= before + 2, timeout_s=30)  # type: ignore[misc]
                readiness = service.get("/readyz")
                refused = service.get("/v1/models")

                assert (readiness.status_code, readiness.json()["status"]) == (503, "unavailable")
                assert readiness.json()["models"] == 0
                assert refused.status_code == 503
            for region in standin.regions.values():
                region.body = None
            eventually(lambda: ids_of(service) == standin.model_ids(), timeout_s=30)


def test_until_a_region_answers_the_refusal_says_why_and_no_more(tmp_path: Path) -> None:
    with BedrockStandin(["us-east-1", "eu-west-1"]) as standin:
        for region in standin.regions.values():
            region.fault = "denied"
        with starting(tmp_path, standin) as service:
            eventually(lambda: service.events("refresh_failed"), timeout_s=30)
            # Any worker may answer, and each loads what one of them found.
            eventually(lambda: all("2 of 2 regions" in service.get("/v1/models").text for _ in range(20)))
            answers = [service.get(path) for path in ("/v1/models", "/anthropic/v1/models", "/anthropic/v1/models/x")]

    for answer in answers:
        assert answer.status_code == 503
        message = answer.json()["error"]["message"]
        assert "no region has answered yet: AccessDeniedException in 2 of 2 regions" in message
        assert "arn:" not in answer.text and "not authorized" not in answer.text


def test_models_that_appear_while_a_region_hangs_are_served_with_the_next_refresh(tmp_path: Path) -> None:
    """The first refresh goes on for as long as the region hangs, up to its deadline; then the next one comes."""
    with BedrockStandin(["us-east-1", "eu-west-1"]) as standin:
        standin["eu-west-1"].fault = "hang"
        settings = {"CATALOG_REFRESH_SECONDS": "2", "CATALOG_REFRESH_TIMEOUT_SECONDS": "2"}
        with starting(tmp_path, standin, **settings) as service:
            eventually(lambda: ids_of(service), timeout_s=30)
            standin["us-east-1"].models.append(model_row("maker.new-v1:0"))
            eventually(lambda: "maker.new-v1:0" in ids_of(service), timeout_s=30)
            states = regions_of(service)

    assert part_of(states["eu-west-1"], "models")["failure"]["code"] == "Timeout"
