"""Webhooks in the operator's file: read with it, and anew when a file that they name changes."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.catalog.cards import load_packaged_cards
from app.catalog.current import Catalog
from app.catalog.scope import Scope
from app.operator_file.checking import check_operator_file
from app.operator_file.in_force import OperatorFileInForce
from app.operator_file.reading import InvalidOperatorFile, read_operator_file
from app.operator_file.reloader import JUDGE_AGAIN_S
from tests.support.builders import NOW
from tests.support.webhook_targets import SECRET

TARGET = '[[webhooks]]\nname = "ops"\nurl = "https://example.com/hook"\nsecret_file = "secret"\n'
SCOPE = '[scopes.{}]\nkeys = ["x"]\n'
OTHER_SECRET = SECRET[:-8] + "AAAAAAA="

Make = Callable[[], OperatorFileInForce]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "operator.toml").write_text(TARGET)
    (tmp_path / "runtime").mkdir()
    return tmp_path


@pytest.fixture
def worker(folder: Path) -> Make:
    def make() -> OperatorFileInForce:
        return OperatorFileInForce(
            folder / "operator.toml",
            base=Scope(),
            cards=load_packaged_cards(),
            catalog=Catalog(),
            key_names=lambda: ["x"],
            keep_in=folder / "runtime",
            clock=lambda: NOW,
        )

    return make


def names(file: OperatorFileInForce) -> list[str]:
    return [it.name for it in file.webhooks]


def scopes(file: OperatorFileInForce) -> list[str | None]:
    return [it.name for it in file._catalog.published.policy.scopes.named]


def test_paths_are_relative_to_the_file_and_without_the_section_there_are_no_targets(folder: Path) -> None:
    file = read_operator_file(TARGET, as_of=date(2026, 1, 1), base=Scope(), base_dir=folder)

    assert [(it.name, it.host) for it in file.webhooks] == [("ops", "example.com")]
    assert read_operator_file("", as_of=date(2026, 1, 1), base=Scope()).webhooks == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("webhooks = {}", "webhooks must be at most 32 tables"),
        (TARGET.replace("https", "http"), "webhooks[0].url must be an https:// address"),
        (TARGET + 'types = ["model.painted"]', "webhooks[0].types must be a list of model.added"),
        (TARGET.replace('"secret"', '"none"'), "webhooks[0].secret_file must be a file that can be read"),
        (TARGET.replace('"secret"', '"operator.toml"'), "webhooks[0].secret_file must be a file with whsec_"),
        (TARGET + "within_days = [8]", "webhooks[0].within_days must be a list of at least one of 90, 30, 7"),
        (TARGET + 'format = "teams"', "webhooks[0].format must be one of standard, slack"),
    ],
)
def test_a_target_that_cannot_be_used_refuses_the_file(folder: Path, text: str, reason: str) -> None:
    (folder / "operator.toml").write_text(text)

    assert [it for it in check_operator_file(folder / "operator.toml", base=Scope()) if it.startswith(reason)]


def test_a_secret_that_changes_is_read_at_the_next_look(folder: Path, worker: Make) -> None:
    file = worker()
    file.load()
    (before,) = file.webhooks
    file.reload_if_changed()
    assert file.webhooks == (before,)

    (folder / "secret").write_text(OTHER_SECRET)
    file.reload_if_changed()

    (after,) = file.webhooks
    assert after.secret != before.secret and after.revision != before.revision


def test_a_secret_that_goes_leaves_the_target_as_it_was_until_it_is_back(folder: Path, worker: Make) -> None:
    file = worker()
    file.load()
    in_force = file.webhooks
    (folder / "secret").unlink()
    with capture_logs() as logs:
        file.reload_if_changed()
        file.reload_if_changed()

    assert [it["event"] for it in logs] == ["operator_file_rejected"]
    assert "webhooks[0].secret_file" in logs[0]["reason"]
    assert file.webhooks == in_force
    (folder / "secret").write_text(OTHER_SECRET)
    file.reload_if_changed()
    assert file.webhooks != in_force


def test_a_worker_that_starts_while_a_secret_is_gone_has_the_last_good_scopes(folder: Path, worker: Make) -> None:
    master = worker()
    master.load()  # A worker starts as a copy of this one.
    (folder / "operator.toml").write_text(TARGET + SCOPE.format("late"))
    worker().load()
    (folder / "secret").unlink()

    master.load_after_fork()

    assert scopes(master) == ["late"]
    assert names(master) == ["ops"]


def test_webhooks_that_could_not_be_read_at_a_workers_start_are_read_later(folder: Path, worker: Make) -> None:
    worker().load()
    (folder / "secret").unlink()
    late = worker()
    now = 0.0
    assert late._reloader is not None
    late._reloader._monotonic = lambda: now
    late.load()
    late.reload_if_changed()
    assert names(late) == []

    (folder / "secret").write_text(SECRET)
    now += JUDGE_AGAIN_S
    late.reload_if_changed()

    assert names(late) == ["ops"]


def test_a_service_does_not_start_with_a_secret_that_is_gone(folder: Path, worker: Make) -> None:
    (folder / "secret").unlink()

    with pytest.raises(InvalidOperatorFile, match="secret_file"):
        worker().load()
