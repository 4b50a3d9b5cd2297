"""Cards that are wrong: the operator's, and packaged files that are damaged."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.cards import DamagedCardFile, load_packaged_cards, read_cards
from app.catalog.cards import book as book_module
from app.catalog.tables import InvalidValue
from tests.unit.cards.support import DAY, URL, book, checked, generated, tree

KEY = 'cards."a.model"'
PRICE = 'a decimal in quotes, in USD per million tokens, such as "3.30"'
LIMIT = "an integer from 1 to 100000000"
MODALITIES = 'a list of modalities in capital letters, such as ["TEXT", "IMAGE"]'
FIELDS = (
    "display_name, line, max_input_tokens, max_tokens, capabilities, tool_use, prices, input_modalities, "
    "output_modalities"
)
WHOLE = "true or false, as a capability tree is whole or left out"


def without(whole: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in whole.items() if key != name}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"max_tokens": -5}, f"{KEY}.max_tokens must be {LIMIT}, got -5"),
        ({"max_tokens": 0}, f"{KEY}.max_tokens must be {LIMIT}, got 0"),
        ({"max_tokens": True}, f"{KEY}.max_tokens must be {LIMIT}, got True"),
        ({"max_tokens": "64000"}, f"{KEY}.max_tokens must be {LIMIT}, got '64000'"),
        ({"max_input_tokens": 1.5}, f"{KEY}.max_input_tokens must be {LIMIT}, got 1.5"),
        ({"max_input_tokens": 10**9}, f"{KEY}.max_input_tokens must be {LIMIT}, got 1000000000"),
        (
            {"max_token": 5},
            f"{KEY}.max_token must be left out: the known keys are {FIELDS}, unset, got 5",
        ),
        (
            {"released": DAY},
            f"{KEY}.released must be left out: the known keys are {FIELDS}, unset, got datetime.date(2026, 11, 25)",
        ),
        ({"line": "Opus"}, f"{KEY}.line must be one of haiku, sonnet, opus, fable, mythos, got 'Opus'"),
        ({"line": []}, f"{KEY}.line must be one of haiku, sonnet, opus, fable, mythos, got []"),
        (
            {"display_name": "\n"},
            f"{KEY}.display_name must be a text that is not empty and has no control characters, got '\\n'",
        ),
        ({"prices": {"input": "cheap"}}, f"{KEY}.prices.input must be {PRICE}, got 'cheap'"),
        ({"prices": {"input": 3.3}}, f"{KEY}.prices.input must be {PRICE}, got 3.3"),
        ({"prices": {"input": "-1"}}, f"{KEY}.prices.input must be {PRICE}, got '-1'"),
        ({"prices": {"output": "1e3"}}, f"{KEY}.prices.output must be {PRICE}, got '1e3'"),
        ({"prices": {"output": "NaN"}}, f"{KEY}.prices.output must be {PRICE}, got 'NaN'"),
        ({"prices": {"cache_read": "٣"}}, f"{KEY}.prices.cache_read must be {PRICE}, got '٣'"),
        (
            {"prices": {"regions": {"eu-west-1": {"input": "x"}}}},
            f"{KEY}.prices.regions.eu-west-1.input must be {PRICE}, got 'x'",
        ),
        (
            {"prices": {"regions": {"Europe": {"input": "3"}}}},
            f"{KEY}.prices.regions.Europe must be named after a region, such as eu-west-1, got 'Europe'",
        ),
        (
            {"prices": {"inputs": "3"}},
            f"{KEY}.prices.inputs must be left out: the known keys are "
            "input, output, cache_read, cache_write, regions, got '3'",
        ),
        (
            {"prices": {}},
            f"{KEY}.prices must be a table with at least one of "
            "input, output, cache_read, cache_write, regions, got {}",
        ),
        ({"prices": "3"}, f"{KEY}.prices must be a table, got '3'"),
        ({"input_modalities": "TEXT"}, f"{KEY}.input_modalities must be {MODALITIES}, got 'TEXT'"),
        ({"input_modalities": []}, f"{KEY}.input_modalities must be {MODALITIES}, got []"),
        ({"output_modalities": ["text"]}, f"{KEY}.output_modalities must be {MODALITIES}, got ['text']"),
        ({"output_modalities": ["TEXT", 7]}, f"{KEY}.output_modalities must be {MODALITIES}, got ['TEXT', 7]"),
        ({"capabilities": {"batch": {"supported": True}}}, None),
        ({"capabilities": tree(batch={})}, f"{KEY}.capabilities.batch.supported must be {WHOLE}, got nothing"),
        (
            {"capabilities": tree(batch={"supported": "yes"})},
            f"{KEY}.capabilities.batch.supported must be {WHOLE}, got 'yes'",
        ),
        (
            {"capabilities": without(tree(), "thinking")},
            f"{KEY}.capabilities.thinking must be a table, as a capability tree is whole or left out, got nothing",
        ),
        (
            {"capabilities": tree(batch=True)},
            f"{KEY}.capabilities.batch must be a table, as a capability tree is whole or left out, got True",
        ),
        (
            {"capabilities": tree(telepathy={"supported": True})},
            f"{KEY}.capabilities.telepathy must be left out: the known keys are batch, citations, code_execution, "
            "context_management, effort, image_input, pdf_input, server_tools, structured_outputs, thinking, "
            "got {'supported': True}",
        ),
        ({"unset": "max_tokens"}, f"{KEY}.unset must be a list of {FIELDS}, got 'max_tokens'"),
        ({"unset": ["released"]}, f"{KEY}.unset must be a list of {FIELDS}, got 'released'"),
        ({"unset": [[]]}, f"{KEY}.unset must be a list of {FIELDS}, got []"),
        (
            {"unset": ["line"], "line": "opus"},
            f"{KEY}.unset must be without line, as the table gives it a value, got 'line'",
        ),
        (5, f"{KEY} must be a table, got 5"),
    ],
)
def test_a_bad_card_of_the_operators_is_refused_with_key_value_and_what_is_allowed(
    table: object, message: str | None
) -> None:
    with pytest.raises(InvalidValue) as refused:
        book().with_operator({"a.model": table}, as_of=DAY)

    if message is None:
        assert re.match(
            rf"{re.escape(KEY)}\.capabilities\.\S+ must be a table, as a capability tree", str(refused.value)
        )
    else:
        assert str(refused.value) == message
    assert refused.value.key.startswith(KEY)
    assert refused.value.allowed in str(refused.value)


def test_the_section_itself_must_be_a_table() -> None:
    with pytest.raises(InvalidValue, match=r"^cards must be a table, got \[\]$"):
        book().with_operator([], as_of=DAY)


def test_a_card_must_have_an_id() -> None:
    with pytest.raises(InvalidValue, match=r'^cards\." " must be named after a model id'):
        book().with_operator({" ": {}}, as_of=DAY)


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(InvalidValue) as refused:
        book().with_operator({"a.model": {"line": "x" * 10_000}}, as_of=DAY)

    assert len(str(refused.value)) < 300


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(DAY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["supported", "input", "regions", "eu-west-1", "batch", "effort", "thinking"]) | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
CARD_KEYS = ["display_name", "line", "max_input_tokens", "max_tokens", "capabilities", "prices", "unset", "other"]


@given(st.dictionaries(st.text(), st.dictionaries(st.sampled_from(CARD_KEYS), VALUES, max_size=4) | VALUES, max_size=3))
def test_any_table_is_read_or_refused_by_name(cards: dict[str, Any]) -> None:
    try:
        read = book().with_operator(cards, as_of=DAY)
    except InvalidValue as error:
        refused = error.key
    else:
        refused = "cards.none"
        for model_id in cards:
            read.card_for(model_id, (), input_modalities=())

    assert refused.startswith("cards.")


GOOD = generated(litellm={"a.model": {"max_tokens": 5}, "b.model": {"max_tokens": 6}}).decode()
B_LINE = GOOD.splitlines().index('"b.model": {"max_tokens": 6}') + 1


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('{"max_tokens": 6}', '{"max_tokens" 6}', B_LINE, "not JSON: Expecting ':' delimiter"),
        (
            '{"max_tokens": 6}',
            '{"max_tokens": -6}',
            B_LINE,
            r'litellm\."b\.model"\.max_tokens must be an integer from 1',
        ),
        ('{"max_tokens": 6}', '{"max_output": 6}', B_LINE, r'litellm\."b\.model"\.max_output must be left out'),
        ('{"max_tokens": 6}', "6", B_LINE, r'litellm\."b\.model" must be a table, got 6'),
        ('{"max_tokens": 6}', '{"prices": {"input": 3.0}}', B_LINE, "must be a decimal in quotes"),
        ('{"max_tokens": 6}', '{"released": "2026-02-30"}', B_LINE, "must be a day"),
        ('{"max_tokens": 6}', '{"display_name": ""}', B_LINE, "must be a text that is not empty"),
        ('"version": "1.0"', '"version": 1', 4, r"sources\.litellm\.version must be a text"),
        ('"as_of": "2026-10-26"', '"as_of": null', 3, r"sources\.langchain-aws\.as_of must be a day"),
        ('"sources"', '"source"', 1, "source must be left out"),
        ('"litellm": {\n', '"lite": {\n', 1, "lite must be left out"),
    ],
)
def test_a_damaged_generated_json_names_the_file_and_the_line(old: str, new: str, line: int, reason: str) -> None:
    damaged = GOOD.replace(old, new)
    assert damaged != GOOD

    with pytest.raises(DamagedCardFile, match=reason) as refused:
        read_cards(damaged.encode(), checked())

    assert str(refused.value).startswith(f"generated.json, line {line}: ")


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"", 1), (b"[]", 1), (b"[" * 100_000, 1), (b"1" * 5_000, 1), (GOOD.encode()[:200], None), (b'{\n"\xff"', 2)],
)
def test_a_generated_json_that_is_cut_or_no_text_names_the_file_and_the_line(data: bytes, line: int | None) -> None:
    with pytest.raises(DamagedCardFile, match=r"^generated\.json, line \d+: ") as refused:
        read_cards(data, checked())

    assert line in (None, refused.value.line)


HEAD = f"# a comment\n[[facts]]\nmodels = ['a.model']\nsource = '{URL}'\nas_of = 2026-11-25\nline = 'opus'\n\n"


@pytest.mark.parametrize(
    ("group", "line", "reason"),
    [
        (
            f"models = ['b.model']\nsource = '{URL}'\nas_of = 2026-11-25\nmax_tokens = -5",
            12,
            "facts.max_tokens must be an",
        ),
        ("models = ['b.model']\nas_of = 2026-11-25\nmax_tokens = 5", 8, "facts.source must be the URL .* got nothing"),
        ("models = ['b.model']\nsource = 'a book'\nas_of = 2026-11-25", 10, "facts.source must be the URL"),
        (f"models = ['b.model']\nsource = '{URL}'\nmax_tokens = 5", 8, "facts.as_of must be a day, .* got nothing"),
        (f"models = ['b.model']\nsource = '{URL}'\nas_of = 2026-11-25T10:00:00Z", 11, "facts.as_of must be a day"),
        (f"models = []\nsource = '{URL}'\nas_of = 2026-11-25", 9, "facts.models must be a list of model ids"),
        (f"models = [5]\nsource = '{URL}'\nas_of = 2026-11-25", 9, "facts.models must be a text"),
        (
            f"models = ['a.model']\nsource = '{URL}'\nas_of = 2026-11-25\nline = 'opus'",
            12,
            "facts.line must be stated once",
        ),
        (f"models = ['b.model']\nsource = '{URL}'\nas_of = 2026-11-25\nnote = 'x'", 12, "facts.note must be left out"),
        (
            f"models = ['b.model']\nsource = '{URL}'\nas_of = 2026-11-25\n[facts.capabilities]\nbatch.supported = 5",
            13,
            "facts.capabilities.batch.supported must be true or false",
        ),
        (
            f"models = ['b.model']\nsource = '{URL}'\nas_of = 2026-11-25\n[facts.capabilities]\nbatch.supported = true",
            12,
            "facts.capabilities.citations must be a table",
        ),
        ("models = ['b.model' 5]", 9, "not TOML"),
        ("models = ['b.model']\nmodels = []", 10, "not TOML"),
    ],
)
def test_a_damaged_checked_toml_names_the_file_and_the_line(group: str, line: int, reason: str) -> None:
    with pytest.raises(DamagedCardFile, match=reason) as refused:
        read_cards(generated(), f"{HEAD}[[facts]]\n{group}\n".encode())

    assert str(refused.value).startswith(f"checked.toml, line {line}: ")


@pytest.mark.parametrize("data", [b"", b"facts = 5", b"other = 1", b"facts = []\nother = 1", b"\xff"])
def test_a_checked_toml_without_facts_alone_names_the_file_and_the_line(data: bytes) -> None:
    with pytest.raises(DamagedCardFile, match=r"^checked\.toml, line 1: "):
        read_cards(generated(), data)


@pytest.mark.parametrize("file", ["generated.json", "checked.toml"])
def test_a_packaged_file_that_is_missing_is_named(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path(book_module.__file__).parent
    for name in {"generated.json", "checked.toml"} - {file}:
        (tmp_path / name).write_bytes((shipped / name).read_bytes())
    monkeypatch.setattr(book_module, "__file__", str(tmp_path / "book.py"))

    with pytest.raises(DamagedCardFile, match=rf"^{re.escape(file)}, line 1: cannot be read: No such file"):
        load_packaged_cards()
