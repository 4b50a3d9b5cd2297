"""`make bench-start`: from the start to the first list, the memory of a serving worker, and refreshes beside serving.

31 regions at 150 ms a call stand in for AWS on this host; they run at the lowest priority, since the real ones cost
this host nothing. What has arrived is served, so the first list may lack regions; the whole one has the models of all.
One of the starts is beside regions that take the call and never answer.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
from rich.console import Console
from rich.table import Table

from benchmarks.bench import LIST, write_json
from benchmarks.load import NotComparable, Sample, Target, burst, children, median, resident_kib
from benchmarks.servers import AUTH, START_TIMEOUT_S, service
from tests.support.servers import PROJECT, free_port, service_environ

REGIONS = 31
LATENCY_MS = 150
# Of the stand-in: each region has a model of its own, and shares the others with all.
MODELS_A_REGION = 100
HANGING = ("eu-west-1", "ap-south-1")
EMPTY, FULL, SILENT = "empty store", "full store", f"empty store, {len(HANGING)} regions hang"
QUIET, REFRESHING = "quiet", "refreshes back to back"
# Aims: seconds to the first list, and how much the 99th percentile may grow.
AIM_S = {EMPTY: 2.5, FULL: 1.0, SILENT: 2.5}
AIM_GROWTH = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds from the start of gunicorn to a list, the worker's memory then, and seconds of CPU.

    The CPU is that of gunicorn and all its children, the stop included.
    """

    first_s: float
    whole_s: float
    memory_mib: float
    cpu_s: float


