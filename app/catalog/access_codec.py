"""What stands of access in the stored catalog, and what goes to and comes from the child that asks."""

import json
from typing import Any

from app.catalog.access import (
    ACCESS_STATES,
    FORM,
    FORM_STATES,
    UNKNOWN,
    Access,
    AccessAnswer,
    AccessPlan,
    AccessReport,
    AccessState,
    RegionPause,
)
from app.catalog.reading import Malformed, Reader, parsed, plain_instant


def plain_access(state: AccessState) -> dict[str, Any]:
    """The stored form, without what is empty."""
    plain: dict[str, Any] = {"reports": [_plain_report(it) for it in state.reports]}
    if state.form is not None:
        plain["form"] = _plain_report(state.form)
    if state.pauses:
        plain["pauses"] = [_plain_pause(it) for it in state.pauses]
    return plain


def read_access(value: Reader) -> AccessState:
    """
    Raises:
        Malformed
    """
    reports = {it.model_id: it for it in (_read_report(item, ACCESS_STATES) for item in value.get("reports").each())}
    return AccessState(
        reports=tuple(reports[it] for it in sorted(reports)),
        form=value.get("form").maybe(lambda it: _read_report(it, FORM_STATES)),
        pauses=tuple(_read_pause(it) for it in value.get("pauses").each()),
    )


def encode_plan(plan: AccessPlan) -> bytes:
    """One line, with its end."""
    return json.dumps({"regions": plan.regions, "form_region": plan.form_region}).encode() + b"\n"


def decode_plan(line: bytes) -> AccessPlan:
    """
    Raises:
        Malformed: the line is none that `encode_plan` writes.
    """
    value = Reader(parsed(line))
    regions = value.get("regions")
    if not isinstance(regions.value, dict):
        regions.fail("an object")
    return AccessPlan(
        regions={name: regions.get(name).strings() for name in regions.value},
        form_region=value.get("form_region").maybe(Reader.string),
    )


def encode_answer(answer: AccessAnswer) -> bytes:
    """One line, with its end."""
    optional = {
        "model_id": answer.model_id,
        "state": answer.state,
        "reason": answer.reason,
        "code": answer.code,
        "action": answer.action,
        "detail": answer.detail,
        "ends_region": answer.ends_region,
    }
    plain = {"region": answer.region, "at": answer.at.isoformat()}
    return json.dumps(plain | {name: value for name, value in optional.items() if value}).encode() + b"\n"


def decode_answer(line: bytes) -> AccessAnswer:
    """
    Raises:
        Malformed: the line is none that `encode_answer` writes.
    """
    value = Reader(parsed(line))
    model_id = value.get("model_id").maybe(Reader.string) or FORM
    state = value.get("state").maybe(Reader.string)
    if state is not None and state not in (FORM_STATES if model_id == FORM else ACCESS_STATES):
        raise Malformed(f"state: {state!r} is no state of access")
    region, at = value.get("region").string(), value.get("at").instant()
    if state is not None:
        reason = value.get("reason").maybe(Reader.string)
        return AccessAnswer(region=region, model_id=model_id, at=at, state=state, reason=reason)
    return AccessAnswer(
        region=region,
        model_id=model_id,
        at=at,
        code=value.get("code").string(),
        action=value.get("action").maybe(Reader.string) or "",
        detail=value.get("detail").maybe(Reader.string) or "",
        ends_region=value.get("ends_region").maybe(Reader.boolean) or False,
    )


def _plain_report(report: AccessReport) -> dict[str, Any]:
    plain = {
        "model_id": report.model_id,
        "state": report.access.state,
        "reason": report.access.reason,
        "checked_at": plain_instant(report.access.checked_at),
        "failures": report.failures,
        "failed_at": plain_instant(report.failed_at),
        "failure": report.failure,
    }
    return {name: value for name, value in plain.items() if value}


def _read_report(value: Reader, states: tuple[str, ...]) -> AccessReport:
    state = value.get("state").string()
    return AccessReport(
        model_id=value.get("model_id").maybe(Reader.string) or FORM,
        access=Access(
            # A later version may know others.
            state=state if state in states else UNKNOWN,
            reason=value.get("reason").maybe(Reader.string),
            checked_at=value.get("checked_at").instant(),
        ),
        failures=value.get("failures").maybe(Reader.count) or 0,
        failed_at=value.get("failed_at").maybe(Reader.instant),
        failure=value.get("failure").maybe(Reader.string) or "",
    )


def _plain_pause(pause: RegionPause) -> dict[str, Any]:
    plain = {
        "region": pause.region,
        "failures": pause.failures,
        "failed_at": plain_instant(pause.failed_at),
        "until": plain_instant(pause.until),
        "code": pause.code,
        "action": pause.action,
    }
    return {name: value for name, value in plain.items() if value}


def _read_pause(value: Reader) -> RegionPause:
    return RegionPause(
        region=value.get("region").string(),
        failures=value.get("failures").count(),
        failed_at=value.get("failed_at").instant(),
        until=value.get("until").instant(),
        code=value.get("code").string(),
        action=value.get("action").maybe(Reader.string) or "",
    )
