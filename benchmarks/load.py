"""One burst of load by wrk, and what it cost the servers."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

WRK = shutil.which("wrk") or "wrk"
REPORT = Path(__file__).parent / "report.lua"
# Lengths may differ from the probe's by the digits of an age and the like.
SLACK_BYTES = 16


class NotComparable(Exception):
    """An answer was not what it should be, so its speed means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL to load, with the headers to send and the status that every answer must have.

    `pids` are the servers' processes, all of whose CPU counts.
    """

    url: str
    headers: Mapping[str, str]
    status: int
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one burst showed: times in microseconds, memory in KiB."""

    requests: int
    errors: int
    rps: float
    cpu_us: float
    p50_us: float
    p99_us: float
    memory_kib: int


def burst(target: Target, *, seconds: int, connections: int = 8, closing: bool = False) -> Sample:
    """
    Args:
        closing: a connection a request.

    Raises:
        NotComparable: an answer had another status, was cut short or did not come.
    """
    headers = dict(target.headers) | ({"Connection": "close"} if closing else {})
    expected = _probe(target.url, headers, target.status)
    before, began = cpu_ns(target.pids), time.monotonic()
    # The servers have the last core, so that the load does not disturb what it measures.
    command = [
        *on_cores(load_cores()),
        WRK,
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(REPORT),
    ]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run([*command, target.url], capture_output=True, text=True, check=True)
    took_s, used_ns = time.monotonic() - began, cpu_ns(target.pids) - before
    found = re.search(r"^REPORT (.*)$", done.stdout, re.MULTILINE)
    assert found is not None and took_s > 0, done.stdout
    said = json.loads(found[1])
    requests, errors = int(said["requests"]), int(said["errors"])
    if not requests or errors:
        raise NotComparable(f"{target.url}: {errors} errors in {requests} answers")
    mean = said["bytes"] / requests
    # What is under way when wrk stops is counted in bytes, not in requests: at most one answer a connection.
    if not expected - SLACK_BYTES <= mean <= expected * (1 + connections / requests) + SLACK_BYTES:
        raise NotComparable(f"{target.url}: answers of {mean:.0f} bytes, and the whole one has {expected}")
    return Sample(
        requests=requests,
        errors=errors,
        rps=requests / (said["us"] / 1e6),
        cpu_us=used_ns / 1000 / requests,
        p50_us=said["p50"],
        p99_us=said["p99"],
        memory_kib=sum(map(resident_kib, target.pids)),
    )


def _probe(url: str, headers: Mapping[str, str], status: int) -> int:
    """The length of one whole answer with its head, to the very request that wrk will send."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    sent = {"Host": parts.netloc} | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(f"GET {url.split(parts.netloc, 1)[1]} HTTP/1.1\r\n{head}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    if answer.status != status:
        raise NotComparable(f"{url}: status {answer.status}, expected {status}")
    line = len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + 2 + len(body)


def server_core() -> int:
    return max(os.sched_getaffinity(0))


def load_cores() -> list[int]:
    cores = sorted(os.sched_getaffinity(0))
    return cores[:-1] or cores


def on_cores(cores: Iterable[int]) -> list[str]:
    """The beginning of a command that is to run on these cores alone."""
    return ["taskset", "-c", ",".join(map(str, cores))]


def cpu_ns(pids: Iterable[int]) -> int:
    """What all threads of the processes have run, by the scheduler's own clock."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def resident_kib(pid: int) -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def children(pid: int) -> tuple[int, ...]:
    return tuple(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def nginx_workers(master: int) -> tuple[int, ...]:
    """The processes that serve; those that look after the cache come and go."""
    return tuple(pid for pid in children(master) if b"worker process" in Path(f"/proc/{pid}/cmdline").read_bytes())


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
