"""`make bench-growth`: what 150, 1,500 and 15,000 models in 31 regions cost: a page, a merge, a load, memory."""

import argparse
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import log10
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app import create_app
from app.catalog.codec import decode_state, encode_state
from app.catalog.current import Catalog
from app.catalog.merge import merge_listings
from app.catalog.records import (
    GLOBAL,
    MODELS,
    PROFILES,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    PartListing,
    ProfileModel,
    Row,
)
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from benchmarks.bench import LIST, write_json
from benchmarks.load import resident_kib
from config import Settings

SIZES = (150, 1_500, 15_000)
REGIONS = tuple(f"region-{place:02}" for place in range(31))
# A geography is so many regions, to all of which its profiles route.
GEOGRAPHY = 8
AT = datetime(2026, 11, 1, tzinfo=UTC)

Figures = dict[str, float]


def models_of(size: int) -> list[FoundationModel]:
    return [
        FoundationModel(
            id=f"maker{number % 20}.model-{number}-v1:0",
            name=f"Model {number}",
            provider=f"Maker {number % 20}",
            input_modalities=("TEXT", "IMAGE"),
            output_modalities=("TEXT",),
            response_streaming=True,
            inference_types=("ON_DEMAND", "INFERENCE_PROFILE"),
            lifecycle_status="ACTIVE",
            start_of_life_at=AT - timedelta(hours=number),
        )
        for number in range(size)
    ]


def profile(prefix: str, model: FoundationModel, destinations: tuple[str, ...]) -> InferenceProfile:
    routes: tuple[ProfileModel, ...] = ((model.id, destinations),)
    return InferenceProfile(
        id=f"{prefix}.{model.id}", name=f"{prefix} {model.name}", type="SYSTEM_DEFINED", status="ACTIVE", models=routes
    )


def is_there(number: int, place: int) -> bool:
    """Each model is in two thirds of the regions, as most real ones are in many."""
    return bool((number + place) % 3)


def listings_of(size: int) -> tuple[PartListing, ...]:
    """Models, and for each a global profile and one of the region's geography."""
    models = models_of(size)
    worldwide = [profile("global", it, (GLOBAL,)) for it in models]
    listings: list[PartListing] = []
    for begin in range(0, len(REGIONS), GEOGRAPHY):
        within = REGIONS[begin : begin + GEOGRAPHY]
        near = [profile(f"geo{begin // GEOGRAPHY}", it, within) for it in models]
        for place, region in enumerate(within, begin):
            there = [number for number in range(size) if is_there(number, place)]
            rows = (
                (MODELS, tuple(models[number] for number in there)),
                (PROFILES, tuple(it[number] for it in (worldwide, near) for number in there)),
            )
            listings += (PartListing(region=region, part=part, listed_at=AT, rows=found) for part, found in rows)
    return tuple(listings)


def listings_as_before(size: int) -> tuple[PartListing, ...]:
    """One profile a model, without a destination: what this benchmark merged before profiles had any."""
    models = models_of(size)
    profiles = [InferenceProfile(id=f"global.{it.id}", status="ACTIVE", models=((it.id, ()),)) for it in models]
    parts: tuple[tuple[str, Sequence[Row]], ...] = ((MODELS, models), (PROFILES, profiles))
    return tuple(
        PartListing(
            region=region,
            part=part,
            listed_at=AT,
            rows=tuple(it for number, it in enumerate(rows) if is_there(number, place)),
        )
        for place, region in enumerate(REGIONS)
        for part, rows in parts
    )


def make(size: int, file: Path, repeats: int) -> Figures:
    """Merge and store a catalog; milliseconds of CPU and KiB."""
    before = listings_as_before(size)
    merge_before_ms = least_ms(lambda: merge_listings(before, at=AT, regions=REGIONS), repeats)
    listings = listings_of(size)
    state = CatalogState(
        source="aws", attempted_at=AT, refreshed_at=AT, changed_at=AT, regions=REGIONS, listings=listings
    )
    stored = encode_state(state)
    file.write_bytes(stored)
    return {
        "merge, a profile a model, ms": merge_before_ms,
        "merge, ms": least_ms(lambda: merge_listings(listings, at=AT, regions=REGIONS), repeats),
        "store, ms": least_ms(lambda: encode_state(state), repeats),
        "stored, KiB": len(stored) / 1024,
    }


