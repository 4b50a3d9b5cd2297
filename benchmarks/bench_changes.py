"""`make bench-changes`: what events add to a refresh of 15,000 models in 31 regions with 100 changes."""

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from app.catalog import next_snapshot as refreshing
from app.catalog.changes import MAX_EVENTS, with_events
from app.catalog.codec import encode_state
from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import MODELS, CatalogState, FoundationModel, InferenceProfile, PartListing
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from benchmarks.bench import write_json
from benchmarks.bench_growth import AT, REGIONS, listings_of

SIZE, CHANGES = 15_000, 100
LATER = AT + timedelta(minutes=15)
TARGET = 1.10


def changed(listings: Sequence[PartListing], number: int) -> tuple[PartListing, ...]:
    """A quarter of the changes each: an end in all regions, another destination, one region less, a new model."""
    quarter = CHANGES // 4
    first = number * CHANGES
    ids = {f"maker{it % 20}.model-{it}-v1:0": it - first for it in range(first, first + CHANGES)}

    def model(row: FoundationModel) -> FoundationModel | None:
        place = ids.get(row.id, CHANGES)
        if place < quarter:
            return replace(row, lifecycle_status="LEGACY", end_of_life_at=AT + timedelta(days=300))
        return row

    def profile(row: InferenceProfile) -> InferenceProfile:
        [(model_id, places)] = row.models
        is_moved = quarter <= ids.get(model_id, CHANGES) < 2 * quarter and row.id.startswith("geo")
        return replace(row, models=((model_id, (*places, "elsewhere-1")),)) if is_moved else row

    found = []
    for place, listing in enumerate(listings):
        if listing.part != MODELS:
            rows = tuple(profile(it) for it in listing.rows if isinstance(it, InferenceProfile))
            found.append(replace(listing, listed_at=LATER, rows=rows))
            continue
        kept = [it for it in listing.rows if isinstance(it, FoundationModel)]
        if place < 2:  # The first region alone.
            kept = [it for it in kept if not 2 * quarter <= ids.get(it.id, CHANGES) < 3 * quarter]
            kept += [replace(kept[0], id=f"new.model-{first + it}") for it in range(quarter)]
        found.append(replace(listing, listed_at=LATER, rows=tuple(filter(None, map(model, kept)))))
    return tuple(found)


def refresh(
    previous: CatalogSnapshot, results: Sequence[PartListing], *, with_them: bool
) -> tuple[float, CatalogState]:
    """Milliseconds of CPU that a worker spends on what a refresh brought, and the state that is stored."""
    gc.collect()
    derive = with_events if with_them else lambda current, previous, **_: current.state
    with patch.object(refreshing, "with_events", derive):
        began = time.thread_time()
        snapshot = next_snapshot(
            previous, results, source="aws", regions=REGIONS, at=LATER, max_stale=timedelta(hours=24)
        )
        encode_state(snapshot.state)
        return (time.thread_time() - began) * 1000, snapshot.state


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    state = CatalogState(
        source="aws", attempted_at=AT, refreshed_at=AT, changed_at=AT, regions=REGIONS, listings=listings_of(SIZE)
    )
    previous = build_snapshot(state, at=AT)
    # Of a fresh visit no row is the same object.
    results = changed(listings_of(SIZE), 1)
    made = refresh(previous, results, with_them=True)[1].events
    # As many as are kept.
    kept = [
        replace(it, id=f"{number:013d}-{place:05d}", name=f"{it.name} {number}")
        for number in range(-(-MAX_EVENTS // len(made)))
        for place, it in enumerate(made)
    ]
    previous = build_snapshot(replace(state, events=tuple(kept[:MAX_EVENTS])), at=AT)
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.repeats):
        # In turn, so that what else the machine does counts for both.
        for with_them in times:
            times[with_them].append(refresh(previous, results, with_them=with_them)[0])
    without_ms, with_ms = min(times[False]), min(times[True])
    table = Table("refresh", "ms of CPU", title=f"{SIZE:,} models, {len(REGIONS)} regions, {CHANGES} changes")
    table.add_row("without events", f"{without_ms:,.0f}")
    table.add_row("with events", f"{with_ms:,.0f}")
    ratio = with_ms / without_ms
    console = Console()
    console.print(table)
    console.print(f"{len(made)} new events, {MAX_EVENTS:,} of before; ratio {ratio:.3f}, at most {TARGET:.2f} wanted")
    figures = {"without events, ms": without_ms, "with events, ms": with_ms, "ratio": ratio, "events": len(made)}
    console.print(f"Written to {write_json('changes', figures)}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
