"""A change of access is an event: from one known state to another, and no other."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.access import (
    ACCESS_STATES,
    DENIED,
    GRANTED,
    KNOWN_STATES,
    ON_FIRST_USE,
    UNKNOWN,
    AccessAnswer,
    AccessState,
)
from app.catalog.access_changes import add_answers
from app.catalog.codec import decode_state, encode_state
from app.catalog.event_changes import ACCESS_CHANGED
from app.catalog.event_text import title_of
from app.catalog.next_snapshot import next_snapshot
from app.catalog.scope import EntryPatterns
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.visible_events import EventFilter, visible_events
from tests.support.builders import NOW, listing, model, snapshot, view

DAY = timedelta(days=1)
CATALOG = snapshot(
    listing("us-east-1", model("maker.a", name="Model A"), model("maker.b")),
    listing("eu-west-1", model("maker.b")),
    access=AccessState(),
)


def answered(before: CatalogSnapshot, *states: str | None, model_id: str = "maker.a") -> CatalogSnapshot:
    """The snapshot after some answers, a minute between them; None is a failure."""
    found = before
    for number, state in enumerate(states):
        at = NOW + timedelta(minutes=number)
        answer = AccessAnswer(
            region="us-east-1", model_id=model_id, at=at, state=state, code="" if state else "Timeout"
        )
        found = add_answers(found, [answer], period=DAY, at=at)
    return found


def changes(found: CatalogSnapshot) -> list[tuple[str | None, str | None]]:
    assert {it.type for it in found.state.events} <= {ACCESS_CHANGED}
    return [
        (it.before.access if it.before else None, it.after.access if it.after else None) for it in found.state.events
    ]


@given(st.lists(st.none() | st.sampled_from(ACCESS_STATES), max_size=6))
def test_only_a_change_between_two_known_states_is_an_event(states: list[str | None]) -> None:
    # A failure leaves the last answer; before the first one there is none.
    held: list[str] = []
    for state in states:
        held.append(state or (held[-1] if held else UNKNOWN))

    expected = [(old, new) for old, new in pairwise(held) if old != new and {old, new} <= set(KNOWN_STATES)]
    assert changes(answered(CATALOG, *states)) == expected


def test_several_answers_that_are_published_together_make_one_event() -> None:
    first = answered(CATALOG, GRANTED)
    answers = [
        AccessAnswer(region="us-east-1", model_id="maker.a", at=NOW, state=state) for state in (ON_FIRST_USE, DENIED)
    ]

    assert changes(add_answers(first, answers, period=DAY, at=NOW)) == [(GRANTED, DENIED)]


def test_an_event_says_what_was_and_what_is_and_no_more() -> None:
    found = answered(CATALOG, DENIED, GRANTED)

    [seen] = visible_events(view(found), found.state.events, EventFilter())
    assert (seen.before, seen.after) == ({"access": DENIED}, {"access": GRANTED})
    assert seen.event.at == NOW + timedelta(minutes=1)
    assert title_of(seen) == "Model A is reported as granted, no longer as denied"


@pytest.mark.parametrize(
    ("scope", "wanted", "count"),
    [
        ({}, EventFilter(), 1),
        ({}, EventFilter(types=(ACCESS_CHANGED,)), 1),
        ({}, EventFilter(types=("model.added",)), 0),
        ({}, EventFilter(regions=("us-*",)), 1),
        ({}, EventFilter(regions=("eu-*",)), 0),
        ({"models": EntryPatterns(("maker.b",))}, EventFilter(), 0),
        ({"regions": ("eu-*",)}, EventFilter(), 0),
        ({"models": EntryPatterns(("maker.a",))}, EventFilter(), 1),
    ],
)
def test_who_does_not_see_the_model_does_not_see_the_event(
    scope: dict[str, object], wanted: EventFilter, count: int
) -> None:
    found = answered(CATALOG, DENIED, GRANTED)

    assert len(list(visible_events(view(found, **scope), found.state.events, wanted))) == count


def test_an_event_is_stored_and_read_back() -> None:
    found = answered(CATALOG, DENIED, GRANTED, DENIED)

    assert decode_state(encode_state(found.state)) == found.state
    assert len(found.state.events) == 2


def test_a_refresh_makes_no_event_of_access_and_keeps_those_that_there_are() -> None:
    found = answered(CATALOG, DENIED, GRANTED)

    after = next_snapshot(
        found,
        [*listing("us-east-1", model("maker.a", name="Model A"), model("maker.b")), *listing("eu-west-1")],
        source="aws",
        regions=found.state.regions,
        at=NOW + timedelta(hours=1),
        max_stale=DAY,
        has_access=True,
    )

    assert after.state.events == found.state.events


def test_a_model_that_left_and_came_back_begins_anew() -> None:
    found = answered(CATALOG, DENIED)
    without = snapshot(listing("us-east-1", model("maker.b")), access=found.state.access)
    # A report of a model that is not there is not kept.
    without = add_answers(without, [], period=DAY, at=NOW)
    back = replace(CATALOG, state=replace(CATALOG.state, access=without.state.access))

    assert changes(answered(back, GRANTED)) == []


def test_event_ids_grow_whatever_the_clock_does() -> None:
    found = answered(CATALOG, DENIED, GRANTED)
    answer = AccessAnswer(region="us-east-1", model_id="maker.a", at=NOW - DAY, state=DENIED)

    later = add_answers(found, [answer], period=DAY, at=NOW - DAY)

    ids = [it.id for it in later.state.events]
    assert len(ids) == 2 and ids == sorted(set(ids))
