"""What `flask catalog check` finds, and what a changed file is checked against."""

from datetime import date
from pathlib import Path

import pytest

from app.catalog.scope import Scope
from app.operator_file.checking import check_operator_file, read_checked
from app.operator_file.reading import InvalidOperatorFile
from tests.support.builders import listing, model, profile, snapshot

WORLD = snapshot(listing("us-east-1", model("a.model"), profile("us.a.model", {"a.model": ["us-east-1"]})))
TEXT = """
[scopes.web]
keys = ["web-*", "shared"]
[scopes.ops]
keys = ["shared"]
[aliases]
"a.model" = "b"
"us.a.model" = "b"
free = "b"
"""


def check(folder: Path, text: str, **known: object) -> tuple[str, ...]:
    path = folder / "catalog.toml"
    path.write_text(text)
    return check_operator_file(path, base=Scope(), **known)  # type: ignore[arg-type]


def test_a_file_is_checked_by_itself_where_nothing_else_is_known(tmp_path: Path) -> None:
    assert check(tmp_path, TEXT) == ()
    assert check(tmp_path, "x = 1") == (
        "x must be left out: the known keys are cards, scopes, aliases, webhooks, got 1",
    )
    assert check_operator_file(tmp_path / "none", base=Scope()) == ("it cannot be read: No such file or directory",)


def test_a_file_is_checked_against_the_names_of_the_keys_and_the_catalog(tmp_path: Path) -> None:
    assert check(tmp_path, TEXT, key_names=["web-1", None], snapshot=snapshot()) == ()
    assert check(tmp_path, TEXT, key_names=["shared"], snapshot=WORLD) == (
        "the key 'shared' must be named by one scope, got scopes.web, scopes.ops",
        'aliases."a.model" must be named otherwise, as it is an id of the catalog',
        'aliases."us.a.model" must be named otherwise, as it is an id of the catalog',
    )


def test_a_file_that_does_not_fit_what_is_known_is_refused_with_every_reason() -> None:
    with pytest.raises(InvalidOperatorFile) as refused:
        read_checked(TEXT, date(2026, 1, 1), base=Scope(), key_names=["shared"], snapshot=WORLD)

    assert str(refused.value).count("; ") == 2
    assert read_checked(TEXT, date(2026, 1, 1), base=Scope(), key_names=[]).scopes.get("web") is not None
