"""`make bench`: the service beside the limits of its stack, in one table.

All servers run at once, and the bursts of load go round them in an order that rotates, so that whatever else the
machine does meets them alike. A ratio is the median of the rounds' ratios.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
from rich.console import Console
from rich.table import Table

from benchmarks.limits import file_name
from benchmarks.load import NotComparable, Sample, Target, burst, children, median, nginx_workers, server_core
from benchmarks.servers import AUTH, limit, nginx_static, service
from tests.support.nginx_server import running_nginx

LIST = "/anthropic/v1/models"
RESULTS = Path(__file__).parent / "results"

QUESTIONS = {
    "list of 20": LIST,
    "list of 1000": f"{LIST}?limit=1000",
    "list of 1000, gzip": f"{LIST}?limit=1000",
    "retrieve": f"{LIST}/amazon.nova-micro-v1:0",
    "304": LIST,
}
STOCK, BARE, FLASK, SERVICE, STATIC, BARE_CACHE, SHIPPED_STATIC, CACHED = (
    "bare WSGI, stock gthread",
    "bare WSGI, same worker",
    "minimal Flask view",
    "service",
    "nginx static file",
    "nginx proxy_cache",
    "static file, shipped nginx",
    "service behind nginx",
)
# Behind all that the shipped configuration does for a request: its id, its limit, its line in the log.
STATIC_LOCATION = """location ^~ /static/ {{
    alias {folder}/static/;
    default_type application/json;
    open_file_cache max=100;
}}

