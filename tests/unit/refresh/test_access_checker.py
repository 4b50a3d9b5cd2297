"""The job that asks about access: what it publishes, when it asks again, and that it delays no refresh."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.access import DENIED, FORM, GRANTED, NEVER_SENT, UNKNOWN, AccessAnswer, AccessPlan
from app.catalog.codec import encode_state
from app.catalog.current import Catalog
from app.catalog.records import PartResult
from app.catalog.snapshot import CatalogSnapshot
from app.refresh.access_checker import AccessChecker
from app.refresh.refresher import Refresher
from tests.support.builders import NOW, listing, model
from tests.unit.refresh.world import EAST, WEST, World

PARTS = ("models", "profiles", "access")
ACTION = "bedrock:GetFoundationModelAvailability"


@dataclass
class Held:
    is_held: bool = True

    def held(self) -> bool:
        return self.is_held


@dataclass
class Host:
    """A host with a job's lease; `plans` are what its workers asked for, `answers` what comes of each model."""

    world: World
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: list[AccessPlan] = field(default_factory=list)
    is_leased: bool = False
    fault: str | None = None
    on_call: Callable[[], object] = lambda: None

    @contextmanager
    def lease(self) -> Iterator[Held | None]:
        if self.is_leased:
            yield None
            return
        self.is_leased = True
        try:
            yield Held()
        finally:
            self.is_leased = False

    def ask(
        self,
        settings: Any,
        plan: AccessPlan,
        *,
        on_answer: Callable[[AccessAnswer], None],
        stopping: Callable[[], bool],
    ) -> str | None:
        self.plans.append(plan)
        calls = [(plan.form_region, FORM)] if plan.form_region else []
        calls += [(region, model_id) for region, ids in plan.regions.items() for model_id in ids]
        for region, model_id in calls:
            self.world.wait(seconds=0.5)
            self.on_call()
            fields: dict[str, Any] = {"state": NEVER_SENT if model_id == FORM else GRANTED}
            fields |= self.answers.get(model_id, {})
            on_answer(AccessAnswer(region=str(region), model_id=model_id, at=self.world.now, **fields))
            if stopping():
                break
        return self.fault

    def worker(self, **settings: Any) -> tuple[AccessChecker, Refresher, Catalog]:
        settings = {"parts": PARTS} | settings
        refresher, catalog = self.world.worker(**settings)
        checker = AccessChecker(
            self.world.changed(**settings),
            catalog,
            self.ask,
            lease=self.lease,
            reload=refresher.reload_if_changed,
            amend=refresher.amend,
            clock=lambda: self.world.now,
            monotonic=lambda: self.world.monotonic_s,
        )
        return checker, refresher, catalog

    @property
    def asked(self) -> list[str]:
        return [it for plan in self.plans for ids in plan.regions.values() for it in ids]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    world = World(tmp_path)
    world.settings = replace(world.settings, regions=(EAST, WEST))
    world.answer = lambda: (
        listing(EAST, model("a"), model("b"), at=world.now),
        listing(WEST, model("b"), at=world.now),
    )
    return Host(world)


def states(catalog: Catalog) -> dict[str, str | None]:
    return {it.id: it.access_state for it in catalog.current().models}


def current(catalog: Catalog) -> CatalogSnapshot:
    assert catalog.latest is not None
    return catalog.latest


def test_models_have_no_report_until_they_were_asked_for(host: Host) -> None:
    checker, refresher, catalog = host.worker()
    refresher.refresh_if_due()
    before = states(catalog)

    checker.check_if_due()

    assert before == {"a": None, "b": None}
    assert states(catalog) == {"a": GRANTED, "b": GRANTED}
    assert sorted(host.asked) == ["a", "b"]


