"""What an operator deploys beside nginx: systemd's units, the container, the settings' example."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from config import ServerSettings, Settings
from tests.support.builders import KEY
from tests.support.nginx_server import SHIPPED, SOCKET
from tests.support.servers import PROJECT, running_service, service_environ

UNITS = PROJECT / "deploy" / "systemd"
CONTAINERFILE = (PROJECT / "deploy" / "Containerfile").read_text()
EXAMPLE = (PROJECT / "deploy" / ".env.example").read_text()
SETTINGS = (*fields(Settings), *fields(ServerSettings))
# systemd's own measure, ten times the figure that it shows: 0 is no exposure, 100 is all of it.
EXPOSURE_AT_MOST = 20

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian's package systemd)"
)


def as_text(default: Any) -> str:
    """A setting's default as the environment has it."""
    if default is None:
        return ""
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_example_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))

    assert listed == {setting.metadata["name"]: as_text(setting.default) for setting in SETTINGS}
    assert not re.search(r"^[^#\n]", EXAMPLE, re.MULTILINE), "a line that is no comment would set something"


def test_the_example_explains_every_setting_as_the_service_does() -> None:
    text = " ".join(EXAMPLE.replace("\n# ", " ").split())

    assert [it.metadata["name"] for it in SETTINGS if it.metadata["meaning"].replace("`", "") not in text] == []


def test_where_only_processes_are_seen_the_service_runs_unpinned(tmp_path: Path) -> None:
    # As systemd's ProcSubset=pid has it, and some containers do.
    within = ("unshare", "--mount", "--pid", "--kill-child=SIGTERM", "sh", "-c")
    script = 'mount -t proc -o subset=pid proc /proc && test ! -e /proc/stat && exec "$@"'
    if subprocess.run([*within, script, "sh", "true"], capture_output=True).returncode:
        pytest.skip("another /proc takes root")
    with running_service(tmp_path, within=(*within, script, "sh")) as service:
        assert "models" in service.get("/readyz").text
        assert "Exception" not in service.log()
        service.process.kill()  # It passes no other signal on; gunicorn then gets SIGTERM.


@pytest.mark.parametrize("call", ["nice", "sched_setaffinity"])
def test_where_it_may_not_step_back_or_keep_to_a_core_the_discovery_child_runs_all_the_same(call: str) -> None:
    # As systemd's SystemCallFilter=~@resources has it.
    code = dedent(f"""
        import os
        import app.discovery.__main__ as discovery
        from app.server import cpu_affinity as pinning
        def refuse(*_):
            raise PermissionError
        pinning.has_cpu_quota = lambda: False
        os.{call} = refuse
        discovery.main()
    """)
    environ = {"PATH": os.environ["PATH"], "CATALOG_SOURCE": "demo", "AWS_BEDROCK_REGIONS": "us-east-1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environ, capture_output=True, check=True)

    assert b'"listing"' in done.stdout


def test_where_they_may_not_keep_to_a_core_workers_serve_all_the_same(tmp_path: Path) -> None:
    # Python imports this module at its start, in gunicorn's master before the fork, too.
    (tmp_path / "sitecustomize.py").write_text(
        dedent("""
        import os
        def refuse(*_):
            raise PermissionError
        os.sched_setaffinity = refuse
    """)
    )
    with running_service(tmp_path, PYTHONPATH=str(tmp_path), WEB_CONCURRENCY="1") as service:
        assert service.get("/readyz").status_code == 200
        assert "Exception" not in service.log()


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as they would be on a machine whose project is this one."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/bedrock-model-catalog", str(PROJECT))
        (tmp_path / unit.name).write_text(text)
    return sorted(str(unit) for unit in tmp_path.iterdir())


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(units: list[str]) -> None:
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)

    assert len(units) == 2
    # Of other units, which these need, a machine may have none.
    assert [line for line in found.stderr.splitlines() if "bedrock-model-catalog" in line] == []


@needs_systemd
def test_the_service_is_exposed_to_little(units: list[str]) -> None:
    (service,) = [unit for unit in units if unit.endswith(".service")]
    arguments = ["security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST}", service]
    found = subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True)

    assert found.returncode == 0, found.stdout[-300:] + found.stderr


def test_nginx_asks_on_the_socket_that_systemd_holds() -> None:
    assert f"ListenStream={SOCKET}\n" in (UNITS / "bedrock-model-catalog.socket").read_text()
    assert f"unix:{SOCKET}" in (SHIPPED / "site.conf").read_text()


def test_the_container_has_all_that_the_service_needs(tmp_path: Path) -> None:
    copied = [line.split()[1:] for line in CONTAINERFILE.splitlines() if line.startswith("COPY ") and "--" not in line]
    for *sources, target in copied:
        for source in sources:
            place = tmp_path / (Path(target) / source if target.endswith("/") else target)
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (PROJECT / source).is_dir() else shutil.copy)(PROJECT / source, place)

    checked = subprocess.run(
        [str(Path(sys.executable).with_name("gunicorn")), "--check-config", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=tmp_path,
        env=service_environ(tmp_path, API_KEYS=KEY, PYTHONSAFEPATH="1"),
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_by_hash_and_names_no_registry(name: str) -> None:
    text = (PROJECT / name).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text, flags=re.IGNORECASE)

    assert len(entries) > 30
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "--index-url" not in text and "://" not in text


def test_the_container_is_built_from_pinned_files() -> None:
    images = re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)

    assert set(images) == {"${BASE}"}
    assert re.search(
        r"^ARG BASE=docker\.io/library/python:3\.11-slim@sha256:[0-9a-f]{64}$", CONTAINERFILE, re.MULTILINE
    )
    assert "pip install --no-cache-dir --require-hashes -r requirements.txt" in CONTAINERFILE


def test_the_container_sets_nothing_that_is_no_setting() -> None:
    known = {setting.metadata["name"] for setting in SETTINGS}

    set_there = set(re.findall(r"\b([A-Z_]+)=", CONTAINERFILE.partition("\nENV ")[2].partition("\nUSER")[0]))
    assert set_there - known == {"PATH", "PYTHONDONTWRITEBYTECODE"}
