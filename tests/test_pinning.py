"""Which core a worker's serving threads keep to, and what keeps free to run anywhere."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from app.pinning import free_core, has_cpu_quota
from tests.servers import Service, eventually, running_service

CORES = os.sched_getaffinity(0)


def test_each_worker_gets_a_core_of_its_own() -> None:
    taken: list[int | None] = []
    for _ in range(4):
        taken.append(free_core({0, 1, 2, 3}, taken, workers=4))

    assert taken == [3, 2, 1, 0]


def test_a_worker_that_replaces_another_gets_its_core() -> None:
    assert free_core({0, 1, 2}, [2, 0], workers=3) == 1


def test_during_a_reload_old_and_new_workers_share_cores_evenly() -> None:
    assert free_core({0, 1}, [1, 0, 1], workers=2) == 0


def test_more_workers_than_cores_keep_to_none() -> None:
    assert free_core({0, 1}, [], workers=3) is None


@pytest.mark.parametrize(
    ("own", "files", "limited"),
    [
        ("0::/\n", {}, False),
        ("0::/\n", {"cpu.max": "max 100000"}, False),
        ("0::/\n", {"cpu.max": "150000 100000"}, True),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000"}, False),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, True),
        # In a container with the host's path and its own group as the root.
        ("0::/docker/abc\n", {"cpu.max": "50000 100000"}, True),
        ("4:memory:/x\n3:cpu,cpuacct:/y\n", {"cpu/y/cpu.cfs_quota_us": "-1"}, False),
        ("4:memory:/x\n3:cpu,cpuacct:/y\n", {"cpu/y/cpu.cfs_quota_us": "50000"}, True),
        ("", {}, False),
    ],
)
def test_a_limit_on_cpu_time_is_seen_in_every_group_above(
    tmp_path: Path, own: str, files: dict[str, str], limited: bool
) -> None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    assert has_cpu_quota(tmp_path / "own", tmp_path / "groups") is limited


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert not has_cpu_quota(tmp_path / "missing", tmp_path / "missing")


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
