"""How keys are written: entries, lines and documents."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.key_format import InvalidKeySource, Key, digest_of, parse_document, parse_key, parse_lines
from app.auth.key_ring import KeyRing
from app.auth.key_sources import KeyFile

HEX = hashlib.sha256(b"s3cret").hexdigest()


def key(text: str, name: str | None = None) -> Key:
    return Key(name=name, digest=digest_of(text.encode()))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("s3cret", key("s3cret")),
        ("ci:s3cret", key("s3cret", "ci")),
        ("ci:s3:cret", key("s3:cret", "ci")),
        ("ci : s3cret", key("s3cret", "ci")),
        (f"sha256:{HEX}", key("s3cret")),
        (f"sha256:{HEX.upper()}", key("s3cret")),
        (f"ci:sha256:{HEX}", key("s3cret", "ci")),
        ("sk-ant-api03_x/y+z==", key("sk-ant-api03_x/y+z==")),
    ],
)
def test_an_entry_is_a_key_or_its_digest_with_or_without_a_name(entry: str, expected: Key) -> None:
    assert parse_key(entry) == expected


@pytest.mark.parametrize(
    "entry",
    ["ci:", ":s3cret", "a/b:s3cret", "two words:s3cret", "SHA256:s3cret", "sha256:s3cret", "ci:sha256:12", "sha256:"],
)
def test_an_entry_that_is_no_key_is_refused_without_being_shown(entry: str) -> None:
    with pytest.raises(InvalidKeySource) as raised:
        parse_key(entry)

    assert "s3cret" not in str(raised.value)


@given(st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1))
def test_every_text_without_a_colon_is_a_key_of_its_own(text: str) -> None:
    assert parse_key(text) == key(text)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("a\nci:b\n# a comment\n\n", (key("a"), key("b", "ci"))),
        ("a,ci:b", (key("a"), key("b", "ci"))),
        ('{"ci": "b", "ops": "c:d"}', (key("b", "ci"), key("c:d", "ops"))),
        (f'{{"ci": "sha256:{HEX}"}}', (key("s3cret", "ci"),)),
        ("12345", (key("12345"),)),
        ("", ()),
    ],
)
def test_what_aws_keeps_is_entries_or_an_object_of_keys_by_name(document: str, expected: tuple[Key, ...]) -> None:
    assert parse_document(document) == expected


def test_an_object_of_anything_but_keys_is_refused() -> None:
    with pytest.raises(InvalidKeySource):
        parse_document('{"ci": ["b"]}')


@pytest.mark.parametrize("name", ["", "team:a", "two words"])
def test_an_object_of_keys_by_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidKeySource, match="a key's name"):
        parse_document(json.dumps({name: "s3cret"}))


@pytest.mark.parametrize("document", ['["k1", "k2"]', '"k1"', "[]"])
def test_json_that_names_no_keys_is_refused(document: str) -> None:
    with pytest.raises(InvalidKeySource, match="no object of keys by name"):
        parse_document(document)


def test_a_line_that_is_no_key_is_named_by_its_number() -> None:
    with pytest.raises(InvalidKeySource, match="entry 3: "):
        parse_lines("good\n# a comment\nci:\n")


def test_a_key_without_a_name_is_called_by_its_place() -> None:
    ring = KeyRing(parse_lines("ci:a\nb\nci:c\nother:a"))

    assert [ring.name_of([text]) for text in ("a", "b", "c", "d")] == ["ci", "key-2", "ci", None]
    assert ring.name_of(["d", "b"]) == "key-2"


def test_a_file_with_a_byte_order_mark_has_no_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("k1\nk2\n", encoding="utf-8-sig")

    assert KeyFile(file).read() == parse_lines("k1\nk2")


@pytest.mark.parametrize("text", ["voil\u00e0", "\u00c5", "a\u00a0", "\u0085b\u0085", "a\u2028b"])
def test_a_key_may_begin_end_or_be_made_of_any_characters_but_blanks_and_line_ends(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f" \t{text}\t \r\nci: {text}2 \n", encoding="utf-8", newline="")
    as_wsgi_has_it = [value.encode().decode("latin-1") for value in (text, f"{text}2")]
    ring = KeyRing(KeyFile(file).read())

    assert [ring.name_of([value]) for value in as_wsgi_has_it] == ["key-1", "ci"]
