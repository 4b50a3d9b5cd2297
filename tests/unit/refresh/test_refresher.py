"""When the catalog is refreshed, and what every worker makes of the store; clocks and regions are the test's."""

import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.current import Catalog
from app.catalog.entries import ACTIVE, RETIRED
from app.catalog.records import MODELS
from app.discovery.parent import Visits
from app.refresh import refresher as refreshing
from app.refresh.file_store import FileStore
from app.refresh.refresher import Refresher
from app.refresh.store import LeaseTaken, Stored, StoreUnreachable
from config import Settings
from tests.support.builders import NOW, failure, failures, listing, model
from tests.unit.refresh.world import EAST, INTERVAL_S, World, counting, ids, save


def test_without_a_catalog_a_refresh_is_due(world: World) -> None:
    refresher, catalog = world.worker()
    done = refresher.refresh_if_due()

    assert done is not None and done.stored
    assert ids(catalog) == ["a"]


def test_a_young_catalog_is_left_alone_and_an_old_one_refreshed(world: World) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    world.wait(seconds=INTERVAL_S - 1)
    assert refresher.refresh_if_due() is None

    world.wait(seconds=1)
    assert refresher.refresh_if_due() is not None


def test_many_workers_refresh_as_often_as_one(world: World) -> None:
    workers = [world.worker() for _ in range(4)]
    for _ in range(3):
        for refresher, _ in workers:
            refresher.reload_if_changed()
            refresher.refresh_if_due()
        world.wait(seconds=INTERVAL_S)

    assert world.visits == 3


def test_who_got_the_lease_late_looks_again_before_refreshing(world: World) -> None:
    late, _ = world.worker()
    early, _ = world.worker()
    early.refresh_if_due()

    assert late.refresh_if_due() is None
    assert world.visits == 1


def test_a_refresh_under_way_elsewhere_is_not_repeated(world: World) -> None:
    refresher, _ = world.worker()
    with world.store.lease():
        assert refresher.refresh_if_due() is None

    assert world.visits == 0


def test_all_regions_are_asked_as_often_as_named_ones_and_each_worker_keeps_the_catalog(world: World) -> None:
    def discover(settings: Settings, *, known_regions: tuple[str, ...], **named: Any) -> Visits:
        known.append(known_regions)
        return world.discover(settings, **named)

    known: list[tuple[str, ...]] = []
    for _ in range(3):
        refresher, catalog = world.worker(discover, regions=("all",))
        refresher.reload_if_changed()
        refresher.refresh_if_due()
        assert ids(catalog) == ["a"]
    world.wait(seconds=INTERVAL_S)
    refresher.refresh_if_due()

    # A child that dies before it names its regions has visited these.
    assert known == [(), (EAST,)]


def test_a_refresh_without_a_change_changes_nothing_for_who_follows(world: World) -> None:
    leader, _ = world.worker()
    follower, catalog = world.worker()
    leader.refresh_if_due()
    follower.reload_if_changed()
    models = catalog.current().models
    world.wait(seconds=INTERVAL_S)
    leader.refresh_if_due()
    follower.reload_if_changed()

    assert catalog.current().state.attempted_at == world.now
    assert catalog.current().models is models


def test_a_failing_region_leaves_when_the_setting_says(world: World) -> None:
    west = "eu-west-1"
    refresher, catalog = world.worker(regions=(EAST, west), max_stale_s=60)
    world.answer = lambda: (listing(EAST, model("a"), at=world.now), listing(west, model("b"), at=world.now))
    refresher.refresh_if_due()
    world.wait(seconds=INTERVAL_S)
    world.answer = lambda: (listing(EAST, model("a"), at=world.now),)
    refresher.refresh_if_due()

    assert ids(catalog) == ["a"]


def test_a_worker_follows_what_another_publishes(world: World) -> None:
    leader, _ = world.worker()
    follower, catalog = world.worker()
    leader.refresh_if_due()
    follower.reload_if_changed()
    first = catalog.latest
    follower.reload_if_changed()
    assert catalog.latest is first

    world.answer = lambda: (listing(EAST, model("a"), model("b")),)
    world.wait(seconds=INTERVAL_S)
    leader.refresh_if_due()
    follower.reload_if_changed()
    assert ids(catalog) == ["a", "b"]


