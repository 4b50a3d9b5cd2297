"""What will end, by region, as a scope sees it."""

from datetime import timedelta
from typing import Any

from app.catalog.aliases import Alias
from app.catalog.cards import NO_CARDS
from app.catalog.retirements import ending_soon, retirements
from app.catalog.scope import Scope
from app.catalog.snapshot import build_snapshot
from app.catalog.view import CatalogView
from tests.support.builders import NOW, day, listing, model, profile, snapshot, view

EAST, WEST = "us-east-1", "eu-west-1"


def ending(model_id: str, days: int | None, **changes: Any) -> Any:
    end = None if days is None else NOW + timedelta(days=days)
    return model(model_id, lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=end, **changes)


def test_models_that_end_or_are_legacy_stand_with_the_next_to_end_first() -> None:
    rows = model("a"), ending("b", None), ending("c", 30), ending("d", 2), ending("e", -1), ending("f", 30)

    found = retirements(view(snapshot(listing(EAST, *rows))))

    assert [(it.model_id, it.days_left) for it in found] == [("d", 2), ("c", 30), ("f", 30), ("b", None)]
    assert [it.lifecycle for it in found] == ["deprecated"] * 4
    assert found[0].retires_at == NOW + timedelta(days=2)
    assert (found[0].legacy_at, found[0].extended_access_at) == (day(1), None)


def test_a_model_that_has_ended_is_there_on_demand() -> None:
    everything = view(snapshot(listing(EAST, ending("a", -1))))

    assert retirements(everything) == ()
    assert [(it.model_id, it.days_left) for it in retirements(everything, include_retired=True)] == [("a", 0)]


def test_dates_stand_by_region_and_a_model_ends_with_its_last_one() -> None:
    found = retirements(
        view(
            snapshot(
                listing(EAST, ending("a", 10, extended_access_at=day(5)), ending("b", 10)),
                listing(WEST, ending("a", 40), ending("b", None)),
            )
        )
    )

    a, b = found
    assert (a.model_id, a.days_left, a.extended_access_at) == ("a", 40, day(5))
    assert [(it.regions, it.end_of_life_at) for it in a.dates] == [
        ((EAST,), NOW + timedelta(days=10)),
        ((WEST,), NOW + timedelta(days=40)),
    ]
    assert (b.model_id, b.retires_at) == ("b", None)


def test_a_scope_sees_the_ends_of_its_regions_alone() -> None:
    parts = (
        listing(EAST, ending("a", 10)),
        listing(WEST, ending("a", 40), model("b")),
        listing("eu-south-2", ending("b", 5)),
    )

    found = retirements(view(snapshot(*parts), regions=(EAST, "eu-south-*")))

    assert [(it.model_id, it.days_left, [dates.regions for dates in it.dates]) for it in found] == [
        ("b", 5, [("eu-south-2",)]),
        ("a", 10, [(EAST,)]),
    ]


def test_an_active_model_with_an_announced_end_is_there() -> None:
    found = retirements(view(snapshot(listing(EAST, model("a", end_of_life_at=NOW + timedelta(days=9))))))

    assert [(it.model_id, it.lifecycle, it.days_left) for it in found] == [("a", "active", 9)]


def test_the_metrics_know_what_ends_within_180_days_everywhere() -> None:
    rows = ending("a", 180), ending("b", 181), ending("c", -1), ending("d", None), model("e")

    assert ending_soon(snapshot(listing(EAST, *rows)), at=NOW) == {"a": NOW + timedelta(days=180)}


def test_aliases_of_a_model_and_of_its_profiles_stand_beside_it() -> None:
    parts = listing(EAST, ending("a", 10), model("b"), profile("us.a", {"a": [EAST]}))
    aliases = [
        Alias(name=name, target=it) for name, it in (("two", "us.a"), ("one", "a"), ("other", "b"), ("gone", "c"))
    ]

    (found,) = retirements(CatalogView(snapshot(parts), Scope(), aliases))

    assert found.aliases == ("one", "two")


def test_the_newest_active_model_of_the_same_line_is_a_hint() -> None:
    cards = {it: {"line": "opus"} for it in ("old", "new", "newest", "legacy")} | {"alone": {"line": "haiku"}}
    book = NO_CARDS.with_operator(cards, as_of=NOW.date())
    rows = (
        ending("old", 10),
        model("new", start_of_life_at=day(5)),
        model("newest", start_of_life_at=day(6)),
        ending("legacy", 20, start_of_life_at=day(7)),
        ending("alone", 30),
        ending("unknown", 40),
    )

    found = retirements(view(build_snapshot(snapshot(listing(EAST, *rows)).state, at=NOW, cards=book)))

    assert [(it.model_id, it.replacement_hint) for it in found] == [
        ("old", "newest"),
        ("legacy", "newest"),
        ("alone", None),
        ("unknown", None),
    ]