@contextmanager
def standin(*, hanging: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Bedrock's control plane in a process of its own; what a service needs to find it."""
    options = ["--regions", str(REGIONS), "--models", str(MODELS_A_REGION), "--latency-ms", str(LATENCY_MS)]
    options += [f"--fault={region}=hang" for region in hanging]
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.support.bedrock_standin", *options]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(5)]
            yield dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        finally:
            process.terminate()


def timed_start(folder: Path, environ: dict[str, str], models: int) -> Start:
    """
    Args:
        models: how many the whole list has.
    """
    cpu_s = _children_cpu_s()
    port = free_port()
    settings = environ | {"BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "1"}
    began = time.monotonic()
    with (folder / "start.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
            cwd=PROJECT,
            env=service_environ(folder, **settings),
            stdout=log,
            stderr=log,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=AUTH) as client:
            first_s, memory_mib = 0.0, 0.0
            while time.monotonic() - began < START_TIMEOUT_S:
                count = _listed(client)
                if count and not first_s:
                    first_s = time.monotonic() - began
                    memory_mib = sum(map(resident_kib, children(process.pid))) / 1024
                if count == models:
                    whole_s = time.monotonic() - began
                    process.terminate()
                    process.wait(30)
                    used_s = _children_cpu_s() - cpu_s
                    return Start(first_s=first_s, whole_s=whole_s, memory_mib=memory_mib, cpu_s=used_s)
                time.sleep(0.005)
        raise NotComparable(
            f"no list of {models} within {START_TIMEOUT_S} s:\n{(folder / 'start.log').read_text()[-2000:]}"
        )
    finally:
        process.terminate()
        process.wait(30)


def _listed(client: httpx.Client) -> int:
    """How many models the list has; 0 without one."""
    try:
        answer = client.get(f"{LIST}?limit=1000")
    except httpx.TransportError:
        return 0
    return len(answer.json()["data"]) if answer.status_code == 200 else 0


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def loaded(folder: Path, environ: dict[str, str], refresh_s: int, seconds: int) -> tuple[Sample, int]:
    """The load on a worker that refreshes at an interval, and how many refreshes it made meanwhile."""
    with service(folder, LIST, **environ, CATALOG_REFRESH_SECONDS=str(refresh_s)) as (url, master):
        pids = children(master.pid)
        log = folder / "service.log"
        before = len(re.findall("catalog_refreshed", log.read_text()))
        target = Target(url=url + LIST, headers=AUTH, status=200, pids=pids)
        sample = burst(target, seconds=seconds)
        return sample, len(re.findall("catalog_refreshed", log.read_text())) - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of load in a round")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    starts: dict[str, list[Start]] = {EMPTY: [], FULL: [], SILENT: []}
    loads: dict[str, list[tuple[Sample, int]]] = {QUIET: [], REFRESHING: []}
    models = MODELS_A_REGION - 1 + REGIONS
    try:
        with (
            standin() as environ,
            standin(hanging=HANGING) as silent,
            tempfile.TemporaryDirectory() as base,
            console.status("starting") as status,
        ):
            for number in range(options.rounds):
                folder, other = Path(base, str(number)), Path(base, f"{number}-silent")
                folder.mkdir()
                other.mkdir()
                for name in (EMPTY, FULL):
                    status.update(f"start with an {name}, round {number + 1}")
                    starts[name].append(timed_start(folder, environ, models))
                status.update(f"start with an {SILENT}, round {number + 1}")
                starts[SILENT].append(timed_start(other, silent, models - len(HANGING)))
                turn = [(QUIET, 86_400), (REFRESHING, 1)]
                for name, refresh_s in turn if number % 2 else reversed(turn):
                    status.update(f"{name}, round {number + 1}")
                    loads[name].append(loaded(folder, environ, refresh_s, options.seconds))
    except NotComparable as reason:
        print(f"No figures: {reason}", file=sys.stderr)
        return 1
    _show(console, starts, loads)
    return 0


def _show(console: Console, starts: dict[str, list[Start]], loads: dict[str, list[tuple[Sample, int]]]) -> None:
    title = f"{REGIONS} regions at {LATENCY_MS} ms a call, one worker, medians of {len(starts[EMPTY])} rounds"
    made = Table("what", "seconds to the first list", "aim", "to the whole", "of CPU", "MiB of the worker", title=title)
    result: dict[str, object] = {}
    for name, found in starts.items():
        names = ("first_s", "whole_s", "cpu_s", "memory_mib")
        first_s, whole_s, cpu_s, mib = (median([getattr(it, key) for it in found]) for key in names)
        cells = f"{first_s:.2f}", f"{AIM_S[name]:.1f}", f"{whole_s:.2f}", f"{cpu_s:.2f}", f"{mib:.0f}"
        made.add_row(f"start, {name}", *cells)
        result[name] = {
            "seconds": first_s,
            "whole_seconds": whole_s,
            "cpu_seconds": cpu_s,
            "memory_mib": mib,
            "aim_s": AIM_S[name],
        }
    console.print(made)
    made = Table("worker", "p50 ms", "p99 ms", "req/s", "refreshes", "MiB", title="8 connections, list of 20")
    for name, samples in loads.items():
        p50, p99, rps = (median([getattr(it, key) for it, _ in samples]) for key in ("p50_us", "p99_us", "rps"))
        refreshes, mib = sum(number for _, number in samples), max(it.memory_kib for it, _ in samples) / 1024
        made.add_row(name, f"{p50 / 1000:.2f}", f"{p99 / 1000:.2f}", f"{rps:,.0f}", str(refreshes), f"{mib:.0f}")
        result[name] = {"p50_us": p50, "p99_us": p99, "rps": rps, "refreshes": refreshes, "memory_mib": mib}
    console.print(made)
    pairs = zip(loads[REFRESHING], loads[QUIET], strict=True)
    growth = median([busy.p99_us / quiet.p99_us for (busy, _), (quiet, _) in pairs])
    console.print(f"The 99th percentile grows {growth:.1f} times beside refreshes; aim: under {AIM_GROWTH:.0f} times.")
    console.print(f"Written to {write_json('start', result | {'p99_growth': growth})}")


if __name__ == "__main__":
    sys.exit(main())
