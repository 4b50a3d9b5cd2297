"""CPU affinity: the threads of one interpreter kept to one core, where that core is theirs.

They never run at once; on several cores they only hand the interpreter lock to and fro, which costs more than what they
do. `pin_worker` is for a serving worker, `pin_temporarily` for a short-lived child.
"""

import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

STAT = Path("/proc/stat")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# The names of the threads that serve requests, those of a ThreadPoolExecutor, begin so.
SERVING_THREADS = "ThreadPoolExecutor"

SAMPLE_EVERY_S = 1.0
# So many samples in a row must agree before a worker is moved.
CONSECUTIVE_SAMPLES = 3
# Shares of one core: what a worker must use to be moved at all, what others may use of its core, and how little they
# must use of each for it to be pinned again.
ACTIVE, BUSY, QUIET = 0.1, 0.3, 0.15

# A child that hangs in the network has done its work by then, and one that does not needs other cores, too.
TEMPORARILY_S = 3.0


def pin_worker(others: "Iterable[Pin | None]", *, workers: int) -> "Pin | None":
    """In the master, before a worker is forked: its core; None where it must run on any.

    Args:
        others: the pins of the workers that run.
        workers: the number that there are to be.
    """
    if not may_pin():
        return None
    cores = os.sched_getaffinity(0)
    core = free_core(cores, [other.core for other in others if other], workers=workers)
    return None if core is None else Pin(core, cores)


def pin_temporarily() -> Callable[[], None]:
    """In a child that starts: sample the cores, and return what pins all threads to a quiet one for some seconds.

    The result is to be called before the threads start; it does nothing where no core is quiet.
    """
    if not may_pin():
        return lambda: None
    cores = frozenset(os.sched_getaffinity(0))
    began_s, own_began_s, before = time.monotonic(), time.process_time(), _busy_s(cores)

    def move(to: Iterable[int]) -> None:
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), to)

    def pin() -> None:
        own_s = time.process_time() - own_began_s
        used = used_by_others(before, _busy_s(cores), own_s=own_s, own_core=_current_core())
        core = quietest(used, time.monotonic() - began_s, avoid=_cores_of_parent())
        if core is not None:
            move({core})
            release = threading.Timer(TEMPORARILY_S, move, [cores])
            release.daemon = True
            release.start()

    return pin


def free_core(cores: Iterable[int], taken: Sequence[int], *, workers: int) -> int | None:
    """The core with the fewest workers; None where there are more workers than cores."""
    # The last ones first: interrupts mostly land on the first one.
    ranked = sorted(cores, reverse=True)
    return None if workers > len(ranked) else min(ranked, key=taken.count)


def may_pin() -> bool:
    """Whether the affinity may be set, other processes' use of the cores can be read, and no CPU quota applies."""
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except OSError:  # A sandbox may forbid it.
        return False
    return STAT.exists() and not has_cpu_quota()


def has_cpu_quota(own: Path = OWN_CGROUP, root: Path = CGROUPS) -> bool:
    """Whether a control group (version 1 or 2) of this process has a CPU quota: its cores are then shared."""
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root
        group = base / path.lstrip("/")
        # In a container, the path may be the host's, and its own group the root of what it sees.
        if any(_has_quota(folder) for folder in (base, group, *group.parents) if folder.is_relative_to(base)):
            return True
    return False


def _has_quota(folder: Path) -> bool:
    for name, unlimited in (("cpu.max", "max"), ("cpu.cfs_quota_us", "-1")):
        with suppress(OSError):
            if (folder / name).read_text().split()[:1] != [unlimited]:
                return True
    return False


class Pin:
    """Keeps a worker's serving threads to one core, except while others are busy there.

    The kernel cannot move pinned threads away from a busy core, so some requests would take a quarter of a second more.
    """

    def __init__(self, core: int, cores: Iterable[int]) -> None:
        self.core = core
        self.is_held = False
        self._cores = frozenset(cores)
        self._agreeing = 0
        self._next_sample = 0.0
        self._last: tuple[float, ...] | None = None

    def tick(self) -> None:
        """Pin or release by what was used since the last sample; called often by the thread that starts the others."""
        now = time.monotonic()
        if now < self._next_sample:
            return
        self._next_sample = now + SAMPLE_EVERY_S
        if self._last is None:
            self._move(pinned=True)
        with suppress(OSError):  # No descriptor is free, say: no reason to end a worker.
            last, self._last = self._last, self._sample()
            if last is not None:
                self.evaluate(*(after - before for after, before in zip(self._last, last, strict=True)))

    def evaluate(self, elapsed_s: float, own_s: float, core_s: float, all_s: float) -> None:
        """
        Args:
            elapsed_s: the time between two samples.
            own_s: this process's CPU time in it.
            core_s: the CPU time of all processes on the core.
            all_s: their CPU time on all cores.
        """
        if own_s < ACTIVE * elapsed_s:
            self._agreeing = 0
            return
        if self.is_held:
            agrees = core_s - own_s > BUSY * elapsed_s
        else:
            agrees = all_s - own_s < QUIET * elapsed_s * len(self._cores)
        self._agreeing = self._agreeing + 1 if agrees else 0
        if self._agreeing == CONSECUTIVE_SAMPLES:
            self._agreeing = 0
            self._move(pinned=not self.is_held)

    def _move(self, *, pinned: bool) -> None:
        """Move the calling thread and those that serve; the background threads stay as they are."""
        serving = [threading.get_native_id()]
        serving += [
            thread.native_id
            for thread in threading.enumerate()
            if thread.name.startswith(SERVING_THREADS) and thread.native_id
        ]
        for thread_id in serving:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread_id, [self.core] if pinned else self._cores)
        self.is_held = pinned

    def _sample(self) -> tuple[float, ...]:
        busy = _busy_s(self._cores)
        return time.monotonic(), time.process_time(), busy[self.core], sum(busy.values())


def used_by_others(
    before: Mapping[int, float], after: Mapping[int, float], *, own_s: float, own_core: int
) -> dict[int, float]:
    """Other processes' CPU time on each core between two samples; this process's is counted on the core it is on."""
    return {core: after[core] - before[core] - (own_s if core == own_core else 0) for core in after}


def quietest(used_s: Mapping[int, float], elapsed_s: float, *, avoid: Container[int]) -> int | None:
    """The core that others use least; None where they are busy on all of them.

    Args:
        used_s: others' CPU time on each core in the time that elapsed.
        avoid: cores that are chosen only where the others are busy.
    """
    free = [core for core, used in used_s.items() if used <= BUSY * elapsed_s]
    return min(free, key=lambda core: (core in avoid, used_s[core]), default=None)


def _cores_of_parent() -> frozenset[int]:
    """The core of the worker that started this process, where it has one."""
    try:
        cores = os.sched_getaffinity(os.getppid())
    except ProcessLookupError:
        return frozenset()
    return frozenset(cores) if len(cores) == 1 else frozenset()


def _current_core() -> int:
    # Field 39 of proc(5), counted from behind the name, which may hold anything.
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[36])


def _busy_s(cores: Iterable[int]) -> dict[int, float]:
    """The CPU time of all processes on each core, since the machine started."""
    busy = dict.fromkeys(cores, 0.0)
    for line in STAT.read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in busy:
            user, nice, system, _, _, irq, softirq = map(int, ticks[:7])
            busy[int(name[3:])] = (user + nice + system + irq + softirq) / TICKS_PER_SECOND
    return busy
