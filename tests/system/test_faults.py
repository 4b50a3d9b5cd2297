"""Regions that fail in every way at once, in front of a real service: nothing is lost, and everybody can see it."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.support.bedrock_standin import ACCOUNT, FAULTS, HUGE_ROWS, ROLE, BedrockStandin
from tests.support.servers import PROJECT, Service, eventually, free_port, running_service, service_environ

HEALTHY = ("us-east-1", "us-west-2")
# A region for each fault.
BROKEN = dict(
    zip(
        FAULTS,
        (
            *("af-south-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1"),
            *("ap-south-2", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "ca-west-1", "eu-central-1"),
            *("eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2"),
        ),
        strict=True,
    )
)
CODES = {
    "missing": "ResourceNotFoundException",
    "invalid": "ValidationException",
    "unknown": "UnknownOperationException",
    "nameless": "AccessDeniedException",
    "throttled": "ThrottlingException",
    "denied": "AccessDeniedException",
    "unrecognized": "UnrecognizedClientException",
    "expired": "ExpiredTokenException",
    "error": "InternalServerException",
    "hang": "Timeout",
    "half": "Malformed",
    "drip": "Timeout",
    "reset": "ConnectionClosedError",
    "html": "Malformed",
    "empty": "EmptyListing",
}
# Rows that are wrong take nothing away, so these regions are fresh, and the rows are counted.
COUNTED = {"bare": "backfilled_rows", "mistyped": "skipped_rows"}
TIMEOUT_S = 4

# What ends a refresh in the log: some region answered, or none.
REFRESHES = ("catalog_refreshed", "refresh_failed")

# The story of the faults runs once, before the first test.
pytestmark = pytest.mark.timeout(300)


@dataclass
class Seen:
    """What a client and an operator saw at one moment."""

    models: set[str]
    regions: dict[str, dict[str, Any]]
    status: str
    cli: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Story:
    """What became of a service whose regions fail in every way, and of one that loses its network."""

    before: Seen
    during: Seen
    after: Seen
    refreshes_ms: list[int]
    log: str


@dataclass
class Outage:
    before: Seen
    refused: Seen
    unresolved: Seen
    healed: Seen
    log: str


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Outage]:
    """Run at the same time: both mostly wait for deadlines."""
    with mock_aws(), ThreadPoolExecutor() as pool:
        story = pool.submit(tell_faults, tmp_path_factory.mktemp("faults"))
        outage = pool.submit(tell_outage, tmp_path_factory.mktemp("outage"))
    return story.result(), outage.result()


@pytest.fixture(scope="module")
def story(both: tuple[Story, Outage]) -> Story:
    return both[0]


@pytest.fixture(scope="module")
def outage(both: tuple[Story, Outage]) -> Outage:
    return both[1]


SETTINGS = {"CATALOG_REFRESH_SECONDS": "1", "CATALOG_REFRESH_TIMEOUT_SECONDS": str(TIMEOUT_S)}


def tell_faults(folder: Path) -> Story:
    with BedrockStandin([*HEALTHY, *BROKEN.values()]) as standin:
        environ: dict[str, Any] = standin.environ | SETTINGS
        with running_service(folder, **environ) as service:
            wait_until(service, lambda states: set(states.values()) == {"fresh"})
            before = seen(service)
            for fault, region in BROKEN.items():
                standin[region].fault = fault
            wait_until(service, lambda states: all(states[BROKEN[fault]] == "stale" for fault in CODES))
            during = seen(service)
            during.cli = cli_status(folder, environ)
            for region in BROKEN.values():
                standin[region].fault = None
            wait_until(service, lambda states: set(states.values()) == {"fresh"})
            after = seen(service)
    refreshes = [line["duration_ms"] for line in lines_of(service.log()) if line["event"] in REFRESHES]
    return Story(before, during, after, refreshes, service.log())


def tell_outage(folder: Path) -> Outage:
    sdk = folder / "aws.config"
    with BedrockStandin(HEALTHY) as standin:
        environ: dict[str, Any] = standin.environ | SETTINGS | {"AWS_CONFIG_FILE": str(sdk)}
        # Every discovery reads the file anew, so that the endpoint can change under a running service.
        del environ["AWS_ENDPOINT_URL_BEDROCK"]
        point_at(sdk, standin.url)
        with running_service(folder, **environ) as service:
            wait_until(service, lambda states: set(states.values()) == {"fresh"})
            before = seen(service)
            point_at(sdk, f"http://127.0.0.1:{free_port()}")
            wait_until(service, lambda states: set(states.values()) == {"stale"})
            refused = seen(service)
            point_at(sdk, "http://bedrock.invalid")
            wait_for_refreshes(service, 2)
            unresolved = seen(service)
            point_at(sdk, standin.url)
            wait_until(service, lambda states: set(states.values()) == {"fresh"})
            healed = seen(service)
    return Outage(before, refused, unresolved, healed, service.log())


def point_at(sdk: Path, url: str) -> None:
    changed = sdk.with_suffix(".new")
    changed.write_text(f"[default]\nservices = here\n[services here]\nbedrock =\n  endpoint_url = {url}\n")
    changed.rename(sdk)


def wait_until(service: Service, holds: Any) -> None:
    eventually(lambda: holds({name: it["state"] for name, it in regions_of(service).items()}), timeout_s=90)


def wait_for_refreshes(service: Service, number: int) -> None:
    begun = refreshes_of(service)
    eventually(lambda: refreshes_of(service) >= begun + number, timeout_s=90)


def refreshes_of(service: Service) -> int:
    return sum(line["event"] in REFRESHES for line in lines_of(service.log()))


def regions_of(service: Service) -> dict[str, dict[str, Any]]:
    return {region["region"]: region for region in service.get("/readyz").json()["regions"]}


def seen(service: Service) -> Seen:
    readiness = service.get("/readyz").json()
    models = [model["id"] for model in service.get("/v1/models").json()["data"]]
    return Seen(set(models), {region["region"]: region for region in readiness["regions"]}, readiness["status"])


def cli_status(folder: Path, environ: dict[str, str]) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "catalog", "status", "--json"],
        cwd=PROJECT,
        env=service_environ(folder, **environ),
        capture_output=True,
        check=True,
    )
    return {region["region"]: region for region in json.loads(done.stdout)["regions"]}


def codes_of(region: dict[str, Any]) -> dict[str, str]:
    """The reason of each part that failed."""
    return {part["part"]: part["failure"]["code"] for part in region["parts"] if part["failure"]}


def counted(region: dict[str, Any], what: str) -> int:
    return sum(part[what] for part in region["parts"])


def lines_of(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def listed_by(seen: Seen, region: str) -> bool:
    return f"maker.only-{region}-v1:0" in seen.models


def test_at_first_every_region_is_there(story: Story) -> None:
    assert story.before.status == "ready"
    assert all(listed_by(story.before, region) for region in (*HEALTHY, *BROKEN.values()))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_model_of_a_broken_region_stays_listed(story: Story, fault: str) -> None:
    assert listed_by(story.during, BROKEN[fault])
    assert story.before.models <= story.during.models
    assert story.during.regions[BROKEN[fault]]["models"] >= story.before.regions[BROKEN[fault]]["models"]


def test_other_regions_stay_fresh(story: Story) -> None:
    assert {story.during.regions[name]["state"] for name in HEALTHY} == {"fresh"}
    assert story.during.status == "ready"


@pytest.mark.parametrize("fault", CODES)
def test_the_failure_is_to_be_seen_by_readiness_the_log_and_the_command_line(story: Story, fault: str) -> None:
    region = BROKEN[fault]
    shown = story.during.regions[region]
    logged = [line for line in lines_of(story.log) if line["event"] == "region_failed" and line["region"] == region]
    both = {"models": CODES[fault], "profiles": CODES[fault]}

    assert (shown["state"], codes_of(shown)) == ("stale", both)
    assert set(both.items()) <= {(line["part"], line["code"]) for line in logged}
    assert all(line["serving"].startswith("its listing of ") for line in logged)
    assert codes_of(story.during.cli[region]) == both


@pytest.mark.parametrize("fault", COUNTED)
def test_rows_that_are_wrong_are_counted_by_readiness_the_log_and_the_command_line(story: Story, fault: str) -> None:
    region = BROKEN[fault]
    logged = [line for line in lines_of(story.log) if line["event"] == "region_incomplete" and line["region"] == region]

    assert story.during.regions[region]["state"] == "fresh"
    assert counted(story.during.regions[region], COUNTED[fault]) > 0
    assert counted(story.during.cli[region], COUNTED[fault]) > 0
    assert logged and logged[0][COUNTED[fault]] > 0


def test_ten_thousand_rows_are_ten_thousand_models(story: Story) -> None:
    region = BROKEN["huge"]

    assert story.during.regions[region]["models"] == story.before.regions[region]["models"] + HUGE_ROWS
    assert len(story.during.models) == len(story.before.models) + HUGE_ROWS


def test_every_refresh_ends_with_its_deadline(story: Story) -> None:
    """Ten thousand rows are half a second of work after it; on a busy machine that takes longer."""
    assert len(story.refreshes_ms) > 2
    assert max(story.refreshes_ms) < (TIMEOUT_S + 6) * 1000


def test_after_the_faults_all_is_fresh_and_as_it_was(story: Story) -> None:
    assert story.after.models == story.before.models
    assert [codes_of(it) for it in story.after.regions.values() if codes_of(it)] == []


def test_refused_connections_lose_nothing(outage: Outage) -> None:
    assert outage.refused.models == outage.before.models
    codes = {code for it in outage.refused.regions.values() for code in codes_of(it).values()}
    assert codes <= {"EndpointConnectionError", "Timeout"}


def test_dead_dns_loses_nothing(outage: Outage) -> None:
    assert outage.unresolved.models == outage.before.models
    codes = {code for it in outage.unresolved.regions.values() for code in codes_of(it).values()}
    assert codes <= {"EndpointConnectionError", "Timeout"}


def test_when_the_network_is_back_all_is_fresh(outage: Outage) -> None:
    assert outage.healed.models == outage.before.models


def test_only_the_operator_reads_what_aws_said(story: Story, outage: Outage) -> None:
    answers = json.dumps([story.during.regions, outage.refused.regions])

    assert ROLE not in answers and "arn:" not in answers and "not authorized" not in answers
    assert ACCOUNT not in answers + story.log
    assert "[redacted] is not authorized to perform" in story.log


def test_no_fault_is_a_traceback(story: Story, outage: Outage) -> None:
    assert "Traceback" not in story.log + outage.log


def test_regions_that_hang_pile_up_no_process_thread_or_descriptor(tmp_path: Path) -> None:
    with BedrockStandin(["us-east-1", "eu-west-1", "eu-north-1"]) as standin:
        settings: dict[str, Any] = {"CATALOG_REFRESH_SECONDS": "1", "CATALOG_REFRESH_TIMEOUT_SECONDS": "2"}
        with running_service(tmp_path, **standin.environ | settings) as service:
            standin["eu-west-1"].fault, standin["eu-north-1"].fault = "hang", "drip"
            wait_for_refreshes(service, 1)
            worker = children_of(service.process.pid)[0]
            first = held_by(worker)
            wait_for_refreshes(service, 2)
            last = held_by(worker)

    assert last == first


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def held_by(worker: int) -> tuple[int, int]:
    """Descriptors and threads of a worker at a moment when it has no child, zombies counted."""

    def has_no_child() -> bool:
        return not any(Path(task, "children").read_text() for task in Path(f"/proc/{worker}/task").iterdir())

    deadline = time.monotonic() + 20
    while True:
        folder = Path(f"/proc/{worker}")
        found = len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))
        if has_no_child():
            return found
        assert time.monotonic() < deadline, "there is always a child"
        time.sleep(0.01)
