"""Making `generated.json` from two wheels: small ones, built here; no network."""

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.catalog.cards import DamagedCardFile, read_cards
from tests.unit.cards.support import checked
from tools import make_cards
from tools.make_cards import PINS, CardsFailed, Pin, make, run

CLAUDE = "anthropic.claude-x"
DEMO = {CLAUDE: (f"us.{CLAUDE}",), "b.model": ()}

CHAT = {"litellm_provider": "bedrock_converse", "mode": "chat"}
LITELLM_ROWS: dict[str, Any] = {
    "b.model": {**CHAT, "max_input_tokens": 1000, "max_output_tokens": 100, "max_tokens": 7},
    CLAUDE: {
        **CHAT,
        "max_input_tokens": 200_000,
        "max_output_tokens": 64_000,
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "supports_response_schema": True,
    },
    f"us.{CLAUDE}": {**CHAT, "input_cost_per_token": 3.3e-06},
    f"bedrock/eu-west-1/{CLAUDE}": {**CHAT, "max_input_tokens": 5, "input_cost_per_token": 0.0001},
    "free.model": {**CHAT, "max_input_tokens": 9, "input_cost_per_token": 0.0, "output_cost_per_token": 0},
    "odd.model": {**CHAT, "max_input_tokens": "1000", "max_output_tokens": True, "input_cost_per_token": "cheap"},
    "bedrock/eu-west-1/1-month-commitment/a.model": {**CHAT, "input_cost_per_token": 1e-06},
    "bedrock/latest": {"alias_of": "b.model"},
    "bedrock/b.model": {**CHAT, "max_input_tokens": 1000},
    "elsewhere.model": {"litellm_provider": "vertex_ai", "mode": "chat", "max_input_tokens": 5},
    "picture.model": {"litellm_provider": "bedrock", "mode": "image_generation", "max_input_tokens": 5},
}
PROFILES = '''"""Made by a tool."""

from typing import Any

raise RuntimeError("a data file must not be run")

_PROFILES: dict[str, dict[str, Any]] = {
    "global.c.model": {"name": "C (Global)", "release_date": "2026-01-02", "max_output_tokens": 5},
    "b.model": {"name": "B (25.02)", "release_date": "2026-01", "max_input_tokens": 1024},
    "empty.model": {"name": "", "text_inputs": True},
}
'''


def wheel(folder: Path, pin: Pin, member: str | None) -> Pin:
    """A wheel of one data file in the cache, and a pin with its hash."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{pin.file_start}py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.txt", "")
        if member is not None:
            archive.writestr(pin.path, member)
    return replace(pin, sha256=hashlib.sha256(file.read_bytes()).hexdigest())


def made(tmp_path: Path, rows: Mapping[str, Any] = LITELLM_ROWS, profiles: str = PROFILES) -> bytes:
    litellm, langchain = PINS
    return make(tmp_path, [wheel(tmp_path, litellm, json.dumps(rows)), wheel(tmp_path, langchain, profiles)])


def test_the_file_has_bedrocks_rows_and_needed_fields_alone(tmp_path: Path) -> None:
    content = json.loads(made(tmp_path))

    assert content["litellm"] == {
        CLAUDE: {
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
            "prices": {"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75"},
        },
        "b.model": {"max_input_tokens": 1000, "max_tokens": 100},
        f"bedrock/eu-west-1/{CLAUDE}": {"prices": {"input": "100"}},
        "free.model": {"max_input_tokens": 9},
        f"us.{CLAUDE}": {"prices": {"input": "3.3"}},
    }
    assert content["langchain-aws"] == {
        "b.model": {"display_name": "B (25.02)", "max_input_tokens": 1024},
        "global.c.model": {"released": "2026-01-02", "max_tokens": 5},
    }


def test_each_package_is_named_with_version_day_and_hash(tmp_path: Path) -> None:
    sources = json.loads(made(tmp_path))["sources"]

    assert list(sources) == ["langchain-aws", "litellm"]
    for pin in PINS:
        assert sources[pin.project]["version"] == pin.version
        assert sources[pin.project]["as_of"] == pin.uploaded
        assert len(sources[pin.project]["sha256"]) == 64


def test_the_file_is_sorted_with_a_row_a_line(tmp_path: Path) -> None:
    lines = made(tmp_path).decode().splitlines()
    rows = [line for line in lines if line.startswith('"') and not line.endswith(": {")]

    assert len(rows) == 2 + 2 + 5
    assert [json.loads("{" + row.rstrip(",") + "}").keys() for row in rows]
    assert [row.partition(":")[0] for row in rows[4:]] == sorted(row.partition(":")[0] for row in rows[4:])


def test_the_same_wheels_give_the_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    turned = dict(reversed(LITELLM_ROWS.items()))
    first = json.loads(made(tmp_path / "a"))
    again, other = made(tmp_path / "a"), json.loads(made(tmp_path / "b", turned))

    assert again == made(tmp_path / "a")
    assert first["litellm"] == other["litellm"]
    assert list(first["litellm"]) == list(other["litellm"])


def test_what_is_made_can_be_read_by_the_service(tmp_path: Path) -> None:
    card = read_cards(made(tmp_path), checked()).card_for(CLAUDE, (), input_modalities=())

    assert card is not None and card.prices is not None
    assert (card.max_tokens, card.prices.cache_read) == (64_000, "0.3")
    assert [source.source for source in card.sources] == ["litellm 1.110.2"]


def test_a_wheel_of_another_hash_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, PINS[0], "{}")
    asked: list[list[str]] = []

    class Failed:
        returncode = 1

    def download(command: list[str], **_: Any) -> Failed:
        asked.append(command)
        return Failed()

    monkeypatch.setattr(subprocess, "run", download)

    with pytest.raises(CardsFailed, match=r"^litellm 1\.110\.2 with sha256 9d94d1c7"):
        make_cards.fetch(PINS[0], tmp_path)
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(asked[0])


def test_a_wheel_without_its_data_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardsFailed, match="no readable litellm/model_prices"):
        make(tmp_path, [wheel(tmp_path, PINS[0], None)])


def test_a_data_file_without_its_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardsFailed, match="there is no annotated _PROFILES"):
        made(tmp_path, profiles="_OTHER: dict = {}")


def test_a_data_file_that_computes_its_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardsFailed, match="_PROFILES is no literal"):
        made(tmp_path, profiles="_PROFILES: dict = __import__('os').environ")


class Cards:
    """A folder of cards, and what the tool does with it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.file = folder / "generated.json"
        self.capsys = capsys
        (folder / "checked.toml").write_bytes(checked())

    def run(self, content: bytes, *, check: bool = False, accept: bool = False) -> tuple[int, str]:
        code = run(check=check, accept=accept, made=content, cards=self.folder, demo=DEMO)
        return code, self.capsys.readouterr().err


