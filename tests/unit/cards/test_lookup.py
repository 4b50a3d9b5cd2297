"""Looking a card up: exact ids, profiles, agreement of sources, and the layers kept by hand."""

from datetime import date
from typing import Any

import pytest

from app.catalog.cards import Capabilities, Card, FieldSource, Prices, card_payload
from app.catalog.cards.reading import read_capabilities
from tests.unit.cards.support import DAY, LANGCHAIN, LITELLM, URL, book, card_of, tree


def limit(value: int | None) -> dict[str, int]:
    return {} if value is None else {"max_tokens": value}


@pytest.mark.parametrize(
    ("litellm", "langchain", "value", "source"),
    [
        (8_000, 8_000, 8_000, LITELLM),
        (128_000, 131_072, 128_000, LITELLM),
        (131_072, 128_000, 131_072, LITELLM),
        (1_000_000, 1_048_576, 1_000_000, LITELLM),
        (1_000_000, 1_048_577, None, None),
        (1_000_000, 1_050_000, None, None),
        (64_000, 128_000, None, None),
        (8_000, None, 8_000, LITELLM),
        (None, 8_000, 8_000, LANGCHAIN),
    ],
)
def test_a_limit_stands_where_the_packages_agree_or_one_alone_has_it(
    litellm: int | None, langchain: int | None, value: int | None, source: str | None
) -> None:
    row = {"max_input_tokens": 5}
    cards = book(litellm={"a.model": {**row, **limit(litellm)}}, langchain={"a.model": limit(langchain)})
    card = card_of(cards)
    found = card.source_of("max_tokens")

    assert card.max_tokens == value
    assert (found.source if found else None) == source


@pytest.mark.parametrize(
    ("litellm", "langchain", "expected"),
    [(True, True, True), (False, False, False), (True, False, None), (True, None, True), (None, False, False)],
)
def test_tool_use_stands_where_the_packages_agree_or_one_alone_has_it(
    litellm: bool | None, langchain: bool | None, expected: bool | None
) -> None:
    def row(value: bool | None) -> dict[str, Any]:
        return {"a.model": {"max_tokens": 5} | ({} if value is None else {"tool_use": value})}

    cards = book(litellm=row(litellm), langchain=row(langchain))
    card = card_of(cards)

    assert card.tool_use is expected
    assert bool(cards.disagreements("a.model", ())) == (expected is None)
    assert "tool_use" not in str(card_payload(card))


def test_a_card_is_found_by_the_exact_id_before_any_profiles() -> None:
    cards = book(litellm={"a.model": limit(1), "us.a.model": limit(2)})

    assert card_of(cards, "a.model", "us.a.model").max_tokens == 1


def test_a_card_is_found_by_a_profile_that_bedrock_lists_for_the_model() -> None:
    cards = book(
        litellm={"us.a.model": limit(2), "eu.a.model": limit(2)}, langchain={"us.a.model": {"released": "2026-01-02"}}
    )
    card = card_of(cards, "a.model", "us.a.model", "eu.a.model")

    assert (card.max_tokens, card.released) == (2, date(2026, 1, 2))
    assert cards.card_for("a.model", (), input_modalities=()) is None


def test_profiles_that_differ_are_no_fact() -> None:
    cards = book(
        litellm={"us.a.model": {**limit(2), "max_input_tokens": 7}, "eu.a.model": {**limit(3), "max_input_tokens": 7}}
    )
    card = card_of(cards, "a.model", "us.a.model", "eu.a.model")

    assert (card.max_tokens, card.max_input_tokens) == (None, 7)


def test_profiles_that_differ_are_no_fact_though_the_other_package_has_one() -> None:
    cards = book(litellm={"us.a.model": limit(2_000), "eu.a.model": limit(3_000)}, langchain={"a.model": limit(2_000)})

    assert cards.card_for("a.model", ("us.a.model", "eu.a.model"), input_modalities=()) is None


def test_each_package_is_looked_up_by_itself() -> None:
    cards = book(litellm={"a.model": limit(2)}, langchain={"us.a.model": {"released": "2026-01-02"}})

    assert card_of(cards, "a.model", "us.a.model").released == date(2026, 1, 2)


