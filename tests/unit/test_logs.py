"""The log of one process: one JSON object a line, without secrets."""

import json
import logging
import os
import threading
from typing import Any

import pytest
import structlog
from flask import request

from app.auth.authentication import presented_keys
from app.telemetry import access_log as observe
from app.telemetry import logs
from config import Settings
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, snapshot

ENVIRON = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "192.0.2.7"}


def finish(environ: dict[str, Any], **changes: Any) -> None:
    told: dict[str, Any] = {"route": "/v1/models", "status": 200, "took_s": 0.0012345, "sent_bytes": 12}
    observe.finish_request(environ, **(told | {"request_id": "req_0123456789"} | changes))


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_a_request_is_one_line_with_all_that_it_is_followed_by(capfd: pytest.CaptureFixture[str]) -> None:
    observe.configure(Settings())
    finish(ENVIRON | {observe.KEY_NAME: "ci"})

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


def test_the_client_is_the_one_that_a_trusted_proxy_names(capfd: pytest.CaptureFixture[str]) -> None:
    observe.configure(Settings(trusted_proxies=("unix", "192.0.2.7")))
    for peer in ("", "192.0.2.7", "192.0.2.8"):
        finish(ENVIRON | {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "203.0.113.9"})

    assert [line["client"] for line in lines(capfd.readouterr().err)] == ["203.0.113.9", "203.0.113.9", "192.0.2.8"]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 192.0.2.8", "203.0.113.9"),
        ("203.0.113.9, ", "203.0.113.9"),
        ("", "192.0.2.7"),
    ],
)
def test_a_client_cannot_put_words_into_a_proxys_mouth(
    capfd: pytest.CaptureFixture[str], forwarded: str, client: str
) -> None:
    observe.configure(Settings(trusted_proxies=("192.0.2.7", "192.0.2.8")))
    finish(ENVIRON | {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": forwarded})

    assert [line["client"] for line in lines(capfd.readouterr().err)] == [client]


def test_what_a_client_writes_cannot_break_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    observe.configure(Settings())
    forged = 'x"}\n{"event": "forged' + "\u2028\x00\xff" + "y" * 9000
    finish({"REQUEST_METHOD": 'GE"T\n', "REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": forged, observe.KEY_NAME: 'k"\n'})

    [line] = lines(capfd.readouterr().err)
    assert line["method"] == "OTHER"
    assert line["client"] == forged[:64]
    assert line["key"] == 'k"\n'


def test_the_console_format_is_one_line_of_text(capfd: pytest.CaptureFixture[str]) -> None:
    observe.configure(Settings(log_format="console"))
    finish(ENVIRON)

    [line] = capfd.readouterr().err.splitlines()
    assert "GET /v1/models 200 1.234 ms 12 B" in line


@pytest.mark.parametrize("changes", [{"access_log": False}, {"log_level": "warning"}])
def test_requests_need_not_be_logged(changes: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    observe.configure(Settings(**changes))
    finish(ENVIRON)

    assert capfd.readouterr().err == ""


def test_a_log_that_cannot_be_written_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(logs, "STANDARD_ERROR", full)
    observe.configure(Settings())
    try:
        finish(ENVIRON)
    finally:
        os.close(full)


@pytest.mark.parametrize(
    ("setting", "is_terminal", "log_format"),
    [(None, True, "console"), (None, False, "json"), ("json", True, "json"), ("console", False, "console")],
)
def test_logs_are_for_people_at_a_terminal_unless_set(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, is_terminal: bool, log_format: str
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)

    assert logs.format_of(setting) == log_format


def test_other_libraries_lines_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logging.getLogger("some.library").warning("it is %s", "so")
    structlog.get_logger("app.test").info("it_happened", region="us-east-1")
    structlog.get_logger("app.test").debug("below_the_level")

    theirs, ours = lines(capsys.readouterr().err)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("it is so", "warning", "some.library")
    assert (ours["event"], ours["level"], ours["region"]) == ("it_happened", "info", "us-east-1")
    assert theirs.keys() < ours.keys()


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_a_traceback_holds_no_key(
    make_app: MakeApp, log_format: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        in_a_frame = presented_keys(request.environ)
        raise RuntimeError(f"a bug with {len(in_a_frame)} key")

    app = make_app(snapshot(), log_format=log_format)
    monkeypatch.setattr("app.api.openai.views.current_snapshot", broken)
    answer = client_of(app).get("/v1/models")

    written = capsys.readouterr().err
    assert answer.status_code == 500
    assert "a bug with 1 key" in written
    assert KEY not in written


def test_a_line_is_written_at_once_where_no_worker_gathers_them(capfd: pytest.CaptureFixture[str]) -> None:
    writer = logs.LineWriter()
    writer.write("now\n")

    assert capfd.readouterr().err == "now\n"


def test_a_log_that_is_not_read_costs_bounded_memory() -> None:
    writer = logs.LineWriter()
    writer._thread = threading.Thread()
    for number in range(logs.MAX_LINES + 10):
        writer.write(f"{number}\n")

    assert len(writer._lines) == logs.MAX_LINES