def test_another_worker_shows_what_one_was_answered_and_asks_for_nothing(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    other, other_refresher, other_catalog = host.worker()
    checker.check_if_due()

    other_refresher.reload_if_changed()
    other.check_if_due()

    assert states(other_catalog) == {"a": GRANTED, "b": GRANTED}
    assert len(host.plans) == 1


def test_while_another_process_asks_none_does(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    host.is_leased = True

    checker.check_if_due()

    assert host.plans == []


def test_a_worker_that_could_not_know_of_the_last_answers_loads_them_before_it_asks(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    other, other_refresher, _ = host.worker()
    other_refresher.reload_if_changed()
    checker.check_if_due()

    other.check_if_due()

    assert len(host.plans) == 1


def test_answers_are_published_while_others_are_awaited(host: Host) -> None:
    host.world.answer = lambda: (listing(EAST, *(model(f"m{number}") for number in range(12)), at=host.world.now),)
    checker, refresher, catalog = host.worker(regions=(EAST,))
    refresher.refresh_if_due()
    published: list[int] = []
    host.on_call = lambda: published.append(sum(it is not None for it in states(catalog).values()))

    checker.check_if_due()

    assert published[0] == 0
    assert 0 < published[7] < 12
    # A save costs each worker a load: they are gathered.
    assert len(set(published)) <= 4
    assert sum(it is not None for it in states(catalog).values()) == 12


def test_a_refresh_keeps_the_reports_and_forgets_those_of_models_that_left(host: Host) -> None:
    checker, refresher, catalog = host.worker()
    refresher.refresh_if_due()
    checker.check_if_due()
    host.world.answer = lambda: (listing(EAST, model("b"), model("c"), at=host.world.now), listing(WEST, model("b")))
    host.world.wait(seconds=900)

    refresher.refresh_if_due()

    assert states(catalog) == {"b": GRANTED, "c": None}
    access = current(catalog).state.access
    assert access is not None and [it.model_id for it in access.reports] == ["b"]
    checker.check_if_due()
    assert host.asked[2:] == ["c"]


def test_a_restart_and_a_new_leader_go_on_where_the_last_one_ended(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    checker.check_if_due()
    host.world.wait(hours=6)

    checker, refresher, catalog = host.worker()
    refresher.reload_if_changed()
    assert states(catalog) == {"a": GRANTED, "b": GRANTED}
    for _ in range(40):
        host.world.wait(minutes=30)
        checker.check_if_due()

    assert sorted(host.asked) == ["a", "a", "b", "b"]


def test_while_a_refresh_is_under_way_answers_wait_and_are_published_after_it(host: Host) -> None:
    checker, refresher, catalog = host.worker()
    refresher.refresh_if_due()
    with host.world.store_of(PARTS).lease():
        checker.check_if_due()
        assert states(catalog) == {"a": None, "b": None}
        host.world.wait(seconds=5)
    checker.check_if_due()

    assert states(catalog) == {"a": GRANTED, "b": GRANTED}
    assert len(host.plans) == 1


def test_the_stores_lease_is_free_while_aws_is_asked(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    store = host.world.store_of(PARTS)
    free: list[bool] = []

    def try_lease() -> None:
        with store.lease():
            free.append(True)

    host.on_call = try_lease

    checker.check_if_due()

    assert free == [True, True, True]


def test_a_refresh_that_ends_while_aws_is_asked_loses_nothing_and_nothing_is_lost_to_it(host: Host) -> None:
    checker, refresher, catalog = host.worker()
    refresher.refresh_if_due()
    other, _ = host.world.worker(parts=PARTS)
    host.world.answer = lambda: (listing(EAST, model("a"), model("c"), at=host.world.now), listing(WEST, model("b")))
    host.on_call = lambda: other.refresh_now() if len(host.plans) == 1 and host.world.visits == 1 else None

    checker.check_if_due()

    assert states(catalog) == {"a": GRANTED, "b": GRANTED, "c": None}


def test_publishing_reports_makes_no_refresh_due_later_or_sooner(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    host.world.wait(seconds=800)
    checker.check_if_due()

    host.world.wait(seconds=50)
    assert refresher.refresh_if_due() is None
    host.world.wait(seconds=50)
    assert refresher.refresh_if_due() is not None


def test_a_retry_of_what_was_never_listed_waits_for_no_report(host: Host) -> None:
    host.world.answer = lambda: (listing(EAST, model("a"), at=host.world.now),)
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    for _ in range(8):
        host.world.wait(seconds=1)
        assert refresher.refresh_if_due() is None
        checker.check_if_due()  # The first time for a second.

    host.world.wait(seconds=1)
    assert refresher.refresh_if_due() is not None


def test_a_failure_leaves_the_last_answer(host: Host) -> None:
    checker, refresher, catalog = host.worker(access_s=3600)
    refresher.refresh_if_due()
    checker.check_if_due()
    first = {it.id: it.access for it in current(catalog).models}
    host.answers = {"a": {"state": None, "code": "ThrottlingException"}}

    host.world.wait(hours=1)
    checker.check_if_due()

    shown = {it.id: it.access for it in current(catalog).models}
    assert shown["a"] == first["a"]
    assert shown["b"] != first["b"]


def test_without_permission_one_line_is_logged_and_no_more_is_asked_for_a_day(host: Host) -> None:
    refused = {"state": None, "code": "AccessDeniedException", "action": ACTION, "ends_region": True}
    host.answers = {"a": refused, "b": refused}
    checker, refresher, catalog = host.worker()
    refresher.refresh_if_due()

    with capture_logs() as logs:
        for _ in range(60):
            checker.check_if_due()
            host.world.wait(minutes=20)

    denied = [it for it in logs if it["event"] == "access_not_permitted"]
    assert [it["missing_permission"] for it in denied] == [ACTION]
    assert len(host.asked) == 2
    assert set(states(catalog).values()) == {UNKNOWN}

    checker, refresher, _ = host.worker()
    refresher.reload_if_changed()
    checker.check_if_due()
    assert len(host.asked) > 2


def test_regions_that_do_not_answer_are_asked_again_with_growing_pauses(host: Host) -> None:
    silent = {"state": None, "code": "Timeout", "ends_region": True}
    host.answers = dict.fromkeys(("a", "b", FORM), silent)
    host.fault = "no answer before the deadline"
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()

    with capture_logs() as logs:
        for _ in range(12 * 60):
            checker.check_if_due()
            host.world.wait(seconds=5)

    assert len(host.plans) < 20
    assert {it["event"] for it in logs if it["log_level"] == "warning"} == {"access_check_failed"}


def test_an_answer_of_denied_hides_nothing(host: Host) -> None:
    host.answers = {"a": {"state": DENIED, "reason": "authorizationStatus NOT_AUTHORIZED"}}
    checker, refresher, catalog = host.worker()
    refresher.refresh_if_due()

    checker.check_if_due()

    assert states(catalog) == {"a": DENIED, "b": GRANTED}


def test_what_is_borrowed_from_other_settings_is_not_saved_with_reports(host: Host) -> None:
    other, _ = host.world.worker()
    other.refresh_if_due()
    checker, refresher, catalog = host.worker()
    refresher.reload_if_changed()
    assert states(catalog) == {"a": None, "b": None}

    checker.check_if_due()
    assert host.world.store_of(PARTS).load() is None

    host.world.wait(seconds=5)
    refresher.refresh_if_due()
    checker.check_if_due()
    assert states(catalog) == {"a": GRANTED, "b": GRANTED}


def test_the_demo_asks_for_nothing(host: Host) -> None:
    checker, refresher, catalog = host.worker(source="demo")
    refresher.refresh_if_due()

    checker.check_if_due()

    assert host.plans == []
    assert states(catalog) == {"a": None, "b": None}


def test_with_the_part_off_nothing_is_asked_and_the_stored_bytes_are_as_before(host: Host) -> None:
    checker, refresher, catalog = host.worker(parts=PARTS[:2])
    refresher.refresh_if_due()

    checker.check_if_due()

    assert host.plans == []
    assert {it.access for it in current(catalog).models} == {None}
    assert b"access" not in encode_state(current(catalog).state)


@pytest.mark.parametrize(
    "trouble",
    [
        {"fault": "it lies"},
        {"answers": {"a": {"state": DENIED}, "b": {"state": None, "code": "Timeout", "ends_region": True}}},
        {"is_leased": True},
    ],
)
def test_whatever_access_does_entries_are_the_same_but_for_the_key(host: Host, trouble: dict[str, Any]) -> None:
    checker, refresher, catalog = host.worker()
    plain_refresher, plain_catalog = host.world.worker()
    for name, value in trouble.items():
        setattr(host, name, value)
    results: list[PartResult] = []

    for _ in range(3):
        refresher.refresh_if_due()
        plain_refresher.refresh_if_due()
        checker.check_if_due()
        host.world.wait(seconds=900)

    assert results == []
    with_key = [replace(it, access=None) for it in current(catalog).models]
    assert with_key == list(current(plain_catalog).models)


def test_reports_survive_in_the_stored_file(host: Host) -> None:
    checker, refresher, _ = host.worker()
    refresher.refresh_if_due()
    checker.check_if_due()
    host.world.wait(days=2)

    _, again, catalog = host.worker()
    again.reload_if_changed()

    access = current(catalog).state.access
    assert access is not None and access.form is not None
    assert access.form.access.state == NEVER_SENT
    assert all(it.access.checked_at - NOW < timedelta(minutes=1) for it in access.reports)
