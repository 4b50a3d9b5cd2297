"""The log of a running service."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.builders import KEY
from tests.support.servers import GUNICORN, PROJECT, free_port, running_service, service_environ


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def read_until(terminal: int, text: bytes) -> bytes:
    written = b""
    while text not in written:
        written += os.read(terminal, 4096)
    return written


def test_at_a_terminal_a_service_logs_for_people(tmp_path: Path) -> None:
    terminal, standard_error = pty.openpty()
    environ = service_environ(tmp_path, BIND=f"127.0.0.1:{free_port()}", WEB_CONCURRENCY="1")
    process = subprocess.Popen(
        [GUNICORN, "-c", "gunicorn.conf.py", "wsgi:app"], cwd=PROJECT, env=environ, stderr=standard_error
    )
    try:
        written = read_until(terminal, b"catalog_refreshed")
    finally:
        process.terminate()
        process.wait(30)
        os.close(terminal)
        os.close(standard_error)

    assert b"Booting worker" in written
    assert not [line for line in written.splitlines() if line.startswith(b"{")]


def test_every_line_of_a_running_service_is_one_json_object(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        request_id = service.get("/v1/models").headers["request-id"]

    written = lines(service.log())
    [line] = [line for line in written if line.get("request_id") == request_id]
    assert (line["route"], line["status"], line["client"]) == ("/v1/models", 200, "127.0.0.1")
    loggers = {line["logger"] for line in written}
    assert {"gunicorn.error", "app.refresh.refresher", "app.access"} <= loggers
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
