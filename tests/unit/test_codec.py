"""What is stored and what the discovery child writes: read back as it was, or refused with the path to the damage."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.codec import decode_state, decode_visit, encode_state, encode_visit
from app.catalog.merge import derive
from app.catalog.reading import Malformed
from app.catalog.records import (
    CatalogState,
    Departed,
    FoundationModel,
    InferenceProfile,
    RegionFailure,
    RegionListing,
)
from tests.support.builders import NOW, day, listing, model, profile

WORDS = st.text(min_size=1, max_size=6)
INSTANTS = st.datetimes(timezones=st.just(UTC))
SOME_WORDS = st.lists(WORDS, max_size=3).map(tuple)
COUNTS = st.integers(0, 10**9)

MODELS = st.builds(
    FoundationModel,
    id=WORDS,
    name=st.none() | WORDS,
    provider=st.none() | WORDS,
    input_modalities=st.none() | SOME_WORDS,
    output_modalities=st.none() | SOME_WORDS,
    response_streaming=st.none() | st.booleans(),
    inference_types=st.none() | SOME_WORDS,
    lifecycle_status=st.none() | WORDS,
    start_of_life_at=st.none() | INSTANTS,
    legacy_at=st.none() | INSTANTS,
    extended_access_at=st.none() | INSTANTS,
    end_of_life_at=st.none() | INSTANTS,
)
PROFILES = st.builds(InferenceProfile, id=WORDS, status=st.none() | WORDS, model_ids=SOME_WORDS)
LISTINGS = st.builds(
    RegionListing,
    region=WORDS,
    listed_at=INSTANTS,
    models=st.lists(MODELS, max_size=4).map(tuple),
    profiles=st.lists(PROFILES, max_size=3).map(tuple),
    skipped_rows=COUNTS,
    skipped_ids=SOME_WORDS,
    completed_rows=COUNTS,
    took_ms=COUNTS,
)
FAILURES = st.builds(
    RegionFailure, region=WORDS, failed_at=INSTANTS, code=WORDS, detail=st.just("") | WORDS, took_ms=COUNTS
)
STATES = st.builds(
    CatalogState,
    source=WORDS,
    attempted_at=INSTANTS,
    asked_for=SOME_WORDS,
    refreshed_at=st.none() | INSTANTS,
    changed_at=st.none() | INSTANTS,
    listings=st.lists(LISTINGS, max_size=3, unique_by=lambda item: item.region).map(tuple),
    failures=st.lists(FAILURES, max_size=2, unique_by=lambda item: item.region).map(tuple),
    departed=st.lists(st.builds(Departed, id=WORDS, created_at=INSTANTS, left_at=INSTANTS), max_size=2).map(tuple),
)

STATE = CatalogState(
    source="aws",
    attempted_at=NOW,
    refreshed_at=NOW,
    changed_at=NOW,
    listings=(
        listing("us-east-1", model("a", name="A", legacy_at=day(4)), model("b"), profile("us.a", "a")),
        listing("eu-west-1", model("b"), profile("eu.a", "a"), took_ms=12, skipped_rows=1, skipped_ids=("x",)),
    ),
    failures=(RegionFailure(region="eu-west-1", failed_at=NOW, code="Timeout", detail="no answer", took_ms=5),),
    departed=(Departed(id="z", created_at=day(1), left_at=NOW),),
)


@given(STATES)
def test_a_state_is_read_back_as_it_was_stored(state: CatalogState) -> None:
    assert decode_state(encode_state(state)) == state


@given(LISTINGS | FAILURES)
def test_a_visit_is_read_back_as_it_was_written_on_one_line(visit: RegionListing | RegionFailure) -> None:
    line = encode_visit(visit)

    assert decode_visit(line, {}) == visit
    assert line.endswith(b"\n") and line.count(b"\n") == 1


def test_equal_rows_are_one_object_in_the_stored_form_and_in_memory() -> None:
    row = model("a", name="The same everywhere")
    state = CatalogState(
        source="aws", attempted_at=NOW, listings=(listing("us-east-1", row), listing("eu-west-1", row))
    )

    stored = encode_state(state)
    one, two = decode_state(stored).listings

    assert stored.count(b"The same everywhere") == 1
    assert one.models[0] is two.models[0]


def test_equal_rows_of_two_visits_are_one_object() -> None:
    known: dict[Any, Any] = {}
    visits = [decode_visit(encode_visit(listing(name, model("a"), profile("us.a", "a"))), known) for name in "xy"]

    one, two = (visit for visit in visits if isinstance(visit, RegionListing))

    assert one.models[0] is two.models[0]
    assert one.profiles[0] is two.profiles[0]


def damaged(change: Callable[[Any], None]) -> bytes:
    stored = json.loads(encode_state(STATE))
    change(stored)
    return json.dumps(stored).encode()


def put(*path_and_value: Any) -> Callable[[Any], None]:
    """Put a value at a path."""
    *path, last, value = path_and_value

    def change(stored: Any) -> None:
        for step in path:
            stored = stored[step]
        stored[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (put("source", None), "source"),
        (put("source", ""), "source"),
        (put("attempted_at", None), "attempted_at"),
        (put("attempted_at", "2026-11-22T12:00:00"), "attempted_at"),
        (put("attempted_at", "yesterday"), "attempted_at"),
        (put("attempted_at", True), "attempted_at"),
        (put("attempted_at", 10**400), "attempted_at"),
        (put("attempted_at", float("nan")), "attempted_at"),
        (put("attempted_at", "0001-01-01T00:00:00+14:00"), "attempted_at"),
        (put("refreshed_at", []), "refreshed_at"),
        (put("models", {}), "models"),
        (put("models", 1, "row"), "models[1]"),
        (put("models", 0, "id", None), "models[0].id"),
        (put("models", 0, "id", 7), "models[0].id"),
        (put("models", 0, "id", "\ud800"), "models[0].id"),
        (put("models", 0, "name", ""), "models[0].name"),
        (put("models", 0, "input_modalities", "TEXT"), "models[0].input_modalities"),
        (put("models", 0, "input_modalities", ["TEXT", None]), "models[0].input_modalities[1]"),
        (put("models", 0, "response_streaming", 1), "models[0].response_streaming"),
        (put("models", 0, "end_of_life_at", {}), "models[0].end_of_life_at"),
        (put("profiles", 0, "model_ids", [["a"]]), "profiles[0].model_ids[0]"),
        (put("listings", "none"), "listings"),
        (put("listings", 1, "region", "us-east-1"), "listings[1].region"),
        (put("listings", 0, "region", None), "listings[0].region"),
        (put("listings", 0, "took_ms", -1), "listings[0].took_ms"),
        (put("listings", 0, "took_ms", 1.5), "listings[0].took_ms"),
        (put("listings", 0, "skipped_rows", True), "listings[0].skipped_rows"),
        (put("listings", 0, "models", [0, 2]), "listings[0].models[1]"),
        (put("listings", 0, "models", [-1]), "listings[0].models[0]"),
        (put("listings", 0, "models", ["0"]), "listings[0].models[0]"),
        (put("listings", 0, "profiles", [9]), "listings[0].profiles[0]"),
        (put("failures", 0, "code", ""), "failures[0].code"),
        (put("failures", 0, "detail", []), "failures[0].detail"),
        (put("departed", 0, "left_at", None), "departed[0].left_at"),
        (put("departed", [None]), "departed[0]"),
    ],
)
def test_damage_to_the_stored_form_is_refused_with_the_path_to_it(change: Callable[[Any], None], path: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode_state(damaged(change))

    assert str(caught.value).partition(": expected ")[0] == path


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"7", b'"state"', b"{", b"\xff\xfe", b"{}", b"[" * 100_000, b"9" * 5000, b"\x00"],
)
def test_what_is_no_object_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_state(data)
    with pytest.raises(Malformed):
        decode_visit(data, {})


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"listing": None}, "listing"),
        ({"listing": []}, "listing"),
        ({"failure": "no"}, "failure"),
        ({"failure": {"region": "r"}}, "failure.failed_at"),
        ({"listing": {"region": "r", "listed_at": "2026-11-22T12:00:00Z", "took_ms": None}}, "listing.took_ms"),
    ],
)
def test_a_line_that_is_no_visit_is_refused_with_the_path(line: Any, path: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode_visit(json.dumps(line).encode(), {})

    assert str(caught.value).partition(": expected ")[0] == path


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=4), children, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value inside a value."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inside:
        yield (*path, step)
        yield from places(item, (*path, step))


PLACES = list(places(json.loads(encode_state(STATE))))


@given(st.sampled_from(PLACES), JSON_VALUES)
def test_any_value_in_any_place_is_either_refused_or_a_state_that_can_be_served(
    path: tuple[Any, ...], value: Any
) -> None:
    try:
        state = decode_state(damaged(put(*path, value)))
    except Malformed:
        return

    derive(state, at=datetime(2026, 11, 22, tzinfo=UTC))


@given(st.integers(0, len(encode_state(STATE)) - 2))
def test_a_state_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(Malformed):
        decode_state(encode_state(STATE)[:length])
