"""What the service logs: one JSON object a line, with what an operator follows a request by, and without secrets."""

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import request

from app.auth.authentication import presented_keys
from app.telemetry import logs
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, snapshot
from tests.support.servers import PROJECT, running_service


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_other_libraries_lines_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logging.getLogger("some.library").warning("it is %s", "so")
    structlog.get_logger("app.test").info("it_happened", region="us-east-1")
    structlog.get_logger("app.test").debug("too_little")

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


def test_every_line_of_a_running_service_is_one_json_object(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        request_id = service.get("/v1/models").headers["request-id"]

    written = lines(service.log())
    [line] = [line for line in written if line.get("request_id") == request_id]
    assert (line["route"], line["status"], line["client"]) == ("/v1/models", 200, "127.0.0.1")
    loggers = {line["logger"] for line in written}
    assert {"gunicorn.error", "app.refresh.result", "app.access"} <= loggers
    assert KEY not in service.log()


def test_a_service_for_people_logs_text(tmp_path: Path) -> None:
    with running_service(tmp_path, LOG_FORMAT="console") as service:
        pass

    assert "Booting worker" in service.log()
    assert not [line for line in service.log().splitlines() if line.startswith("{")]


def test_lines_are_written_together_and_none_is_torn_or_lost(tmp_path: Path) -> None:
    """Two workers with one pipe: what comes out is whole lines, each one's in order."""
    script = """if True:
        import os, threading
        from app.telemetry import logs
        for worker in "ab":
            if not os.fork():
                logs.lines.start()
                for number in range(5000):
                    logs.lines.write(f"{worker} {number} {'x' * (number % 300)}\\n")
                logs.lines.stop()
                os._exit(0)
        os.wait(), os.wait()
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    written = [line.split(" ") for line in done.stderr.splitlines()]
    for worker in "ab":
        own = [(int(number), len(rest)) for name, number, rest in written if name == worker]
        assert own == [(number, number % 300) for number in range(5000)]


def test_a_line_is_written_at_once_where_no_worker_gathers_them(capfd: pytest.CaptureFixture[str]) -> None:
    writer = logs.LineWriter()
    writer.write("now\n")

    assert capfd.readouterr().err == "now\n"


def test_a_log_that_nobody_reads_costs_no_memory_for_ever() -> None:
    writer = logs.LineWriter()
    writer._thread = threading.Thread()
    for number in range(logs.LINES_KEPT + 10):
        writer.write(f"{number}\n")

    assert len(writer._lines) == logs.LINES_KEPT
