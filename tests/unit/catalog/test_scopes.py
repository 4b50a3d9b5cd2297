"""Which scope a key has."""

import pytest

from app.catalog.patterns import PatternSet
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.scopes import SEES_NOTHING, Scopes, key_conflicts, scope_of, scopes_naming
from app.catalog.view import CatalogView, ListFilter
from tests.support.builders import listing, model, snapshot


def scope(name: str, *keys: str) -> Scope:
    return Scope(name=name, keys=PatternSet(keys))


DEFAULT = Scope(name="default", models=EntryPatterns(("a",)))
TEAMS = Scopes(named=(scope("web", "web-*", "shared"), scope("ops", "ops", "shared"), scope("none")), default=DEFAULT)


@pytest.mark.parametrize(
    ("key_name", "expected"),
    [
        ("web-1", "web"),
        ("ops", "ops"),
        ("OPS", "default"),
        ("other", "default"),
        ("", "default"),
        (None, "default"),
        ("shared", SEES_NOTHING.name),
    ],
)
def test_a_key_has_the_scope_that_names_it_or_the_default_one(key_name: str | None, expected: str) -> None:
    assert scope_of(key_name, TEAMS).name == expected


def test_a_scope_without_patterns_of_keys_names_every_key_with_a_name_of_its_own() -> None:
    scopes = Scopes(named=(Scope(name="all"),))

    assert (scope_of("any", scopes).name, scope_of(None, scopes)) == ("all", Scope())


def test_without_scopes_everybody_sees_everything() -> None:
    assert scope_of("any", Scopes()) == scope_of(None, Scopes()) == Scope()


def test_a_key_that_two_scopes_name_sees_nothing_and_is_a_reason_against_the_file() -> None:
    view = CatalogView(snapshot(listing("us-east-1", model("a"))), scope_of("shared", TEAMS))

    assert view.entry_list(ListFilter()).entries == () and view.find("a") is None
    assert [it.name for it in scopes_naming("shared", TEAMS)] == ["web", "ops"]
    assert key_conflicts(["web-1", "shared", None], TEAMS) == (
        "the key 'shared' must be named by one scope, got scopes.web, scopes.ops",
    )


def test_a_scope_is_found_by_its_name() -> None:
    assert TEAMS.get("ops") == TEAMS.named[1]
    assert TEAMS.get("default") is DEFAULT
    assert TEAMS.get("ghost") is None


def test_ids_are_written_in_a_callers_format_and_read_in_both() -> None:
    plain, gateway = Scope(), Scope(id_format="bedrock/{id}:x")

    assert (plain.wire_id("a"), gateway.wire_id("a")) == ("a", "bedrock/a:x")
    assert plain.spellings("bedrock/a:x") == ("bedrock/a:x",)
    assert gateway.spellings("bedrock/a:x") == ("bedrock/a:x", "a")
    assert gateway.spellings("a") == ("a",)
    assert gateway.spellings("bedrock/:x") == ("bedrock/:x",)


def test_scopes_that_say_the_same_are_equal_so_that_they_share_answers() -> None:
    assert scope("web", "a", "b") == scope("web", "a", "b")
    assert hash(Scope(models=EntryPatterns(("a",)))) == hash(Scope(models=EntryPatterns(("a",))))
    assert Scope(models=EntryPatterns(("a",))) != Scope(models=EntryPatterns(("b",)))
