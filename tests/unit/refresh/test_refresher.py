"""When the catalog is refreshed, and what every worker makes of the store; the clock and the regions are the test's."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.codec import encode_state
from app.catalog.current import Catalog
from app.catalog.records import ACTIVE, RETIRED, RegionFailure
from app.discovery.parent import Visit, Visits
from app.refresh import refresher as refresh
from app.refresh.refresher import Refresher
from app.refresh.store import FileStore, LeaseTaken
from app.telemetry.metrics import REGISTRY
from config import Settings
from tests.conftest import MakeApp, client_of
from tests.support.builders import NOW, day, listing, model, snapshot

INTERVAL_S = 900
EAST = "us-east-1"


class World:
    """A clock to set, regions that answer what they are told to, and a store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.folder = folder
        self.store = FileStore(folder)
        self.settings = Settings(regions=(EAST,), refresh_s=INTERVAL_S, refresh_timeout_s=5, auth_disabled=True)
        self.answer: Callable[[], tuple[Visit, ...]] = lambda: (listing(EAST, model("a"), at=self.now),)
        self.visits = 0

    def discover(self, settings: Settings, **_: Any) -> Visits:
        self.visits += 1
        return Visits(regions=settings.regions, results=self.answer())

    def clock(self) -> datetime:
        return self.now

    def worker(self, discover: Any = None, **settings: Any) -> tuple[Refresher, Catalog]:
        catalog = Catalog()
        changed = Settings(**{name: getattr(self.settings, name) for name in self.settings.__slots__} | settings)
        return Refresher(changed, catalog, self.store, discover or self.discover, clock=self.clock), catalog

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "catalog")


@contextmanager
def counting(name: str, **labels: str) -> Iterator[list[float]]:
    """How far a counter rose meanwhile, in a list, once that is over."""

    def value() -> float:
        return REGISTRY.get_sample_value(f"model_catalog_{name}_total", labels) or 0

    before, rose = value(), list[float]()
    yield rose
    rose.append(value() - before)


def ids(catalog: Catalog) -> list[str]:
    return [it.id for it in catalog.current().models]


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


def test_a_region_newly_configured_is_asked_at_once(world: World) -> None:
    world.worker()[0].refresh_if_due()
    refresher, _ = world.worker(regions=(EAST, "eu-west-1"))

    assert refresher.refresh_if_due() is not None


def test_all_regions_are_asked_at_once_where_some_were_configured_before(world: World) -> None:
    world.worker()[0].refresh_if_due()
    for _ in range(2):
        refresher, _ = world.worker(regions=("all",))
        refresher.reload_if_changed()
        refresher.refresh_if_due()

    assert world.visits == 2


def test_all_regions_are_asked_as_often_as_named_ones_and_each_worker_keeps_the_catalog(world: World) -> None:
    def discover(settings: Settings, *, known_regions: tuple[str, ...], **_: Any) -> Visits:
        known.append(known_regions)
        return Visits(regions=(EAST,), results=world.answer())

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


def test_while_there_is_nothing_to_serve_the_next_try_comes_soon(world: World) -> None:
    world.answer = lambda: (RegionFailure(region=EAST, failed_at=world.now, code="Timeout"),)
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    assert refresher.refresh_if_due() is None

    world.wait(seconds=refresh.RETRY_S)
    assert refresher.refresh_if_due() is not None


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_steps_brings_one_refresh_and_then_the_usual_ones(world: World, hours: int) -> None:
    workers = [world.worker()[0] for _ in range(2)]

    def tick() -> None:
        for refresher in workers:
            refresher.reload_if_changed()
            refresher.refresh_if_due()

    tick()
    world.wait(hours=hours)
    tick()
    tick()
    assert world.visits == 2

    world.wait(seconds=INTERVAL_S)
    tick()
    assert world.visits == 3


def test_a_clock_set_back_a_little_is_no_reason_to_refresh(world: World) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    world.wait(seconds=-30)

    assert refresher.refresh_if_due() is None


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


def test_only_configured_regions_are_taken_from_the_store(world: World) -> None:
    world.answer = lambda: (listing(EAST, model("a")), listing("eu-west-1", model("b")))
    world.worker(regions=(EAST, "eu-west-1"))[0].refresh_if_due()
    refresher, catalog = world.worker(regions=("eu-west-1",))
    refresher.reload_if_changed()

    assert ids(catalog) == ["b"]


def test_a_catalog_of_another_source_is_not_served(world: World) -> None:
    world.worker(source="demo")[0].refresh_if_due()
    refresher, catalog = world.worker(source="aws")
    with counting("store_loads", outcome="other_source") as counted, capture_logs() as logs:
        refresher.reload_if_changed()
        refresher.reload_if_changed()

    assert catalog.latest is None
    assert [line["event"] for line in logs] == ["stored_catalog_ignored"]
    assert counted == [1]


def test_a_stored_catalog_that_makes_no_sense_is_set_aside_and_the_old_one_served(world: World) -> None:
    refresher, catalog = world.worker()
    refresher.refresh_if_due()
    world.store.save(b'{"source": 7}')
    with counting("store_loads", outcome="malformed") as counted, capture_logs() as logs:
        refresher.reload_if_changed()
        refresher.reload_if_changed()

    assert [line["event"] for line in logs] == ["stored_catalog_set_aside"]
    assert ids(catalog) == ["a"]
    assert counted == [1]


