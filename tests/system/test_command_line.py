"""What is typed at a terminal: `flask catalog`, found through wsgi.py, and `make run`."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PROJECT, service_environ


def run(folder: Path, *command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """A command of the project's, without API keys."""
    environ = service_environ(folder, API_KEYS="", **settings)
    return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def flask(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return run(folder, sys.executable, "-m", "flask", *arguments, **settings)


def test_a_terminal_without_keys_refreshes_and_shows_the_catalog_without_a_line_of_log(tmp_path: Path) -> None:
    refreshed, status = flask(tmp_path, "catalog", "refresh"), flask(tmp_path, "catalog", "status", "--json")

    assert (refreshed.returncode, status.returncode) == (0, 0), refreshed.stderr + status.stderr
    assert refreshed.stdout.startswith("ready: ")
    assert json.loads(status.stdout)["source"] == "demo"
    assert "demo_catalog" not in refreshed.stderr and status.stderr == ""


@pytest.mark.parametrize(
    "server", [("-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"), ("-m", "flask", "run", "--port", "0")]
)
def test_what_serves_does_not_start_without_keys(tmp_path: Path, server: tuple[str, ...]) -> None:
    refused = run(tmp_path, sys.executable, *server, BIND="127.0.0.1:1")

    assert refused.returncode != 0
    assert "Not started: API_KEYS, API_KEYS_FILE" in refused.stderr


def test_a_refresh_that_one_region_fails_says_which_and_ends_with_3(tmp_path: Path) -> None:
    refreshed = flask(tmp_path, "catalog", "refresh", "--json", AWS_BEDROCK_REGIONS="us-east-1,us-nowhere-9")

    report = json.loads(refreshed.stdout)
    assert refreshed.returncode == 3
    assert (report["source"], report["models"] > 50) == ("demo", True)
    codes = [part["failure"] and part["failure"]["code"] for region in report["regions"] for part in region["parts"]]
    assert codes == [None, None, "UnknownRegion", "UnknownRegion"]
    assert "region_failed" in refreshed.stderr


def test_a_port_that_is_taken_is_one_line_that_names_the_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = ["make", "run", f"PORT={port}", f"VENV={tmp_path}", f"PYTHON={sys.executable}"]
        # Not with the variables of the make that may run these tests.
        environ = {"PATH": os.environ["PATH"]}
        made = subprocess.run(
            command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    [line, *makes_own] = made.stderr.splitlines()
    assert made.returncode != 0 and made.stdout == "" and len(makes_own) == 1
    assert f"Port {port} is taken" in line and "PORT=" in line
    assert list(tmp_path.iterdir()) == [], "nothing is installed before"
