"""The log of one process: one JSON object a line, without secrets."""

import json
import logging
import threading
from typing import Any

import pytest
import structlog
from flask import request

from app.auth.authentication import presented_keys
from app.telemetry import logs
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, snapshot


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


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
    def broken(*_: object) -> None:
        in_a_frame = presented_keys(request.environ)
        raise RuntimeError(f"a bug with {len(in_a_frame)} key")

    app = make_app(snapshot(), log_format=log_format)
    monkeypatch.setattr("app.api.query_view.answer", broken)
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