def test_a_new_process_serves_what_is_stored_however_old(world: World) -> None:
    world.worker()[0].refresh_if_due()
    world.wait(days=400)
    refresher, catalog = world.worker()
    refresher.reload_if_changed()

    assert ids(catalog) == ["a"]


def test_a_stored_catalog_that_makes_no_sense_is_quarantined_and_the_old_one_served(world: World) -> None:
    refresher, catalog = world.worker()
    refresher.refresh_if_due()
    save(world.store, b'{"source": 7}')
    with counting("store_loads", outcome="malformed") as counted, capture_logs() as logs:
        refresher.reload_if_changed()
        refresher.reload_if_changed()

    assert [line["event"] for line in logs] == ["snapshot_quarantined"]
    assert ids(catalog) == ["a"]
    assert counted == [1]


def test_a_stored_catalog_that_cannot_be_read_is_tried_again_and_logged_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.worker()[0].refresh_if_due()
    refresher, catalog = world.worker(store=world.store)

    def no_descriptors(*_: object) -> None:
        raise StoreUnreachable(os.strerror(errno.EMFILE))

    with (
        monkeypatch.context() as broken,
        counting("store_loads", outcome="unreadable") as unreadable,
        capture_logs() as logs,
    ):
        broken.setattr(world.store, "load", no_descriptors)
        refresher.reload_if_changed()
        refresher.reload_if_changed()
    assert [line["event"] for line in logs] == ["snapshot_unreadable"]

    with counting("store_loads", outcome="loaded") as loaded:
        refresher.reload_if_changed()
    assert ids(catalog) == ["a"]
    assert (unreadable, loaded) == ([1], [1])


def test_a_model_retires_at_its_time_although_nothing_refreshes(world: World) -> None:
    ending = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(hours=1))
    world.answer = lambda: (listing(EAST, ending, model("b")),)
    refresher, catalog = world.worker()
    refresher.refresh_if_due()
    world.wait(hours=1)
    refresher.reload_if_changed()

    assert [(it.id, it.lifecycle) for it in catalog.current().models] == [("a", RETIRED), ("b", ACTIVE)]


def test_a_disk_that_refuses_leaves_the_catalog_in_memory_until_it_heals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresher, catalog = world.worker()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken, counting("store_saves", outcome="failed") as failed:
        broken.setattr(os, "fsync", full)
        done = refresher.refresh_if_due()
    assert done is not None and not done.stored
    assert ids(catalog) == ["a"]

    world.wait(seconds=INTERVAL_S)
    with counting("store_saves", outcome="saved") as saved:
        refresher.refresh_if_due()
    assert (failed, saved) == ([1], [1])
    other, followed = world.worker()
    other.reload_if_changed()
    assert ids(followed) == ["a"]


def test_a_folder_that_cannot_hold_the_lease_lets_each_worker_refresh_for_itself(world: World) -> None:
    world.folder.write_text("a file where the folder should be")
    refresher, catalog = world.worker()
    refresher.refresh_if_due()

    assert ids(catalog) == ["a"]


def test_the_last_of_two_catalogs_stays_when_both_are_published_at_once(world: World) -> None:
    """The follower loads the old catalog, and is held up while a refresh stores and publishes the new one."""
    world.worker()[0].refresh_if_due()
    world.wait(seconds=INTERVAL_S)
    world.answer = lambda: (listing(EAST, model("new")),)
    loading, go_on = threading.Event(), threading.Event()

    class SlowStore(FileStore):
        def load(self) -> Stored | None:
            data = super().load()
            loading.set()
            go_on.wait(0.3)
            return data

    refresher, catalog = world.worker(store=SlowStore(world.store.folder))
    following = threading.Thread(target=refresher.reload_if_changed)
    following.start()
    loading.wait(5)
    refresher.refresh_now()
    go_on.set()
    following.join()

    assert ids(catalog) == ["new"]


def test_an_operators_refresh_waits_for_the_one_under_way(world: World) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with world.store.lease():
            held.set()
            free.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    threading.Timer(0.1, free.set).start()
    done = world.worker()[0].refresh_now()
    holder.join()

    assert done is not None and done.listed == 1


def test_an_operators_refresh_gives_up_on_a_lease_that_never_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "STOP_TIMEOUT_S", -5.0)
    with world.store.lease(), pytest.raises(LeaseTaken):
        world.worker()[0].refresh_now()