def test_nothing_is_guessed_from_an_ids_spelling() -> None:
    cards = book(litellm={"a.model-v1:0": limit(2), "us.a.model": limit(3)})

    for model_id in ("a.model", "A.MODEL-V1:0", "a.model-v1", "a.model-v1:0:200k", "model-v1:0"):
        assert cards.card_for(model_id, (), input_modalities=()) is None


def test_a_name_is_never_a_profiles() -> None:
    cards = book(langchain={"us.a.model": {"display_name": "A (US)", "released": "2026-01-02"}})

    assert card_of(cards, "a.model", "us.a.model").display_name is None


def test_a_fact_checked_by_hand_wins_over_the_packages() -> None:
    cards = book(litellm={"a.model": limit(2)}, facts="models = ['a.model']\nmax_tokens = 3\nline = 'opus'")
    card = card_of(cards)

    assert (card.max_tokens, card.line) == (3, "opus")
    assert card.sources == (FieldSource(fields=("line", "max_tokens"), source=URL, as_of=DAY),)


def test_a_fact_checked_by_hand_may_be_that_there_is_none() -> None:
    cards = book(
        litellm={"a.model": {**limit(2), "max_input_tokens": 7}}, facts="models = ['a.model']\nunset = ['max_tokens']"
    )

    assert (card_of(cards).max_tokens, card_of(cards).max_input_tokens) == (None, 7)
    assert cards.is_set_to_null("a.model", "max_tokens")
    assert not cards.is_set_to_null("a.model", "max_input_tokens")


def test_the_operator_wins_field_by_field() -> None:
    operator = {"a.model": {"max_tokens": 4, "display_name": "Our model"}}
    cards = book(
        litellm={"a.model": {**limit(2), "max_input_tokens": 7}},
        facts="models = ['a.model']\nmax_tokens = 3\nline = 'opus'",
        operator=operator,
    )
    card = card_of(cards)

    assert (card.display_name, card.line, card.max_input_tokens, card.max_tokens) == ("Our model", "opus", 7, 4)
    assert [(source.fields, source.source) for source in card.sources] == [
        (("display_name", "max_tokens"), "operator"),
        (("line",), URL),
        (("max_input_tokens",), LITELLM),
    ]


def test_only_the_operators_name_wins_over_bedrocks() -> None:
    packaged = book(langchain={"a.model": {"display_name": "A"}})

    assert not card_of(packaged).overrides_name
    assert card_of(packaged.with_operator({"a.model": {"display_name": "B"}}, as_of=DAY)).overrides_name


def test_the_operator_takes_a_value_away() -> None:
    cards = book(
        litellm={"a.model": {**limit(2), "max_input_tokens": 7}}, operator={"a.model": {"unset": ["max_tokens"]}}
    )

    assert (card_of(cards).max_tokens, card_of(cards).max_input_tokens) == (None, 7)


def test_a_card_of_which_everything_is_taken_away_is_none() -> None:
    cards = book(litellm={"a.model": limit(2)}, operator={"a.model": {"unset": ["max_tokens"]}})

    assert cards.card_for("a.model", (), input_modalities=()) is None


def test_a_new_operators_layer_replaces_the_last_one_and_leaves_the_old_book_alone() -> None:
    first = book(litellm={"a.model": limit(2)}, operator={"a.model": {"max_tokens": 4}})
    second = first.with_operator({}, as_of=DAY)

    assert (card_of(first).max_tokens, card_of(second).max_tokens) == (4, 2)


def test_an_operators_card_for_an_id_that_nothing_else_knows_is_a_card() -> None:
    assert card_of(book(operator={"own.model": {"max_tokens": 4}}), "own.model").max_tokens == 4


def test_an_operators_card_under_a_profile_is_the_models_but_for_name_and_prices() -> None:
    table = {"max_tokens": 4, "display_name": "In Europe", "prices": {"input": "9"}}
    cards = book(operator={"eu.a.model": table})
    card = card_of(cards, "a.model", "eu.a.model")

    assert (card.max_tokens, card.display_name, card.prices) == (4, None, None)
    assert cards.prices_for_profile("eu.a.model") == Prices(input="9")


def test_two_profiles_of_the_operators_that_differ_are_no_fact() -> None:
    cards = book(
        litellm={"a.model": {**limit(9), "max_input_tokens": 7}},
        operator={"eu.a.model": {"max_tokens": 4}, "us.a.model": {"max_tokens": 5}},
    )

    assert card_of(cards, "a.model", "eu.a.model", "us.a.model").max_tokens is None