def serve(file: Path, repeats: int) -> Figures:
    """Load a stored catalog and serve from it; milliseconds of CPU and MiB."""
    stored = file.read_bytes()
    gc.collect()
    before = resident_kib(os.getpid())
    snapshot = build_snapshot(decode_state(stored), at=AT)
    gc.collect()
    memory = resident_kib(os.getpid()) - before
    return {
        "load, ms": least_ms(lambda: build_snapshot(decode_state(stored), at=AT), repeats),
        "memory, MiB": memory / 1024,
    } | pages(snapshot, repeats)


def pages(snapshot: CatalogSnapshot, repeats: int) -> Figures:
    settings = Settings(auth_disabled=True, access_log=False, log_level="error")
    client = create_app(settings, catalog=Catalog(snapshot)).test_client()
    middle = snapshot.models[len(snapshot.models) // 2].id
    # An answer is kept for its question, so each of these is another one.
    numbers = iter(range(10**9))

    def ask(path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text

    def made(path: str) -> Callable[[], None]:
        return lambda: ask(f"{path}n={next(numbers)}")

    pairs = itertools.cycle(itertools.combinations(REGIONS, 2))

    def filtered_anew() -> None:
        """Another filter each time, and more of them than are kept."""
        first, second = next(pairs)
        ask(f"{LIST}?region={first}&region={second}")

    for _ in range(2):
        ask(LIST)
    return {
        "page of 20 made, ms": least_ms(made(f"{LIST}?limit=20&after_id={middle}&"), repeats * 10),
        "page of 70 made, ms": least_ms(made(f"{LIST}?limit=70&after_id={middle}&"), repeats * 4),
        "filter of 2 regions, ms": least_ms(filtered_anew, repeats),
        "page of 20 of it, ms": least_ms(made(f"{LIST}?region={REGIONS[0]}&"), repeats * 10),
        "list of profiles, ms": least_ms(made(f"{LIST}?view=profiles&"), repeats),
        "retrieve made, ms": least_ms(made(f"{LIST}/{middle}?"), repeats * 10),
        "page of 20 kept, ms": least_ms(lambda: ask(LIST), repeats * 40),
    }


def least_ms(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds of CPU, the least of several: what else the machine does can only make it more."""
    times = []
    for _ in range(repeats):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times) * 1000


def apart(*arguments: str) -> Figures:
    """Measure in a process of its own, so that nothing left over counts."""
    command = [sys.executable, "-m", "benchmarks.bench_growth", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--make", nargs=2, metavar=("SIZE", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        print(json.dumps(make(int(options.make[0]), Path(options.make[1]), options.repeats)))
        return 0
    if options.serve:
        print(json.dumps(serve(options.serve, options.repeats)))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 140)
    found: dict[int, Figures] = {}
    with tempfile.TemporaryDirectory() as folder, console.status("measuring") as status:
        for size in SIZES:
            status.update(f"{size:,} models")
            file, repeats = Path(folder, str(size)), ("--repeats", str(options.repeats))
            found[size] = apart("--make", str(size), str(file), *repeats) | apart("--serve", str(file), *repeats)
    console.print(table(found))
    console.print("A slope of 1 is linear growth, 0 is none.")
    console.print(f"Written to {write_json('growth', found)}")
    return 0


def table(found: dict[int, Figures]) -> Table:
    made = Table("what", title=f"models in {len(REGIONS)} regions")
    for size in SIZES:
        made.add_column(f"{size:,}", justify="right")
    for small, large in itertools.pairwise(SIZES):
        made.add_column(f"slope {small:,} to {large:,}", justify="right")
    for name, first in found[SIZES[0]].items():
        values = [found[size][name] for size in SIZES]
        slopes = [
            f"{log10(large / small):.2f}" if small > 0 and large > 0 else ""
            for small, large in itertools.pairwise(values)
        ]
        digits = 2 if first < 10 else 0
        made.add_row(name, *(f"{value:,.{digits}f}" for value in values), *slopes)
    return made


if __name__ == "__main__":
    sys.exit(main())
