"""Cards joined to listings: whose name and date count, what a profile's entry has, and when clients see a change."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.entries import CatalogEntry
from app.catalog.records import EPOCH, PartListing
from app.catalog.scope import ALL_VIEW, Scope
from app.catalog.snapshot import CatalogSnapshot, build_snapshot, reuse_models, with_cards
from app.catalog.view import CatalogView, ListFilter
from tests.support.builders import NOW, day, listing, model, profile, snapshot
from tests.unit.cards.support import DAY, book

ROW = {"display_name": "Card", "released": "2026-05-06", "max_tokens": 5}
RELEASED = datetime(2026, 5, 6, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def built(cards: CardBook, *regions: Iterable[PartListing], **state: Any) -> CatalogSnapshot:
    return build_snapshot(snapshot(*regions, **state).state, at=NOW, cards=cards)


def only(found: CatalogSnapshot) -> CatalogEntry:
    [entry] = found.models
    return entry


def seen(found: CatalogSnapshot, name: str, **scope: Any) -> CatalogEntry:
    entry = CatalogView(found, Scope(**scope)).find(name)
    assert entry is not None
    return entry


def fields_of(entry: CatalogEntry) -> set[str]:
    """The fields that the entry's card fills."""
    assert entry.card is not None
    return {field for it in entry.card.sources for field in it.fields} - {*entry.unused_card_fields}


@pytest.mark.parametrize(
    ("operator", "bedrock", "source", "expected"),
    [
        ("Operator", "Bedrock", "aws", "Operator"),
        (None, "Bedrock", "aws", "Bedrock"),
        (None, None, "aws", "Card"),
        ("Operator", "Bedrock", "demo", "Operator"),
        (None, "Fact", "demo", "Card"),
    ],
)
def test_the_operators_name_wins_over_bedrocks_and_bedrocks_over_a_cards_but_in_the_demo(
    operator: str | None, bedrock: str | None, source: str, expected: str
) -> None:
    stated = {"a": {"display_name": operator}} if operator else {}
    cards = book(langchain={"a": ROW}, operator=stated)
    entry = only(built(cards, listing("us-east-1", model("a", name=bedrock)), source=source))

    assert entry.name == expected
    assert ("display_name" in fields_of(entry)) == (expected != "Bedrock")


def test_a_card_fills_no_date_of_awss() -> None:
    entry = only(built(book(langchain={"a": ROW}), listing("us-east-1", model("a", start_of_life_at=None))))

    assert entry.created_at == EPOCH
    assert fields_of(entry) == {"display_name", "max_tokens"}


def test_in_the_demo_a_cards_date_wins_over_the_table_of_facts_which_fills_the_rest() -> None:
    cards = book(langchain={"a": ROW})
    rows = model("a", start_of_life_at=day(1)), model("b", start_of_life_at=day(2)), model("c", start_of_life_at=None)
    found = built(cards, listing("us-east-1", *rows), source="demo")

    assert [(it.id, it.created_at) for it in found.models] == [("a", RELEASED), ("b", day(2)), ("c", EPOCH)]
    assert "released" in fields_of(found.models[0])


def test_a_model_whose_card_tells_nothing_but_a_date_has_none_with_aws() -> None:
    assert only(built(book(langchain={"a": {"released": "2026-05-06"}}), listing("us-east-1", model("a")))).card is None


def test_a_cards_name_stands_where_the_regions_that_are_left_have_none() -> None:
    regions = listing("us-east-1", model("a", name="US")), listing("eu-west-1", model("a"))
    found = built(book(langchain={"a": ROW}), *regions)

    assert only(found).name == "US"
    europe = seen(found, "a", regions=("eu-*",))
    assert (europe.name, "display_name" in fields_of(europe)) == ("Card", True)


def test_a_card_found_by_a_profile_alone_is_unknown_to_who_does_not_see_that() -> None:
    cards = book(litellm={"us.a": {"max_tokens": 5}})
    regions = (
        listing("us-east-1", model("a"), profile("us.a", {"a": ["us-east-1"]})),
        listing("eu-west-1", model("a"), profile("eu.a", {"a": ["eu-west-1"]})),
    )
    found = built(cards, *regions)
    card = only(found).card

    assert card is not None and card.max_tokens == 5
    assert seen(found, "a", regions=("eu-*",)).card is None
    assert seen(found, "a", within=("us-*",)).card == card


def test_a_profile_has_its_own_prices_and_all_else_of_its_models_card() -> None:
    def row(price: str, **more: Any) -> dict[str, Any]:
        return {"prices": {"input": price}, **more}

    cards = book(litellm={"a": row("3", max_tokens=5), "eu.a": row("3.3")})
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x"
    profiles = profile("eu.a", {"a": ["eu-west-1"]}), profile("us.a", {"a": ["us-east-1"]})
    own = [profile(arn, {"a": ["us-east-1"]}, name="Own")]
    found = built(cards, listing("us-east-1", model("a", name="A"), *profiles, application_profiles=own))
    entries = CatalogView(found, Scope()).entry_list(ListFilter(view=ALL_VIEW)).entries
    prices = {it.id: it.card.prices and it.card.prices.input for it in entries if it.card is not None}

    assert prices == {"a": "3", "eu.a": "3.3", "us.a": None, arn: None}
    assert {it.card.max_tokens for it in entries if it.card is not None} == {5}
    assert not any("display_name" in fields_of(it) for it in entries)


def test_new_cards_are_a_changed_catalog_and_the_same_ones_are_not() -> None:
    before = built(book(), listing("us-east-1", model("a"), profile("us.a", {"a": ["us-east-1"]})))

    def changed(operator: dict[str, Any]) -> CatalogSnapshot:
        return with_cards(before, book(operator=operator), at=LATER)

    model_card, prices = changed({"a": {"max_tokens": 7}}), changed({"us.a": {"prices": {"input": "1"}}})
    unrelated = changed({"ghost": {"max_tokens": 7}})

    assert (only(model_card).card or 0) != 0 and model_card.changed_at == LATER
    assert prices.changed_at == LATER and prices.models is not before.models
    assert (unrelated.changed_at, unrelated.models is before.models) == (before.changed_at, True)
    assert model_card.state is before.state
    assert with_cards(model_card, before.cards, at=LATER).models == before.models


def test_a_snapshot_that_is_loaded_is_no_older_than_the_operators_cards() -> None:
    state = snapshot(listing("us-east-1", model("a"))).state
    layer = book(operator={"a": {"max_tokens": 7}}).operator
    cards = NO_CARDS.with_layer(layer, changed_at=LATER)

    assert build_snapshot(state, at=LATER, cards=cards).changed_at == LATER
    assert cards.with_layer(dict(layer), changed_at=LATER + timedelta(hours=1)) is cards


def test_entries_are_reused_only_where_their_profiles_prices_are_the_same_too() -> None:
    world = listing("us-east-1", model("a"), profile("us.a", {"a": ["us-east-1"]}))
    cards = book(operator={"us.a": {"prices": {"input": "1"}}})
    later = cards.with_operator({"us.a": {"prices": {"input": "1"}}}, as_of=DAY + timedelta(days=1))
    first, same, other = built(cards, world), built(cards.with_layer({**cards.operator}), world), built(later, world)

    assert reuse_models(same, first).models is first.models
    assert reuse_models(other, first) is other


def test_a_released_day_is_the_midnight_of_utc() -> None:
    entry = only(built(book(langchain={"a": ROW}), listing("us-east-1", model("a")), source="demo"))

    assert entry.card is not None and entry.card.released == date(2026, 5, 6)
    assert entry.created_at == RELEASED