def test_a_stored_catalog_that_cannot_be_read_is_tried_again_and_told_of_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.worker()[0].refresh_if_due()
    refresher, catalog = world.worker()

    def no_descriptors(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with (
        monkeypatch.context() as broken,
        counting("store_loads", outcome="unreadable") as unreadable,
        capture_logs() as logs,
    ):
        broken.setattr(world.store, "load", no_descriptors)
        refresher.reload_if_changed()
        refresher.reload_if_changed()
    assert [line["event"] for line in logs] == ["stored_catalog_unreadable"]

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
        def load(self) -> bytes | None:
            data = super().load()
            loading.set()
            go_on.wait(0.3)
            return data

    catalog = Catalog()
    refresher = Refresher(world.settings, catalog, SlowStore(world.folder), world.discover, clock=world.clock)
    following = threading.Thread(target=refresher.reload_if_changed)
    following.start()
    loading.wait(5)
    refresher._run()
    go_on.set()
    following.join()

    assert ids(catalog) == ["new"]


def test_an_operators_refresh_waits_for_the_one_under_way(world: World) -> None:
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with world.store.lease():
            held.set()
            let_go.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    threading.Timer(0.1, let_go.set).start()
    done = world.worker()[0].refresh_now()
    holder.join()

    assert done is not None and done.listed == 1


def test_an_operators_refresh_gives_up_on_a_lease_that_never_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "STOP_TIMEOUT_S", -5.0)
    with world.store.lease(), pytest.raises(LeaseTaken):
        world.worker()[0].refresh_now()


def test_an_operators_refresh_replaces_nothing_that_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.worker()[0].refresh_if_due()
    refresher, _ = world.worker()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "load", refuse)
        with pytest.raises(PermissionError):
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
    def end_when_told(settings: Settings, *, stopping: Callable[[], bool], **_: Any) -> Visits:
        assert stopping()
        return Visits(regions=settings.regions, results=(), fault="the service is stopping")

    catalog = Catalog()
    refresher = Refresher(world.settings, catalog, world.store, end_when_told, clock=world.clock, stopping=lambda: True)

    assert refresher.refresh_if_due() is None
    assert catalog.latest is None
    assert world.store.load() is None


def test_the_log_tells_of_a_failed_region_and_of_what_is_served_of_it(world: World) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    world.wait(seconds=INTERVAL_S)
    failure = RegionFailure(region=EAST, failed_at=world.now, code="ThrottlingException", detail="Slow down", took_ms=7)
    world.answer = lambda: (failure,)
    with capture_logs() as logs:
        refresher.refresh_if_due()

    told = {line["event"]: line for line in logs}
    assert told["region_failed"]["code"] == "ThrottlingException"
    assert told["catalog_not_refreshed"]["log_level"] == "error"
    assert told["region_failed"]["serving"] == f"its listing of {NOW.isoformat(timespec='seconds')}"
    assert (told["catalog_not_refreshed"]["regions_listed"], told["catalog_not_refreshed"]["regions_failed"]) == (0, 1)


@pytest.mark.parametrize(
    ("question", "found", "never"),
    [
        ("/anthropic/v1/models?after_id=b", ["a"], "/anthropic/v1/models?after_id=never"),
        ("/anthropic/v1/models?region=eu-west-1", ["b"], "/anthropic/v1/models?region=eu-west-9"),
        ("/anthropic/v1/models/b", ["b"], "/anthropic/v1/models/never"),
        ("/v1/models/b", ["b"], "/v1/models/never"),
        ("/search_models?after_id=b", ["a"], "/search_models?after_id=never"),
        ("/search_models?provider=Other", ["b"], "/search_models?provider=never"),
    ],
)
def test_what_another_worker_told_of_is_known_to_a_worker_that_has_not_followed_yet(
    make_app: MakeApp, tmp_path: Path, question: str, found: list[str], never: str
) -> None:
    app = make_app(snapshot(listing(EAST, model("a"))))
    newer = [listing(EAST, model("a")), listing("eu-west-1", model("b", start_of_life_at=day(9), provider="Other"))]
    FileStore(tmp_path / "catalog").save(encode_state(snapshot(*newer).state))
    app.extensions["refresher"]._settings = replace(app.extensions["settings"], regions=(EAST, "eu-west-1"))

    body = client_of(app).get(question).get_json()

    assert [row["id"] for row in body.get("data", [body])] == found
    assert client_of(app).get(never).status_code == (400 if "?" in never else 404)


def test_a_question_for_something_unknown_leaves_the_refresher_free(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing(EAST, model("a"))))
    asking = threading.Thread(target=client_of(app).get, args=("/v1/models/unknown",))
    asking.start()
    asking.join()
    publishing = app.extensions["refresher"]._publishing

    assert publishing.acquire(timeout=1)
    publishing.release()


def test_a_question_for_something_unknown_does_not_wait_for_a_disk_that_hangs(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing(EAST, model("a"))))
    saving, done = threading.Event(), threading.Event()

    def save() -> None:
        with app.extensions["refresher"]._publishing:
            saving.set()
            done.wait(30)

    saver = threading.Thread(target=save)
    saver.start()
    saving.wait()
    answer = client_of(app).get("/v1/models/unknown")
    still_saving = not done.is_set() and saver.is_alive()
    done.set()
    saver.join()

    assert answer.status_code == 404
    assert still_saving
