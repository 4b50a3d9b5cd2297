"""What has arrived is served: results gathered for a moment, and published while a refresh is still under way."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.records import BASE_PARTS, PROVISIONED, AccountModel, PartListing, PartResult
from app.catalog.status import FRESH, MISSING, PARTIAL, READY, UNAVAILABLE, status_of
from app.discovery.parent import Visits
from app.refresh import refresher as refreshing
from app.refresh.arriving import GATHER_S, ArrivingResults
from config import Settings
from tests.support.builders import failure, failures, listing, model, profile
from tests.unit.refresh.world import EAST, INTERVAL_S, WEST, World, ids

BOTH = (EAST, WEST)


@pytest.fixture(autouse=True)
def gathering_in_simulated_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = partial(ArrivingResults, monotonic=lambda: world.monotonic_s)
    monkeypatch.setattr(refreshing, "ArrivingResults", timed)


class Published:
    """What an ArrivingResults published: a tuple of the regions and parts each time."""

    def __init__(self, world: World) -> None:
        self.all: list[list[tuple[str, str]]] = []
        self.arriving = ArrivingResults(self.take, monotonic=lambda: world.monotonic_s)

    def take(self, results: tuple[PartResult, ...]) -> None:
        self.all.append([(it.region, it.part) for it in results])


def test_results_are_published_together_some_moments_after_the_first_of_them(world: World) -> None:
    published = Published(world)
    models, profiles = listing(EAST, model("a"))
    published.arriving.add(models)
    world.wait(seconds=GATHER_S / 2)
    published.arriving.add(profiles)
    published.arriving.publish_if_due()
    assert published.all == []

    world.wait(seconds=GATHER_S / 2)
    published.arriving.publish_if_due()
    world.wait(seconds=10 * GATHER_S)
    published.arriving.publish_if_due()
    assert published.all == [[(EAST, "models"), (EAST, "profiles")]]


def test_a_stream_of_results_does_not_put_off_the_next_publication(world: World) -> None:
    published = Published(world)
    for number in range(100):
        published.arriving.add(listing(f"region-{number}", model("a"))[0])
        world.wait(seconds=GATHER_S / 10)

    assert 8 <= len(published.all) <= 12
    assert [len(it) for it in published.all] == sorted(len(it) for it in published.all)


def test_nothing_is_published_before_a_region_lists_a_model(world: World) -> None:
    published = Published(world)
    nothing: tuple[PartResult, ...] = (
        failure(EAST),
        *listing(WEST, profile("us.a", "a")),
        *failures("eu-north-1"),
    )
    for result in nothing:
        published.arriving.add(result)
        world.wait(seconds=2 * GATHER_S)
        published.arriving.publish_if_due()
    assert published.all == []

    published.arriving.add(listing("us-west-2", model("a"))[0])
    assert [len(it) for it in published.all] == [len(nothing) + 1]


class Arriving:
    """A refresh whose results come by themselves: `steps` yields each, and sees the world before the next one.

    None is a moment in which nothing comes: the worker is asked whether it stops, as it is all the time.
    """

    def __init__(self, steps: Callable[[], Iterator[PartResult | None]]) -> None:
        self.steps = steps
        self.arrived: list[PartResult] = []

    def __call__(
        self, settings: Settings, *, stopping: Callable[[], bool], on_result: Callable[[PartResult], None], **_: Any
    ) -> Visits:
        self.arrived = []
        for result in self.steps():
            if result is not None:
                self.arrived.append(result)
                on_result(result)
            stopping()
        regions = tuple(dict.fromkeys(it.region for it in self.arrived)) if settings.regions == ("all",) else ()
        return Visits(regions=regions or settings.regions, results=tuple(self.arrived))


def test_the_first_regions_models_are_stored_and_served_by_all_while_the_others_are_awaited(world: World) -> None:
    other, others_catalog = world.worker(regions=BOTH)
    seen: list[tuple[list[str], str, dict[str, str]]] = []

    def look() -> None:
        other.reload_if_changed()
        status = status_of(others_catalog.latest, at=world.now, refresh_s=INTERVAL_S)
        ids_now = ids(others_catalog) if others_catalog.latest else []
        seen.append((ids_now, status.state, {it.region: it.state for it in status.regions}))

    def steps() -> Iterator[PartResult | None]:
        models, profiles = listing(EAST, model("a"), at=world.now)
        yield models
        yield profiles
        look()
        world.wait(seconds=GATHER_S)
        yield None
        look()
        world.wait(seconds=25)
        yield from listing(WEST, model("b"), at=world.now)

    refresher, catalog = world.worker(Arriving(steps), regions=BOTH)
    done = refresher.refresh_if_due()
    look()

    assert done is not None and done.stored
    assert seen == [
        ([], UNAVAILABLE, {}),
        (["a"], READY, {EAST: FRESH, WEST: MISSING}),
        (["a", "b"], READY, {EAST: FRESH, WEST: FRESH}),
    ]
    assert ids(catalog) == ["a", "b"]


def test_what_has_not_arrived_has_not_failed(world: World) -> None:
    other, others_catalog = world.worker(regions=BOTH)

    def steps() -> Iterator[PartResult]:
        yield listing(EAST, model("a"), at=world.now)[0]
        world.wait(seconds=GATHER_S)
        yield failure(WEST, "models", at=world.now)
        other.reload_if_changed()
        status = status_of(others_catalog.latest, at=world.now, refresh_s=INTERVAL_S)
        parts = {(it.region, part.part): part for it in status.regions for part in it.parts}
        assert {place: (it.state, it.failure.code if it.failure else None) for place, it in parts.items()} == {
            (EAST, "models"): (FRESH, None),
            (EAST, "profiles"): (MISSING, None),
            (WEST, "models"): (MISSING, "AccessDeniedException"),
            (WEST, "profiles"): (MISSING, None),
        }
        assert next(it.state for it in status.regions if it.region == EAST) == PARTIAL

    world.worker(Arriving(steps), regions=BOTH)[0].refresh_if_due()
    assert others_catalog.latest is not None


def test_of_all_regions_those_that_answered_are_served_at_once(world: World) -> None:
    other, others_catalog = world.worker(regions=("all",))

    def steps() -> Iterator[PartResult]:
        yield from listing(EAST, model("a"), at=world.now)
        world.wait(seconds=GATHER_S)
        yield failure(WEST, at=world.now)
        other.reload_if_changed()
        assert others_catalog.current().state.regions == BOTH

    world.worker(Arriving(steps), regions=("all",))[0].refresh_if_due()
    assert ids(others_catalog) == ["a"]


def test_where_all_was_listed_before_a_refresh_is_published_whole_at_its_end(world: World) -> None:
    world.answer = lambda: (listing(it, model("a"), at=world.now) for it in BOTH)
    world.worker(regions=BOTH)[0].refresh_if_due()
    world.wait(seconds=INTERVAL_S)
    stored = world.worker(regions=BOTH)[0]._store
    token = stored.token()

    def steps() -> Iterator[PartResult]:
        for region in BOTH:
            yield from listing(region, model("new"), at=world.now)
            world.wait(seconds=10 * GATHER_S)
            assert stored.token() == token
            assert ids(catalog) == ["a"]

    refresher, catalog = world.worker(Arriving(steps), regions=BOTH)
    refresher.reload_if_changed()
    refresher.refresh_if_due()
    assert ids(catalog) == ["new"]


def test_while_one_region_was_never_listed_a_refresh_publishes_what_arrives_and_keeps_the_rest(world: World) -> None:
    world.answer = lambda: (listing(EAST, model("a"), at=world.now), failures(WEST, at=world.now))
    world.worker(regions=BOTH)[0].refresh_if_due()
    world.wait(seconds=INTERVAL_S)

    def steps() -> Iterator[PartResult]:
        yield from listing(WEST, model("b"), at=world.now)
        world.wait(seconds=GATHER_S)
        yield failure(EAST, "profiles", "Timeout", at=world.now)
        assert ids(catalog) == ["a", "b"]
        yield from listing(EAST, model("new"), at=world.now)[:1]

    refresher, catalog = world.worker(Arriving(steps), regions=BOTH)
    refresher.reload_if_changed()
    refresher.refresh_if_due()
    assert ids(catalog) == ["b", "new"]


def test_publishing_on_the_way_counts_as_one_refresh_and_moves_the_next_one_no_further(world: World) -> None:
    def steps() -> Iterator[PartResult]:
        for region in BOTH:
            for result in listing(region, model("a"), at=world.now):
                yield result
                world.wait(seconds=GATHER_S)

    refresher, catalog = world.worker(Arriving(steps), regions=BOTH)
    with capture_logs() as logs:
        refresher.refresh_if_due()
    assert [line["event"] for line in logs] == ["catalog_refreshed"]
    assert catalog.current().state.retries == 0
    assert refresher.refresh_if_due() is None

    world.wait(seconds=INTERVAL_S)
    assert refresher.refresh_if_due() is not None


def take_the_lease_over(world: World, regions: tuple[str, ...]) -> None:
    """As a worker does with a lease that is held for too long: the file is replaced, and the next catalog stored."""
    world.answer = lambda: (listing(it, model("of-the-new-holder"), at=world.now) for it in regions)
    successor, _ = world.worker(regions=regions)
    [lease] = world.folder.glob("*/lease")
    lease.unlink()
    assert successor.refresh_now() is not None


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_lease_lost_on_the_way_ends_the_refresh_and_publishes_nothing_more(world: World, after: int) -> None:
    """It is lost before the first publication, or after one or two."""
    came: list[str] = []

    def steps() -> Iterator[PartResult]:
        for number, region in enumerate((EAST, WEST, "eu-north-1", "us-west-2")):
            if number == after:
                take_the_lease_over(world, regions)
            came.append(region)
            yield listing(region, model(region), at=world.now)[0]
            world.wait(seconds=GATHER_S)

    regions = (EAST, WEST, "eu-north-1", "us-west-2")
    refresher, catalog = world.worker(Arriving(steps), regions=regions)
    with capture_logs() as logs:
        assert refresher.refresh_if_due() is None

    assert [line["event"] for line in logs if line["event"] == "lease_lost"] == ["lease_lost"]
    assert "of-the-new-holder" not in (ids(catalog) if catalog.latest else [])
    assert len(came) <= after + 2
    refresher.reload_if_changed()
    assert ids(catalog) == ["of-the-new-holder"]


def test_without_a_lease_what_has_arrived_is_served_by_this_worker_alone(world: World) -> None:
    world.folder.write_text("a file where the folder should be")

    def steps() -> Iterator[PartResult]:
        yield from listing(EAST, model("a"), at=world.now)
        world.wait(seconds=GATHER_S)
        yield failure(WEST, at=world.now)
        assert ids(catalog) == ["a"]

    refresher, catalog = world.worker(Arriving(steps), regions=BOTH)
    done = refresher.refresh_if_due()
    assert done is not None and not done.stored


def test_results_that_come_while_the_service_stops_are_not_published(world: World) -> None:
    def steps() -> Iterator[PartResult]:
        yield from listing(EAST, model("a"), at=world.now)

    refresher, catalog = world.worker(Arriving(steps), regions=BOTH)
    refresher._stopping = lambda: True
    assert refresher.refresh_if_due() is None
    assert catalog.latest is None


def test_an_empty_answer_is_a_listing_that_is_never_ready(world: World) -> None:
    world.answer = lambda: (listing(EAST, at=world.now),)
    refresher, catalog = world.worker()
    refresher.refresh_if_due()

    status = status_of(catalog.latest, at=world.now, refresh_s=INTERVAL_S)
    assert catalog.latest is not None and isinstance(catalog.latest.state.listings[0], PartListing)
    assert (status.state, status.models) == (UNAVAILABLE, 0)


def own_listing(region: str, world: World, name: str = "x") -> PartListing:
    arn = f"arn:aws:bedrock:{region}:112233445566:provisioned-model/{name}"
    row = AccountModel(id=arn, name=name, status="InService")
    return PartListing(region=region, part=PROVISIONED, listed_at=world.now, rows=(row,))


OPTIONAL = (*BASE_PARTS, PROVISIONED)


def complete(world: World, parts: tuple[str, ...]) -> None:
    """A catalog of both regions that lacks nothing, stored."""
    first = [it for region in BOTH for it in listing(region, model("old"), at=world.now)]
    own = [own_listing(region, world) for region in BOTH if PROVISIONED in parts]
    world.worker(Arriving(lambda: iter([*first, *own])), regions=BOTH, parts=parts)[0].refresh_if_due()
    world.wait(seconds=INTERVAL_S)


def test_base_parts_are_published_once_when_all_of_them_are_in_and_optional_ones_are_not(world: World) -> None:
    complete(world, OPTIONAL)
    other, others_catalog = world.worker(regions=BOTH, parts=OPTIONAL)
    other.reload_if_changed()
    seen: list[tuple[list[str], bool]] = []
    versions = set()

    def look() -> None:
        other.reload_if_changed()
        current = others_catalog.current()
        versions.add(current.at)
        seen.append((ids(others_catalog), bool(current.account_models)))

    def steps() -> Iterator[PartResult | None]:
        yield from listing(EAST, model("new"), at=world.now)
        yield own_listing(EAST, world, "y")
        world.wait(seconds=2 * GATHER_S)
        yield None
        look()
        yield listing(WEST, model("new"), at=world.now)[0]
        yield failure(WEST, "profiles", at=world.now)
        world.wait(seconds=2 * GATHER_S)
        yield None
        look()
        world.wait(seconds=10)
        yield None
        look()
        yield failure(WEST, PROVISIONED, "Timeout", at=world.now)

    world.worker(Arriving(steps), regions=BOTH, parts=OPTIONAL)[0].refresh_if_due()
    look()

    assert seen == [(["old"], True), (["new"], True), (["new"], True), (["new"], True)]
    assert len(versions) == 3


def test_without_optional_parts_a_complete_catalog_is_published_at_the_end_alone(world: World) -> None:
    complete(world, BASE_PARTS)
    other, others_catalog = world.worker(regions=BOTH)

    def steps() -> Iterator[PartResult | None]:
        for region in BOTH:
            yield from listing(region, model("new"), at=world.now)
        world.wait(seconds=2 * GATHER_S)
        yield None
        other.reload_if_changed()
        assert ids(others_catalog) == ["old"]

    world.worker(Arriving(steps), regions=BOTH)[0].refresh_if_due()
    other.reload_if_changed()

    assert ids(others_catalog) == ["new"]


def test_a_part_that_is_not_permitted_is_one_line_for_all_its_regions(world: World) -> None:
    action = "bedrock:ListProvisionedModelThroughputs"
    results: list[PartResult] = [it for region in BOTH for it in listing(region, model("a"), at=world.now)]
    results += [failure(region, PROVISIONED, action=action, at=world.now) for region in BOTH]

    with capture_logs() as logs:
        done = world.worker(Arriving(lambda: iter(results)), regions=BOTH, parts=OPTIONAL)[0].refresh_if_due()

    assert done is not None and (done.failed, done.listed) == (0, 2)
    [line] = [it for it in logs if it["log_level"] == "warning"]
    assert (line["event"], line["missing_permission"], line["regions"]) == ("part_not_permitted", action, sorted(BOTH))


def test_a_part_that_is_not_permitted_is_logged_again_where_its_regions_change(world: World) -> None:
    refused = list(BOTH)

    def results() -> Iterator[PartResult | None]:
        for region in BOTH:
            yield from listing(region, model("a"), at=world.now)
            yield (
                failure(region, PROVISIONED, action="bedrock:ListProvisionedModelThroughputs", at=world.now)
                if region in refused
                else replace(listing(region, at=world.now)[0], part=PROVISIONED)
            )

    refresher, _ = world.worker(Arriving(results), regions=BOTH, parts=OPTIONAL)
    with capture_logs() as logs:
        for _ in range(3):
            refresher.refresh_now()
            world.wait(seconds=1)
        refused.pop()
        refresher.refresh_now()

    lines = [it["regions"] for it in logs if it["event"] == "part_not_permitted"]
    assert lines == [sorted(BOTH), refused]