PRICED = {
    "a.model": {"max_tokens": 9, "prices": {"input": "3", "output": "15"}},
    "eu.a.model": {"prices": {"input": "3.3"}},
    "us.a.model": {"max_tokens": 9},
    "bedrock/eu-west-1/a.model": {"prices": {"input": "3.1"}},
    "bedrock/ap-south-1/a.model": {"prices": {"output": "16"}},
}


def test_a_models_prices_have_those_of_single_regions_beside_them() -> None:
    assert card_of(book(litellm=PRICED)).prices == Prices(
        input="3", output="15", regions=(("ap-south-1", Prices(output="16")), ("eu-west-1", Prices(input="3.1")))
    )


def test_a_model_that_is_priced_in_single_regions_alone_has_these() -> None:
    prices = {"bedrock/eu-west-1/a.model": {"prices": {"input": "3.1"}}}

    assert card_of(book(litellm=prices)).prices == Prices(regions=(("eu-west-1", Prices(input="3.1")),))


def test_a_profiles_card_is_its_models_with_prices_of_its_own_or_none() -> None:
    cards = book(litellm=PRICED)
    model = card_of(cards)
    eu, us = cards.card_for_profile(model, "eu.a.model"), cards.card_for_profile(model, "us.a.model")

    assert eu is not None and us is not None
    assert (eu.max_tokens, eu.prices) == (9, Prices(input="3.3"))
    assert (us.max_tokens, us.prices) == (9, None)
    assert us.source_of("prices") is None
    assert eu.source_of("prices") == FieldSource(
        fields=("max_tokens", "prices"), source=LITELLM, as_of=date(2026, 11, 20)
    )


def test_a_profile_of_a_model_without_a_card_may_have_prices() -> None:
    card = book(litellm=PRICED).card_for_profile(None, "eu.a.model")

    assert card is not None and card.prices == Prices(input="3.3")
    assert book(litellm=PRICED).card_for_profile(None, "us.a.model") is None


def test_a_profile_of_a_model_of_which_prices_alone_are_known_has_no_card() -> None:
    cards = book(litellm={"a.model": {"prices": {"input": "3"}}})

    assert cards.card_for_profile(card_of(cards), "eu.a.model") is None


def test_the_operator_prices_a_profile_or_takes_its_prices_away() -> None:
    priced = book(litellm=PRICED, operator={"eu.a.model": {"prices": {"input": "2.50"}}})
    taken = book(litellm=PRICED, operator={"eu.a.model": {"unset": ["prices"]}})

    assert priced.prices_for_profile("eu.a.model") == Prices(input="2.5")
    assert taken.prices_for_profile("eu.a.model") is None


def test_a_disagreement_names_what_each_row_states_and_whose_word_counts() -> None:
    rows: dict[str, Any] = {"litellm": {"a.model": limit(64_000)}, "langchain": {"a.model": limit(128_000)}}
    undecided = book(**rows).disagreements("a.model", ())
    decided = book(**rows, facts="models = ['a.model']\nmax_tokens = 64_000").disagreements("a.model", ())

    assert [(item.field, item.decided_by) for item in undecided] == [("max_tokens", None)]
    assert undecided[0].stated == ((LITELLM, "a.model", 64_000), (LANGCHAIN, "a.model", 128_000))
    assert [item.decided_by for item in decided] == [URL]


def test_sources_that_agree_within_rounding_are_no_disagreement() -> None:
    cards = book(litellm={"a.model": limit(128_000)}, langchain={"a.model": limit(131_072)})

    assert cards.disagreements("a.model", ()) == ()
    assert cards.disagreements("b.model", ()) == ()


