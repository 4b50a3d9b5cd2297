"""Which core the threads of one interpreter keep to: those that serve in a worker, those that visit regions in a child.

The threads of one interpreter never run at once. On several cores they only hand its lock to and fro, which costs more
than what they do.
"""

import os
import threading
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

STAT = Path("/proc/stat")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# How the threads of a ThreadPoolExecutor are called, which serve the requests.
SERVING = "ThreadPoolExecutor"

LOOK_EVERY_S = 1.0
# So many looks in a row must say the same before anything is done.
SIGNS = 3
# Shares of one core: what this process must use to care at all, what others may use of its core, and how little they
# must use of each for it to be held again.
ACTIVE, CROWDED, QUIET = 0.1, 0.3, 0.15

# A child that hangs in the network has done its work by then, and one that does not needs other cores, too.
SETTLED_S = 3.0

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def free_core(cores: Iterable[int], taken: Sequence[int | None], *, workers: int) -> int | None:
    """The core that the fewest workers keep to; None where there are more workers than cores.

    Args:
        cores: those that this process may use.
        taken: the core of each worker that runs.
        workers: how many there are to be.
    """
    # The last ones first: interrupts mostly land on the first one.
    ranked = sorted(cores, reverse=True)
    if workers > len(ranked):
        return None
    return min(ranked, key=taken.count)


def may_pin() -> bool:
    """Whether the cores are ours to choose among: we may, see what others use, and have no limit on our CPU time."""
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except OSError:  # A sandbox may forbid it.
        return False
    return STAT.exists() and not has_cpu_quota()


def has_cpu_quota(own: Path = OWN_CGROUP, root: Path = CGROUPS) -> bool:
    """Whether a control group (version 1 or 2) of this process has a limit on its CPU time.

    Its cores are then shared with others, so the kernel must be free to choose among them.
    """
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root
        group = base / path.lstrip("/")
        # In a container, the path may be the host's, and its own group the root of what it sees.
        for folder in (base, group, *group.parents):
            if folder.is_relative_to(base) and _limits(folder):
                return True
    return False


def _limits(folder: Path) -> bool:
    for name, unlimited in (("cpu.max", "max"), ("cpu.cfs_quota_us", "-1")):
        try:
            words = (folder / name).read_text().split()
        except OSError:
            continue
        if words[:1] != [unlimited]:
            return True
    return False


class Pin:
    """Keeps the threads that serve to one core, while they have it to themselves.

    The kernel cannot move them from a core that others crowd, so they are let go there: a worker that had to share its
    core with busy programs would answer some requests a quarter of a second late.
    """

    def __init__(self, core: int, cores: Iterable[int]) -> None:
        """Keep the calling thread to the core, and those that it starts from now on.

        Args:
            cores: those that this process may use.
        """
        self.core = core
        self.is_held = True
        self._cores = frozenset(cores)
        self._signs = 0
        self._next_look = time.monotonic() + LOOK_EVERY_S
        self._last = self._used()
        os.sched_setaffinity(0, [core])

    def look(self) -> None:
        """Hold or let go, by what has been used since the last look. To be called often, by a thread that serves."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        try:
            last, self._last = self._last, self._used()
        except OSError:
            return  # Out of descriptors, say: nothing to end a worker for.
        self.judge(*(after - before for after, before in zip(self._last, last, strict=True)))

    def judge(self, took_s: float, own_s: float, core_s: float, all_s: float) -> None:
        """
        Args:
            took_s: the time looked at.
            own_s: the CPU time of this process in it.
            core_s: the CPU time of all programs on the core.
            all_s: their CPU time on all cores.
        """
        if own_s < ACTIVE * took_s:
            self._signs = 0  # Who does little is in nobody's way.
            return
        if self.is_held:
            is_sign = core_s - own_s > CROWDED * took_s
        else:
            is_sign = all_s - own_s < QUIET * took_s * len(self._cores)
        self._signs = self._signs + 1 if is_sign else 0
        if self._signs == SIGNS:
            self._signs = 0
            self._move(self._cores if self.is_held else frozenset([self.core]))
            self.is_held = not self.is_held

    def _move(self, cores: frozenset[int]) -> None:
        """Move the threads that are held, or that are to be; the background threads stay as they are."""
        serving = [threading.get_native_id()]
        serving += [it.native_id for it in threading.enumerate() if it.name.startswith(SERVING) and it.native_id]
        for thread in serving:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)

    def _used(self) -> tuple[float, float, float, float]:
        busy = _busy_s(self._cores)
        return time.monotonic(), time.process_time(), busy[self.core], sum(busy.values())


class Settler:
    """Keeps all threads of a short-lived process to one quiet core, for some seconds at most.

    It looks at what others use from when it is made until `settle`.
    """

    def __init__(self) -> None:
        self._cores = frozenset(os.sched_getaffinity(0))
        self._began = time.monotonic(), time.process_time(), _busy_s(self._cores)

    def settle(self, *, for_s: float = SETTLED_S) -> None:
        """To be called before the threads start; does nothing where no core is quiet."""
        began_s, own_s, before = self._began
        after, own_s = _busy_s(self._cores), time.process_time() - own_s
        used = used_by_others(before, after, own_s=own_s, own_core=_current_core())
        core = quietest(used, time.monotonic() - began_s, taken=_held_by_parent())
        if core is not None:
            self._move({core})
            letting_go = threading.Timer(for_s, self._move, [self._cores])
            letting_go.daemon = True
            letting_go.start()

    def _move(self, cores: Iterable[int]) -> None:
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cores)


def used_by_others(
    before: Mapping[int, float], after: Mapping[int, float], *, own_s: float, own_core: int
) -> dict[int, float]:
    """What has been used of each core in a while, less what this process has used, on the core that it is on."""
    return {core: after[core] - before[core] - (own_s if core == own_core else 0) for core in after}


def quietest(used_s: Mapping[int, float], took_s: float, *, taken: Container[int]) -> int | None:
    """The core that others leave most of; None where they crowd all of them.

    Args:
        used_s: the CPU time of others on each core, in the time looked at.
        taken: cores that are only to be chosen where the others are crowded.
    """
    uncrowded = [core for core, used in used_s.items() if used <= CROWDED * took_s]
    return min(uncrowded, key=lambda core: (core in taken, used_s[core]), default=None)


def _held_by_parent() -> frozenset[int]:
    """The core that the worker which started this process serves on."""
    try:
        cores = os.sched_getaffinity(os.getppid())
    except ProcessLookupError:
        return frozenset()
    return frozenset(cores) if len(cores) == 1 else frozenset()


def _current_core() -> int:
    # Field 39 of proc(5), counted from behind the name, which may hold anything.
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[36])


def _busy_s(cores: Iterable[int]) -> dict[int, float]:
    """The CPU time of all programs on each core, since the machine started."""
    busy = dict.fromkeys(cores, 0.0)
    for line in STAT.read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in busy:
            user, nice, system, _, _, irq, softirq = map(int, ticks[:7])
            busy[int(name[3:])] = (user + nice + system + irq + softirq) / TICKS_A_SECOND
    return busy
