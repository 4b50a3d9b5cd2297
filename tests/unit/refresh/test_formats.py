"""Versions of the program that share a folder: neither destroys what the other one stored."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.codec import encode_state
from app.catalog.current import Catalog
from app.catalog.entries import DEPRECATED
from app.catalog.records import APPLICATION_PROFILES, BASE_PARTS
from app.refresh.fingerprint import fingerprint
from app.refresh.formats import DECODERS, FORMAT, READABLE_FROM
from app.refresh.refresher import Refresher
from tests.support.builders import listing, model, profile
from tests.unit.refresh.world import EAST, INTERVAL_S, WEST, World, counting, ids

# Files as released versions wrote them, by format; a format that is read has one for ever.
RELEASED = Path(__file__).parent / "released"
NEWEST = RELEASED / f"format-{FORMAT}.json"


def stored_file(world: World) -> Path:
    return world.store.folder / "snapshot.json"


def change_header(file: Path, **fields: Any) -> None:
    """Change fields of the stored file's header; None takes one out."""
    header, _, data = file.read_bytes().partition(b"\n")
    changed = {name: value for name, value in (json.loads(header) | fields).items() if value is not None}
    file.write_bytes(json.dumps(changed).encode() + b"\n" + data)


def loading(world: World) -> tuple[Refresher, Catalog]:
    refresher, catalog = world.worker()
    refresher.reload_if_changed()
    return refresher, catalog


@pytest.fixture
def newer(world: World) -> World:
    """A world in which a later version of the program has stored a catalog of a format that this one cannot read."""
    world.worker()[0].refresh_if_due()
    change_header(stored_file(world), format=FORMAT + 1, readable_from=FORMAT + 1, bytes=None, sha256=None)
    return world


def test_a_format_that_is_read_has_a_released_file() -> None:
    assert {f"format-{format}.json" for format in DECODERS} == {file.name for file in RELEASED.iterdir()}
    assert FORMAT in DECODERS and READABLE_FROM in DECODERS


def released(world: World, format: int, **settings: Any) -> tuple[Refresher, Catalog]:
    """A worker that has loaded the released file of a format."""
    changed = {"regions": (EAST, WEST)} | settings
    folder = world.folder / fingerprint(replace(world.settings, **changed))
    folder.mkdir(parents=True)
    (folder / "snapshot.json").write_bytes((RELEASED / f"format-{format}.json").read_bytes())
    refresher, catalog = world.worker(**changed)
    refresher.reload_if_changed()
    return refresher, catalog


@pytest.mark.parametrize("format", sorted(DECODERS))
def test_the_released_file_of_a_format_is_read_whole(world: World, format: int) -> None:
    _, catalog = released(world, format)

    snapshot = catalog.current()
    assert ids(catalog) == ["maker.new-v1:0", "maker.old-v1:0"]
    new, old = snapshot.models
    assert (new.name, new.invoke) == ("New é", {EAST: "us.maker.new-v1:0"})
    assert (old.lifecycle, old.provider, old.invoke) == (DEPRECATED, "Maker", {EAST: "maker.old-v1:0"})
    assert [gone.id for gone in snapshot.state.removed] == ["maker.gone-v1:0"]
    assert [(it.region, it.part, it.detail) for it in snapshot.state.failures] == [
        (WEST, part, "not authorized") for part in BASE_PARTS
    ]
    assert snapshot.state.attempted_at == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert snapshot.state.regions == snapshot.state.configured_regions == (EAST, WEST)


def test_of_format_1_the_destinations_are_unknown(world: World) -> None:
    _, catalog = released(world, 1)

    assert [way.destinations for it in catalog.current().models for way in it.invocations] == [(), ()]
    assert catalog.current().destinations == frozenset()


def test_of_format_2_nothing_is_lost(world: World) -> None:
    _, catalog = released(world, 2, parts=(*BASE_PARTS, APPLICATION_PROFILES))

    snapshot = catalog.current()
    state = snapshot.state
    assert (state.parts, state.retries) == ((*BASE_PARTS, APPLICATION_PROFILES), 2)
    assert state.retried_at == state.attempted_at + timedelta(seconds=30)
    assert snapshot.profile_names["us.maker.new-v1:0"] == "US New é"
    assert snapshot.destinations == {EAST, "us-west-2"}
    assert [it.name for it in snapshot.application_profiles] == ["Billing"]
    models = state.listings[0]
    counts = models.skipped_rows, models.unread_fields, models.backfilled_rows, models.duration_ms
    assert counts == (1, 2, 1, 120)
    assert state.failures[0].action == "bedrock:ListFoundationModels"
    stored = (RELEASED / "format-2.json").read_bytes().partition(b"\n")[2]
    assert encode_state(state) == stored


def test_what_is_stored_today_is_of_the_last_format_and_read_by_no_earlier_version(world: World) -> None:
    world.worker()[0].refresh_if_due()
    headers = [json.loads(file.read_bytes().partition(b"\n")[0]) for file in (stored_file(world), NEWEST)]

    assert {(it["format"], it["readable_from"]) for it in headers} == {(FORMAT, READABLE_FROM)}


