"""A real service one part of whose regions fails: the other part is served, and every place says what is missing."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.support.bedrock_standin import (
    ACCOUNT,
    APPLICATION_CALLS,
    ROLE,
    BedrockStandin,
    application_profile_row,
    model_row,
    profile_row,
)
from tests.support.servers import PROJECT, Service, eventually, running_service, service_environ

EAST, WEST = "us-east-1", "eu-west-1"
ACTION = "bedrock:ListInferenceProfiles"


def catalog_command(folder: Path, environ: dict[str, Any], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "catalog", *arguments],
        cwd=PROJECT,
        env=service_environ(folder, **environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Denied:
    """A service whose policy lacks `bedrock:ListInferenceProfiles`, and what it says."""

    service: Service
    folder: Path
    environ: dict[str, Any]
    standin: BedrockStandin


@pytest.fixture(scope="module")
def denied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Denied]:
    folder = tmp_path_factory.mktemp("denied")
    with mock_aws(), BedrockStandin([EAST, WEST]) as standin:
        for region in standin.regions.values():
            region.faults["profiles"] = "denied"
            region.models.append(model_row("maker.by-profile-v1:0", inferenceTypesSupported=["INFERENCE_PROFILE"]))
        environ: dict[str, Any] = standin.environ
        with running_service(folder, **environ) as service:
            eventually(lambda: service.events("catalog_refreshed"))
            yield Denied(service, folder, environ, standin)


def test_without_the_permission_for_profiles_every_model_is_served(denied: Denied) -> None:
    listed = denied.service.get("/v1/models").json()["data"]

    assert {row["id"] for row in listed} == denied.standin.model_ids()
    by_profile = next(row for row in listed if row["id"] == "maker.by-profile-v1:0")["aws_bedrock"]
    assert (by_profile["regions"], by_profile["on_demand_regions"], by_profile["invoke"]) == ([WEST, EAST], [], {})


def test_readiness_names_the_action_that_is_missing(denied: Denied) -> None:
    readiness = denied.service.get("/readyz")

    assert (readiness.status_code, readiness.json()["status"]) == (200, "ready")
    for region in readiness.json()["regions"]:
        models, profiles = region["parts"]
        assert region["state"] == "partial"
        assert (models["part"], models["state"], models["failure"]) == ("models", "fresh", None)
        assert (profiles["part"], profiles["state"]) == ("profiles", "missing")
        assert (profiles["failure"]["code"], profiles["failure"]["action"]) == ("AccessDeniedException", ACTION)
    assert not re.search(rf"arn:|{ROLE}|{ACCOUNT}|not authorized", readiness.text)


def test_the_log_names_the_action_that_is_missing(denied: Denied) -> None:
    failed = denied.service.events("region_failed")

    assert {(it["region"], it["part"], it["missing_permission"]) for it in failed} == {
        (EAST, "profiles", ACTION),
        (WEST, "profiles", ACTION),
    }
    assert ACCOUNT not in denied.service.log()


def test_the_command_line_names_the_action_that_is_missing(denied: Denied) -> None:
    table = catalog_command(denied.folder, denied.environ, "status")
    report = json.loads(catalog_command(denied.folder, denied.environ, "status", "--json"))

    assert table.count(f"AccessDeniedException: {ACTION} is not permitted. User: [redacted] is not authorized") == 2
    assert [part["failure"]["action"] for region in report["regions"] for part in region["parts"][1:]] == [ACTION] * 2


def test_the_metrics_say_which_part_is_missing(denied: Denied) -> None:
    page = denied.service.get("/metrics").text
    samples = {line for line in page.splitlines() if WEST in line}

    assert any('part="models"' in line for line in samples)
    assert any('part="profiles"' in line for line in samples)


def test_profiles_that_are_permitted_later_are_served_with_the_next_attempt(tmp_path: Path) -> None:
    with BedrockStandin([EAST]) as standin:
        standin[EAST].faults["profiles"] = "denied"
        settings: dict[str, Any] = standin.environ | {"CATALOG_REFRESH_SECONDS": "1"}
        with running_service(tmp_path, **settings) as service:
            assert service.get("/v1/models?view=profiles").json()["data"]
            standin[EAST].faults.clear()
            profiles = {row["inferenceProfileId"] for row in standin[EAST].profiles}
            eventually(lambda: profiles <= {it["id"] for it in service.get("/v1/models?view=all").json()["data"]})


def test_application_profiles_are_served_by_their_arn_and_stay_out_of_log_and_metrics(tmp_path: Path) -> None:
    with BedrockStandin([EAST, WEST]) as standin:
        standin[EAST].models = [model_row("a", inferenceTypesSupported=["INFERENCE_PROFILE"])]
        standin[EAST].profiles = [profile_row("us.a", "a")]
        row = application_profile_row("billing", f"arn:aws:bedrock:{EAST}::foundation-model/a", region=EAST)
        standin[EAST].application_profiles = [row]
        standin[WEST].faults["application_profiles"] = "denied"
        arn = row["inferenceProfileArn"]
        parts: dict[str, Any] = standin.environ | {"CATALOG_PARTS": "models,profiles,application_profiles"}
        with running_service(tmp_path, **parts) as service:
            eventually(lambda: service.events("catalog_refreshed"))
            listed = {it["id"]: it for it in service.get("/v1/models?view=profiles").json()["data"]}
            models = {it["id"]: it for it in service.get("/v1/models").json()["data"]}
            found = service.get(f"/v1/models/{arn}")
            metrics = service.get("/metrics").text

    assert {arn, "us.a"} <= set(listed)
    assert listed[arn]["aws_bedrock"]["geography"] == "application"
    assert listed[arn]["aws_bedrock"]["model_id"] == "a"
    assert models["a"]["aws_bedrock"]["inference_profiles"] == {"us.a": [EAST]}
    assert (found.status_code, found.json()["id"]) == (200, arn)
    assert standin.calls[EAST, APPLICATION_CALLS] == 1
    [refused] = service.events("part_not_permitted")
    assert (refused["regions"], refused["part"], refused["missing_permission"]) == (
        [WEST],
        "application_profiles",
        ACTION,
    )
    assert ACCOUNT not in metrics
    assert ACCOUNT not in service.log()
