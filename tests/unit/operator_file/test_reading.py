"""The operator's file as text: what it states, and how a bad one is refused."""

from datetime import date

import pytest

from app.catalog.aliases import Alias
from app.catalog.cards import load_packaged_cards
from app.catalog.patterns import PatternSet
from app.catalog.scope import EntryPatterns, Scope
from app.operator_file.reading import SECTIONS, InvalidOperatorFile, OperatorFile, read_operator_file

DAY = date(2026, 11, 25)
BASE = Scope(list_view="all", default_limit=20, include_provisioned=True)


def read(text: str) -> OperatorFile:
    return read_operator_file(text, as_of=DAY, base=BASE)


def test_an_empty_file_states_nothing() -> None:
    file = read("")

    assert (file.cards, file.aliases, file.scopes.named, file.scopes.default) == ({}, (), (), BASE)


def test_a_card_becomes_the_last_layer_of_the_book() -> None:
    file = read('[cards."my.model"]\nmax_tokens = 5\nprices = { input = "3.30" }\nunset = ["line"]\n')
    card = load_packaged_cards().with_layer(file.cards).card_for("my.model", (), input_modalities=())

    assert card is not None and card.prices is not None
    assert (card.max_tokens, card.prices.input) == (5, "3.3")
    assert [(it.source, it.as_of) for it in card.sources] == [("operator", DAY)]


def test_a_scope_has_what_its_table_states_and_else_what_the_settings_give() -> None:
    file = read(
        """
        [scopes.web]
        keys = ["web-*", "other"]
        models = ["anthropic.*", "provider:Amazon"]
        except = ["*.old"]
        regions = ["eu-*"]
        within = ["eu-*", "global"]
        list = "profiles"
        default_limit = 1000
        id_format = "bedrock/{id}"
        feeds = true
        [scopes.bare]
        [scopes.default]
        models = []
        """
    )
    web, bare = file.scopes.named

    assert web == Scope(
        name="web",
        keys=PatternSet(("web-*", "other")),
        models=EntryPatterns(("anthropic.*", "provider:Amazon")),
        excluded=EntryPatterns(("*.old",)),
        regions=("eu-*",),
        within=("eu-*", "global"),
        list_view="profiles",
        default_limit=1000,
        id_format="bedrock/{id}",
        feeds=True,
        include_provisioned=True,
    )
    assert bare == Scope(name="bare", list_view="all", default_limit=20, include_provisioned=True)
    assert file.scopes.default == Scope(
        name="default", models=EntryPatterns(()), list_view="all", default_limit=20, include_provisioned=True
    )


