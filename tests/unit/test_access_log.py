"""The access log: one line a request, whatever a client sends."""

import json
import os
from typing import Any

import pytest

from app.telemetry import logs
from app.telemetry.access_log import AccessLog
from config import Settings


def record(settings: Settings, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "method": "GET",
        "route": "/v1/models",
        "status": 200,
        "duration_s": 0.0012345,
        "sent_bytes": 12,
        "request_id": "req_0123456789",
        "client": "192.0.2.7",
        "key_name": None,
    }
    AccessLog(settings).record_request(**(fields | changes))


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_a_request_is_one_line_with_all_that_it_is_followed_by(capfd: pytest.CaptureFixture[str]) -> None:
    record(Settings(), key_name="ci")

    [line] = lines(capfd.readouterr().err)
    timestamp = line.pop("timestamp")
    assert timestamp.endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "app.access",
        "request_id": "req_0123456789",
        "method": "GET",
        "route": "/v1/models",
        "status": 200,
        "duration_ms": 1.234,
        "sent_bytes": 12,
        "client": "192.0.2.7",
        "key": "ci",
    }


def test_what_a_client_writes_cannot_break_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    forged = 'x"}\n{"event": "forged' + "\u2028\x00\xff" + "y" * 9000
    record(Settings(), method='GE"T\n', client=forged, key_name='k"\n')

    [line] = lines(capfd.readouterr().err)
    assert line["method"] == "OTHER"
    assert line["client"] == forged[:64]
    assert line["key"] == 'k"\n'


def test_the_console_format_is_one_line_of_text(capfd: pytest.CaptureFixture[str]) -> None:
    record(Settings(log_format="console"))

    [line] = capfd.readouterr().err.splitlines()
    assert "GET /v1/models 200 1.234 ms 12 B" in line


@pytest.mark.parametrize("changes", [{"access_log": False}, {"log_level": "warning"}])
def test_requests_need_not_be_logged(changes: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    record(Settings(**changes))

    assert capfd.readouterr().err == ""


def test_a_log_that_cannot_be_written_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(logs, "STANDARD_ERROR", full)
    try:
        record(Settings())
    finally:
        os.close(full)
