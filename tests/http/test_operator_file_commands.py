"""`flask catalog` with an operator's file."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from app.catalog.current import Catalog
from config import Settings
from tests.http.test_scopes import FILE, WHOLE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "operator.toml"
    file.write_text(FILE)
    return file


@pytest.fixture
def commands(tmp_path: Path, file: Path) -> Flask:
    settings = Settings(api_keys=("team-a:x",), catalog_dir=tmp_path / "catalog", operator_file=str(file))
    return create_app(settings, catalog=Catalog(WHOLE), for_commands=True)


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *words])


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--scope", "a"], "2 entries"),
        (["--key-name", "team-b"], "2 entries"),
        (["--key-name", "other"], "4 entries"),
        ([], "4 entries"),
    ],
)
def test_show_shows_what_a_scope_or_a_key_sees(commands: Flask, words: list[str], shown: str) -> None:
    assert shown in run(commands, "show", *words).output


def test_show_says_why_a_key_that_two_scopes_name_sees_nothing(commands: Flask, file: Path) -> None:
    file.write_text(FILE + '\n[scopes.c]\nkeys = ["team-*"]\n')

    result = run(commands, "show", "--key-name", "team-a")

    assert "0 entries" in result.stdout
    assert "the key 'team-a' must be named by one scope, got scopes.a, scopes.c" in result.stderr


def test_show_names_the_scopes_that_there_are(commands: Flask) -> None:
    result = run(commands, "show", "--scope", "c")

    assert result.exit_code == 2
    assert "which has a, b" in result.output


def test_check_is_content_with_a_good_file(commands: Flask) -> None:
    result = run(commands, "check")

    assert (result.exit_code, result.output) == (0, "ok\n")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('[scopes.c]\nkeys = ["*"]\n', "the key 'team-a' must be named by one scope, got scopes.a, scopes.c"),
        ('[aliases]\n"meta.c" = "meta.d"\n', "is an id of the catalog"),
        ("[scopes.c]\nmodel = []\n", "scopes.c"),
    ],
)
def test_check_says_why_a_file_cannot_be_used(commands: Flask, tmp_path: Path, more: str, reason: str) -> None:
    other = tmp_path / "other.toml"
    other.write_text(FILE + more)

    result = run(commands, "check", str(other))

    assert result.exit_code == 1
    assert reason in result.output


def test_a_bad_file_hides_nothing_from_the_operator_and_shows_no_scope(commands: Flask, file: Path) -> None:
    file.write_text("[scopes.c]\nmodel = []\n")

    assert "4 entries" in run(commands, "show").output
    assert run(commands, "show", "--scope", "a").exit_code == 1


ALIASES = """
[aliases]
gone = "gone.model"
newest = "meta.*"
plain = "anthropic.a"
"""


def test_the_status_names_the_aliases_to_look_after(commands: Flask, file: Path) -> None:
    file.write_text(FILE + ALIASES)

    shown = run(commands, "status").output.splitlines()

    assert [line for line in shown if line.startswith("alias")] == [
        "alias gone: its target gone.model is not there",
        "alias newest: meta.c is the first of equal date that meta.* matches; others: meta.d",
    ]


def test_the_status_in_json_has_what_each_alias_stands_for(commands: Flask, file: Path) -> None:
    file.write_text(FILE + ALIASES)

    shown = json.loads(run(commands, "status", "--json").stdout)

    assert (shown["aliases_gone"], shown["aliases_ambiguous"]) == (1, 1)
    assert [(it["name"], it["state"], it["target_id"], it["equally_new"]) for it in shown["aliases"]] == [
        ("gone", "gone", None, []),
        ("newest", "resolved", "meta.c", ["meta.d"]),
        ("plain", "resolved", "anthropic.a", []),
    ]


def test_the_status_with_a_bad_file_is_that_of_the_catalog(commands: Flask, file: Path) -> None:
    file.write_text("[scopes.c]\nmodel = []\n")

    result = run(commands, "status", "--json")

    assert "Without the operator's file: CATALOG_CONFIG_FILE" in result.stderr
    assert json.loads(result.stdout)["aliases"] == []


def test_the_overview_names_what_chat_models_lack(commands: Flask) -> None:
    shown = run(commands, "cards")

    assert shown.exit_code == 0
    assert "lacks limits" in shown.output
    assert "callable chat models" in shown.output.splitlines()[-1]


def test_a_card_is_printed_for_people(commands: Flask, file: Path) -> None:
    prices = 'prices = {input = "0.5", cache_read = "0.05"}'
    file.write_text(f'[cards."anthropic.a"]\nmax_input_tokens = 1234\ntool_use = true\n{prices}\n')

    shown = run(commands, "cards", "anthropic.a").output

    rows = {line.split()[0]: line.split("operator")[0].split(maxsplit=1)[1].strip() for line in shown.splitlines()[1:]}
    assert rows == {
        "max_input_tokens": "1234",
        "tool_use": "yes",
        "prices": "input 0.5, cache read 0.05 (US dollars per million tokens)",
    }


def test_check_says_which_keys_it_has_not_read(tmp_path: Path, file: Path) -> None:
    settings = Settings(api_keys_secret_id="keys", catalog_dir=tmp_path / "catalog", operator_file=str(file))
    commands = create_app(settings, catalog=Catalog(WHOLE), for_commands=True)

    result = run(commands, "check")

    assert (result.exit_code, result.stdout) == (0, "ok\n")
    assert "keys of API_KEYS_SECRET_ID are not read here" in result.stderr


def test_the_table_has_limits_and_prices_where_there_is_room(commands: Flask, file: Path) -> None:
    prices = 'prices = {input = "0.5", output = "1.5"}'
    file.write_text(f'[cards."{WHOLE.models[0].id}"]\nmax_input_tokens = 1234\n{prices}\n')
    wide = run(commands, "show")
    narrow = commands.test_cli_runner(env={"COLUMNS": "80"}).invoke(args=["catalog", "show"])

    [row] = [line for line in wide.output.splitlines() if line.startswith(WHOLE.models[0].id)]
    assert row.split()[-4:] == ["1234", "-", "0.5", "1.5"]
    assert "1234" not in narrow.output
