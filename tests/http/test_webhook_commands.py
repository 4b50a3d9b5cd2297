"""Webhooks on the command line and on the metrics page, without anything sent."""

import json
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.catalog.current import Catalog
from app.services import services_of
from app.webhooks.cursors import Cursor, CursorFile
from app.webhooks.delivery import DELIVERED, FAILED, Attempt
from app.webhooks.messages import Message
from app.webhooks.targets import Target
from config import Settings
from tests.conftest import client_of
from tests.http.test_operator_file_commands import run
from tests.http.test_scopes import WHOLE
from tests.support.webhook_targets import SECRET

FILE = '[[webhooks]]\nname = "ops"\nurl = "https://hooks.example.com/hidden"\nsecret_file = "secret"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "operator.toml").write_text(FILE)
    return tmp_path


def make(folder: Path, *, for_commands: bool = False) -> Flask:
    settings = Settings(auth_disabled=True, catalog_dir=folder / "catalog", operator_file=str(folder / "operator.toml"))
    return create_app(settings, catalog=Catalog(WHOLE), for_commands=for_commands)


@pytest.fixture
def commands(folder: Path) -> Flask:
    return make(folder, for_commands=True)


def cursors_of(app: Flask) -> CursorFile:
    cursors = services_of(app).webhooks._cursors
    assert isinstance(cursors, CursorFile)
    return cursors


def test_targets_are_listed_by_host_with_their_cursor_and_last_error(commands: Flask) -> None:
    cursors_of(commands).save({"ops": Cursor(event_id="0000000000001-00000", last_error="HTTP500")})

    table = run(commands, "webhooks").output
    [target] = json.loads(run(commands, "webhooks", "--json").output)["targets"]
    in_status = json.loads(run(commands, "status", "--json").output)["webhooks"]

    assert "ops" in table and "hooks.example.com" in table and "HTTP500" in table
    assert "hidden" not in table + str(in_status)
    assert (target["cursor"], target["lag_seconds"], target["last_error"]) == ("0000000000001-00000", 0, "HTTP500")
    assert in_status == {"targets": [target], "problem": None}
    assert "HTTP500" in run(commands, "status").output


def test_cursors_that_cannot_be_read_are_reported(commands: Flask) -> None:
    cursors_of(commands).save({})
    cursors_of(commands)._path.write_text("{")

    listed, status = run(commands, "webhooks"), run(commands, "status")

    assert listed.exit_code == 1 and "remove it" in listed.output
    assert status.exit_code == 0 and "nothing is sent" in status.output and "unknown" in status.output


def test_a_file_without_webhooks_has_none_to_list(folder: Path) -> None:
    (folder / "operator.toml").write_text("")
    commands = make(folder, for_commands=True)

    assert "no webhooks" in run(commands, "webhooks").output
    assert "webhooks" not in json.loads(run(commands, "status", "--json").output)
    assert not (folder / "catalog" / "webhooks").exists()


def test_a_file_that_is_refused_stops_the_list_and_the_test_but_not_the_status(folder: Path) -> None:
    (folder / "secret").unlink()
    commands = make(folder, for_commands=True)

    for words in (["webhooks"], ["webhooks", "test", "ops"]):
        refused = run(commands, *words)
        assert refused.exit_code == 1 and "webhooks[0].secret_file" in refused.output
    assert run(commands, "status").exit_code == 0


@pytest.mark.parametrize(
    ("attempt", "exit_code", "shown"),
    [
        (Attempt(outcome=DELIVERED, status=202, body=b"thanks\x1b[2J"), 0, "thanks?[2J"),
        (Attempt(outcome=FAILED, status=503, error="HTTP503", body=b"x" * 9999), 1, "HTTP 503"),
        (Attempt(outcome=FAILED, error="Timeout"), 1, "Timeout in "),
    ],
)
def test_a_test_event_prints_what_came_of_it(commands: Flask, attempt: Attempt, exit_code: int, shown: str) -> None:
    sent: list[str] = []

    def send(target: Target, message: Message) -> Attempt:
        sent.append(target.name)
        return attempt

    services_of(commands).webhooks._send = send
    result = run(commands, "webhooks", "test", "ops")

    assert sent == ["ops"]
    assert result.exit_code == exit_code
    assert shown in result.output and len(result.output) < 600


def test_an_unknown_target_is_answered_with_those_there_are(commands: Flask) -> None:
    result = run(commands, "webhooks", "test", "other")

    assert result.exit_code == 1 and "there are: ops" in result.output


def test_the_metrics_page_has_the_lag_of_each_target(folder: Path) -> None:
    app = make(folder)
    cursors_of(app).save({"ops": Cursor(event_id="")})

    assert 'model_catalog_webhook_lag_seconds{target="ops"} 0.0' in client_of(app).get("/metrics").text


def test_building_a_service_with_webhooks_makes_no_folder(folder: Path) -> None:
    make(folder)

    assert not (folder / "catalog" / "webhooks").exists()
