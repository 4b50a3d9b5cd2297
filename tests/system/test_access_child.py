"""Asking about access whole: the child, given its plan by its parent, asks the stand-in over real HTTP."""

import sys
import time
from collections.abc import Iterator

import pytest

from app.catalog.access import (
    DENIED,
    FORM,
    GRANTED,
    NEVER_SENT,
    ON_FIRST_USE,
    SENT,
    UNKNOWN,
    AccessAnswer,
    AccessPlan,
)
from app.discovery.access_parent import ask_access
from config import Settings
from tests.support.access_standin import FORM_OPERATION, OPERATION, availability
from tests.support.bedrock_standin import ACCOUNT, ROLE, BedrockStandin

EAST, WEST = "us-east-1", "us-west-2"
MODELS = ("maker.common-0-v1:0", "maker.common-1-v1:0", "maker.common-2-v1:0")
PLAN = AccessPlan(regions={EAST: MODELS, WEST: MODELS[:1]}, form_region=WEST)
# The only operations that asking may call.
READING = {OPERATION, FORM_OPERATION}


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockStandin]:
    with BedrockStandin([EAST, WEST]) as running:
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        yield running
        assert {operation for _, operation in running.calls} <= READING


def asked(plan: AccessPlan = PLAN, *, timeout_s: int = 20) -> tuple[dict[tuple[str, str], AccessAnswer], str | None]:
    """What came of each call, and why the run ended early."""
    found: list[AccessAnswer] = []
    fault = ask_access(Settings(regions=(EAST, WEST), refresh_timeout_s=timeout_s), plan, on_answer=found.append)
    return {(it.region, it.model_id): it for it in found}, fault


def states(answers: dict[tuple[str, str], AccessAnswer], region: str = EAST) -> list[str | None]:
    """Of the models of a region, in the plan's order; a code where there is no state."""
    known = [answers.get((region, it)) for it in MODELS]
    return [None if it is None else it.state or it.code for it in known]


def test_each_model_is_asked_for_in_its_region_and_the_form_in_one(standin: BedrockStandin) -> None:
    standin[EAST].access.answers[MODELS[1]] = availability(MODELS[1], agreement="NOT_AVAILABLE")
    standin[EAST].access.answers[MODELS[2]] = availability(MODELS[2], authorization="NOT_AUTHORIZED")

    began = time.monotonic()
    answers, fault = asked()

    assert fault is None
    assert states(answers) == [GRANTED, ON_FIRST_USE, DENIED]
    assert answers[WEST, FORM].state == SENT
    assert standin.calls == {(EAST, OPERATION): 3, (WEST, OPERATION): 1, (WEST, FORM_OPERATION): 1}
    assert standin[EAST].access.asked == list(MODELS)
    assert time.monotonic() - began >= 1.0  # Three calls at two a second.


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("throttled", ["ThrottlingException", None, None]),
        ("unrecognized", ["UnrecognizedClientException", None, None]),
        ("denied", ["AccessDeniedException", "AccessDeniedException", None]),
        ("error", ["InternalServerException", "InternalServerException", None]),
        ("html", ["Malformed", "Malformed", None]),
        ("half", ["Malformed", "Malformed", None]),
        ("empty", ["Malformed", "Malformed", None]),
        ("bare", [UNKNOWN, UNKNOWN, UNKNOWN]),
        ("missing", ["ResourceNotFoundException"] * 3),
    ],
)
def test_a_region_that_fails_costs_no_other_anything(
    standin: BedrockStandin, fault: str, expected: list[str | None]
) -> None:
    standin[EAST].faults["access"] = fault

    answers, ended = asked()

    assert ended is None
    assert states(answers) == expected
    assert (answers[WEST, MODELS[0]].state, answers[WEST, FORM].state) == (GRANTED, SENT)
    for answer in answers.values():
        assert ACCOUNT not in answer.detail


def test_fields_of_a_wrong_type_are_a_failure_or_unknown_and_never_granted(standin: BedrockStandin) -> None:
    standin[EAST].faults["access"] = standin[WEST].faults["access"] = "mistyped"

    answers, ended = asked()

    assert ended is None
    assert {it.state for it in answers.values()} <= {None, UNKNOWN}


def test_one_model_that_is_denied_keeps_no_other_waiting(standin: BedrockStandin) -> None:
    standin[EAST].access.faults[MODELS[1]] = "denied"

    answers, _ = asked()

    assert states(answers) == [GRANTED, "AccessDeniedException", GRANTED]
    assert answers[EAST, MODELS[1]].action == f"bedrock:{OPERATION}"
    assert ROLE in answers[EAST, MODELS[1]].detail


def test_a_form_that_was_never_sent_is_no_failure(standin: BedrockStandin) -> None:
    standin[WEST].access.form = None

    answers, _ = asked()

    assert (answers[WEST, FORM].state, answers[WEST, FORM].code) == (NEVER_SENT, "")


@pytest.mark.parametrize(("fault", "code"), [("hang", "ReadTimeoutError"), ("drip", "Timeout")])
def test_a_region_that_does_not_answer_is_left_alone_and_the_others_have_answered(
    standin: BedrockStandin, fault: str, code: str
) -> None:
    standin[EAST].faults["access"] = fault

    answers, ended = asked(timeout_s=2)

    assert ended == (None if fault == "hang" else "no answer before the deadline")
    assert states(answers) == [code, None, None]
    assert answers[EAST, MODELS[0]].ends_region
    assert states(answers, WEST) == [GRANTED, None, None]


def test_a_plan_that_is_larger_than_a_pipe_arrives_whole(standin: BedrockStandin) -> None:
    standin[EAST].faults["access"] = "throttled"
    many = tuple(f"maker.model-{number:06d}-with-a-long-name-v1:0" for number in range(10_000))

    answers, ended = asked(AccessPlan(regions={EAST: many}))

    assert ended is None
    assert [it.code for it in answers.values()] == ["ThrottlingException"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('nonsense')", "wrote a line that is no answer"),
        ("sys.exit('no memory')", "ended with status 1: no memory"),
        ("sys.stdout.write('x' * 100_000); sys.stdout.flush()", "wrote a line of over"),
        ("import time; time.sleep(60)", "no answer before the deadline"),
        ("pass", "ended before its plan did"),
    ],
)
def test_whatever_the_child_does_is_a_fault_and_the_regions_are_left_alone(code: str, reason: str) -> None:
    command = (sys.executable, "-I", "-S", "-c", f"import sys\n{code}")
    settings = Settings(refresh_timeout_s=1)

    found: list[AccessAnswer] = []
    fault = ask_access(settings, AccessPlan(regions={EAST: MODELS}), on_answer=found.append, command=command)

    assert fault is not None and reason in fault
    assert [(it.model_id, it.state, it.ends_region) for it in found] == [(MODELS[0], None, True)]
