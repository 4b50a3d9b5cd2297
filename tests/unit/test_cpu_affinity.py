"""Which core a worker's serving threads are pinned to, and when."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.server.cpu_affinity import CONSECUTIVE_SAMPLES, Pin, free_core, has_cpu_quota, quietest, used_by_others

CORES = os.sched_getaffinity(0)


def test_each_worker_gets_a_core_of_its_own() -> None:
    taken: list[int] = []
    for _ in range(4):
        core = free_core({0, 1, 2, 3}, taken, workers=4)
        assert core is not None
        taken.append(core)

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
    """One that pins this thread to a core."""
    pin = Pin(max(CORES), CORES)
    pin.tick()
    yield pin
    os.sched_setaffinity(0, CORES)


def own_cores() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


def test_a_core_that_is_busy_with_others_is_left_until_they_are_gone(pin: Pin) -> None:
    assert own_cores() == {max(CORES)}
    for _ in range(CONSECUTIVE_SAMPLES):
        pin.evaluate(1.0, 0.5, 1.0, 1.2)

    assert own_cores() == CORES
    for _ in range(CONSECUTIVE_SAMPLES):
        pin.evaluate(1.0, 0.9, 0.5, 0.95)

    assert own_cores() == {max(CORES)}


@pytest.mark.parametrize(
    ("own_s", "core_s"),
    [
        (0.9, 0.95),  # The core is busy with this process alone.
        (0.01, 1.0),  # Others are busy there, and this process has nothing to do.
    ],
)
def test_a_core_is_kept_while_no_other_is_busy_there(pin: Pin, own_s: float, core_s: float) -> None:
    for _ in range(10):
        pin.evaluate(1.0, own_s, core_s, core_s)

    assert own_cores() == {max(CORES)}


def test_one_busy_second_is_no_reason_to_leave(pin: Pin) -> None:
    for _ in range(10):
        pin.evaluate(1.0, 0.5, 1.0, 1.2)
        pin.evaluate(1.0, 0.5, 0.5, 0.7)

    assert own_cores() == {max(CORES)}


def test_busy_seconds_with_idle_ones_between_are_no_reason_either(pin: Pin) -> None:
    for _ in range(10):
        pin.evaluate(1.0, 0.5, 1.0, 1.2)
        pin.evaluate(1.0, 0.0, 1.0, 1.2)

    assert own_cores() == {max(CORES)}


@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_the_pool_moves_along_and_the_background_does_not() -> None:
    done = threading.Event()
    background = threading.Thread(target=done.wait)
    background.start()
    pin = Pin(max(CORES), CORES)
    pin.tick()
    try:
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(own_cores).result()
            for _ in range(CONSECUTIVE_SAMPLES):
                pin.evaluate(1.0, 0.5, 1.0, 1.2)
            freed = pool.submit(own_cores).result()
            assert background.native_id is not None
            untouched = os.sched_getaffinity(background.native_id)
    finally:
        done.set()
        os.sched_setaffinity(0, CORES)

    assert [set(it) for it in (held, freed, untouched)] == [{max(CORES)}, CORES, CORES]


def test_a_sample_that_cannot_be_taken_changes_nothing(pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.cpu_affinity.STAT", Path("/nowhere"))
    pin._next_sample = 0.0
    pin.tick()

    assert own_cores() == {max(CORES)}


def test_a_sample_reads_what_was_used_since_the_last(pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, ...]] = []
    monkeypatch.setattr(pin, "evaluate", lambda *used: seen.append(used))
    monkeypatch.setattr("app.server.cpu_affinity.SAMPLE_EVERY_S", 0.0)
    pin._next_sample = 0.0
    pin.tick()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    pin.tick()

    elapsed_s, own_s, core_s, all_s = seen[-1]
    assert elapsed_s >= own_s * 0.9 and own_s >= 0.1
    # The kernel counts in hundredths of a second.
    assert all_s + 0.001 > core_s >= 0.05


@pytest.mark.parametrize(
    ("used_s", "avoid", "core"),
    [
        ({0: 0.2, 1: 0.1, 2: 0.3}, set(), 1),
        ({0: 0.2, 1: 0.1}, {1}, 0),
        ({0: 0.8, 1: 0.1}, {1}, 1),  # Better beside the worker than beside those that use the other core.
        ({0: 0.1, 1: 0.2}, {0, 1}, 0),
        ({0: 0.8, 1: 0.9}, set(), None),
    ],
)
def test_a_short_lived_process_takes_the_quietest_core(
    used_s: dict[int, float], avoid: set[int], core: int | None
) -> None:
    assert quietest(used_s, 1.0, avoid=avoid) == core


def test_what_a_process_uses_itself_makes_no_core_busy() -> None:
    assert used_by_others({0: 1.0, 1: 2.0}, {0: 1.9, 1: 2.1}, own_s=0.8, own_core=0) == pytest.approx({0: 0.1, 1: 0.1})
