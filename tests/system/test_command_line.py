"""`flask catalog` as a process of its own, found through wsgi.py."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.servers import PROJECT, service_environ


def flask(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = service_environ(folder, API_KEYS="")
    command = [sys.executable, "-m", "flask", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_terminal_without_keys_refreshes_and_shows_the_catalog_without_a_line_of_log(tmp_path: Path) -> None:
    refreshed, status = flask(tmp_path, "catalog", "refresh"), flask(tmp_path, "catalog", "status", "--json")

    assert (refreshed.returncode, status.returncode) == (0, 0), refreshed.stderr + status.stderr
    assert refreshed.stdout.startswith("ready: ")
    assert json.loads(status.stdout)["source"] == "demo"
    assert "demo_catalog" not in refreshed.stderr and status.stderr == ""