def test_the_payload_names_each_source_once_with_its_day() -> None:
    cards = book(
        litellm={"a.model": {"max_input_tokens": 7, "prices": {"input": "3", "cache_read": "0.3"}}},
        langchain={"a.model": {"display_name": "A", "released": "2026-01-02"}},
        facts="models = ['a.model']\nmax_tokens = 3",
        operator={"a.model": {"line": "opus"}},
    )

    assert card_payload(card_of(cards)) == {
        "sources": [
            {"fields": ["display_name", "created_at"], "source": LANGCHAIN, "as_of": "2026-10-26"},
            {"fields": ["line"], "source": "operator", "as_of": "2026-11-25"},
            {"fields": ["max_input_tokens", "prices"], "source": LITELLM, "as_of": "2026-11-20"},
            {"fields": ["max_tokens"], "source": URL, "as_of": "2026-11-25"},
        ],
        "prices": {
            "currency": "USD",
            "per": 1_000_000,
            "input": "3",
            "output": None,
            "cache_read": "0.3",
            "cache_write": None,
            "regions": {},
        },
    }


def test_the_payload_has_each_regions_prices_whole() -> None:
    payload = card_payload(card_of(book(litellm=PRICED)))

    assert payload is not None
    assert payload["prices"]["regions"] == {
        "ap-south-1": {"input": None, "output": "16", "cache_read": None, "cache_write": None},
        "eu-west-1": {"input": "3.1", "output": None, "cache_read": None, "cache_write": None},
    }


def test_the_payload_does_not_name_what_the_entry_takes_from_elsewhere() -> None:
    cards = book(langchain={"a.model": {"display_name": "A", "released": "2026-01-02", **limit(3)}})
    payload = card_payload(card_of(cards), omit={"display_name", "released"})

    assert payload is not None
    assert payload["sources"] == [{"fields": ["max_tokens"], "source": LANGCHAIN, "as_of": "2026-10-26"}]
    assert card_payload(card_of(cards), omit={"display_name", "released", "max_tokens"}) is None
    assert card_payload(None) is None


def test_cards_of_equal_facts_are_equal_so_that_a_change_is_seen() -> None:
    operator = {
        "a.model": {
            "max_tokens": 4,
            "capabilities": tree(),
            "prices": {"input": "3", "regions": {"eu-west-1": {"input": "4"}}},
        }
    }

    assert card_of(book(operator=operator)) == card_of(book(operator=operator))
    assert card_of(book(operator=operator)) != card_of(book(operator={"a.model": {"max_tokens": 5}}))
    assert hash(card_of(book(operator=operator)))


def test_what_a_whole_tree_leaves_out_is_null_but_for_bedrocks_own_modality() -> None:
    table = {"a.model": {"capabilities": tree()}}
    capabilities = card_of(book(operator=table)).capabilities

    assert capabilities is not None
    as_tree = capabilities.as_tree()
    assert as_tree["context_management"]["clear_thinking_20251015"] is None
    assert as_tree["effort"]["xhigh"] is None
    assert as_tree["image_input"] == {"supported": False}


@pytest.mark.parametrize("supported", [True, False])
def test_a_tree_that_states_image_input_is_believed_over_modalities(supported: bool) -> None:
    stated = read_capabilities("capabilities", tree(image_input={"supported": supported}))

    assert stated.with_image_input(not supported).as_tree()["image_input"] == {"supported": supported}


def test_a_tree_survives_being_written_and_read() -> None:
    capabilities = Capabilities(supported=frozenset({"batch", "effort.xhigh", "image_input"}), unknown=frozenset())

    assert read_capabilities("capabilities", capabilities.as_tree()) == capabilities


def test_an_empty_card_has_no_sources() -> None:
    assert Card().sources == ()


@pytest.mark.parametrize(("words", "supported"), [(["TEXT"], False), (["TEXT", "IMAGE"], True)])
def test_a_card_tells_the_modalities_of_a_model_that_bedrock_does_not_list(words: list[str], supported: bool) -> None:
    cards = book(operator={"a.model": {"input_modalities": words, "capabilities": without_image_input()}})
    card = cards.card_for("a.model", (), input_modalities=None)

    assert card is not None and card.input_modalities == tuple(words)
    assert card.capabilities is not None
    assert card.capabilities.as_tree()["image_input"] == {"supported": supported}


def test_a_tree_is_left_out_while_no_source_tells_whether_images_are_taken() -> None:
    cards = book(operator={"a.model": {"max_tokens": 5, "capabilities": without_image_input()}})
    card = cards.card_for("a.model", (), input_modalities=None)

    assert card is not None and card.capabilities is None
    assert [it.fields for it in card.sources] == [("max_tokens",)]


def without_image_input() -> dict[str, Any]:
    return {key: value for key, value in tree().items() if key != "image_input"}
