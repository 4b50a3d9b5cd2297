"""Several workers of a real gunicorn: they call AWS as often as one, and none is missed when it goes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.support.bedrock_standin import BedrockStandin, model_row
from tests.support.servers import PROJECT, Service, eventually, running_service, service_environ

REGIONS = ("us-east-1", "eu-west-1")
INTERVAL_S = 1


@pytest.fixture
def standin() -> Iterator[BedrockStandin]:
    with BedrockStandin(REGIONS) as running:
        yield running


def settings_of(standin: BedrockStandin, **changes: str) -> dict[str, Any]:
    own = {"WEB_CONCURRENCY": "4", "CATALOG_REFRESH_SECONDS": str(INTERVAL_S), "CATALOG_REFRESH_TIMEOUT_SECONDS": "10"}
    return standin.environ | own | changes


def workers_of(service: Service) -> set[int]:
    return children_of(service.process.pid)


def children_of(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found |= {int(child) for child in task.read_text().split()}
        except OSError:
            continue
    return found


def discoveries_of(worker: int) -> set[int]:
    """The discovery children of a worker."""
    return {pid for pid in children_of(worker) if b"app.discovery" in command_of(pid)}


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def refreshing_worker(service: Service) -> int:
    """The worker that holds the lease, once one has its discovery child."""
    leaders: list[int] = []

    def look() -> bool:
        leaders[:] = [worker for worker in workers_of(service) if discoveries_of(worker)]
        return bool(leaders)

    eventually(look, timeout_s=20)
    return leaders[0]


@contextmanager
def clients(service: Service, number: int = 4) -> Iterator[list[object]]:
    """Clients that ask all the while; yields what went wrong for them.

    A connection refused or reset is a worker going: the proxy in front asks another one then.
    """
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answer = service.get("/v1/models")
            except httpx.TransportError:
                continue
            if answer.status_code != 200 or not answer.json()["data"]:
                wrong.append((answer.status_code, answer.text))
            time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("preload", ["true", "false"])
def test_four_workers_ask_aws_as_often_as_one(standin: BedrockStandin, tmp_path: Path, preload: str) -> None:
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text((PROJECT / "gunicorn.conf.py").read_text() + f"\npreload_app = {preload.title()}\n")
    with running_service(tmp_path, "-c", str(configuration), **settings_of(standin)) as service:
        eventually(lambda: standin.listings >= len(REGIONS) * 4, timeout_s=40)
        refreshes = service.events("catalog_refreshed")

    began = [line["timestamp"] for line in refreshes]
    assert len(began) * len(REGIONS) in (standin.listings, standin.listings - len(REGIONS))
    assert all(seconds_between(*pair) > INTERVAL_S * 0.9 for pair in pairwise(began))
    assert {region.most_in_flight for region in standin.regions.values()} == {1}


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_a_killed_leader_takes_its_child_along_and_is_replaced(standin: BedrockStandin, tmp_path: Path) -> None:
    with running_service(tmp_path, **settings_of(standin)) as service:
        standin["eu-west-1"].fault = "hang"
        leader = refreshing_worker(service)
        child = discoveries_of(leader).pop()
        with clients(service) as wrong:
            os.kill(leader, signal.SIGKILL)
            standin["eu-west-1"].fault = None
            refreshed = len(service.events("catalog_refreshed"))
            eventually(lambda: command_of(child) == b"")
            eventually(lambda: len(service.events("catalog_refreshed")) > refreshed, timeout_s=20)
            eventually(lambda: len(workers_of(service)) == 4)

    assert wrong == []
    assert {region.most_in_flight for region in standin.regions.values()} == {1}


def test_reloading_and_changing_the_number_of_workers_fails_nobody(standin: BedrockStandin, tmp_path: Path) -> None:
    with running_service(tmp_path, **settings_of(standin, WEB_CONCURRENCY="2")) as service:
        before = workers_of(service)
        with clients(service) as wrong:
            service.process.send_signal(signal.SIGHUP)
            eventually(lambda: len(workers_of(service)) == 2 and not workers_of(service) & before, timeout_s=30)
            service.process.send_signal(signal.SIGTTIN)
            eventually(lambda: len(workers_of(service)) == 3)
            service.process.send_signal(signal.SIGTTOU)
            eventually(lambda: len(workers_of(service)) == 2, timeout_s=30)
            refreshed = len(service.events("catalog_refreshed"))
            eventually(lambda: len(service.events("catalog_refreshed")) > refreshed, timeout_s=20)

    assert wrong == []
    assert "Traceback" not in service.log()


def test_recycled_workers_serve_at_once_and_go_on_refreshing(standin: BedrockStandin, tmp_path: Path) -> None:
    recycling = ("--max-requests", "150", "--max-requests-jitter", "50")
    with running_service(tmp_path, *recycling, **settings_of(standin, WEB_CONCURRENCY="2")) as service:
        before = workers_of(service)
        with clients(service) as wrong:
            eventually(lambda: len(workers_of(service)) == 2 and not workers_of(service) & before, timeout_s=30)
            refreshed = len(service.events("catalog_refreshed"))
            eventually(lambda: len(service.events("catalog_refreshed")) > refreshed, timeout_s=20)

    assert wrong == []
    assert "Traceback" not in service.log()


def test_an_operators_refresh_reaches_every_worker(standin: BedrockStandin, tmp_path: Path) -> None:
    settings = settings_of(standin, CATALOG_REFRESH_SECONDS="900")
    with running_service(tmp_path, **settings) as service:
        standin["eu-west-1"].models.append(model_row("maker.new-v1:0"))
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", "catalog", "refresh", "--json"],
            cwd=PROJECT,
            env=service_environ(tmp_path, **settings),
            capture_output=True,
        )
        eventually(lambda: all(shows(service, "maker.new-v1:0") for _ in range(20)))

    assert done.returncode == 0, done.stderr
    assert len(service.events("catalog_refreshed")) == 1


def shows(service: Service, model_id: str) -> bool:
    return service.get(f"/v1/models/{model_id}").status_code == 200


def test_what_stops_in_the_middle_of_a_refresh_ends_with_its_child_and_no_traceback(
    standin: BedrockStandin, tmp_path: Path
) -> None:
    with running_service(tmp_path, **settings_of(standin, WEB_CONCURRENCY="2")) as service:
        standin["eu-west-1"].fault = "hang"
        stop_in_a_refresh(service, lambda leader: os.kill(leader, signal.SIGTERM))
        stop_in_a_refresh(service, lambda _: service.process.send_signal(signal.SIGINT))

    assert "Traceback" not in service.log()
    assert not service.events("job_failed")


def stop_in_a_refresh(service: Service, stop: Callable[[int], None]) -> None:
    leader = refreshing_worker(service)
    child = discoveries_of(leader).pop()
    stop(leader)
    eventually(lambda: not command_of(leader) and not command_of(child), timeout_s=15)
