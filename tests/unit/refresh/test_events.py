"""What AWS changed becomes an event when it is published: once, with one id, on every worker."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from app.catalog.current import Catalog
from app.catalog.event_changes import ADDED, REMOVED
from app.catalog.records import MODELS, CatalogEvent, PartResult
from app.discovery.parent import Visits
from app.refresh import refresher as refreshing
from app.refresh.arriving import GATHER_S, ArrivingResults
from app.refresh.file_store import file_store
from app.refresh.follower import StoreFollower
from app.refresh.refresher import Refresher
from config import Settings
from tests.support.bedrock_day import REGIONS, ChangingDay, made_day
from tests.support.builders import failure, failures, listing, model
from tests.support.listing_difference import difference
from tests.unit.cards.support import book
from tests.unit.refresh.world import EAST, INTERVAL_S, WEST, World

BOTH = (EAST, WEST)


def events(catalog: Catalog) -> list[tuple[str, str]]:
    return [(it.type, it.model_id) for it in catalog.current().state.events]


def kept(catalog: Catalog) -> tuple[CatalogEvent, ...]:
    return catalog.current().state.events


def brings(world: World, *rows: Any, west: Any = None) -> None:
    def answer() -> tuple[tuple[PartResult, ...], ...]:
        regions = [listing(EAST, *rows, at=world.now)]
        return (*regions, listing(WEST, *west, at=world.now)) if west is not None else tuple(regions)

    world.answer = answer


def refresh(world: World, refresher: Refresher) -> None:
    world.wait(seconds=INTERVAL_S)
    refresher.reload_if_changed()
    assert refresher.refresh_if_due() is not None


def test_a_first_start_and_a_restart_make_no_event(world: World) -> None:
    refresher, first = world.worker()
    refresher.refresh_if_due()
    restarted, second = world.worker()
    restarted.reload_if_changed()
    refresh(world, restarted)

    assert events(first) == events(second) == []


def test_a_change_is_an_event_once_with_the_same_id_for_every_worker(world: World) -> None:
    refresher, catalog = world.worker()
    follower, followed = world.worker()
    refresher.refresh_if_due()
    brings(world, model("a"), model("b"))
    refresh(world, refresher)
    follower.reload_if_changed()
    refresh(world, follower)
    refresher.reload_if_changed()

    assert events(catalog) == [(ADDED, "b")]
    assert kept(catalog) == kept(followed)


def test_ids_begin_with_the_version_of_the_lease_and_not_with_the_workers_clock(world: World) -> None:
    refresher, catalog = world.worker()
    refresher.refresh_if_due()
    brings(world, model("a"), model("b"))
    world.wait(seconds=INTERVAL_S)
    versions = []
    store = file_store(world.settings)
    other, _ = world.worker(store=store)
    save = store.save

    def noted(data: bytes, lease: Any, **options: Any) -> Any:
        versions.append(lease.version.ms)
        return save(data, lease, **options)

    store.save = noted  # type: ignore[method-assign]
    other.reload_if_changed()
    other.refresh_if_due()
    refresher.reload_if_changed()

    [event] = kept(catalog)
    assert event.id == f"{versions[0]:013d}-00000"


def test_what_is_published_before_the_refresh_is_over_is_an_event_once_and_keeps_its_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "ArrivingResults", partial(ArrivingResults, monotonic=lambda: world.monotonic_s))
    seen: list[tuple[CatalogEvent, ...]] = []

    def one_by_one(
        settings: Settings, *, on_result: Callable[[PartResult], None], stopping: Callable[[], bool], **_: Any
    ) -> Visits:
        results = tuple(it for region in world.answer() for it in region if it.region in settings.regions)
        for result in results:
            on_result(result)
            world.wait(seconds=2 * GATHER_S)
            stopping()
            seen.append(catalog.latest.state.events if catalog.latest is not None else ())
        return Visits(regions=settings.regions, results=results)

    refresher, catalog = world.worker(one_by_one, regions=(EAST, WEST, "ap-south-1"))
    # A region that is never listed lets each refresh publish what has arrived so far.
    never = failures("ap-south-1")
    world.answer = lambda: (
        listing(EAST, model("a"), at=world.now),
        listing(WEST, model("b"), at=world.now),
        never,
    )
    refresher.refresh_now(force=True)
    assert seen[-1] == ()
    del seen[:]
    world.answer = lambda: (
        listing(EAST, model("a"), model("c"), at=world.now),
        listing(WEST, model("d"), at=world.now),
        never,
    )
    world.wait(seconds=INTERVAL_S)
    refresher.refresh_now(force=True)

    lengths = [len(it) for it in seen]
    assert lengths == sorted(lengths) and len(set(lengths)) > 1
    assert events(catalog) == [(ADDED, "c"), (REMOVED, "b"), (ADDED, "d")]
    # Each publication only adds to the one before: an id, once seen, stays that event's.
    assert all(
        later[: len(earlier)] == earlier for earlier, later in zip(seen, [*seen[1:], kept(catalog)], strict=True)
    )
    ids = [it.id for it in kept(catalog)]
    assert ids == sorted(set(ids))
    follower, followed = world.worker(regions=(EAST, WEST, "ap-south-1"))
    follower.reload_if_changed()
    assert kept(followed) == kept(catalog)


def test_a_retry_that_lists_a_region_for_the_first_time_makes_no_event(world: World) -> None:
    refresher, catalog = world.worker(regions=BOTH)
    world.answer = lambda: (listing(EAST, model("a"), at=world.now), failures(WEST))
    refresher.refresh_if_due()
    brings(world, model("a"), west=[model("a"), model("b")])
    world.wait(seconds=11)
    done = refresher.refresh_if_due()

    assert done is not None and done.is_retry
    assert [it.id for it in catalog.current().models] == ["a", "b"]
    assert events(catalog) == []


@pytest.mark.parametrize(
    "settings", [{"regions": (EAST,)}, {"parts": (MODELS,)}, {"invoke_order": ("global",)}, {"source": "demo"}]
)
def test_a_change_of_settings_or_another_source_makes_no_event(world: World, settings: dict[str, Any]) -> None:
    refresher, _ = world.worker(regions=BOTH)
    brings(world, model("a"), west=[model("b")])
    refresher.refresh_if_due()
    changed, catalog = world.worker(**{"regions": BOTH} | settings)
    changed.reload_if_changed()
    if settings.get("source") == "demo":
        brings(world, model("x"), west=[model("y")])
    world.wait(seconds=INTERVAL_S)
    changed.refresh_if_due()

    assert events(catalog) == []


def test_a_region_that_is_added_makes_none_and_keeps_those_of_before(world: World) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    brings(world, model("a"), model("b"))
    refresh(world, refresher)
    brings(world, model("a"), model("b"), west=[model("a"), model("c")])
    wider, catalog = world.worker(regions=BOTH)
    wider.reload_if_changed()
    world.wait(seconds=INTERVAL_S)
    wider.refresh_if_due()

    assert [it.id for it in catalog.current().models] == ["a", "b", "c"]
    assert events(catalog) == [(ADDED, "b")]


def test_a_part_that_fails_makes_no_event_and_what_changed_meanwhile_is_one_when_it_is_back(world: World) -> None:
    refresher, catalog = world.worker(regions=BOTH)
    brings(world, model("a"), model("b"), west=[model("c")])
    refresher.refresh_if_due()
    world.answer = lambda: (
        (failure(EAST, MODELS, at=world.now), listing(EAST, at=world.now)[1]),
        listing(WEST, model("c"), at=world.now),
    )
    refresh(world, refresher)
    assert events(catalog) == []

    brings(world, model("a"), west=[model("c")])
    refresh(world, refresher)
    assert events(catalog) == [(REMOVED, "b")]


def test_an_empty_listing_removes_nothing_before_the_catalog_believes_it(world: World) -> None:
    refresher, catalog = world.worker(regions=BOTH, max_stale_s=2 * INTERVAL_S)
    brings(world, model("a"), west=[model("b")])
    refresher.refresh_if_due()
    brings(world, model("a"), west=[])
    refresh(world, refresher)
    refresh(world, refresher)
    assert events(catalog) == []

    refresh(world, refresher)
    assert events(catalog) == [(REMOVED, "b")]


def test_a_crash_between_save_and_publish_loses_no_event_and_repeats_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    brings(world, model("a"), model("b"))
    world.wait(seconds=INTERVAL_S)
    save = StoreFollower._save

    def save_and_die(self: StoreFollower, *arguments: Any) -> None:
        save(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StoreFollower, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            refresher.refresh_if_due()
    restarted, catalog = world.worker()
    restarted.reload_if_changed()
    saved = kept(catalog)
    assert events(catalog) == [(ADDED, "b")]

    refresh(world, restarted)
    assert kept(catalog) == saved


def test_a_crash_before_the_save_leaves_the_change_to_the_next_refresh(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresher, _ = world.worker()
    refresher.refresh_if_due()
    brings(world, model("a"), model("b"))
    world.wait(seconds=INTERVAL_S)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StoreFollower, "_save", die)
        with pytest.raises(KeyboardInterrupt):
            refresher.refresh_if_due()
    restarted, catalog = world.worker()
    restarted.reload_if_changed()
    assert events(catalog) == []

    refresh(world, restarted)
    assert events(catalog) == [(ADDED, "b")]


def test_a_change_of_cards_is_no_event(world: World) -> None:
    books = [book(), book(operator={"a": {"max_tokens": 5}})]
    catalog = Catalog()
    refresher = Refresher(
        world.settings,
        catalog,
        world.store,
        world.discover,
        clock=lambda: world.now,
        monotonic=lambda: world.monotonic_s,
        cards=lambda: books[0],
    )
    refresher.refresh_if_due()
    books.reverse()
    refresher.follow_cards()
    refresh(world, refresher)

    assert catalog.current().cards is books[0]
    assert events(catalog) == []


@pytest.mark.parametrize("seed", range(2))
def test_days_played_through_refreshes_make_the_difference_of_the_listings(world: World, seed: int) -> None:
    changing = ChangingDay(day=made_day(30), chance=Random(seed))
    regions = REGIONS[:6]
    arrived: list[PartResult] = []

    def answer() -> list[list[PartResult]]:
        arrived[:] = changing.results(world.now)
        return [arrived]

    world.answer = answer
    refresher, catalog = world.worker(regions=regions, max_stale_s=24 * 3600)
    announced: set[tuple[str, int]] = set()
    count = 0
    for number in range(20):
        refresher.reload_if_changed()
        before = catalog.latest
        assert refresher.refresh_now(force=True) is not None
        now, old = catalog.current(), catalog.current() if before is None else before
        known = {it.id for it in old.state.events} if before is not None else set()
        new = [it for it in now.state.events if it.id not in known]
        was_at = old.state.retried_at or old.state.attempted_at
        expected = difference(old.state.listings, now.state.listings, was_at=was_at, at=now.state.attempted_at)
        expected = {it for it in expected if it[2] is None or (it[1], it[2]) not in announced}

        assert {(it.type.removeprefix("model."), it.model_id, it.within_days) for it in new} == expected, number
        announced |= {(model_id, days) for _, model_id, days in expected if days is not None}
        count += len(new)
        changing.change(world.now)
        world.wait(hours=6)
        if number % 6 == 2:  # Another process goes on.
            refresher, catalog = world.worker(regions=regions, max_stale_s=24 * 3600)
    assert count > 10
