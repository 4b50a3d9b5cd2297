"""Reports on access: what an answer of AWS's comes to, what failures leave, and what is stored."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.access import (
    ACCESS_STATES,
    DENIED,
    FORM,
    GRANTED,
    NEVER_SENT,
    ON_FIRST_USE,
    PENDING,
    SENT,
    UNKNOWN,
    AccessAnswer,
    AccessPlan,
    AccessReport,
    AccessState,
    access_of,
    of_models,
    with_answers,
)
from app.catalog.access_codec import (
    decode_answer,
    decode_plan,
    encode_answer,
    encode_plan,
    plain_access,
    read_access,
)
from app.catalog.reading import Malformed, Reader
from tests.support.access_standin import availability
from tests.support.builders import NOW

DAY = timedelta(days=1)


def answer(model_id: str = "a", state: str | None = GRANTED, *, after_s: int = 0, **changes: Any) -> AccessAnswer:
    fields: dict[str, Any] = {
        "region": "us-east-1",
        "model_id": model_id,
        "at": NOW + timedelta(seconds=after_s),
        "state": state,
    }
    return AccessAnswer(**(fields | ({"code": "ThrottlingException"} if state is None else {}) | changes))


def after(*answers: AccessAnswer) -> AccessState:
    return with_answers(AccessState(), answers, period=DAY)


def report_after(*answers: AccessAnswer) -> AccessReport:
    [report] = after(*answers).reports
    return report


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({}, GRANTED, None),
        ({"authorization": "NOT_AUTHORIZED"}, DENIED, "authorizationStatus NOT_AUTHORIZED"),
        ({"agreement": "NOT_AVAILABLE"}, ON_FIRST_USE, "agreementAvailability NOT_AVAILABLE"),
        ({"agreement": "NOT_AVAILABLE", "entitlement": "NOT_AVAILABLE"}, ON_FIRST_USE, None),
        ({"agreement": "PENDING"}, PENDING, "agreementAvailability PENDING"),
        ({"agreement": "ERROR"}, UNKNOWN, "agreementAvailability ERROR"),
        ({"entitlement": "NOT_AVAILABLE"}, DENIED, "entitlementAvailability NOT_AVAILABLE"),
        ({"region": "NOT_AVAILABLE"}, UNKNOWN, "regionAvailability NOT_AVAILABLE"),
        ({"authorization": "NOT_AUTHORIZED", "agreement": "NOT_AVAILABLE"}, DENIED, None),
        ({"agreement": "SUSPENDED"}, UNKNOWN, "agreementAvailability SUSPENDED"),
        ({"agreement": "arn:aws:iam::112233445566:role/x"}, UNKNOWN, "agreementAvailability unreadable"),
    ],
)
def test_the_first_field_that_is_not_positive_decides(fields: Any, state: str, reason: str | None) -> None:
    found = access_of(availability("a", **fields))

    assert found[0] == state
    assert reason is None or found[1] == reason


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["AVAILABLE", "AUTHORIZED"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["status", "x"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(availability("a"))), JSON_VALUES))
def test_any_answer_has_a_state_and_only_a_whole_one_is_granted(response: dict[str, Any]) -> None:
    state, reason = access_of(response)

    assert state in ACCESS_STATES
    assert (state == GRANTED) == (reason is None)
    if state == GRANTED:
        assert response["agreementAvailability"]["status"] == "AVAILABLE"


def test_a_failure_leaves_the_last_answer_and_its_time() -> None:
    report = report_after(answer(), answer(state=None, after_s=60), answer(state=None, after_s=120, code="Timeout"))

    assert (report.access.state, report.access.checked_at) == (GRANTED, NOW)
    assert (report.failures, report.failure, report.asked_at) == (2, "Timeout", NOW + timedelta(seconds=120))


def test_a_model_that_never_was_answered_is_unknown_with_the_last_failures_code() -> None:
    report = report_after(answer(state=None), answer(state=None, after_s=60, code="Timeout"))

    assert (report.access.state, report.access.reason) == (UNKNOWN, "Timeout")
    assert report.access.checked_at == NOW + timedelta(seconds=60)


def test_an_answer_ends_the_failures() -> None:
    assert report_after(answer(state=None), answer(after_s=60)).failures == 0


def test_a_region_is_asked_nothing_for_longer_each_time_and_a_day_without_permission() -> None:
    closing = [answer(state=None, ends_region=True, after_s=it) for it in range(3)]
    denied = answer(state=None, ends_region=True, action="bedrock:GetFoundationModelAvailability")

    pauses = [after(*closing[: count + 1]).pauses[0] for count in range(3)]
    assert [(it.until - it.failed_at).total_seconds() for it in pauses] == [30, 60, 120]
    assert after(denied).pauses[0].until == NOW + DAY
    assert after(*closing, answer("b", after_s=9)).pauses == ()


def test_a_model_that_left_takes_its_report_with_it() -> None:
    state = after(answer("a"), answer("b"))

    assert [it.model_id for it in of_models(state, {"b": None}).reports] == ["b"]
    assert of_models(state, {"a": None, "b": None}) is state


ANSWERS = st.builds(
    answer,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(ACCESS_STATES),
    after_s=st.integers(0, 1000),
    reason=st.none() | st.just("authorizationStatus NOT_AUTHORIZED"),
    region=st.sampled_from(["us-east-1", "eu-west-1"]),
) | st.builds(
    answer,
    st.sampled_from(["a", "b", "c"]),
    st.none(),
    after_s=st.integers(0, 1000),
    detail=st.sampled_from(["", "Too many requests"]),
    ends_region=st.booleans(),
    action=st.sampled_from(["", "bedrock:GetFoundationModelAvailability"]),
    region=st.sampled_from(["us-east-1", "eu-west-1"]),
)
FORM_ANSWERS = st.builds(answer, st.just(FORM), st.sampled_from([None, SENT, NEVER_SENT]), after_s=st.integers(0, 9))


@given(st.lists(ANSWERS | FORM_ANSWERS, max_size=8))
def test_what_is_stored_is_read_back(answers: list[AccessAnswer]) -> None:
    state = after(*answers)

    assert read_access(Reader(plain_access(state))) == state


@given(ANSWERS | FORM_ANSWERS)
def test_what_the_child_writes_is_read_back(written: AccessAnswer) -> None:
    assert decode_answer(encode_answer(written)) == written


def test_a_plan_is_read_back() -> None:
    plan = AccessPlan(regions={"us-east-1": ("a", "b")}, form_region="us-east-1")

    assert decode_plan(encode_plan(plan)) == plan
    assert decode_plan(encode_plan(AccessPlan())) == AccessPlan()


def test_a_state_of_a_later_version_is_read_as_unknown() -> None:
    report = {"model_id": "a", "state": "leased", "checked_at": NOW.isoformat()}

    assert read_access(Reader({"reports": [report]})).reports[0].access.state == UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'{"region": "us-east-1"}',
        b'{"region": "us-east-1", "at": "2026-11-22T12:00:00Z", "model_id": "a"}',
        b'{"region": "us-east-1", "at": "2026-11-22T12:00:00Z", "model_id": "a", "state": "sent"}',
        b'{"region": "us-east-1", "at": "2026-11-22T12:00:00Z", "state": "granted"}',
        b'{"region": "us-east-1", "at": "soon", "model_id": "a", "state": "granted"}',
    ],
)
def test_a_line_that_is_no_answer_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed):
        decode_answer(line)
