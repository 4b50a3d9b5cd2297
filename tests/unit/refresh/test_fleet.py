"""A fleet of hosts on one engine: one refresh an interval, whatever breaks, and no older catalog after a newer one."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.refresh.fleet import NOT_ANSWERED
from app.refresh.fleet_link import LinkState
from app.refresh.store import LOCAL, LeaseLost, LeaseTaken, NotDue, Saved, StoreUnreachable, Version
from app.telemetry import metrics
from app.telemetry.metrics import REGISTRY
from tests.support.builders import failures, listing, model
from tests.unit.refresh.fleet_world import Fleet, Host
from tests.unit.refresh.world import EAST, WEST, counting, ids

INTERVAL_S = 60


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def hosts(fleet: Fleet, count: int, **settings: Any) -> list[Host]:
    return [fleet.host(**settings) for _ in range(count)]


def failing(host: Host) -> None:
    host.answer = lambda: (failures(EAST, "Timeout", at=host.now),)


def test_hosts_that_start_together_ask_aws_once(fleet: Fleet) -> None:
    hosts(fleet, 5)

    fleet.tick()
    fleet.run(3)

    assert fleet.visits == 1
    assert len(fleet.attempts()) == 1 and None not in fleet.attempts()


def test_there_is_one_refresh_an_interval_for_all(fleet: Fleet) -> None:
    hosts(fleet, 5)

    fleet.run(10 * INTERVAL_S)

    assert 9 <= fleet.visits <= 10


@pytest.mark.parametrize("off_s", [61, -61, 86_400, -86_400, 31_536_000, -31_536_000])
def test_a_wall_clock_that_is_off_decides_nothing(off_s: int, fleet: Fleet) -> None:
    hosts(fleet, 2)
    fleet.host(clock_off_s=off_s)

    fleet.run(10 * INTERVAL_S)

    assert 9 <= fleet.visits <= 10
    assert len(fleet.attempts()) == 1


@pytest.mark.parametrize("off_s", [61, -61, 86_400, -86_400])
def test_a_host_that_starts_with_a_catalog_and_a_clock_that_is_off_asks_for_nothing(off_s: int, fleet: Fleet) -> None:
    early = fleet.host()
    fleet.tick()
    late = fleet.host(clock_off_s=off_s)
    late.wait(seconds=fleet.elapsed_s)
    fleet.run(5)
    late.started_again()

    fleet.run(5)

    assert (early.visits, late.visits) == (1, 0)


def test_a_new_host_serves_without_asking_aws(fleet: Fleet) -> None:
    fleet.host()
    fleet.tick()
    new = fleet.host()

    new.tick()

    assert ids(new.catalog) == ["a"]
    assert new.visits == 0


def test_a_refresh_at_an_operators_word_reaches_all_hosts(fleet: Fleet) -> None:
    first, second = hosts(fleet, 2)
    fleet.tick()
    first.answer = lambda: (listing(EAST, model("new"), at=first.now),)

    done = first.refresher.refresh_now()
    second.tick()

    assert done is not None and (done.stored, done.alone) == (True, None)
    assert ids(second.catalog) == ["new"]


def test_the_version_is_of_the_engines_clock_and_greater_than_all_before(fleet: Fleet) -> None:
    host = fleet.host(clock_off_s=86_400)
    fleet.tick()
    assert fleet.server.newest == Version(fleet.engine_ms())

    fleet.elapsed_s -= 3600
    host.refresher.refresh_now()
    host.refresher.refresh_now()

    assert [it.ms - fleet.server.puts[0].ms for it in fleet.server.puts] == [0, 1, 2]


def test_a_host_that_has_nothing_yet_saves_under_a_later_version_than_the_engine_has(fleet: Fleet) -> None:
    fleet.host()
    fleet.tick()
    newest = fleet.server.newest
    fleet.server.now_ms = lambda: fleet.engine_ms() - 10_000_000

    fleet.host().refresher.refresh_now()

    assert fleet.server.newest == Version(newest.ms + 1)


def test_after_the_engines_clock_went_back_there_still_is_one_refresh_an_interval(fleet: Fleet) -> None:
    hosts(fleet, 3)
    fleet.tick()
    fleet.server.now_ms = lambda: fleet.engine_ms() - 10_000_000

    fleet.run(10 * INTERVAL_S)

    assert 9 <= fleet.visits - 1 <= 10


def test_alone_each_host_refreshes_for_itself_before_its_catalog_is_stale(fleet: Fleet) -> None:
    hosts(fleet, 4)
    fleet.tick()
    fleet.server.refuses = {"all"}

    fleet.run(20 * INTERVAL_S)

    for host in fleet.hosts:
        pauses = [later - earlier for earlier, later in zip(host.began, host.began[1:], strict=False)]
        assert min(pauses, default=INTERVAL_S) >= INTERVAL_S
        assert max(pauses) < 2 * INTERVAL_S
    firsts = {host.began[1 if host.visits > len(host.began) else 0] for host in fleet.hosts}
    assert len(firsts) > 1


def test_alone_with_nothing_to_serve_a_host_begins_within_two_seconds(fleet: Fleet) -> None:
    fleet.server.refuses = {"all"}
    host = fleet.host()

    fleet.run(3, every_s=0.1)

    assert ids(host.catalog) == ["a"]
    assert host.began[0] <= 2.2


def test_alone_a_host_says_so_once_and_again_when_it_is_linked(fleet: Fleet) -> None:
    host = fleet.host()
    with capture_logs() as logs:
        fleet.tick()
        fleet.server.refuses = {"all"}
        fleet.run(3 * INTERVAL_S)
        fleet.server.refuses = set()
        fleet.run(5)

    events = [line["event"] for line in logs if line["event"].startswith("fleet_")]
    assert events == ["fleet_linked", "fleet_unreachable", "fleet_offered", "fleet_linked"]
    assert host.shared.link.state is LinkState.LINKED


def test_an_engine_that_came_back_empty_gets_the_newest_catalog_and_all_hosts_with_it(fleet: Fleet) -> None:
    hosts(fleet, 4)
    fleet.tick()
    fleet.server.refuses = {"all"}
    fleet.run(3 * INTERVAL_S)
    newest = max(host.version() for host in fleet.hosts)

    fleet.server.clear()
    fleet.server.refuses = set()
    fleet.tick()
    fleet.tick()

    assert {host.version() for host in fleet.hosts} == {newest}
    assert len(fleet.attempts()) == 1


def test_after_a_failover_to_an_older_copy_no_host_goes_back_in_time(fleet: Fleet) -> None:
    first, second = hosts(fleet, 2)
    fleet.tick()
    older = fleet.server.entry, fleet.server.newest
    first.refresher.refresh_now()
    newest = fleet.server.newest

    fleet.server.entry, fleet.server.newest = older
    fleet.tick()
    fleet.tick()

    assert fleet.server.newest == first.version() == second.version() == newest


def test_hosts_that_are_cut_off_and_come_back_agree(fleet: Fleet) -> None:
    linked, cut = hosts(fleet, 2)
    fleet.tick()
    cut.engine.is_cut = True
    fleet.run(3 * INTERVAL_S)
    assert linked.visits >= 3 and cut.visits >= 1

    cut.engine.is_cut = False
    fleet.tick()
    fleet.tick()

    assert linked.version() == cut.version() == fleet.server.newest


def test_a_leader_that_was_paused_for_longer_than_its_lease_stores_nothing(fleet: Fleet) -> None:
    leader, other = hosts(fleet, 2)
    fleet.tick()
    leader.answer = lambda: (listing(EAST, model("paused"), at=leader.now),)

    with leader.shared.lease() as lease:
        leader.monotonic_s += 11
        fleet.elapsed_s += 11
        other.refresher.refresh_now()

        assert not lease.held()
        with pytest.raises(LeaseLost):
            leader.shared.save(b"of the paused one", lease)

    fleet.tick()
    assert leader.version() == other.version() == fleet.server.newest


def test_what_a_leader_puts_after_a_later_one_is_refused_by_the_engine_itself(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.tick()

    with host.shared.lease() as lease:
        fleet.server.newest = Version(lease.version.ms + 1)
        with counting("fleet_puts", outcome="superseded") as superseded, pytest.raises(LeaseLost, match="later"):
            host.shared.save(b"data", lease)

    assert superseded == [1]
    assert host.version() < lease.version


def test_a_put_whose_answer_was_lost_is_no_loss(fleet: Fleet) -> None:
    host = fleet.host()
    with host.shared.lease() as lease:
        host.engine.put(lease.version, b"as at the first try")

        saved = host.shared.save(b"data", lease)

    assert saved.alone is None


def test_a_leader_that_dies_between_put_and_keep_takes_its_own_catalog_back(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.tick()
    entry = fleet.server.entry
    assert entry is not None and entry.payload is not None
    later = Version(entry.version.ms + 1)
    host.engine.put(later, entry.payload)

    host.started_again()
    host.tick()

    assert host.version() == later


def test_several_saves_of_one_refresh_are_one_version_of_growing_places(fleet: Fleet) -> None:
    host = fleet.host()
    with host.shared.lease() as lease:
        saves = [host.shared.save(b"data", lease).version for _ in range(3)]

    assert saves == fleet.server.puts == [Version(saves[0].ms, n) for n in range(3)]


def test_the_last_of_several_saves_is_offered_where_the_engine_has_an_earlier_one(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.tick()
    data = host.store.load()
    assert data is not None
    with host.shared.lease() as lease:
        host.shared.save(data.data, lease)
        fleet.server.refuses = {"put", "renew"}
        saved = host.shared.save(data.data, lease)
    assert saved.alone is not None and saved.version.n == 1

    fleet.server.refuses = set()
    fleet.tick()

    assert fleet.server.newest == saved.version


def test_where_no_region_answered_the_host_keeps_it_for_itself_and_another_one_tries(fleet: Fleet) -> None:
    broken, sound = hosts(fleet, 2)
    failing(broken)
    fleet.tick()
    assert fleet.server.puts == []
    fleet.run(30)

    assert ids(sound.catalog) == ids(broken.catalog) == ["a"]
    assert [version.n for version in fleet.server.puts] == [0] * len(fleet.server.puts)


def test_a_refresh_that_no_region_answered_lets_its_lease_run_out(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.tick()
    failing(host)
    host.wait(seconds=1)

    done = host.refresher.refresh_now()

    assert done is not None and done.alone == NOT_ANSWERED
    assert fleet.server.holder() is not None
    assert host.version() == Version(fleet.server.newest.ms, LOCAL)
    with pytest.raises(LeaseTaken), host.shared.lease():
        pass


def test_a_refresh_that_no_region_answered_is_never_offered_over_one_that_some_did(fleet: Fleet) -> None:
    broken, other = hosts(fleet, 2)
    fleet.tick()
    failing(broken)
    broken.wait(seconds=1)
    broken.refresher.refresh_now()

    fleet.run(5)
    assert not fleet.server.newest.is_local()

    fleet.server.clear()
    fleet.run(5)
    assert ids(other.catalog) == ["a"]
    assert fleet.server.newest.ms


def test_a_fleet_whose_hosts_have_never_listed_anything_shares_nothing(fleet: Fleet) -> None:
    for host in hosts(fleet, 2):
        failing(host)

    fleet.run(60)

    assert fleet.server.puts == []


def test_a_region_that_was_never_listed_is_retried_by_one_host_and_puts_no_refresh_off(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, regions=(EAST, WEST))
    for host in (fleet.host(), fleet.host()):
        host.answer = lambda host=host: (listing(EAST, model("a"), at=host.now), failures(WEST, "Timeout", at=host.now))  # type: ignore[misc]

    fleet.run(3 * INTERVAL_S)

    asked = [regions for host in fleet.hosts for regions in host.asked]
    assert asked.count((EAST, WEST)) == 3
    # After 10, 20 and 40 s, but not while the refresh is due before.
    assert 2 <= asked.count((WEST,)) <= 6
    assert {version.ms for version in fleet.server.puts} == {
        version.ms for version in fleet.server.puts if not version.n
    }
    assert len(fleet.attempts()) == 1


def test_an_engine_that_refuses_writes_makes_the_host_go_alone_until_it_takes_them(fleet: Fleet) -> None:
    host, other = hosts(fleet, 2)
    fleet.tick()
    fleet.server.refuses = {"acquire", "put"}
    fleet.run(3 * INTERVAL_S)
    assert min(host.visits, other.visits) >= 1 and host.visits + other.visits >= 3

    fleet.server.refuses = set()
    fleet.run(70)
    for it in fleet.hosts:  # the last to refresh may have saved after the other looked
        it.follow()
        it.refresher.reload_if_changed()

    assert {it.shared.link.state for it in fleet.hosts} == {LinkState.LINKED}
    assert host.version() == other.version() == fleet.server.newest


def test_a_refresh_at_an_operators_word_says_where_it_reached_this_host_alone(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.server.refuses = {"all"}

    done = host.refresher.refresh_now()

    assert done is not None and done.stored and done.alone == "memory: acquire fails"
    assert ids(host.catalog) == ["a"]


def test_an_engine_that_fails_during_a_refresh_costs_no_results(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.tick()

    with host.shared.lease() as lease:
        fleet.server.refuses = {"all"}
        host.wait(seconds=4)
        assert lease.held()
        saved: Saved = host.shared.save(b"data", lease)

    assert saved.alone == "memory: renew fails"
    assert host.version() == saved.version


def test_a_refresh_is_not_due_while_the_engines_clock_says_that_it_is_not(fleet: Fleet) -> None:
    first, second = hosts(fleet, 2)
    first.tick()
    second.follow()
    fleet.elapsed_s += 20

    with pytest.raises(NotDue) as refused, second.shared.lease(unless_younger_s=INTERVAL_S):
        pass

    assert 0 < refused.value.retry_s <= INTERVAL_S
    assert fleet.server.holder() is None


def test_only_the_worker_with_the_link_refreshes(fleet: Fleet) -> None:
    host = fleet.host()
    host.shared.link.state = LinkState.ELSEWHERE

    for _ in range(2):
        assert host.refresher.refresh_if_due() is None
        host.wait(seconds=INTERVAL_S)

    assert host.visits == 0


def test_hosts_that_are_due_do_not_all_ask_for_the_lease(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, float]] = []

    def most(least: float, most: float) -> float:
        drawn.append((least, most))
        return most

    monkeypatch.setattr("app.refresh.fleet.random.uniform", most)
    host = fleet.host()
    fleet.tick()
    drawn.clear()

    fleet.run(INTERVAL_S + 10)

    assert drawn == [(0, 0.05 * INTERVAL_S)]
    assert host.began[1] - host.began[0] == pytest.approx(INTERVAL_S * 1.05, abs=1)


def test_hosts_with_other_regions_do_not_share_and_do_not_fight(fleet: Fleet, tmp_path: Path) -> None:
    other = Fleet(tmp_path / "other", regions=(EAST, WEST))
    one, two = fleet.host(), other.host()
    two.answer = lambda: tuple(listing(region, model("b"), at=two.now) for region in (EAST, WEST))

    assert one.store.folder.name != two.store.folder.name
    for _ in range(3 * INTERVAL_S):
        fleet.tick()
        other.tick()

    assert one.visits <= 3 and two.visits <= 3


def test_a_file_of_before_there_were_fleets_is_offered_at_the_first_start(fleet: Fleet) -> None:
    host = fleet.host()
    plain, _ = host.worker(host.discover)
    plain.refresh_if_due()
    new = fleet.host()

    host.follow()
    new.tick()

    assert fleet.server.newest == host.version()
    assert ids(new.catalog) == ["a"] and new.visits == 0


def test_a_host_whose_disk_is_full_serves_from_the_memory_of_its_link(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, full = hosts(fleet, 2)
    fleet.tick()

    def no_space(*_: Any) -> Any:
        raise StoreUnreachable("No space left on device")

    monkeypatch.setattr(full.shared._copy._file, "keep", no_space)
    sound.answer = lambda: (listing(EAST, model("new"), at=sound.now),)
    with capture_logs() as logs:
        sound.refresher.refresh_now()
        fleet.run(3)

    assert ids(full.catalog) == ["new"]
    assert [line["event"] for line in logs].count("snapshot_save_failed") == 1
    monkeypatch.undo()
    fleet.tick()
    assert full.version() == sound.version()


def test_an_operators_status_names_the_version_and_the_lag(fleet: Fleet) -> None:
    first, second = hosts(fleet, 2)
    fleet.tick()
    fleet.elapsed_s += 30
    first.refresher.refresh_now()

    status = second.shared.status()

    assert (status.fleet, status.store, status.problem) == ("default", "redis://memory:6379", None)
    assert (status.host_version, status.fleet_version, status.lag_s) == (second.version(), first.version(), 30)


def test_an_operators_status_says_why_the_engine_cannot_be_used(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.server.refuses = {"newest"}

    assert host.shared.status().problem == "memory: newest fails"


def test_the_version_that_a_command_stored_is_this_hosts_too(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.run(3)
    host.another_worker()[0].refresh_now()
    metrics.FLEET_VERSION.clear()  # A command counts in no process of the service.
    fleet.run(3)

    counted = REGISTRY.get_sample_value("model_catalog_fleet_version", {"fleet": host.settings.fleet})
    assert counted == host.version().ms
