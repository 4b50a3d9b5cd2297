"""What is stored and what the discovery child writes: read back as it was, or refused with the path to the damage."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.codec import FORMAT, decode_format_1, decode_result, decode_state, encode_result, encode_state
from app.catalog.parts import row_class_of
from app.catalog.reading import Malformed
from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    MANTLE,
    MODELS,
    PROFILES,
    PROVISIONED,
    ROUTERS,
    AccountModel,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    Invocation,
    MantleModel,
    PartFailure,
    PartListing,
    PartResult,
    RemovedModel,
)
from app.catalog.scope import ALL_VIEW
from app.catalog.snapshot import build_snapshot
from app.catalog.status import status_of
from app.catalog.view import ListFilter
from tests.support.builders import NOW, day, failure, failures, listing, model, profile, view

PARTS = st.sampled_from([MODELS, PROFILES, APPLICATION_PROFILES, PROVISIONED, ROUTERS, MANTLE])
WORDS = st.text(min_size=1, max_size=6)
INSTANTS = st.datetimes(timezones=st.just(UTC))
SOME_WORDS = st.lists(WORDS, max_size=3).map(tuple)
COUNTS = st.integers(0, 10**9)

MODEL_ROWS = st.builds(
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
PROFILE_ROWS = st.builds(
    InferenceProfile,
    id=WORDS,
    name=st.none() | WORDS,
    type=st.none() | WORDS,
    status=st.none() | WORDS,
    models=st.lists(st.tuples(WORDS, SOME_WORDS), max_size=3).map(tuple),
)
ACCOUNT_ROWS = st.builds(
    AccountModel,
    id=WORDS,
    name=st.none() | WORDS,
    base_id=st.none() | WORDS,
    status=st.none() | WORDS,
    created_at=st.none() | INSTANTS,
    updated_at=st.none() | INSTANTS,
    commitment_ends_at=st.none() | INSTANTS,
    is_chat=st.none() | st.booleans(),
    profile_ids=st.none() | SOME_WORDS,
)
MANTLE_ROWS = st.builds(
    MantleModel,
    id=WORDS,
    created_at=st.none() | INSTANTS,
    status=st.none() | WORDS,
    data_retention_modes=st.none() | SOME_WORDS,
)
ROWS: dict[type[Any], st.SearchStrategy[Any]] = {
    FoundationModel: MODEL_ROWS,
    InferenceProfile: PROFILE_ROWS,
    AccountModel: ACCOUNT_ROWS,
    MantleModel: MANTLE_ROWS,
}


@st.composite
def part_listings(draw: st.DrawFn) -> PartListing:
    part = draw(PARTS)
    rows = ROWS[row_class_of(part)]
    return PartListing(
        region=draw(WORDS),
        part=part,
        listed_at=draw(INSTANTS),
        rows=tuple(draw(st.lists(rows, max_size=4))),
        skipped_rows=draw(COUNTS),
        unread_fields=draw(COUNTS),
        backfilled_rows=draw(COUNTS),
        duration_ms=draw(COUNTS),
    )


def part_of(result: PartResult) -> tuple[str, str]:
    return result.region, result.part


FAILURES = st.builds(
    PartFailure,
    region=WORDS,
    part=PARTS,
    failed_at=INSTANTS,
    code=WORDS,
    action=st.just("") | WORDS,
    detail=st.just("") | WORDS,
    duration_ms=COUNTS,
)
REMOVED = st.builds(
    RemovedModel,
    id=WORDS,
    created_at=INSTANTS,
    removed_at=INSTANTS,
    model_id=st.just("") | WORDS,
    provider=st.none() | WORDS,
    invocations=st.lists(
        st.builds(Invocation, kind=WORDS, regions=SOME_WORDS, profile_id=st.none() | WORDS, destinations=SOME_WORDS),
        max_size=2,
    ).map(tuple),
)
STATES = st.builds(
    CatalogState,
    source=WORDS,
    attempted_at=INSTANTS,
    configured_regions=SOME_WORDS,
    regions=SOME_WORDS,
    parts=st.lists(PARTS, min_size=1, unique=True).map(tuple),
    refreshed_at=st.none() | INSTANTS,
    changed_at=st.none() | INSTANTS,
    retries=COUNTS,
    retried_at=st.none() | INSTANTS,
    listings=st.lists(part_listings(), max_size=3, unique_by=part_of).map(tuple),
    failures=st.lists(FAILURES, max_size=2, unique_by=part_of).map(tuple),
    removed=st.lists(REMOVED, max_size=2).map(tuple),
)

STATE = CatalogState(
    source="aws",
    attempted_at=NOW,
    regions=("us-east-1", "eu-west-1"),
    refreshed_at=NOW,
    changed_at=NOW,
    listings=(
        *listing(
            "us-east-1", model("a", name="A", legacy_at=day(4)), model("b"), profile("us.a", {"a": ["us-west-2"]})
        ),
        *listing("eu-west-1", model("b"), profile("eu.a", "a", "b"), duration_ms=12, skipped_rows=1),
    ),
    failures=(failure("eu-west-1", MODELS, "Timeout", detail="no answer", duration_ms=5),),
    removed=(RemovedModel(id="z", created_at=day(1), removed_at=NOW),),
)


@given(STATES)
def test_a_state_is_read_back_as_it_was_stored(state: CatalogState) -> None:
    assert decode_state(encode_state(state)) == state


@given(part_listings() | FAILURES)
def test_a_result_is_read_back_as_it_was_written_on_one_line(result: PartResult) -> None:
    line = encode_result(result)

    assert decode_result(line, {}) == result
    assert line.endswith(b"\n") and line.count(b"\n") == 1


def test_equal_rows_are_one_object_in_the_stored_form_and_in_memory() -> None:
    regions = [
        listing(region, model("a", name="The same everywhere"), profile("us.a", "a", name="So is this"))
        for region in ("us-east-1", "eu-west-1")
    ]
    state = CatalogState(source="aws", attempted_at=NOW, listings=(*regions[0], *regions[1]))

    stored = encode_state(state)
    models, profiles, other_models, other_profiles = decode_state(stored).listings

    assert stored.count(b"The same everywhere") == stored.count(b"So is this") == 1
    assert models.rows[0] is other_models.rows[0]
    assert profiles.rows[0] is other_profiles.rows[0]


def test_equal_rows_of_two_results_are_one_object() -> None:
    known: dict[Any, Any] = {}
    one, two = (
        decode_result(encode_result(part), known)
        for region in ("us-east-1", "eu-west-1")
        for part in listing(region, model("a"), without=[PROFILES])
    )

    assert isinstance(one, PartListing) and isinstance(two, PartListing)
    assert one.rows[0] is two.rows[0]


def test_what_a_later_version_adds_is_no_damage() -> None:
    stored = json.loads(encode_state(STATE))
    stored["new"] = stored["models"][0]["new"] = stored["listings"][0]["new"] = {"something": "new"}

    assert decode_state(json.dumps(stored).encode()) == STATE


def test_what_an_earlier_version_left_out_has_its_default() -> None:
    stored = json.loads(encode_state(STATE))
    for key in ("parts", "retries", "retried_at", "configured_regions", "removed", "failures"):
        del stored[key]

    found = decode_state(json.dumps(stored).encode())

    assert (found.parts, found.retries, found.retried_at) == (BASE_PARTS, 0, None)
    assert (found.configured_regions, found.removed, found.failures) == ((), (), ())


# Format 1, which 0.1 wrote.

OPUS = "anthropic.claude-opus-4-8"
EARLIER = NOW - timedelta(minutes=15)
FORMAT_1 = Path(__file__).parents[2] / "data" / "snapshot-format-1.json"


def read_format_1() -> CatalogState:
    header, _, data = FORMAT_1.read_bytes().partition(b"\n")
    head = json.loads(header)
    assert head == {
        "kind": "bedrock-model-catalog",
        "format": 1,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return decode_format_1(data)


def test_a_state_of_format_1_is_read_as_what_it_says() -> None:
    found = read_format_1()

    assert found.source == "aws"
    assert found.attempted_at == found.refreshed_at == found.changed_at == NOW
    assert found.configured_regions == found.regions == ("us-east-1", "eu-west-1", "sa-east-1")
    assert found.parts == BASE_PARTS
    assert (found.retries, found.retried_at) == (0, None)
    assert [
        (it.region, it.part, it.listed_at, it.duration_ms, [row.id for row in it.rows]) for it in found.listings
    ] == [
        ("us-east-1", MODELS, NOW, 305, [OPUS, "amazon.nova-lite-v1:0", "mistral.pixtral-large-2502-v1:0"]),
        ("us-east-1", PROFILES, NOW, 305, ["us.amazon.nova-lite-v1:0", f"us.{OPUS}"]),
        ("eu-west-1", MODELS, EARLIER, 420, [OPUS, "amazon.nova-lite-v1:0", "maker.bare"]),
        ("eu-west-1", PROFILES, EARLIER, 420, [f"eu.{OPUS}"]),
    ]
    reason = "not authorized to perform: bedrock:ListFoundationModels"
    assert found.failures == (
        *failures("eu-west-1", "Timeout", duration_ms=30_000),
        *failures("sa-east-1", "AccessDeniedException", detail=reason, duration_ms=75),
    )
    assert found.removed == (RemovedModel(id="maker.gone", created_at=day(5), removed_at=NOW),)


def test_rows_of_format_1_are_whole() -> None:
    models, profiles, other_models, _ = read_format_1().listings

    assert models.rows[1:] == (
        FoundationModel(
            id="amazon.nova-lite-v1:0",
            name="Nova Lite",
            provider="Amazon",
            input_modalities=("TEXT",),
            output_modalities=("TEXT",),
            response_streaming=True,
            inference_types=("ON_DEMAND", "INFERENCE_PROFILE"),
            lifecycle_status="LEGACY",
            start_of_life_at=day(-400),
            legacy_at=day(10),
            extended_access_at=day(300),
            end_of_life_at=day(400),
        ),
        FoundationModel(
            id="mistral.pixtral-large-2502-v1:0",
            name="Pixtral Large \N{EN DASH} \N{LATIN SMALL LETTER E WITH ACUTE}t\N{LATIN SMALL LETTER E WITH ACUTE}",
            provider="Mistral AI",
            input_modalities=("TEXT",),
            output_modalities=("TEXT",),
            response_streaming=True,
            inference_types=("ON_DEMAND",),
            lifecycle_status="ACTIVE",
            start_of_life_at=day(-200),
        ),
    )
    assert other_models.rows[2] == FoundationModel(id="maker.bare")
    assert other_models.rows[0] is models.rows[0]
    # It does not say where a profile is processed, nor what it is called.
    assert profiles.rows[1] == InferenceProfile(id=f"us.{OPUS}", status="ACTIVE", models=((OPUS, ()),))


def test_a_catalog_of_format_1_is_served() -> None:
    found = build_snapshot(read_format_1(), at=NOW)

    assert [(it.id, it.lifecycle, it.regions, it.inference_profiles) for it in found.models] == [
        (OPUS, "active", ("eu-west-1", "us-east-1"), {f"eu.{OPUS}": ("eu-west-1",), f"us.{OPUS}": ("us-east-1",)}),
        ("mistral.pixtral-large-2502-v1:0", "active", ("us-east-1",), {}),
        (
            "amazon.nova-lite-v1:0",
            "deprecated",
            ("eu-west-1", "us-east-1"),
            {"us.amazon.nova-lite-v1:0": ("us-east-1",)},
        ),
        ("maker.bare", "active", (), {}),
    ]
    assert found.removed["maker.gone"].created_at == day(5)
    entry = view(found).find(f"eu.{OPUS}")
    assert entry is not None and entry.name == "Claude Opus 4.8 (EU)"
    assert [(it.region, it.state) for it in status_of(found, at=NOW, refresh_s=900).regions] == [
        ("eu-west-1", "stale"),
        ("sa-east-1", "missing"),
        ("us-east-1", "fresh"),
    ]


def test_a_state_of_format_1_is_stored_in_the_format_of_today() -> None:
    state = read_format_1()

    assert FORMAT == 2
    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("listings", [{"region": "a"}, {"region": "a"}], "listings[1].region"),
        (
            "listings",
            [{"region": "a", "listed_at": "2026-11-22", "took_ms": 1, "models": [4]}],
            "listings[0].models[0]",
        ),
        ("profiles", [{"id": "p", "model_ids": [None]}], "profiles[0].model_ids[0]"),
        ("failures", [{"region": "a"}], "failures[0].failed_at"),
        ("departed", [{"id": "a", "created_at": "2026-11-22"}], "departed[0].left_at"),
        ("source", None, "source"),
    ],
)
def test_damage_to_format_1_is_refused_with_the_path_to_it(key: str, value: Any, path: str) -> None:
    stored = json.loads(FORMAT_1.read_bytes().partition(b"\n")[2])

    with pytest.raises(Malformed) as caught:
        decode_format_1(json.dumps(stored | {key: value}).encode())

    assert str(caught.value).partition(": expected ")[0] == path


# Damage.


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
        (put("profiles", 0, "models", [["a"]]), "profiles[0].models[0]"),
        (put("profiles", 0, "models", [["a", [], []]]), "profiles[0].models[0]"),
        (put("profiles", 0, "models", [[None, []]]), "profiles[0].models[0][0]"),
        (put("profiles", 0, "models", [["a", "us-east-1"]]), "profiles[0].models[0][1]"),
        (put("profiles", 0, "models", [["a", [""]]]), "profiles[0].models[0][1][0]"),
        (put("parts", [7]), "parts[0]"),
        (put("regions", "all"), "regions"),
        (put("retries", -1), "retries"),
        (put("retried_at", "soon"), "retried_at"),
        (put("listings", "none"), "listings"),
        (put("listings", 1, "part", "models"), "listings[1].part"),
        (put("listings", 0, "part", None), "listings[0].part"),
        (put("listings", 0, "region", None), "listings[0].region"),
        (put("listings", 0, "duration_ms", -1), "listings[0].duration_ms"),
        (put("listings", 0, "duration_ms", 1.5), "listings[0].duration_ms"),
        (put("listings", 0, "skipped_rows", True), "listings[0].skipped_rows"),
        (put("listings", 0, "unread_fields", None), "listings[0].unread_fields"),
        (put("listings", 0, "rows", [0, 2]), "listings[0].rows[1]"),
        (put("listings", 0, "rows", [-1]), "listings[0].rows[0]"),
        (put("listings", 0, "rows", ["0"]), "listings[0].rows[0]"),
        (put("listings", 1, "rows", [9]), "listings[1].rows[0]"),
        (put("failures", 0, "code", ""), "failures[0].code"),
        (put("failures", 0, "detail", []), "failures[0].detail"),
        (put("failures", 0, "action", 7), "failures[0].action"),
        (put("failures", 0, "part", ""), "failures[0].part"),
        (put("removed", 0, "removed_at", None), "removed[0].removed_at"),
        (put("removed", [None]), "removed[0]"),
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
        decode_format_1(data)
    with pytest.raises(Malformed):
        decode_result(data, {})


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"listing": None}, "listing"),
        ({"listing": []}, "listing"),
        ({"listing": {"region": "r"}}, "listing.part"),
        ({"failure": "no"}, "failure"),
        ({"failure": {"region": "r", "part": "models"}}, "failure.failed_at"),
        (
            {"listing": {"region": "r", "part": "models", "listed_at": "2026-11-22T12:00:00Z", "duration_ms": None}},
            "listing.duration_ms",
        ),
    ],
)
def test_a_line_that_is_no_result_is_refused_with_the_path(line: Any, path: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode_result(json.dumps(line).encode(), {})

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

    found = build_snapshot(state, at=datetime(2026, 11, 22, tzinfo=UTC))
    view(found).entry_list(ListFilter(view=ALL_VIEW))
    status_of(found, at=NOW, refresh_s=900)


@given(st.integers(0, len(encode_state(STATE)) - 2))
def test_a_state_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(Malformed):
        decode_state(encode_state(STATE)[:length])
