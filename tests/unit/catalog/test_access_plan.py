"""Which models are asked for when: once a period each, evenly, and never by the memory of one process."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.access import DENIED, FORM, GRANTED, SENT, AccessAnswer, AccessPlan, AccessState, with_answers
from app.catalog.access_codec import plain_access, read_access
from app.catalog.access_plan import MAX_CALLS, callable_regions, plan_access, region_of
from app.catalog.reading import Reader
from tests.support.builders import NOW, listing, model, profile, snapshot

PERIOD = timedelta(hours=10)
STEP = timedelta(seconds=5)
MINUTES_5 = timedelta(minutes=5)
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-south-1")


def planned(models: Mapping[str, tuple[str, ...]], state: AccessState, at: datetime) -> AccessPlan:
    return plan_access(models, state, at=at, period=PERIOD, since=NOW)


@dataclass
class Asking:
    """Leaders that ask one after the other; what they know is what is stored."""

    models: Mapping[str, tuple[str, ...]]
    state: AccessState = field(default_factory=AccessState)
    at: datetime = NOW
    asked: list[tuple[datetime, str, str]] = field(default_factory=list)
    failing: frozenset[str] = frozenset()
    runs: list[AccessPlan] = field(default_factory=list)

    def run_for(self, duration: timedelta, *, step: timedelta = STEP) -> None:
        end = self.at + duration
        while self.at < end:
            self.at += step
            # A restart, or another leader: nothing is known but what is stored.
            self.state = read_access(Reader(plain_access(self.state)))
            plan = planned(self.models, self.state, self.at)
            if plan:
                self.runs.append(plan)
            self.state = with_answers(self.state, [*self._answers(plan)], period=PERIOD)

    def _answers(self, plan: AccessPlan) -> list[AccessAnswer]:
        if plan.form_region is not None:
            self.asked.append((self.at, plan.form_region, FORM))
        answers = [AccessAnswer(region="us-east-1", model_id=FORM, at=self.at, state=SENT)] if plan.form_region else []
        for region, ids in plan.regions.items():
            for model_id in ids:
                self.asked.append((self.at, region, model_id))
                failed = model_id in self.failing
                answers.append(
                    AccessAnswer(
                        region=region,
                        model_id=model_id,
                        at=self.at,
                        state=None if failed else GRANTED,
                        code="ThrottlingException" if failed else "",
                    )
                )
        return answers

    def times_of(self, model_id: str) -> list[datetime]:
        return [at for at, _, asked_for in self.asked if asked_for == model_id]


def catalog(count: int) -> dict[str, tuple[str, ...]]:
    return {f"maker.m{number}": REGIONS for number in range(count)}


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 40), failing=st.integers(0, 3))
def test_each_model_is_asked_for_at_once_and_then_once_a_period(count: int, failing: int) -> None:
    asking = Asking(catalog(count), failing=frozenset(f"maker.m{number}" for number in range(failing)))

    asking.run_for(3 * PERIOD, step=MINUTES_5)

    for model_id in asking.models:
        times = asking.times_of(model_id)
        pauses = [after - before for before, after in pairwise(times)]
        assert times[0] == NOW + MINUTES_5
        assert max(pauses) <= PERIOD + MINUTES_5
        if model_id not in asking.failing:
            # Once in the period after the first answer, wherever its place is in that; then once a period.
            assert len(times) <= 5
            assert all(pause >= PERIOD * 0.9 for pause in pauses[1:])


@settings(max_examples=15, deadline=None)
@given(count=st.integers(2, 40))
def test_later_calls_are_spread_evenly(count: int) -> None:
    asking = Asking(catalog(count))

    asking.run_for(2 * PERIOD, step=MINUTES_5)

    later = sorted(at for at, _, model_id in asking.asked if model_id != FORM and at > NOW + MINUTES_5)
    share = PERIOD / count
    pauses = [after - before for before, after in pairwise(later)]
    assert all(abs(pause - share) <= 2 * MINUTES_5 for pause in pauses)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 30), new=st.integers(1, 30), wait_h=st.integers(0, 30))
def test_models_never_asked_for_come_before_all_others(count: int, new: int, wait_h: int) -> None:
    models = {f"maker.m{number}": ("us-east-1",) for number in range(count)}
    asking = Asking(models)
    asking.run_for(STEP)
    late = {f"maker.n{number}": ("us-east-1",) for number in range(new)}

    plan = planned(models | late, asking.state, asking.at + timedelta(hours=wait_h))

    assert plan.regions["us-east-1"][:new] == tuple(sorted(late))[:MAX_CALLS]


def test_no_run_asks_a_region_for_more_than_half_a_minutes_worth() -> None:
    asking = Asking({f"maker.m{number}": ("us-east-1",) for number in range(3 * MAX_CALLS)})

    asking.run_for(4 * STEP)

    assert [len(it.regions["us-east-1"]) for it in asking.runs] == [MAX_CALLS] * 3
    assert max(Counter(model_id for _, _, model_id in asking.asked).values()) == 1


def test_a_model_is_asked_for_in_one_of_its_regions_and_always_the_same() -> None:
    models = catalog(200)
    chosen = {model_id: region_of(model_id, regions) for model_id, regions in models.items()}

    loads = Counter(chosen.values())
    assert set(loads) == set(REGIONS)
    assert max(loads.values()) < 2 * min(loads.values())
    assert {it: region_of(it, reversed(regions)) for it, regions in models.items()} == chosen
    # A region that is not among the choices of a model decides nothing about the others.
    assert all(region_of(it, [chosen[it] or "", "sa-east-1"]) in (chosen[it], "sa-east-1") for it in models)


def test_a_closed_region_gives_its_models_to_others_until_it_is_open() -> None:
    models = catalog(20) | {"maker.only": ("us-east-1",)}
    refusal = AccessAnswer(
        region="us-east-1",
        model_id="maker.m0",
        at=NOW,
        code="AccessDeniedException",
        action="bedrock:GetFoundationModelAvailability",
        ends_region=True,
    )
    state = with_answers(AccessState(), [refusal], period=PERIOD)

    plan = planned(models, state, NOW + timedelta(hours=2))
    assert "us-east-1" not in plan.regions
    assert sum(map(len, plan.regions.values())) == 20
    assert "us-east-1" in planned(models, state, NOW + timedelta(days=1)).regions


def test_a_restart_asks_again_where_permission_was_missing() -> None:
    models = {"maker.only": ("us-east-1",)}
    refusal = AccessAnswer(
        region="us-east-1", model_id="maker.only", at=NOW, code="AccessDeniedException", action="x", ends_region=True
    )
    state = with_answers(AccessState(), [refusal], period=PERIOD)
    later = NOW + timedelta(hours=1)

    assert not planned(models, state, later).regions
    assert plan_access(models, state, at=later, period=PERIOD, since=later).regions == {"us-east-1": ("maker.only",)}


def test_what_failed_is_asked_for_again_with_growing_pauses() -> None:
    asking = Asking({"maker.a": ("us-east-1",)}, failing=frozenset({"maker.a"}))

    asking.run_for(timedelta(hours=3))

    times = asking.times_of("maker.a")
    pauses = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert pauses[:7] == [60, 120, 240, 480, 960, 1920, 3840]


def test_a_clock_that_was_set_back_makes_each_model_due_once() -> None:
    models = catalog(5)
    asking = Asking(models, at=NOW + timedelta(days=400))
    asking.run_for(STEP)
    asking.at = NOW
    asking.asked.clear()

    asking.run_for(timedelta(minutes=2))

    assert Counter(model_id for _, _, model_id in asking.asked) == dict.fromkeys([*models, FORM], 1)


def test_what_cannot_be_called_is_not_asked_for() -> None:
    found = snapshot(
        listing(
            "us-east-1",
            model("maker.on-demand"),
            model("maker.provisioned", inference_types=("PROVISIONED",)),
            model("maker.ended", end_of_life_at=NOW - timedelta(days=1)),
            model(f"maker.{'x' * 140}"),
            model("maker.by-profile", inference_types=("INFERENCE_PROFILE",)),
            profile("us.maker.by-profile", "maker.by-profile"),
        ),
        listing("us-west-2", model("maker.on-demand")),
    )

    assert callable_regions(found.models) == {
        "maker.on-demand": ("us-east-1", "us-west-2"),
        "maker.by-profile": ("us-east-1",),
    }


def test_the_form_is_asked_for_once_a_period() -> None:
    asking = Asking(catalog(3))

    asking.run_for(3 * PERIOD, step=MINUTES_5)

    assert len(asking.times_of(FORM)) == 3
    assert asking.state.form is not None and asking.state.form.access.state == SENT
    assert DENIED not in {it.access.state for it in asking.state.reports}


def test_a_form_that_may_not_be_asked_for_is_asked_for_in_a_day_or_after_a_restart() -> None:
    denied = AccessAnswer(region="us-east-1", model_id=FORM, at=NOW, code="AccessDeniedException", action="bedrock:x")
    state = with_answers(AccessState(), [denied], period=PERIOD)
    one = catalog(1)

    asks = [planned(one, state, NOW + timedelta(hours=it)).form_region for it in (1, 12, 23, 24)]
    assert [it is not None for it in asks] == [False, False, False, True]
    later = NOW + timedelta(hours=1)
    assert plan_access(one, state, at=later, period=PERIOD, since=later).form_region is not None
