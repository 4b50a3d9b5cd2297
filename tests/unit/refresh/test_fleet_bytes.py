"""What comes from the engine is checked like any input: what is no catalog of this host's settings is left alone."""

import bz2
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.catalog.codec import encode_state
from app.catalog.reading import Malformed
from app.refresh.engine import MAX_CATALOG_BYTES, Entry, compress, decompress
from app.refresh.store import Version
from tests.support.builders import listing, model, snapshot
from tests.unit.refresh.fleet_world import Fleet
from tests.unit.refresh.world import EAST, counting, ids

STATE = snapshot(listing(EAST, model("from-elsewhere"))).state
GOOD = compress(encode_state(replace(STATE, configured_regions=(EAST,))))
FLIPPED = bytes([*GOOD[:20], GOOD[20] ^ 0x40, *GOOD[21:]])
BOMB = bz2.compress(bytes(100 << 20), 1)
UNUSABLE: dict[str, bytes | None] = {
    "other fields": None,
    "nothing": b"",
    "not compressed": b"{}",
    "cut short": GOOD[:-10],
    "a bit flipped": FLIPPED,
    "something more": GOOD + b"x",
    "no JSON": compress(b"\xff\xfe"),
    "other JSON": compress(b'{"listings": 7}'),
    "deep JSON": compress(b"[" * 100_000),
    "another source": compress(encode_state(replace(STATE, configured_regions=(EAST,), source="demo"))),
    "other regions": compress(encode_state(replace(STATE, configured_regions=("eu-west-1",)))),
    "a bomb": BOMB,
}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = Fleet(tmp_path)
    fleet.host()
    fleet.host()
    fleet.tick()
    return fleet


@pytest.mark.parametrize("payload", UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_catalog_of_ours_is_ignored_and_the_next_refresh_replaces_it(
    payload: bytes | None, fleet: Fleet
) -> None:
    host = fleet.hosts[0]
    before = host.version()
    fleet.server.newest = Version(fleet.server.newest.ms + 1)
    fleet.server.entry = Entry(version=fleet.server.newest, payload=payload)

    with counting("fleet_takes", outcome="malformed") as malformed, capture_logs() as logs:
        fleet.run(3)

    assert malformed == [2]
    assert [line["event"] for line in logs] == ["fleet_malformed"] * 2
    assert host.version() == before and ids(host.catalog) == ["a"]
    assert fleet.server.entry is not None

    fleet.run(70)
    assert len({it.version() for it in fleet.hosts} | {fleet.server.newest}) == 1


def test_a_good_one_is_taken(fleet: Fleet) -> None:
    fleet.server.newest = Version(fleet.server.newest.ms + 1)
    fleet.server.entry = Entry(version=fleet.server.newest, payload=GOOD)

    fleet.tick()

    assert ids(fleet.hosts[0].catalog) == ["from-elsewhere"]


def test_a_bomb_takes_no_more_memory_than_a_catalog_may() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="over 32 MiB"):
            decompress(BOMB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3 * MAX_CATALOG_BYTES


def test_a_catalog_of_10_000_models_comes_through() -> None:
    models = [model(f"maker.model-{number}-v1:0") for number in range(10_000)]
    data = encode_state(snapshot(listing(EAST, *models)).state)

    assert decompress(compress(data)) == data
