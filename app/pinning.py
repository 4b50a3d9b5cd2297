"""Which core a worker's serving threads keep to.

The threads of one interpreter never run at once. On several cores they only hand its lock to and fro, which costs more
than what they do.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

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


def keep_to(core: int) -> None:
    """Keep the calling thread, and those that it starts from now on, to one core."""
    os.sched_setaffinity(0, [core])