def test_a_newer_format_stays_in_place_and_is_not_served(newer: World) -> None:
    before = stored_file(newer).read_bytes()
    with counting("store_loads", outcome="other_format") as counted:
        _, catalog = loading(newer)

    assert catalog.latest is None
    assert stored_file(newer).read_bytes() == before
    assert counted == [1]


def test_a_newer_format_is_not_saved_over_and_the_worker_serves_from_memory(newer: World) -> None:
    before = stored_file(newer).read_bytes()
    refresher, catalog = loading(newer)
    with counting("store_saves", outcome="failed") as failed:
        done = refresher.refresh_if_due()

    assert done is not None and not done.stored
    assert ids(catalog) == ["a"]
    assert stored_file(newer).read_bytes() == before
    assert failed == [1]


def test_a_newer_format_is_logged_once_and_not_at_each_look_or_refresh(newer: World) -> None:
    with capture_logs() as logs:
        refresher, _ = loading(newer)
        for _ in range(3):
            refresher.reload_if_changed()
            newer.wait(seconds=INTERVAL_S)
            refresher.refresh_if_due()
            # The later version refreshes, too.
            stored_file(newer).touch()

    lines = [line for line in logs if line["event"] == "snapshot_format_unsupported"]
    assert [(line["format"], line["supported"], line["log_level"]) for line in lines] == [(FORMAT + 1, FORMAT, "error")]


def test_a_newer_format_that_older_versions_can_read_is_served_and_not_saved_over(world: World) -> None:
    world.worker()[0].refresh_if_due()
    change_header(stored_file(world), format=FORMAT + 1, readable_from=FORMAT)
    before = stored_file(world).read_bytes()
    refresher, catalog = loading(world)
    assert ids(catalog) == ["a"]

    world.wait(seconds=INTERVAL_S)
    refresher.refresh_if_due()
    assert stored_file(world).read_bytes() == before


def test_an_older_format_that_is_read_no_more_is_kept_until_the_next_save(world: World) -> None:
    world.worker()[0].refresh_if_due()
    change_header(stored_file(world), format=0, readable_from=0)
    refresher, catalog = loading(world)
    assert catalog.latest is None
    assert stored_file(world).exists()

    refresher.refresh_if_due()
    assert ids(loading(world)[1]) == ["a"]


def test_a_later_version_that_is_rolled_back_leaves_a_catalog_that_is_served_again(newer: World) -> None:
    refresher, catalog = loading(newer)
    change_header(stored_file(newer), format=FORMAT, readable_from=READABLE_FROM)
    payload = stored_file(newer).read_bytes().partition(b"\n")[2]
    change_header(stored_file(newer), bytes=len(payload), sha256=hashlib.sha256(payload).hexdigest())
    refresher.reload_if_changed()

    assert ids(catalog) == ["a"]


def test_optional_fields_of_the_header_need_no_new_format(world: World) -> None:
    world.worker()[0].refresh_if_due()
    change_header(stored_file(world), readable_from=None, version=None, something_new="of a later version")
    _, catalog = loading(world)
    again = world.worker()[0]
    world.wait(seconds=INTERVAL_S)
    done = again.refresh_if_due()

    assert ids(catalog) == ["a"]
    assert done is not None and done.stored


@pytest.mark.parametrize("name", ["format", "version", "readable_from"])
@pytest.mark.parametrize("value", ["1", True, 1.5, [], {}])
def test_a_header_with_a_number_that_is_none_is_damaged(world: World, name: str, value: object) -> None:
    world.worker()[0].refresh_if_due()
    change_header(stored_file(world), **{name: value})
    with capture_logs() as logs:
        loading(world)

    assert [line["event"] for line in logs] == ["snapshot_quarantined"]
    assert name in logs[0]["reason"]


def test_what_earlier_versions_kept_in_the_folder_itself_is_served_once_after_an_upgrade(world: World) -> None:
    world.folder.mkdir()
    flat = world.folder / "snapshot.json"
    flat.write_bytes((RELEASED / "format-1.json").read_bytes())
    before = flat.read_bytes()
    refresher, catalog = world.worker(regions=(EAST, WEST))
    refresher.reload_if_changed()
    assert ids(catalog) == ["maker.new-v1:0", "maker.old-v1:0"]

    world.answer = lambda: (listing(EAST, model("a"), profile("us.a", "a"), at=world.now),)
    refresher.refresh_if_due()
    assert "a" in ids(catalog)
    assert flat.read_bytes() == before
    restarted, served = world.worker(regions=(EAST, WEST))
    restarted.reload_if_changed()
    assert "a" in ids(served)
    assert restarted.refresh_if_due() is None


def test_a_damaged_file_of_an_earlier_version_is_left_to_it(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "snapshot.json").write_bytes(b"garbage")
    _, catalog = loading(world)

    assert catalog.latest is None
    assert (world.folder / "snapshot.json").read_bytes() == b"garbage"
