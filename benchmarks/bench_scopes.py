"""`make bench-scopes`: what scopes cost: CPU of the cached list, memory of 200 scopes with 10 pages each, patterns."""

import argparse
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app import create_app
from app.catalog.scope import EntryPatterns
from app.services import services_of
from benchmarks.bench import LIST, write_json
from benchmarks.bench_growth import least_ms
from benchmarks.load import Sample, Target, burst, children, median, resident_kib
from benchmarks.servers import AUTH, service
from config import Settings
from tests.support.builders import KEY

SCOPES = 200
PAGES = 10
AIM_MIB = 40.0
AIM_RATIO = 1.03
PATTERNS = "1,000 patterns against 15,000 ids, ms of CPU"
AIM_PATTERNS_MS = 100.0
MEMORY, RATIO = "memory of 200 scopes with 10 pages, MiB", "CPU of the cached list with scopes, over without"
REGIONS = tuple(
    f"{area}-{number}"
    for area in ("us-east", "us-west", "eu-central", "eu-north", "eu-south", "eu-west", "ap-south", "ap-southeast")
    for number in (1, 2, 3)
)

Figures = dict[str, float]


def key_setting() -> str:
    return ",".join((f"whole:{KEY}", *(f"k{number}:secret-{number}" for number in range(SCOPES))))


def operator_file(folder: Path) -> Path:
    """A scope for each of as many keys: half of them cut by regions, half by models; and one that sees everything."""
    pairs = itertools.combinations(REGIONS, 2)
    lines = ['[scopes.whole]\nkeys = ["whole"]\nmodels = ["*", "arn:*"]']
    for number in range(SCOPES):
        first, second = next(pairs)
        cut = (
            f'regions = ["us-east-1", "{first}", "{second}"]'
            if number % 2
            else f'except = ["*opus*", "none-{number}.*"]'
        )
        lines.append(f'[scopes.s{number}]\nkeys = ["k{number}"]\n{cut}')
    file = folder / "operator.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


# ---- Memory --------------------------------------------------------------------------------------------------------


def memory(folder: Path) -> Figures:
    """Serve every page of every scope from one process; MiB beyond what it has without a scope."""
    settings = Settings(
        source="demo",
        regions=("all",),
        catalog_dir=folder / "catalog",
        api_keys=tuple(key_setting().split(",")),
        operator_file=str(operator_file(folder)),
        access_log=False,
        log_level="error",
    )
    app = create_app(settings)
    services_of(app).refresher.reload_if_changed()
    client = app.test_client()

    def ask(path: str, key: str) -> bytes:
        answer = client.get(path, headers={"x-api-key": key})
        assert answer.status_code == 200, answer.text
        body: bytes = answer.data
        return body

    def ask_all(key: str) -> None:
        paths = ["/v1/models", "/v1/models?view=profiles", "/search_models", "/search_models?query=claude"]
        paths += [f"{LIST}?limit=1000", f"{LIST}?view=all&limit=100", f"{LIST}?limit=5"]
        while len(paths) < PAGES:
            paths.append(f"{LIST}?limit=5&after_id={json.loads(ask(paths[-1], key))['last_id']}")
        for path in paths:
            # An answer is kept from its second request on.
            for _ in range(2):
                ask(path, key)

    ask_all(KEY)
    gc.collect()
    before = resident_kib(os.getpid())
    began = time.thread_time()
    for number in range(SCOPES):
        ask_all(f"secret-{number}")
    took_s = time.thread_time() - began
    gc.collect()
    cache = app.wsgi_app.inner._generation.cache  # type: ignore[attr-defined]
    return {
        MEMORY: (resident_kib(os.getpid()) - before) / 1024,
        "answers kept": len(cache._kept),
        "of answers, MiB": cache._bytes / 2**20,
        "views": len(services_of(app).catalog.published._views),
        "a scope's 10 pages made, ms": took_s / SCOPES * 1000,
    }


# ---- Patterns ------------------------------------------------------------------------------------------------------


def patterns(repeats: int = 5) -> Figures:
    """What a scope with 1,000 patterns, of each kind a quarter, costs where there are 15,000 models."""
    ids = [f"maker{number % 200}.model-{number}-v1:0" for number in range(15_000)]
    kinds = ("maker{0}0.model-{0}-v1:0", "maker{0}.no-*", "*-no{0}-v1:0", "*el-{0}9*v*")
    made = tuple(kinds[number % 4].format(number) for number in range(1_000))

    def match() -> None:
        found = EntryPatterns(made)
        sum(map(found.match_id, ids))

    return {PATTERNS: least_ms(match, repeats)}


# ---- CPU -----------------------------------------------------------------------------------------------------------


def cached_list(folder: Path, rounds: int, seconds: int) -> Figures:
    """The same bytes from a service with 201 scopes and from one without; microseconds of CPU an answer.

    Bursts take turns, in an order that changes each round, so that whatever else the machine does meets both alike.
    """
    samples: dict[str, list[Sample]] = {"without": [], "with": []}
    settings = {"AWS_BEDROCK_REGIONS": "all", "API_KEYS": key_setting(), "CATALOG_DIR": str(folder / "catalog")}
    with ExitStack() as stack:
        targets: dict[str, Target] = {}
        for name, more in (("without", {}), ("with", {"CATALOG_CONFIG_FILE": str(operator_file(folder))})):
            (folder / name).mkdir()
            url, master = stack.enter_context(service(folder / name, LIST, **(settings | more)))
            targets[name] = Target(url=url + LIST, headers=AUTH, status=200, pids=children(master.pid))
        for target in targets.values():
            burst(target, seconds=seconds)
        for number in range(rounds):
            for name in sorted(targets, reverse=bool(number % 2)):
                samples[name].append(burst(targets[name], seconds=seconds))
    ratios = [mine.cpu_us / theirs.cpu_us for mine, theirs in zip(samples["with"], samples["without"], strict=True)]
    costs = {f"cached list {name}, us of CPU": median([it.cpu_us for it in found]) for name, found in samples.items()}
    return costs | {RATIO: median(ratios)}


def apart(folder: Path) -> Figures:
    """The memory of a process of its own, so that nothing left over counts."""
    command = [sys.executable, "-m", "benchmarks.bench_scopes", "--memory", str(folder)]
    figures: Figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=1, help="of each burst")
    parser.add_argument("--memory", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory(options.memory)))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory() as name, console.status("measuring"):
        found = patterns() | cached_list(Path(name), options.rounds, options.seconds) | apart(Path(name))
    table = Table("what", "measured", "at most")
    aims = {RATIO: AIM_RATIO, MEMORY: AIM_MIB, PATTERNS: AIM_PATTERNS_MS}
    for what, value in found.items():
        table.add_row(what, f"{value:,.3f}" if what == RATIO else f"{value:,.1f}", str(aims.get(what, "")))
    console.print(table)
    console.print(f"Written to {write_json('scopes', found)}")
    return 0 if all(found[what] <= aim for what, aim in aims.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
