"""What is added to a fleet's catalog between two refreshes: all hosts get it, and it puts no refresh off."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.catalog.access import FORM, GRANTED, SENT, Access, AccessAnswer, AccessPlan, AccessReport, AccessState
from app.catalog.snapshot import CatalogSnapshot, with_access
from app.refresh.access_checker import AccessChecker
from app.telemetry.metrics import REGISTRY
from config import Settings
from tests.unit.refresh.fleet_world import Fleet, Host
from tests.unit.refresh.world import EAST

INTERVAL_S = 60
PARTS = ("models", "profiles", "access")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path, parts=PARTS)


def amend(host: Host) -> bool:
    """Add a report of this moment."""

    def add(snapshot: CatalogSnapshot) -> CatalogSnapshot:
        access = Access(state=GRANTED, reason=None, checked_at=host.now)
        report = AccessReport(model_id="a", access=access)
        return with_access(snapshot, AccessState(reports=(report,)), at=host.now)

    return host.refresher.amend(add)


def reports(host: Host) -> set[AccessReport]:
    assert host.catalog.latest is not None and host.catalog.latest.state.access is not None
    return set(host.catalog.latest.state.access.reports)


def test_what_one_host_adds_all_have_a_moment_later(fleet: Fleet) -> None:
    first, second = fleet.host(), fleet.host()
    fleet.run(3)

    assert amend(first)
    fleet.run(2)

    assert reports(second) == reports(first) != set()
    assert first.version() == second.version()


def test_however_often_something_is_added_there_is_one_refresh_an_interval(fleet: Fleet) -> None:
    first, second = fleet.host(), fleet.host()
    fleet.run(3)

    added = 0
    for _ in range(5 * INTERVAL_S):
        fleet.tick()
        added += amend(first)

    assert added > 4 * INTERVAL_S
    assert 5 <= fleet.visits <= 6
    assert len(reports(second)) == 1


def test_a_host_that_has_not_the_newest_catalog_adds_nothing_to_an_older_one(fleet: Fleet) -> None:
    first, second = fleet.host(), fleet.host()
    fleet.run(3)
    assert amend(first)

    assert not amend(second)

    fleet.run(2)
    assert amend(second)


def test_a_host_without_the_fleet_adds_nothing(fleet: Fleet) -> None:
    first = fleet.host()
    fleet.run(3)
    first.engine.is_cut = True
    fleet.run(3)

    assert not amend(first)


def test_a_worker_that_loads_what_was_added_is_due_when_it_was_before(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.run(3)
    began = list(host.began)
    for _ in range(INTERVAL_S - 4):
        fleet.tick()
        amend(host)

    assert host.began == began
    fleet.run(10)
    assert len(host.began) == len(began) + 1


def checker(host: Host, plans: list[AccessPlan]) -> AccessChecker:
    """The job of a host's worker."""

    def ask(settings: Settings, plan: AccessPlan, *, on_answer: Callable[[AccessAnswer], None], **_: object) -> None:
        plans.append(plan)
        if plan.form_region is not None:
            on_answer(AccessAnswer(region=plan.form_region, model_id=FORM, at=host.now, state=SENT))
        for region, ids in plan.regions.items():
            for model_id in ids:
                on_answer(AccessAnswer(region=region, model_id=model_id, at=host.now, state=GRANTED))

    return AccessChecker(
        host.settings,
        host.catalog,
        ask,
        lease=lambda: host.shared.job_lease("check_access", max_held_s=150, needs_newest=True),
        reload=host.refresher.reload_if_changed,
        amend=host.refresher.amend,
        clock=lambda: host.now,
        monotonic=lambda: host.monotonic_s,
    )


def test_of_all_hosts_one_asks_and_another_goes_on_where_it_ended(fleet: Fleet) -> None:
    hosts = [fleet.host() for _ in range(3)]
    fleet.run(3)
    plans: list[AccessPlan] = []
    checkers = [checker(host, plans) for host in hosts]

    for _ in range(10):
        for it in checkers:
            it.check_if_due()
        fleet.run(2)
    assert [it.regions for it in plans] == [{EAST: ("a",)}]
    assert all(reports(host) for host in hosts)

    # The first two are gone; a period is over.
    for host in hosts[:2]:
        host.engine.is_cut = True
    for host in hosts:
        host.wait(days=1)
    fleet.run(3)
    checkers[2].check_if_due()
    assert [it.regions for it in plans[1:]] == [{EAST: ("a",)}]


def test_a_host_that_loses_the_jobs_lease_stops_asking(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.run(3)

    with host.shared.job_lease("check_access", max_held_s=150, needs_newest=True) as lease:
        assert lease is not None and lease.held()
        fleet.server.jobs.clear()
        host.wait(seconds=5)

        assert not lease.held()


def test_a_snapshot_with_equal_reports_is_the_same_one_to_its_readers(fleet: Fleet) -> None:
    host = fleet.host()
    fleet.run(3)
    assert amend(host)
    before = host.catalog.latest
    assert before is not None

    again = with_access(before, before.state.access, at=host.now)

    assert again.models is before.models
    assert again.changed_at == before.changed_at
    assert replace(again.state, access=None) == replace(before.state, access=None)


def test_what_is_added_to_an_old_catalog_is_no_lag(fleet: Fleet) -> None:
    first, second = fleet.host(), fleet.host()
    fleet.run(3)

    def lag_s() -> float | None:
        return REGISTRY.get_sample_value("model_catalog_fleet_lag_seconds", {"fleet": second.settings.fleet})

    before = lag_s()
    fleet.run(20)
    assert amend(first)
    fleet.run(2)

    assert reports(second) == reports(first)
    assert before is not None and lag_s() == before
