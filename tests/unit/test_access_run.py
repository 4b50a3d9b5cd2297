"""What the child that asks about access does in one region, and what its parent takes from it."""

import io
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from app.catalog.access import FORM, GRANTED, NEVER_SENT, SENT, AccessAnswer, AccessPlan
from app.catalog.access_codec import encode_answer
from app.discovery.access_child import RegionRun
from app.discovery.access_parent import AnswerParser
from app.server.child_process import ChildProcessFailed
from tests.support.access_standin import FORM_OPERATION, OPERATION, availability
from tests.support.builders import NOW

EAST = "us-east-1"


def refusal(code: str, status: int, operation: str = OPERATION) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, operation)


THROTTLED = refusal("ThrottlingException", 429)
DENIED = refusal("AccessDeniedException", 403)
INTERNAL = refusal("InternalServerException", 500)
MISSING = refusal("ResourceNotFoundException", 404)


@dataclass
class Region:
    """A region, its clock, and what it answers of each model, all positive for those that are not named."""

    answers: dict[str, Any] = field(default_factory=dict)
    latency_s: float = 0.0
    now: float = 100.0
    calls: list[tuple[float, str]] = field(default_factory=list)
    written: list[AccessAnswer] = field(default_factory=list)

    def get_foundation_model_availability(self, *, modelId: str) -> dict[str, Any]:
        return self._answer(modelId, availability(modelId))

    def get_use_case_for_model_access(self) -> dict[str, Any]:
        return self._answer(FORM, {"formData": b'{"companyName": "Example"}'})

    def _answer(self, name: str, good: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((self.now, name))
        self.now += self.latency_s
        answer = self.answers.get(name, good)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask(self, *model_ids: str, asks_form: bool = False) -> list[str]:
        """The models that were asked for."""
        run = RegionRun(
            region=EAST,
            client=lambda: self,
            write=self.written.append,
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        run.ask_all(model_ids, asks_form=asks_form)
        return [name for _, name in self.calls]


@pytest.mark.parametrize("latency_s", [0.0, 0.2, 3.0])
def test_a_region_is_called_at_most_twice_a_second(latency_s: float) -> None:
    region = Region(latency_s=latency_s)

    region.ask(*(f"m{number}" for number in range(20)), asks_form=True)

    times = [at for at, _ in region.calls]
    assert len(times) == 21
    assert all(after - before >= 0.5 for before, after in pairwise(times))


@pytest.mark.parametrize(
    ("failure", "asked"),
    [
        (THROTTLED, ["a"]),
        (refusal("ThrottlingException", 400), ["a"]),
        (refusal("UnrecognizedClientException", 403), ["a"]),
        (refusal("ExpiredTokenException", 403), ["a"]),
        (refusal("AccessDenied", 403, "AssumeRole"), ["a"]),
        (ReadTimeoutError(endpoint_url="https://x"), ["a"]),
        (EndpointConnectionError(endpoint_url="https://x"), ["a"]),
        (DENIED, ["a", "b"]),
        (INTERNAL, ["a", "b"]),
        (ResponseParserError("no JSON"), ["a", "b"]),
        (TypeError("from within a parser"), ["a", "b"]),
        ({}, ["a", "b"]),
        (MISSING, ["a", "b", "c"]),
        (refusal("ValidationException", 400), ["a", "b", "c"]),
    ],
)
def test_a_region_that_fails_is_left_alone(failure: Any, asked: list[str]) -> None:
    region = Region({"a": failure, "b": failure, "c": failure})

    assert region.ask("a", "b", "c") == asked
    assert [it.ends_region for it in region.written] == [False] * (len(asked) - 1) + [asked != ["a", "b", "c"]]
    assert all(it.state is None and it.code for it in region.written)


@pytest.mark.parametrize("failure", [DENIED, INTERNAL])
def test_one_model_that_is_refused_keeps_no_other_waiting(failure: ClientError) -> None:
    region = Region({"b": failure, "d": failure})

    assert region.ask("a", "b", "c", "d", "e") == ["a", "b", "c", "d", "e"]
    assert [it.model_id for it in region.written if it.state == GRANTED] == ["a", "c", "e"]


def test_a_missing_permission_is_named_without_the_account() -> None:
    details: Any = {
        "Error": {"Code": "AccessDeniedException", "Message": "User: arn:aws:iam::112233445566:user/x may not"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    region = Region({"a": ClientError(details, OPERATION)})

    region.ask("a")

    [answer] = region.written
    assert answer.action == f"bedrock:{OPERATION}"
    assert "112233445566" not in encode_answer(answer).decode()


def test_of_the_form_only_that_it_was_sent_is_passed_on() -> None:
    region = Region()

    region.ask(asks_form=True)

    [answer] = region.written
    assert (answer.model_id, answer.state) == (FORM, SENT)
    assert b"Example" not in encode_answer(answer)


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (refusal("ResourceNotFoundException", 404, FORM_OPERATION), NEVER_SENT, ""),
        (refusal("AccessDeniedException", 403, FORM_OPERATION), None, "AccessDeniedException"),
        ({}, None, "Malformed"),
    ],
)
def test_a_form_that_is_not_there_or_not_readable_ends_nothing(answer: Any, state: str | None, code: str) -> None:
    region = Region({FORM: answer, "a": DENIED})

    assert region.ask("a", "b", asks_form=True) == [FORM, "a", "b"]
    assert (region.written[0].state, region.written[0].code) == (state, code)


PLAN = AccessPlan(regions={EAST: ("a", "b")}, form_region=EAST)
GOOD = AccessAnswer(region=EAST, model_id="a", at=NOW, state=GRANTED)


def test_answers_arrive_whole_however_they_are_cut() -> None:
    found: list[AccessAnswer] = []
    parser = AnswerParser(PLAN, found.append)
    form = AccessAnswer(region=EAST, model_id=FORM, at=NOW, state=SENT)
    output = io.BytesIO(encode_answer(GOOD) + encode_answer(form))

    while piece := output.read(7):
        parser.feed(piece)

    assert found == [GOOD, form]


@pytest.mark.parametrize(
    "output",
    [
        b"not JSON\n",
        encode_answer(GOOD) * 2,
        encode_answer(AccessAnswer(region="eu-west-1", model_id="a", at=NOW, state=GRANTED)),
        encode_answer(AccessAnswer(region=EAST, model_id="c", at=NOW, state=GRANTED)),
        b"x" * 100_000,
    ],
    ids=["no JSON", "twice", "another region", "another model", "one line"],
)
def test_what_was_not_asked_for_is_no_answer(output: bytes) -> None:
    with pytest.raises(ChildProcessFailed):
        AnswerParser(PLAN, lambda answer: None).feed(output)
