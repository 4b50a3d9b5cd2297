"""Which core a worker's serving threads keep to, and what keeps free to run anywhere."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from app.server.cpu_affinity import SIGNS, Pin, free_core, has_cpu_quota, quietest, used_by_others
from tests.support.bedrock_standin import BedrockStandin
from tests.support.servers import PROJECT, Service, eventually, running_service

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


@pytest.fixture
def pin() -> Iterator[Pin]:
    """One that holds this thread to a core."""
    yield Pin(max(CORES), CORES)
    os.sched_setaffinity(0, CORES)


def own_cores() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


def test_a_core_that_others_crowd_is_left_until_they_are_gone(pin: Pin) -> None:
    assert own_cores() == {max(CORES)}
    for _ in range(SIGNS):
        pin.judge(1.0, 0.5, 1.0, 1.2)

    assert own_cores() == CORES
    for _ in range(SIGNS):
        pin.judge(1.0, 0.9, 0.5, 0.95)

    assert own_cores() == {max(CORES)}


@pytest.mark.parametrize(
    ("own_s", "core_s"),
    [
        (0.9, 0.95),  # The core is busy with this process alone.
        (0.01, 1.0),  # Others are busy there, and this process has nothing to do.
    ],
)
def test_a_core_is_kept_while_nobody_is_in_the_way(pin: Pin, own_s: float, core_s: float) -> None:
    for _ in range(10):
        pin.judge(1.0, own_s, core_s, core_s)

    assert own_cores() == {max(CORES)}


def test_one_busy_second_is_no_reason_to_leave(pin: Pin) -> None:
    for _ in range(10):
        pin.judge(1.0, 0.5, 1.0, 1.2)
        pin.judge(1.0, 0.5, 0.5, 0.7)

    assert own_cores() == {max(CORES)}


def test_busy_seconds_with_idle_ones_between_are_no_reason_either(pin: Pin) -> None:
    for _ in range(10):
        pin.judge(1.0, 0.5, 1.0, 1.2)
        pin.judge(1.0, 0.0, 1.0, 1.2)

    assert own_cores() == {max(CORES)}


@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_the_pool_moves_along_and_the_background_does_not() -> None:
    done = threading.Event()
    background = threading.Thread(target=done.wait)
    background.start()
    pin = Pin(max(CORES), CORES)
    try:
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(own_cores).result()
            for _ in range(SIGNS):
                pin.judge(1.0, 0.5, 1.0, 1.2)
            freed = pool.submit(own_cores).result()
            assert background.native_id is not None
            untouched = os.sched_getaffinity(background.native_id)
    finally:
        done.set()
        os.sched_setaffinity(0, CORES)

    assert [set(it) for it in (held, freed, untouched)] == [{max(CORES)}, CORES, CORES]


def test_a_look_that_cannot_be_taken_changes_nothing(pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.cpu_affinity.STAT", Path("/nowhere"))
    pin._next_look = 0.0
    pin.look()

    assert own_cores() == {max(CORES)}


def test_a_look_reads_what_was_used_since_the_last(pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, ...]] = []
    monkeypatch.setattr(pin, "judge", lambda *used: seen.append(used))
    monkeypatch.setattr("app.server.cpu_affinity.LOOK_EVERY_S", 0.0)
    pin._next_look = 0.0
    pin.look()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    pin.look()

    took_s, own_s, core_s, all_s = seen[-1]
    assert took_s >= own_s * 0.9 and own_s >= 0.1
    # The kernel counts in hundredths of a second.
    assert all_s + 0.001 > core_s >= 0.05


@pytest.mark.parametrize(
    ("used_s", "taken", "core"),
    [
        ({0: 0.2, 1: 0.1, 2: 0.3}, set(), 1),
        ({0: 0.2, 1: 0.1}, {1}, 0),
        ({0: 0.8, 1: 0.1}, {1}, 1),  # Better beside the worker than beside whoever uses the other core.
        ({0: 0.1, 1: 0.2}, {0, 1}, 0),
        ({0: 0.8, 1: 0.9}, set(), None),
    ],
)
def test_a_short_lived_process_takes_the_quietest_core(
    used_s: dict[int, float], taken: set[int], core: int | None
) -> None:
    assert quietest(used_s, 1.0, taken=taken) == core


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
    code = "import app.discovery.__main__ as d; from app.server import cpu_affinity as p; p.CROWDED = 99; d.main()"
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


def test_what_a_process_uses_itself_makes_no_core_crowded() -> None:
    assert used_by_others({0: 1.0, 1: 2.0}, {0: 1.9, 1: 2.1}, own_s=0.8, own_core=0) == pytest.approx({0: 0.1, 1: 0.1})


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