location / {{"""
# What a server is held against, and the least that it should reach of its requests a second.
LIMITS = {SERVICE: (STOCK, 0.80), BARE_CACHE: (STATIC, 0.90), CACHED: (SHIPPED_STATIC, 0.90)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The medians of one server with one question; `ratio` is its requests a second over its limit's."""

    question: str
    server: str
    rps: float
    ratio: float | None
    cpu_ratio: float | None
    aim: float | None
    cpu_us: float
    p50_us: float
    p99_us: float
    requests: int
    errors: int
    memory_mib: float


def fetch_bodies(url: str, folder: Path) -> dict[str, str]:
    """Write each answer's bytes where the limits look for them; return the entity tag of each question's answer."""
    etags = {}
    for question, path in QUESTIONS.items():
        encoding = "gzip" if "gzip" in question else "identity"
        with httpx.stream("GET", url + path, headers=AUTH | {"Accept-Encoding": encoding}) as answer:
            body = b"".join(answer.iter_raw())
        etags[question] = answer.headers["etag"]
        path, _, query = (path + ("&gzip" if encoding == "gzip" else "")).partition("?")
        (folder / "bodies" / file_name(path, query)).write_bytes(body)
        static = folder / "static" / static_name(question)
        static.write_bytes(body)
        os.utime(static, (1, 1))
    return etags


def static_name(question: str) -> str:
    return question.replace(" ", "-").replace(",", "")


def targets(stack: ExitStack, folder: Path) -> dict[str, dict[str, Target]]:
    """Start every server; {question: {server: target}}."""
    for name in ("bodies", "static", "behind", "nginx"):
        (folder / name).mkdir()
    settings = {"AWS_BEDROCK_REGIONS": "all", "CATALOG_REFRESH_SECONDS": "86400"}
    url, master = stack.enter_context(service(folder, LIST, **settings))
    socket = folder / "service.sock"
    _, behind = stack.enter_context(service(folder / "behind", LIST, bind=f"unix:{socket}", **settings))
    with_static = {"server.conf": {"location / {": STATIC_LOCATION.format(folder=folder)}}
    nginx = stack.enter_context(running_nginx(folder / "nginx", socket, changes=with_static))
    for pid in nginx_workers(nginx.process.pid):
        os.sched_setaffinity(pid, [server_core()])
    etags = fetch_bodies(url, folder)
    bare, bare_pids = stack.enter_context(limit("bare_app", folder, LIST, "-k", "app.server.worker.Worker"))
    stock, stock_pids = stack.enter_context(limit("bare_app", folder, LIST, "-k", "gthread"))
    flask, flask_pids = stack.enter_context(limit("flask_app", folder, LIST, "-k", "app.server.worker.Worker"))
    static, static_pids = stack.enter_context(nginx_static(folder, f"/{static_name('list of 20')}"))
    found: dict[str, dict[str, Target]] = {}
    for question, path in QUESTIONS.items():
        status = 304 if question == "304" else 200
        own = AUTH | ({"Accept-Encoding": "gzip"} if "gzip" in question else {})
        conditional = {"If-None-Match": etags[question]} if status == 304 else {}
        limits_path = path + ("&gzip" if "gzip" in question else "")
        own_target = Target(url=url + path, headers=own | conditional, status=status, pids=children(master.pid))
        plain = AUTH | conditional
        static_headers = {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:01 GMT"} if status == 304 else {}
        static_target = Target(
            url=f"{static}/{static_name(question)}", headers=AUTH | static_headers, status=status, pids=static_pids
        )
        found[question] = {
            STOCK: Target(url=stock + limits_path, headers=plain, status=status, pids=stock_pids),
            BARE: Target(url=bare + limits_path, headers=plain, status=status, pids=bare_pids),
            FLASK: Target(url=flask + limits_path, headers=plain, status=status, pids=flask_pids),
            SERVICE: own_target,
            STATIC: static_target,
            BARE_CACHE: replace(static_target, url=f"{static}/cached/{static_name(question)}"),
            SHIPPED_STATIC: Target(
                url=f"{nginx.url}/static/{static_name(question)}",
                headers=AUTH | static_headers,
                status=status,
                pids=nginx_workers(nginx.process.pid),
            ),
            CACHED: replace(
                own_target,
                url=nginx.url + path,
                pids=(*nginx_workers(nginx.process.pid), *children(behind.pid)),
            ),
        }
    return found


def measure(
    found: dict[str, dict[str, Target]], *, rounds: int, seconds: int, tell: Callable[[str], None]
) -> list[Row]:
    rows: list[Row] = []
    for question, servers in found.items():
        samples: dict[str, list[Sample]] = {name: [] for name in servers}
        names = list(servers)
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                tell(f"{question}: {name}, round {number + 1} of {rounds}")
                samples[name].append(burst(servers[name], seconds=seconds))
        rows += [_row(question, name, samples) for name in names]
    return rows


def _row(question: str, name: str, samples: dict[str, list[Sample]]) -> Row:
    own = samples[name]
    against, aim = LIMITS.get(name, (None, None))
    ratio = cpu_ratio = None
    if against is not None:
        pairs = list(zip(own, samples[against], strict=True))
        ratio = median([mine.rps / theirs.rps for mine, theirs in pairs])
        cpu_ratio = median([theirs.cpu_us / mine.cpu_us for mine, theirs in pairs])
    return Row(
        question=question,
        server=name,
        rps=median([sample.rps for sample in own]),
        ratio=ratio,
        cpu_ratio=cpu_ratio,
        aim=aim,
        cpu_us=median([sample.cpu_us for sample in own]),
        p50_us=median([sample.p50_us for sample in own]),
        p99_us=median([sample.p99_us for sample in own]),
        requests=sum(sample.requests for sample in own),
        errors=sum(sample.errors for sample in own),
        memory_mib=max(sample.memory_kib for sample in own) / 1024,
    )


def table(rows: Sequence[Row]) -> Table:
    made = Table(title="8 connections, one worker, medians of the rounds")
    for name in ("question", "server"):
        made.add_column(name)
    for name in ("req/s", "of limit", "by CPU", "aim", "CPU us", "p50 ms", "p99 ms", "requests", "errors", "MiB"):
        made.add_column(name, justify="right")
    last = None
    for row in rows:
        if last not in (None, row.question):
            made.add_section()
        cells = [
            f"{row.rps:,.0f}",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}",
            "" if row.aim is None else f"{row.aim:.2f}",
            f"{row.cpu_us:.0f}",
            f"{row.p50_us / 1000:.2f}",
            f"{row.p99_us / 1000:.2f}",
            f"{row.requests:,}",
            str(row.errors),
            f"{row.memory_mib:.0f}",
        ]
        made.add_row("" if row.question == last else row.question, row.server, *cells)
        last = row.question
    return made


def write_json(name: str, result: object) -> Path:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    file.write_text(json.dumps({"at": at, "machine": machine, "result": result}, indent=2) + "\n")
    return file


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="of each burst")
    parser.add_argument("--only", nargs="*", choices=list(QUESTIONS), default=list(QUESTIONS), help="questions")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack, console.status("starting") as status:
            found = targets(stack, Path(folder))
            wanted = {question: found[question] for question in options.only}
            rows = measure(wanted, rounds=options.rounds, seconds=options.seconds, tell=status.update)
    except NotComparable as reason:
        print(f"No ratio: {reason}", file=sys.stderr)
        return 1
    console.print(table(rows))
    file = write_json("bench", [asdict(row) for row in rows])
    console.print(f"Load average {os.getloadavg()[0]:.1f}; written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
