"""The directory that one gunicorn's workers share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.server import runtime_dir
from app.telemetry import metrics
from tests.support.servers import PROJECT


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a master that starts anew makes its directory."""
    monkeypatch.delenv(runtime_dir.VARIABLE, raising=False)
    monkeypatch.setenv(runtime_dir.OWNER, "another")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def made_by_one_that_was_killed(parent: Path) -> Path:
    code = "import os; from app.server import runtime_dir as r; r.create(); print(r.folder(), flush=True); os._exit(9)"
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(parent)}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)
    [made] = parent.glob(f"{runtime_dir.PREFIX}*")
    assert ended.stdout == f"{made}\n"
    return made


def test_where_there_is_no_room_anywhere_there_is_no_directory(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(parent / "none"))
    monkeypatch.setattr(runtime_dir, "PARENTS", (str(parent / "none either"),))
    runtime_dir.create()

    assert runtime_dir.folder() is None
    assert runtime_dir.preallocate()


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_directory_that_others_may_write_to_is_not_used(
    parent: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    folder = parent / "run"
    folder.mkdir()
    folder.chmod(mode)
    monkeypatch.setenv(runtime_dir.VARIABLE, str(folder))

    assert not runtime_dir.preallocate()
    folder.chmod(0o700)
    assert runtime_dir.preallocate()


def test_a_start_removes_the_directory_of_a_master_that_was_killed(parent: Path) -> None:
    abandoned = made_by_one_that_was_killed(parent)
    assert abandoned.parent == parent and (abandoned / runtime_dir.OWNER_FILE).exists()
    runtime_dir.create()

    assert list(parent.iterdir()) == [runtime_dir.folder()]


def test_a_start_leaves_the_directory_of_a_running_master(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_dir.create()
    first = runtime_dir.folder()
    monkeypatch.setenv(runtime_dir.OWNER, "another")
    runtime_dir.create()

    assert sorted(parent.iterdir()) == sorted(filter(None, [first, runtime_dir.folder()]))
    assert first != runtime_dir.folder()


@pytest.mark.parametrize("owner", [None, "", "1 2", "999999 1 pid:[1]", "x y z"])
def test_a_start_leaves_a_directory_whose_owner_it_cannot_tell(parent: Path, owner: str | None) -> None:
    other = parent / f"{runtime_dir.PREFIX}other"
    other.mkdir()
    if owner is not None:
        (other / runtime_dir.OWNER_FILE).write_text(owner)
    runtime_dir.create()

    assert other.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's directory takes root")
def test_a_start_leaves_what_is_another_users(parent: Path) -> None:
    abandoned = made_by_one_that_was_killed(parent)
    os.chown(abandoned, 65534, 65534)
    runtime_dir.create()

    assert abandoned.exists()


def test_a_start_follows_no_link(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = made_by_one_that_was_killed(tmp_path_factory.mktemp("elsewhere"))
    (parent / f"{runtime_dir.PREFIX}link").symlink_to(elsewhere)
    runtime_dir.create()

    assert elsewhere.exists()


def test_metrics_that_are_disabled_count_nothing_and_take_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in vars(metrics) if name.isupper()]:
        monkeypatch.setattr(metrics, name, getattr(metrics, name))  # Put back after the test.
    before = metrics.STORE_SAVES.labels("saved")._value.get()
    real = metrics.STORE_SAVES
    metrics.disable()
    metrics.count_request("/livez", "GET", 200, 0.1)
    metrics.STORE_SAVES.labels("saved").inc()
    with metrics.holding_lease():
        metrics.forget(1)

    assert real.labels("saved")._value.get() == before