@pytest.fixture
def cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cards:
    folder = tmp_path / "cards"
    folder.mkdir()
    return Cards(folder, capsys)


def test_a_file_that_was_made_passes_the_check(tmp_path: Path, cards: Cards) -> None:
    content = made(tmp_path)

    assert cards.run(content) == (0, "")
    assert cards.file.read_bytes() == content
    assert cards.run(content, check=True) == (0, "")


def test_a_file_that_was_edited_or_never_made_fails_the_check(tmp_path: Path, cards: Cards) -> None:
    content = made(tmp_path)
    missing = cards.run(content, check=True)
    cards.file.write_bytes(content.replace(b'"3.75"', b'"3.76"'))

    for code, text in (missing, cards.run(content, check=True)):
        assert code == 1
        assert "generated.json is not what the pinned wheels give: run `make cards`" in text


def changed(row_id: str, **fields: Any) -> dict[str, Any]:
    return {**LITELLM_ROWS, row_id: {**LITELLM_ROWS[row_id], **fields}}


def without(row_id: str) -> dict[str, Any]:
    return {key: row for key, row in LITELLM_ROWS.items() if key != row_id}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (without("b.model"), "litellm has no row b.model any more, and the demo lists b.model"),
        (without(f"us.{CLAUDE}"), f"litellm has no row us.{CLAUDE} any more, and the demo lists {CLAUDE}"),
        (
            changed("b.model", max_output_tokens=201),
            "litellm changed max_tokens of b.model from 100 to 201, by more than 2 times",
        ),
        (
            changed("free.model", max_input_tokens=4),
            "litellm changed max_input_tokens of free.model from 9 to 4, by more than 2 times",
        ),
    ],
)
def test_a_suspicious_change_fails_and_is_written_when_it_is_accepted(
    tmp_path: Path, cards: Cards, rows: dict[str, Any], reason: str
) -> None:
    before, after = made(tmp_path / "a"), made(tmp_path / "b", rows)
    cards.run(before)

    for check in (True, False):
        code, text = cards.run(after, check=check)
        assert code == 1
        assert f"cards: {reason}\n" in text
        assert cards.file.read_bytes() == before
    assert cards.run(after, accept=True)[0] == 0
    assert cards.file.read_bytes() == after


def test_a_limit_that_doubles_or_a_row_that_the_demo_lacks_is_no_reason_to_stop(tmp_path: Path, cards: Cards) -> None:
    cards.run(made(tmp_path / "a"))
    rows = {key: row for key, row in changed("b.model", max_output_tokens=200).items() if key != "free.model"}

    assert cards.run(made(tmp_path / "b", rows)) == (0, "")


def test_a_claude_model_of_the_demo_without_limits_fails(tmp_path: Path, cards: Cards) -> None:
    content = made(tmp_path, changed(CLAUDE, max_output_tokens=None))
    reason = f"cards: {CLAUDE} has no max_tokens: state it in checked.toml, or name it in unset there\n"
    first, checked_again = cards.run(content), cards.run(content, check=True)

    assert first == checked_again == (1, reason)

    (cards.folder / "checked.toml").write_bytes(checked(f"models = ['{CLAUDE}']\nunset = ['max_tokens']"))

    assert cards.run(content, check=True) == (0, "")


def test_a_claude_model_of_which_the_packages_disagree_fails(tmp_path: Path, cards: Cards) -> None:
    profiles = PROFILES.replace(
        "_PROFILES: dict[str, dict[str, Any]] = {",
        f'_PROFILES: dict[str, dict[str, Any]] = {{"{CLAUDE}": {{"max_output_tokens": 128000}},',
    )

    assert cards.run(made(tmp_path, profiles=profiles))[1].startswith(f"cards: {CLAUDE} has no max_tokens")


def test_a_damaged_checked_toml_stops_the_tool(tmp_path: Path, cards: Cards) -> None:
    (cards.folder / "checked.toml").write_text("facts = 5")

    with pytest.raises(DamagedCardFile):
        cards.run(made(tmp_path))


def test_the_demo_is_99_chat_models_with_their_profiles() -> None:
    demo = make_cards.demo_models()

    assert len(demo) == 99
    assert "eu.anthropic.claude-opus-5" in demo["anthropic.claude-opus-5"]
    assert demo["ai21.jamba-1-5-mini-v1:0"] == ()


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.project)
def test_the_notice_names_what_is_pinned(pin: Pin) -> None:
    assert f"{pin.project} {pin.version} (" in (make_cards.PROJECT / "NOTICE").read_text()
    assert (
        json.loads((make_cards.CARDS / "generated.json").read_bytes())["sources"][pin.project]["sha256"] == pin.sha256
    )
