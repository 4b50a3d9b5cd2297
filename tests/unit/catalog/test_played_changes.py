"""Days of refreshes in which AWS changes and fails: their events are the difference of the listings, no more."""

import random
from datetime import timedelta

import pytest

from app.catalog.codec import decode_state, encode_state
from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import PartFailure
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from tests.support.bedrock_day import REGIONS, ChangingDay, made_day
from tests.support.builders import NOW
from tests.support.listing_difference import difference

REFRESHES = 60
EVERY = timedelta(hours=6)
MAX_STALE = timedelta(hours=24)


@pytest.mark.parametrize("seed", range(4))
def test_events_are_the_difference_of_the_listings(seed: int) -> None:
    changing = ChangingDay(day=made_day(), chance=random.Random(seed))
    regions = REGIONS[:-2]
    current: CatalogSnapshot | None = None
    announced: set[tuple[str, int]] = set()
    count = failures = 0
    for number in range(REFRESHES):
        at = NOW + number * EVERY
        results = [it for it in changing.results(at) if it.region in regions]
        failures += sum(isinstance(it, PartFailure) for it in results)
        previous, before = current, set() if current is None else {it.id for it in current.state.events}
        current = next_snapshot(previous, results, source="aws", regions=regions, at=at, max_stale=MAX_STALE)
        new = [it for it in current.state.events if it.id not in before]
        found = {(it.type.removeprefix("model."), it.model_id, it.within_days) for it in new}
        old = current.state.listings if previous is None else previous.state.listings
        expected = difference(old, current.state.listings, was_at=at if previous is None else at - EVERY, at=at)
        expected = {it for it in expected if it[2] is None or (it[1], it[2]) not in announced}

        assert found == expected, f"refresh {number}"
        assert len(found) == len(new)
        announced |= {(model_id, days) for _, model_id, days in found if days is not None}
        count += len(new)
        changing.change(at)
        if number % 7 == 3:  # A restart, at a moment between two refreshes.
            current = build_snapshot(decode_state(encode_state(current.state)), at=at + EVERY / 2)
        if number == REFRESHES // 2:  # The operator adds regions, and takes one away.
            regions = REGIONS[1:]

    assert count > 50 and failures > 20
