"""Search by what cards know: limits, capabilities and tools as filters, prices and context as orders."""

from typing import Any

import pytest

from app.catalog.paging import UnknownCursor
from app.catalog.records import RemovedModel
from app.catalog.scope import ALL_VIEW, Scope
from app.catalog.search import CAPABILITIES, SORTS, ModelFilter, search
from app.catalog.snapshot import build_snapshot
from app.catalog.view import CatalogView, ListFilter, UnknownValue
from tests.support.builders import NOW, day, listing, model, profile, snapshot
from tests.unit.cards.support import book, tree

CARDS = book(
    litellm={
        "big": {"max_input_tokens": 1000, "max_tokens": 50, "prices": {"input": "10", "output": "30"}},
        "cheap": {"max_input_tokens": 1000, "tool_use": True, "prices": {"input": "9", "output": "40"}},
        "small": {"max_input_tokens": 200, "max_tokens": 20, "tool_use": False},
        "us.big": {"prices": {"input": "11"}},
    },
    operator={"big": {"capabilities": tree(citations={"supported": True})}},
)
VIEW = CatalogView(
    build_snapshot(
        snapshot(
            listing(
                "us-east-1",
                model("none", start_of_life_at=day(9)),
                model("big", start_of_life_at=day(4)),
                model("cheap", start_of_life_at=day(3)),
                model("small", start_of_life_at=day(2)),
                profile("us.big", {"big": ["us-east-1"]}),
            ),
            removed=(RemovedModel(id="gone", created_at=day(3), removed_at=NOW),),
        ).state,
        at=NOW,
        cards=CARDS,
    ),
    Scope(),
)


def found(
    listed: ListFilter | None = None, *, after: str | None = None, sort: str = "created", **wanted: Any
) -> list[str]:
    result = search(VIEW, ModelFilter(**wanted), listed or ListFilter(), limit=9, after_id=after, sort=sort)
    if after is None:
        assert result.total == len(result.page.entries)
    return [it.id for it in result.page.entries]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"min_input_tokens": 1000}, ["big", "cheap"]),
        ({"min_input_tokens": 1001}, []),
        ({"min_input_tokens": 1}, ["big", "cheap", "small"]),
        ({"min_output_tokens": 20}, ["big", "small"]),
        ({"min_output_tokens": 21}, ["big"]),
        ({"min_input_tokens": 1000, "min_output_tokens": 20}, ["big"]),
        ({"capabilities": ["citations"]}, ["big"]),
        ({"capabilities": [" Citations "]}, ["big"]),
        ({"capabilities": ["citations", "thinking"]}, []),
        ({"capabilities": ["tool_use"]}, ["cheap"]),
    ],
)
def test_what_is_unknown_matches_no_filter(wanted: dict[str, Any], expected: list[str]) -> None:
    assert found(**wanted) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("created", ["none", "big", "cheap", "small"]),
        ("price_input", ["cheap", "big", "none", "small"]),
        ("price_output", ["big", "cheap", "none", "small"]),
        ("context", ["big", "cheap", "small", "none"]),
        (" Context", ["big", "cheap", "small", "none"]),
    ],
)
def test_the_unknown_sorts_last_and_equals_as_in_every_list(sort: str, expected: list[str]) -> None:
    assert found(sort=sort) == expected
    for place, entry_id in enumerate(expected):
        assert found(sort=sort, after=entry_id) == expected[place + 1 :]


def test_an_entry_sorts_by_its_own_list_price() -> None:
    everything = ListFilter(view=ALL_VIEW)

    assert found(everything, sort="price_input") == ["cheap", "big", "us.big", "none", "small"]
    assert found(everything, sort="price_output") == ["big", "cheap", "none", "us.big", "small"]


def test_the_cursor_may_be_an_entry_that_the_filter_leaves_out() -> None:
    assert found(sort="price_input", after="cheap", min_output_tokens=1) == ["big", "small"]


def test_the_cursor_of_a_model_that_has_left_works_in_the_default_order_alone() -> None:
    assert found(after="gone") == ["small"]
    for sort in SORTS.keys() - {"created"}:
        with pytest.raises(UnknownCursor):
            found(after="gone", sort=sort)


@pytest.mark.parametrize(
    ("field", "wanted", "allowed"),
    [
        ("capability", {"capabilities": ["thinking.types.deep"]}, CAPABILITIES),
        ("sort", {"sort": "price"}, SORTS),
    ],
)
def test_an_unknown_word_names_what_is_allowed(field: str, wanted: dict[str, Any], allowed: tuple[str, ...]) -> None:
    with pytest.raises(UnknownValue) as failed:
        found(**wanted)

    assert (failed.value.field, failed.value.allowed) == (field, tuple(sorted(allowed)))
