"""What was never listed is tried again soon, and nothing else: workers over one folder, in simulated time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.catalog.next_snapshot import next_attempt_at
from app.catalog.records import PartResult
from app.catalog.status import UNAVAILABLE, status_of
from app.discovery.parent import Visits
from tests.support.builders import failure, failures, listing, model, profile
from tests.unit.refresh.world import EAST, INTERVAL_S, WEST, World, ids

BOTH = (EAST, WEST)
SOUTH = "us-west-2"
# Pauses of 10 s, 20 s, 40 s ... between the attempts, up to the interval.
ATTEMPTS_S = [10, 30, 70, 150, 310, 630]


class Run:
    """Workers that look every second; `asked` has when, in seconds from the start, which regions were asked."""

    def __init__(
        self, world: World, *, workers: int = 1, regions: tuple[str, ...] = BOTH, refresh_s: int = 900
    ) -> None:
        self.world = world
        self.workers = [world.worker(regions=regions, refresh_s=refresh_s) for _ in range(workers)]
        self.began = world.monotonic_s
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def until(self, seconds: int) -> None:
        while self.world.monotonic_s - self.began <= seconds:
            for refresher, _ in self.workers:
                before = self.world.visits
                refresher.reload_if_changed()
                refresher.refresh_if_due()
                if self.world.visits > before:
                    self.asked.append((round(self.world.monotonic_s - self.began), self.world.asked[-1]))
            self.world.wait(seconds=1)

    def times(self, regions: tuple[str, ...]) -> list[int]:
        return [at for at, asked in self.asked if asked == regions]


def throttled(region: str, world: World) -> tuple[PartResult, ...]:
    return failures(region, "ThrottlingException", at=world.now)


def of_east_alone(world: World) -> Callable[[], tuple[tuple[PartResult, ...], ...]]:
    return lambda: (listing(EAST, model("a"), at=world.now), throttled(WEST, world))


def test_a_region_throttled_at_the_first_refresh_is_asked_again_after_ten_seconds_and_it_alone(world: World) -> None:
    world.answer = of_east_alone(world)
    run = Run(world)
    run.until(9)
    assert run.asked == [(0, BOTH)]
    _, catalog = run.workers[0]
    first = catalog.current().state

    world.answer = lambda: (listing(WEST, model("b"), at=world.now),)
    run.until(INTERVAL_S - 1)
    assert run.asked == [(0, BOTH), (10, (WEST,))]
    assert ids(catalog) == ["a", "b"]
    state = catalog.current().state
    # The retry leaves the rest as it is: its listings, and the age of the last refresh.
    assert [it for it in state.listings if it.region == EAST] == list(first.listings)
    assert (state.attempted_at, state.failures, state.retries) == (first.attempted_at, (), 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_pauses_grow_up_to_the_interval_and_full_refreshes_stay_one_an_interval(world: World, workers: int) -> None:
    world.answer = of_east_alone(world)
    run = Run(world, workers=workers)
    run.until(4 * INTERVAL_S)

    assert run.times(BOTH) == [0, 900, 1800, 2700, 3600]
    assert run.times((WEST,)) == ATTEMPTS_S


def test_pauses_are_never_longer_than_the_interval(world: World) -> None:
    world.answer = of_east_alone(world)
    run = Run(world, refresh_s=35)
    run.until(140)

    assert run.times(BOTH) == [0, 35, 70, 105, 140]
    assert run.times((WEST,)) == [10, 30]


def test_a_retry_that_succeeds_late_moves_no_refresh(world: World) -> None:
    world.answer = of_east_alone(world)
    run = Run(world)
    run.until(600)
    world.answer = lambda: (listing(it, model("a"), at=world.now) for it in BOTH)
    run.until(2 * INTERVAL_S)

    assert run.asked[-3:] == [(630, (WEST,)), (900, BOTH), (1800, BOTH)]


def test_a_region_that_was_listed_and_fails_is_left_until_the_next_refresh(world: World) -> None:
    world.answer = lambda: (listing(it, model("a"), at=world.now) for it in BOTH)
    run = Run(world)
    run.until(INTERVAL_S - 1)
    world.answer = of_east_alone(world)
    run.until(2 * INTERVAL_S)

    assert run.asked == [(0, BOTH), (900, BOTH), (1800, BOTH)]


def test_a_region_that_lacks_one_part_is_asked_again_and_keeps_the_other(world: World) -> None:
    def answer() -> tuple[tuple[PartResult, ...], ...]:
        models, _ = listing(WEST, model("b"), at=world.now)
        return listing(EAST, model("a"), at=world.now), (models, failure(WEST, "profiles", "Timeout", at=world.now))

    world.answer = answer
    run = Run(world)
    run.until(9)
    _, catalog = run.workers[0]
    assert ids(catalog) == ["a", "b"]

    world.answer = lambda: (listing(WEST, model("b"), profile("us.b", "b"), at=world.now),)
    run.until(INTERVAL_S - 1)
    assert run.asked == [(0, BOTH), (10, (WEST,))]
    assert catalog.current().by_profile["us.b"].id == "b"


def test_a_part_that_is_permitted_in_no_region_moves_no_refresh_either(world: World) -> None:
    """A policy without `bedrock:ListInferenceProfiles`: every region lacks a part, for good."""

    def answer() -> tuple[tuple[PartResult, ...], ...]:
        denied = [failure(it, "profiles", action="bedrock:ListInferenceProfiles", at=world.now) for it in BOTH]
        return tuple((listing(it.region, model("a"), at=world.now)[0], it) for it in denied)

    world.answer = answer
    run = Run(world)
    _, catalog = run.workers[0]
    attempts = set()
    while world.monotonic_s < run.began + 2 * INTERVAL_S:
        run.until(round(world.monotonic_s - run.began))
        attempts.add(catalog.current().state.attempted_at)

    assert ids(catalog) == ["a"]
    assert len(attempts) == 2
    assert [at for at, _ in run.asked] == [0, *ATTEMPTS_S, 900]


def test_while_no_region_lists_a_model_all_are_asked_again_soon(world: World) -> None:
    world.answer = lambda: (throttled(EAST, world), listing(WEST, at=world.now))
    run = Run(world)
    run.until(100)
    assert run.asked == [(0, BOTH), (10, BOTH), (30, BOTH), (70, BOTH)]
    _, catalog = run.workers[0]
    assert status_of(catalog.latest, at=world.now, refresh_s=INTERVAL_S).state == UNAVAILABLE

    world.answer = lambda: (listing(it, model("a"), at=world.now) for it in BOTH)
    run.until(150 + INTERVAL_S)
    assert run.asked[4:] == [(150, BOTH), (150 + INTERVAL_S, BOTH)]


def test_all_regions_that_not_even_the_sdk_could_name_are_asked_again_soon(world: World) -> None:
    """A child that ends before it names the regions: a profile that is not there yet, say."""

    def fail(*_: object, **__: object) -> Visits:
        return Visits(regions=(), results=(), fault="the discovery child ended with status 1")

    refresher, catalog = world.worker(fail, regions=("all",))
    refresher.refresh_if_due()
    assert refresher.refresh_if_due() is None
    refresher._discover = world.discover
    world.wait(seconds=10)

    assert refresher.refresh_if_due() is not None
    assert ids(catalog) == ["a"]


def test_of_all_regions_those_that_are_missing_are_asked_by_name(world: World) -> None:
    world.answer = of_east_alone(world)
    run = Run(world, regions=("all",))
    run.until(20)

    assert run.asked == [(0, ("all",)), (10, (WEST,))]
    _, catalog = run.workers[0]
    assert catalog.current().state.regions == BOTH
    assert catalog.current().state.configured_regions == ("all",)


def test_a_worker_that_starts_anew_goes_on_with_the_pauses_of_the_others(world: World) -> None:
    world.answer = of_east_alone(world)
    run = Run(world)
    run.until(100)
    run.workers = [world.worker(regions=BOTH)]
    run.until(INTERVAL_S)

    # It counts the pause, of 80 s by now, from its own start.
    assert run.times((WEST,)) == [10, 30, 70, 181, 341, 661]
    assert run.times(BOTH) == [0, 900]


def test_a_leader_that_dies_after_publishing_a_part_leaves_the_rest_to_another_soon(world: World) -> None:
    class Died(BaseException):
        pass

    def die(*_: object, on_result: Callable[[PartResult], None], **__: object) -> Visits:
        for result in listing(EAST, model("a"), at=world.now):
            on_result(result)
        raise Died

    leader, _ = world.worker(die, regions=BOTH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.refresh.arriving.GATHER_S", 0.0)
        with pytest.raises(Died):
            leader.refresh_if_due()
    world.answer = lambda: (listing(WEST, model("b"), at=world.now),)
    run = Run(world)
    run.until(INTERVAL_S - 1)

    assert run.asked == [(10, (WEST,))]
    assert ids(run.workers[0][1]) == ["a", "b"]


def test_the_attempts_with_other_settings_do_not_lengthen_the_first_pause(world: World) -> None:
    world.answer = of_east_alone(world)
    before = Run(world)
    before.until(100)
    world.answer = lambda: (listing(EAST, model("a"), at=world.now), throttled(SOUTH, world))
    after = Run(world, regions=(EAST, SOUTH))
    after.until(15)

    assert after.asked == [(0, (EAST, SOUTH)), (10, (SOUTH,))]


def test_a_retry_is_logged_as_one_and_only_of_the_regions_that_it_asked(world: World) -> None:
    world.answer = of_east_alone(world)
    refresher, _ = world.worker(regions=BOTH)
    refresher.refresh_if_due()
    world.wait(seconds=10)
    with capture_logs() as logs:
        done = refresher.refresh_if_due()

    assert done is not None and done.is_retry
    assert {line["region"] for line in logs if line["event"] == "region_failed"} == {WEST}
    [ended] = [line for line in logs if "is_retry" in line]
    assert (ended["is_retry"], ended["regions_listed"], ended["regions_failed"]) == (True, 0, 1)


def test_the_next_attempt_that_clients_are_told_of_is_the_one_that_comes(world: World) -> None:
    world.answer = of_east_alone(world)
    run = Run(world)
    _, catalog = run.workers[0]
    promised: list[int] = []
    run.until(0)
    for at in (10, 30, 70):
        state = catalog.current().state
        in_s = next_attempt_at(state, interval=timedelta(seconds=INTERVAL_S)) - world.now
        promised.append(round(world.monotonic_s + in_s.total_seconds() - run.began))
        run.until(at)
        assert run.asked[-1] == (at, (WEST,))

    assert promised == [10, 30, 70]
