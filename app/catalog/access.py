"""What AWS answers on whether the account may call a model: a report beside the catalog, never a reason to hide.

An answer is no proof either way: a call may be refused where all fields are positive, and a first call subscribes to
most models whose agreement is missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

GRANTED = "granted"
ON_FIRST_USE = "on_first_use"
PENDING = "pending"
DENIED = "denied"
UNKNOWN = "unknown"
KNOWN_STATES = (GRANTED, ON_FIRST_USE, PENDING, DENIED)
ACCESS_STATES = (*KNOWN_STATES, UNKNOWN)

# Of Anthropic's form.
SENT = "sent"
NEVER_SENT = "never_sent"
FORM_STATES = (SENT, NEVER_SENT, UNKNOWN)
# What stands in the place of a model's id where the form was asked for.
FORM = ""

# How long what failed waits before it is asked for again, at first; it doubles with each failure.
FIRST_MODEL_PAUSE = timedelta(minutes=1)
FIRST_REGION_PAUSE = timedelta(seconds=30)
MAX_REGION_PAUSE = timedelta(hours=1)
# A missing permission is seldom given within minutes.
DENIED_PAUSE = timedelta(days=1)
MAX_DOUBLINGS = 20

# AWS's codes for want of permission.
DENIED_CODES = ("AccessDeniedException", "AccessDenied")

_WORD = re.compile(r"\w{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is shown of a model: `reason` names the field of AWS's answer that decides, None where all are positive.

    Of a model that was asked for and never answered, the state is UNKNOWN, the reason the failure's code.
    """

    state: str
    reason: str | None
    checked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAccess:
    """An entry's access while the part is on; `report` is None where AWS was not asked."""

    report: Access | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReport:
    """The last answer on a model, and what failed since: how often, the last time when, and with which code."""

    model_id: str
    access: Access
    failures: int = 0
    failed_at: datetime | None = None
    failure: str = ""

    @property
    def asked_at(self) -> datetime:
        return self.failed_at or self.access.checked_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPause:
    """A region that is not asked until some time; `action` is the IAM action that is missing, "" for other reasons."""

    region: str
    failures: int
    failed_at: datetime
    until: datetime
    code: str
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState:
    """All reports, by model id; `form` is that on Anthropic's form, whose states are FORM_STATES."""

    reports: tuple[AccessReport, ...] = ()
    form: AccessReport | None = None
    pauses: tuple[RegionPause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessAnswer:
    """What came of one call: an answer, which has a state, or a failure, which has a code.

    `model_id` is FORM where Anthropic's form was asked for. `action` is the IAM action that is missing; `detail` is for
    the operator alone. `ends_region` says that the region is asked nothing more for now.
    """

    region: str
    model_id: str
    at: datetime
    state: str | None = None
    reason: str | None = None
    code: str = ""
    action: str = ""
    detail: str = ""
    ends_region: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPlan:
    """The models to ask each region for, in this order; `form_region` is asked for Anthropic's form, None for none."""

    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    form_region: str | None = None

    def __bool__(self) -> bool:
        return bool(self.regions) or self.form_region is not None


def access_of(availability: Mapping[str, Any]) -> tuple[str, str | None]:
    """State and reason of a GetFoundationModelAvailability response, whatever words it holds.

    Where only the region is negative, nothing is known of the account: the model is asked for in one region alone.

    Source: Bedrock GetFoundationModelAvailability.
    """
    agreement = availability.get("agreementAvailability")
    words = {
        "authorizationStatus": availability.get("authorizationStatus"),
        "regionAvailability": availability.get("regionAvailability"),
        "agreementAvailability": agreement.get("status") if isinstance(agreement, Mapping) else None,
        "entitlementAvailability": availability.get("entitlementAvailability"),
    }
    for name, word in words.items():
        state = _STATES.get((name, word)) if isinstance(word, str) else UNKNOWN
        if state != GRANTED:
            return state or UNKNOWN, f"{name} {_shown(word)}"
    return GRANTED, None


# What each word of each field comes to, in the order in which they decide; any other word is unknown.
_STATES: Mapping[tuple[str, str], str] = {
    ("authorizationStatus", "AUTHORIZED"): GRANTED,
    ("authorizationStatus", "NOT_AUTHORIZED"): DENIED,
    ("regionAvailability", "AVAILABLE"): GRANTED,
    ("regionAvailability", "NOT_AVAILABLE"): UNKNOWN,
    ("agreementAvailability", "AVAILABLE"): GRANTED,
    ("agreementAvailability", "PENDING"): PENDING,
    ("agreementAvailability", "NOT_AVAILABLE"): ON_FIRST_USE,
    ("agreementAvailability", "ERROR"): UNKNOWN,
    ("entitlementAvailability", "AVAILABLE"): GRANTED,
    ("entitlementAvailability", "NOT_AVAILABLE"): DENIED,
}


def _shown(word: object) -> str:
    if word is None:
        return "left out"
    return word if isinstance(word, str) and _WORD.fullmatch(word) else "unreadable"


def with_answers(state: AccessState, answers: Iterable[AccessAnswer], *, period: timedelta) -> AccessState:
    """The state after some calls, in the order in which they were made.

    A failure leaves the last answer and its time, and is tried again with a growing pause.
    """
    reports = {it.model_id: it for it in state.reports}
    pauses = {it.region: it for it in state.pauses}
    form = state.form
    for answer in answers:
        if answer.model_id == FORM:
            form = _report(form, answer)
        else:
            reports[answer.model_id] = _report(reports.get(answer.model_id), answer)
        if answer.state is not None:
            pauses.pop(answer.region, None)
        elif answer.ends_region:
            pauses[answer.region] = _pause(pauses.get(answer.region), answer, period)
    return AccessState(
        reports=tuple(reports[it] for it in sorted(reports)),
        form=form,
        pauses=tuple(pauses[it] for it in sorted(pauses)),
    )


def of_models(state: AccessState, model_ids: Mapping[str, object]) -> AccessState:
    """The state without the reports of models that left."""
    left = tuple(it for it in state.reports if it.model_id in model_ids)
    return state if len(left) == len(state.reports) else replace(state, reports=left)


def retry_at(report: AccessReport, *, period: timedelta) -> datetime | None:
    """When a report whose last call failed is asked for again; None for any other."""
    if report.failed_at is None:
        return None
    return report.failed_at + _grown(FIRST_MODEL_PAUSE, report.failures, period)


def _report(last: AccessReport | None, answer: AccessAnswer) -> AccessReport:
    if answer.state is not None:
        access = Access(state=answer.state, reason=answer.reason, checked_at=answer.at)
        return AccessReport(model_id=answer.model_id, access=access)
    if last is None or (last.failures and last.access.state == UNKNOWN and last.access.reason == last.failure):
        # There never was an answer.
        access = Access(state=UNKNOWN, reason=answer.code, checked_at=answer.at)
    else:
        access = last.access
    return AccessReport(
        model_id=answer.model_id,
        access=access,
        failures=(0 if last is None else last.failures) + 1,
        failed_at=answer.at,
        failure=answer.code,
    )


def _pause(last: RegionPause | None, answer: AccessAnswer, period: timedelta) -> RegionPause:
    failures = 1 if last is None else last.failures + 1
    pause = DENIED_PAUSE if answer.action else _grown(FIRST_REGION_PAUSE, failures, min(MAX_REGION_PAUSE, period))
    return RegionPause(
        region=answer.region,
        failures=failures,
        failed_at=answer.at,
        until=answer.at + pause,
        code=answer.code,
        action=answer.action,
    )


def _grown(first: timedelta, failures: int, most: timedelta) -> timedelta:
    return min(most, first * (1 << min(MAX_DOUBLINGS, max(0, failures - 1))))
