"""Projects whole: the child asks the stand-in as the account and as the project, whatever the project's answers are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.catalog.records import (
    BASE_PARTS,
    DATA_RETENTION,
    PROGRAMS,
    PROJECT_MODELS,
    PROJECT_PARTS,
    PROJECT_PROFILES,
    PartFailure,
    PartListing,
    PartResult,
)
from app.discovery.parent import discover
from config import Settings
from tests.support.bedrock_standin import ACCOUNT, model_row, profile_row
from tests.support.project_standin import Project, ProjectStandin, program_row
from tests.system.test_parts import catalog_command

EAST, WEST = "us-east-1", "us-west-2"
GATED = "maker.gated-v1:0"


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectStandin]:
    with ProjectStandin([EAST, WEST]) as running:
        running.projects[EAST, "proj_a"] = Project(
            models=[*running[EAST].models, model_row(GATED)],
            profiles=[profile_row("us.one", GATED), profile_row("us.two", GATED)],
            programs=[program_row("one-program", "enabled"), program_row("two-program", "a new word")],
        )
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        yield running


def found(*projects: str, timeout_s: int = 20) -> dict[tuple[str, str], PartResult]:
    settings = Settings(regions=(EAST, WEST), projects=projects, refresh_timeout_s=timeout_s)
    return {(it.region, it.part): it for it in discover(settings).results}


def ids(result: PartResult) -> list[str]:
    assert isinstance(result, PartListing), result
    return [row.id for row in result.rows]


def of_account(results: dict[tuple[str, str], PartResult]) -> dict[tuple[str, str], list[str]]:
    return {place: ids(it) for place, it in results.items() if place[1] in BASE_PARTS}


def test_a_region_is_asked_as_the_account_and_as_the_project(standin: ProjectStandin) -> None:
    results = found("proj_a")

    assert GATED not in ids(results[EAST, "models"])
    assert ids(results[EAST, PROJECT_MODELS])[-1] == GATED
    assert ids(results[EAST, PROJECT_PROFILES]) == ["us.one", "us.two"]
    assert ids(results[EAST, DATA_RETENTION]) == ["aws_review"]
    assert ids(results[EAST, PROGRAMS]) == ["one-program", "two-program"]
    # The data-retention mode is the account's, and known in a region without the project, too.
    assert [ids(results[WEST, part]) for part in PROJECT_PARTS] == [[], [], ["aws_review"], []]


def test_a_pair_is_asked_for_in_its_region_alone(standin: ProjectStandin) -> None:
    results = found(f"{EAST}=proj_a", f"{WEST}=proj_b")
    failed = results[WEST, PROJECT_MODELS]

    assert GATED in ids(results[EAST, PROJECT_MODELS])
    assert isinstance(failed, PartFailure) and failed.code == "ValidationException"
    assert failed.detail.startswith("proj_b: ")


def test_without_a_project_no_call_is_made_for_one(standin: ProjectStandin) -> None:
    results = found()

    assert {part for _, part in results} == set(BASE_PARTS)
    assert {call for _, call in standin.calls} == {"ListFoundationModels", "ListInferenceProfiles"}


def test_with_one_each_part_is_called_once_a_region_but_for_its_pages(standin: ProjectStandin) -> None:
    found(f"{EAST}=proj_a")

    assert {part: standin.calls[EAST, part] for part in PROJECT_PARTS} == {
        PROJECT_MODELS: 1,
        PROJECT_PROFILES: 2,
        DATA_RETENTION: 1,
        PROGRAMS: 2,
    }
    assert not [call for region, call in standin.calls if region == WEST and call in PROJECT_PARTS]


@pytest.mark.parametrize("fault", ["denied", "throttled", "error", "html", "half", "reset", "mistyped", "hang"])
def test_no_fault_of_a_projects_parts_takes_anything_from_the_accounts(standin: ProjectStandin, fault: str) -> None:
    plain = of_account(found())
    standin[EAST].faults |= dict.fromkeys(PROJECT_PARTS, fault)
    results = found("proj_a", timeout_s=4)

    assert of_account(results) == plain
    failed = [results[EAST, part] for part in PROJECT_PARTS if isinstance(results[EAST, part], PartFailure)]
    assert bool(failed) == (fault != "mistyped")
    assert ACCOUNT not in str(failed)


def test_the_command_line_refreshes_and_shows_what_the_project_has(standin: ProjectStandin, tmp_path: Path) -> None:
    environ: dict[str, Any] = standin.environ | {"AWS_BEDROCK_PROJECT": "proj_a"}
    catalog_command(tmp_path, environ, "refresh")
    report = json.loads(catalog_command(tmp_path, environ, "status", "--json"))
    lines = catalog_command(tmp_path, environ, "status")

    assert report["projects"][0] == {
        "region": EAST,
        "project": "proj_a",
        "data_retention": "aws_review",
        "programs": {"one-program": "enabled", "two-program": "a new word"},
    }
    assert {region["state"] for region in report["regions"]} == {"fresh"}
    assert f"project proj_a in {EAST}: data retention aws_review, programs: one-program enabled" in lines