def test_an_alias_is_a_target_or_a_table_with_one() -> None:
    file = read('[aliases]\n"latest" = "m.*"\n"b" = { target = " m ", listed = false, display_name = "B" }\n')

    assert file.aliases == (
        Alias(name="latest", target="m.*"),
        Alias(name="b", target="m", is_listed=False, display_name="B"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = ", "line 1: not TOML: Invalid value"),
        ("\n\n[cards\n", "line 3, column 7: not TOML: Expected ']' at the end of a table declaration"),
        ("a = 1\na = 2\nb = 3", "line 2, column 6: not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 5000, "not TOML: nested too deeply"),
        ("nonsense = 1", "nonsense must be left out: the known keys are cards, scopes, aliases, webhooks, got 1"),
        ("cards = 5", "cards must be a table, got 5"),
        ('[cards."m"]\nmax_token = 5', "cards.m.max_token must be left out: the known keys are display_name, "),
        ("[cards.m]\nmax_tokens = -1", "cards.m.max_tokens must be an integer from 1 to 100000000, got -1"),
        (
            "[cards.m]\nprices.input = 3",
            "cards.m.prices.input must be a decimal in quotes, in USD per million tokens, ",
        ),
        ("scopes = []", "scopes must be a table, got []"),
        ("scopes.a = 1", "scopes.a must be a table, got 1"),
        ('[scopes."a b"]', 'scopes."a b" must be named with at most 64 letters, digits, - and _, '),
        ("[scopes.-]", "scopes.- must be named with at most 64 letters"),
        ("[scopes.a]\nmodel = []", "scopes.a.model must be left out: the known keys are keys, models, except, "),
        ("[scopes.default]\nkeys = []", "scopes.default.keys must be left out: the known keys are models, except, "),
        ('[scopes.a]\nkeys = "x"', "scopes.a.keys must be a list of patterns of keys' names, got 'x'"),
        ("[scopes.a]\nkeys = [1]", "scopes.a.keys must be a list of patterns of keys' names, none of them empty "),
        ('[scopes.a]\nmodels = [" "]', "scopes.a.models must be a list of patterns of ids and aliases, none of them "),
        ('[scopes.a]\nmodels = ["provider:"]', "scopes.a.models must be a list of patterns, with something behind "),
        ('[scopes.a]\nregions = "eu-*"', "scopes.a.regions must be a list of patterns of regions, got 'eu-*'"),
        ("[scopes.a]\nwithin = 5", "scopes.a.within must be a list of patterns of regions, got 5"),
        ('[scopes.a]\nlist = "none"', "scopes.a.list must be one of models, profiles, all, got 'none'"),
        ("[scopes.a]\ndefault_limit = 0", "scopes.a.default_limit must be an integer from 1 to 1000, got 0"),
        ("[scopes.a]\ndefault_limit = true", "scopes.a.default_limit must be an integer from 1 to 1000, got True"),
        ('[scopes.a]\nid_format = "x"', "scopes.a.id_format must be a text with {id} once, and without spaces and "),
        ('[scopes.a]\nid_format = "{id}{id}"', "scopes.a.id_format must be a text with {id} once, "),
        ('[scopes.a]\nid_format = "{name}/{id}"', "scopes.a.id_format must be a text with {id} once, "),
        ("[scopes.a]\nfeeds = 1", "scopes.a.feeds must be true or false, got 1"),
        ("aliases = 1", "aliases must be a table, got 1"),
        ("aliases.a = 1", "aliases.a must be a target in quotes, or a table with target, listed, display_name, got 1"),
        ('aliases.a = " "', "aliases.a must be a text that is not empty and has no control characters, got ' '"),
        ("[aliases.a]\nlisted = true", "aliases.a must be a table with a target, got {'listed': True}"),
        ('[aliases.a]\ntarget = "m"\nlisted = "no"', "aliases.a.listed must be true or false, got 'no'"),
        ('[aliases.a]\ntarget = "m"\nname = "A"', "aliases.a.name must be left out: the known keys are target, "),
        (
            '[aliases]\n"a*" = "m"',
            'aliases."a*" must be named with at most 256 characters, without spaces, braces and *',
        ),
        ('[aliases]\n"arn:x" = "m"', 'aliases."arn:x" must be named with at most 256 characters, '),
        (
            '[aliases]\na = "b"\nb = "m"',
            "aliases.a.target must be an id, an ARN or a pattern, and no other alias, got 'b'",
        ),
        ('aliases.a = "provider:*"', "aliases.a must be an id, an ARN, or a pattern of models' or profiles' ids, "),
    ],
)
def test_a_bad_file_is_refused_with_key_value_and_what_is_allowed(text: str, reason: str) -> None:
    with pytest.raises(InvalidOperatorFile) as refused:
        read(text)

    assert str(refused.value).startswith(reason)


def test_each_section_is_a_field_of_the_file() -> None:
    assert tuple(SECTIONS) == tuple(OperatorFile.__dataclass_fields__)


def test_an_accounts_id_stands_in_no_refusal() -> None:
    with pytest.raises(InvalidOperatorFile) as caught:
        read('[scopes.a]\nmodels = "arn:aws:bedrock:us-east-1:112233445566:*"\n')

    assert "scopes.a.models" in str(caught.value)
    assert "112233445566" not in str(caught.value)
