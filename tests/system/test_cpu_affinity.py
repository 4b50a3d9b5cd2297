"""Which cores the threads of running workers and discovery children run on."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from app.server.cpu_affinity import has_cpu_quota
from tests.support.bedrock_standin import BedrockStandin
from tests.support.servers import PROJECT, Service, eventually, running_service

CORES = os.sched_getaffinity(0)


def cores_of_threads(pid: int) -> set[frozenset[int]]:
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(ProcessLookupError):
            found.add(frozenset(os.sched_getaffinity(int(task))))
    return found


@contextmanager
def visiting_child(*, preexec_fn: Callable[[], object] | None = None, **settings: str) -> Iterator[int]:
    """The number of a discovery child whose regions do not answer."""
    # However busy the machine is, one core is to be quiet enough.
    code = "import app.discovery.__main__ as d; from app.server import cpu_affinity as p; p.BUSY = 99; d.main()"
    regions = ["us-east-1", "eu-west-1", "eu-west-3"]
    with BedrockStandin(regions) as standin:
        for region in regions:
            standin[region].fault = "hang"
        environ = standin.environ | {"PATH": os.environ["PATH"]} | settings
        child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=PROJECT, env=environ, stdout=subprocess.DEVNULL, preexec_fn=preexec_fn
        )
        try:
            eventually(lambda: all(standin[region].in_flight for region in regions))
            yield child.pid
        finally:
            child.kill()
            child.wait()


@pytest.mark.skipif(has_cpu_quota(), reason="this machine has a limit on CPU time, where nothing is pinned")
@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_the_discovery_child_keeps_its_visits_to_one_core_for_a_while() -> None:
    with visiting_child() as child:
        (held,) = cores_of_threads(child)
        eventually(lambda: cores_of_threads(child) == {frozenset(CORES)})

    assert len(held) == 1


@pytest.mark.skipif(has_cpu_quota(), reason="this machine has a limit on CPU time, where nothing is pinned")
@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
@pytest.mark.parametrize("core", [min(CORES), max(CORES)])
def test_the_discovery_child_leaves_its_worker_its_core(core: int) -> None:
    os.sched_setaffinity(0, [core])
    try:
        # As the refreshing thread does, it starts the child from all cores.
        with visiting_child(preexec_fn=lambda: os.sched_setaffinity(0, CORES)) as child:
            (held,) = cores_of_threads(child)
    finally:
        os.sched_setaffinity(0, CORES)

    assert held != {core}


def test_the_operator_keeps_the_discovery_child_from_it() -> None:
    with visiting_child(WEB_PINNING="false") as child:
        assert cores_of_threads(child) == {frozenset(CORES)}


def threads(service: Service) -> list[tuple[str, frozenset[int]]]:
    """The cores of each thread of each worker that runs, under its name: main or other."""
    found = []
    pid = service.process.pid
    for worker in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):
            tasks = [task.name for task in Path(f"/proc/{worker}/task").iterdir()]
            found += [
                ("main" if task == worker else "other", frozenset(os.sched_getaffinity(int(task)))) for task in tasks
            ]
    return found


def main_cores(service: Service) -> list[list[int]]:
    return sorted(sorted(cores) for name, cores in threads(service) if name == "main")


@pytest.mark.skipif(has_cpu_quota(), reason="this machine has a limit on CPU time, where nothing is pinned")
@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_workers_serve_on_a_core_each_and_refresh_on_any(tmp_path: Path) -> None:
    with running_service(tmp_path, WEB_CONCURRENCY=str(len(CORES))) as service:
        for _ in range(20):
            service.get("/livez")
        found = threads(service)

    assert sorted(sorted(cores) for name, cores in found if name == "main") == [[core] for core in sorted(CORES)]
    # The background threads, and so the discovery children that they start, keep to none.
    assert sum(cores == CORES for name, cores in found if name == "other") >= 2 * len(CORES)
    assert any(len(cores) == 1 for name, cores in found if name == "other")


@pytest.mark.parametrize(("workers", "pinning"), [(len(CORES) + 1, "true"), (1, "false")])
def test_too_many_workers_or_the_operator_keep_all_cores(tmp_path: Path, workers: int, pinning: str) -> None:
    with running_service(tmp_path, WEB_CONCURRENCY=str(workers), WEB_PINNING=pinning) as service:
        service.get("/livez")
        found = threads(service)

    assert {cores for _, cores in found} == {frozenset(CORES)}


@pytest.mark.skipif(has_cpu_quota(), reason="this machine has a limit on CPU time, where nothing is pinned")
@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_a_worker_that_was_killed_is_replaced_on_its_core(tmp_path: Path) -> None:
    with running_service(tmp_path, WEB_CONCURRENCY=str(len(CORES))) as service:
        pid = service.process.pid
        for _ in range(2):
            workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            os.kill(int(workers[0]), 9)
            eventually(lambda: main_cores(service) == [[core] for core in sorted(CORES)])