def test_an_operators_refresh_replaces_nothing_that_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.worker()[0].refresh_if_due()
    refresher, _ = world.worker(store=world.store)

    def refuse(*_: object) -> None:
        raise StoreUnreachable(os.strerror(errno.EACCES))

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "load", refuse)
        with pytest.raises(StoreUnreachable):
            refresher.refresh_now()
        assert world.visits == 1

    assert refresher.refresh_now() is not None


def test_a_worker_with_nothing_to_serve_looks_more_often(world: World) -> None:
    refresher, _ = world.worker()
    waiting = refresher.reload_check_s(), refresher.due_check_s()
    refresher.refresh_if_due()

    assert waiting == (0.05, 0.05)
    assert (refresher.reload_check_s(), refresher.due_check_s()) == (0.5, 1.0)


def test_stopping_ends_a_refresh_under_way_and_publishes_nothing(world: World) -> None:
    def end_when_asked(settings: Settings, *, stopping: Callable[[], bool], **_: Any) -> Visits:
        assert stopping()
        return Visits(regions=settings.regions, results=(), fault="the service is stopping")

    catalog = Catalog()
    refresher = Refresher(
        world.settings, catalog, world.store, end_when_asked, clock=lambda: world.now, stopping=lambda: True
    )

    assert refresher.refresh_if_due() is None
    assert catalog.latest is None
    assert world.store.load() is None


def test_the_log_names_a_part_that_failed_and_what_is_served_of_it(world: World) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    world.wait(seconds=INTERVAL_S)
    throttled = failures(EAST, "ThrottlingException", at=world.now, detail="Slow down", duration_ms=7)
    world.answer = lambda: (throttled,)
    with capture_logs() as logs:
        refresher.refresh_if_due()

    failed = [line for line in logs if line["event"] == "region_failed"]
    assert [(line["part"], line["code"], line["detail"]) for line in failed] == [
        (part, "ThrottlingException", "Slow down") for part in ("models", "profiles")
    ]
    assert {line["serving"] for line in failed} == {f"its listing of {NOW.isoformat(timespec='seconds')}"}
    [ended] = [line for line in logs if line["event"] == "refresh_failed"]
    assert (ended["log_level"], ended["regions_listed"], ended["regions_failed"]) == ("error", 0, 1)


def test_the_log_names_the_permission_that_is_missing_and_that_nothing_is_served(world: World) -> None:
    models, _ = listing(EAST, model("a"))
    denied = failure(EAST, "profiles", action="bedrock:ListInferenceProfiles")
    world.answer = lambda: ((models, denied),)
    with capture_logs() as logs:
        world.worker()[0].refresh_if_due()

    [failed] = [line for line in logs if line["event"] == "region_failed"]
    assert (failed["part"], failed["missing_permission"]) == ("profiles", "bedrock:ListInferenceProfiles")
    assert failed["serving"] == "nothing of it"
    [ended] = [line for line in logs if line["event"] == "catalog_refreshed"]
    assert (ended["log_level"], ended["regions_listed"], ended["regions_failed"]) == ("info", 1, 1)


@pytest.mark.parametrize(("rows", "is_worth_a_look"), [(10, False), (5, False), (4, True), (1, True)])
def test_a_part_that_lost_more_than_half_of_its_rows_is_logged_with_both_counts(
    world: World, rows: int, is_worth_a_look: bool
) -> None:
    world.answer = lambda: (listing(EAST, *(model(f"m{number}") for number in range(10)), at=world.now),)
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    world.wait(seconds=INTERVAL_S)
    world.answer = lambda: (listing(EAST, *(model(f"m{number}") for number in range(rows)), at=world.now),)
    with capture_logs() as logs:
        refresher.refresh_if_due()

    shrunk = [line for line in logs if line["event"] == "region_shrunk"]
    found = [(it["log_level"], it["region"], it["part"], it["rows_before"], it["rows"]) for it in shrunk]
    assert found == ([("warning", EAST, MODELS, 10, rows)] if is_worth_a_look else [])


def test_rows_that_cannot_be_read_are_logged_by_region_and_part(world: World) -> None:
    world.answer = lambda: (listing(EAST, model("a"), at=world.now, skipped_rows=2, unread_fields=3),)
    with capture_logs() as logs:
        world.worker()[0].refresh_if_due()

    incomplete = [line for line in logs if line["event"] == "region_incomplete"]
    assert [(it["part"], it["skipped_rows"], it["unread_fields"]) for it in incomplete] == [
        ("models", 2, 3),
        ("profiles", 2, 3),
    ]
