"""What AWS changed between two refreshes is an event each; what changed here, or is not known, is none."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog import changes, model_facts
from app.catalog.changes import EVENTS_KEPT, MAX_COMPRESSED_BYTES, MAX_EVENTS, bounded, compressed_size, derive_events
from app.catalog.codec import decode_state, encode_state
from app.catalog.event_changes import (
    ADDED,
    DATES_CHANGED,
    INVOCATION_CHANGED,
    LIFECYCLE_CHANGED,
    REGIONS_CHANGED,
    REMOVED,
    RETIREMENT_NEAR,
    Side,
    changes_of,
)
from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    MODELS,
    PROFILES,
    CatalogEvent,
    FoundationModel,
    InferenceProfile,
    PartFailure,
    PartListing,
    PartResult,
)
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from tests.support.builders import NOW, failure, failures, listing, model, profile, snapshot
from tests.unit.catalog.generated import REGIONS, WORLDS, World

EAST, WEST = "us-east-1", "eu-west-1"
LATER = NOW + timedelta(minutes=15)
ENDS = NOW + timedelta(days=200)

Listed = Iterable[PartListing]


def following(
    before: CatalogSnapshot,
    *results: Iterable[PartResult] | PartFailure,
    at: datetime = LATER,
    regions: Sequence[str] = (EAST, WEST),
    **options: Any,
) -> CatalogSnapshot:
    flat = [it for result in results for it in ([result] if isinstance(result, PartFailure) else result)]
    fields: dict[str, Any] = {"source": "aws", "max_stale": timedelta(hours=24)}
    return next_snapshot(before, flat, at=at, regions=regions, **(fields | options))


def events(after: CatalogSnapshot) -> list[tuple[str, str, Side | None, Side | None]]:
    return [(it.type, it.model_id, *changes_of(it)) for it in after.state.events]


def types(after: CatalogSnapshot) -> list[str]:
    return [it.type for it in after.state.events]


def on_demand(*regions: str) -> Side:
    return {"on_demand": True, "profile": None, "regions": list(regions), "destinations": []}


def through(profile_id: str, regions: Sequence[str], destinations: Sequence[str] = ()) -> Side:
    return {"on_demand": False, "profile": profile_id, "regions": list(regions), "destinations": list(destinations)}


# Each type.


def test_a_model_that_comes_is_added_with_all_that_is_known_of_it() -> None:
    before = snapshot(listing(EAST), listing(WEST, model("a")))
    new = model("b", name="B", lifecycle_status="LEGACY", legacy_at=NOW, end_of_life_at=ENDS)

    after = following(before, listing(EAST, new, profile("us.b", {"b": ["us-east-1"]})), listing(WEST, model("a")))

    assert events(after) == [
        (
            ADDED,
            "b",
            None,
            {
                "lifecycle": "deprecated",
                "retires_at": "2027-06-10T12:00:00Z",
                "lifecycles": {"deprecated": [EAST]},
                "dates": [
                    {
                        "regions": [EAST],
                        "legacy_at": "2026-11-22T12:00:00Z",
                        "extended_access_at": None,
                        "end_of_life_at": "2027-06-10T12:00:00Z",
                    }
                ],
                "regions": [EAST],
                "invocations": [through("us.b", [EAST], ["us-east-1"]), on_demand(EAST)],
            },
        )
    ]
    assert [(it.name, it.at, it.before) for it in after.state.events] == [("B", LATER, None)]


def test_a_model_that_leaves_every_region_is_removed() -> None:
    before = snapshot(listing(EAST, model("a"), model("b")), listing(WEST, model("a"), model("b")))

    after = following(before, listing(EAST, model("a")), listing(WEST, model("a")))

    assert events(after) == [
        (
            REMOVED,
            "b",
            {
                "lifecycle": "active",
                "retires_at": None,
                "lifecycles": {"active": [WEST, EAST]},
                "regions": [WEST, EAST],
                "invocations": [on_demand(WEST, EAST)],
            },
            None,
        )
    ]


def test_a_region_that_comes_and_one_that_goes_are_one_change_of_regions() -> None:
    before = snapshot(listing(EAST, model("a"), model("b")), listing(WEST, model("b")))

    after = following(
        before, listing(EAST, model("b")), listing(WEST, model("b"), model("a"), profile("eu.a", {"a": [WEST]}))
    )

    assert events(after) == [
        (
            REGIONS_CHANGED,
            "a",
            {"regions": [EAST], "invocations": [on_demand(EAST)], "lifecycles": {"active": [EAST]}},
            {
                "regions": [WEST],
                "invocations": [through("eu.a", [WEST], [WEST]), on_demand(WEST)],
                "lifecycles": {"active": [WEST]},
            },
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        (
            [model("a"), profile("us.a", {"a": [EAST]})],
            [model("a", inference_types=("INFERENCE_PROFILE",)), profile("us.a", {"a": [EAST]})],
            {"invocations": [on_demand(EAST)]},
            {},
        ),
        (
            [model("a")],
            [model("a"), profile("us.a", {"a": [EAST]})],
            {},
            {"invocations": [through("us.a", [EAST], [EAST])]},
        ),
        (
            [model("a"), profile("us.a", {"a": [EAST]})],
            [model("a"), profile("us.a", {"a": [EAST, "us-west-2"]})],
            {"invocations": [through("us.a", [EAST], [EAST])]},
            {"invocations": [through("us.a", [EAST], [EAST, "us-west-2"])]},
        ),
        (
            [model("a"), profile("us.a", {"a": [EAST]}), profile("x", "y")],
            [model("a"), profile("us.a", {"a": [EAST]}, status="DELETING"), profile("x", "y")],
            {"invocations": [through("us.a", [EAST], [EAST])]},
            {},
        ),
    ],
)
def test_a_way_to_call_a_model_that_comes_goes_or_leads_elsewhere_is_an_event(
    old: Sequence[Any], new: Sequence[Any], before: Side, after: Side
) -> None:
    first = snapshot(listing(EAST, *old))

    assert events(following(first, listing(EAST, *new), regions=(EAST,))) == [(INVOCATION_CHANGED, "a", before, after)]


def test_a_status_that_turns_to_legacy_is_a_change_of_lifecycle() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("a")))

    first = following(before, listing(EAST, model("a", lifecycle_status="LEGACY")), listing(WEST, model("a")))
    legacy = listing(EAST, model("a", lifecycle_status="LEGACY")), listing(WEST, model("a", lifecycle_status="LEGACY"))
    second = following(first, *legacy, at=LATER + timedelta(minutes=15))

    assert events(second) == [
        (LIFECYCLE_CHANGED, "a", {"lifecycles": {"active": [EAST]}}, {"lifecycles": {"deprecated": [EAST]}}),
        (
            LIFECYCLE_CHANGED,
            "a",
            {"lifecycle": "active", "lifecycles": {"active": [WEST]}},
            {"lifecycle": "deprecated", "lifecycles": {"deprecated": [WEST]}},
        ),
    ]


def test_a_date_that_is_set_moved_and_taken_back_is_a_change_of_dates_each_time() -> None:
    dates = [None, ENDS, ENDS + timedelta(days=30), None]
    states = [listing(EAST, model("a", lifecycle_status="LEGACY", end_of_life_at=it)) for it in dates]

    at, after = NOW, snapshot(states[0])
    for state in states[1:]:
        at += timedelta(minutes=15)
        after = following(after, state, at=at, regions=(EAST,))

    def side(end: str | None) -> Side:
        group = {"regions": [EAST], "legacy_at": None, "extended_access_at": None, "end_of_life_at": end}
        return {"retires_at": end, "dates": [group]}

    first, second = "2027-06-10T12:00:00Z", "2027-07-10T12:00:00Z"
    assert events(after) == [
        (DATES_CHANGED, "a", side(None), side(first)),
        (DATES_CHANGED, "a", side(first), side(second)),
        (DATES_CHANGED, "a", side(second), side(None)),
    ]


# By time alone.


def test_an_end_and_a_legacy_time_that_pass_are_events_of_the_next_refresh() -> None:
    ends, turns = NOW + timedelta(minutes=1), NOW + timedelta(minutes=14)
    rows = model("a", lifecycle_status="LEGACY", end_of_life_at=ends), model("b", legacy_at=turns)

    after = following(snapshot(listing(EAST, *rows)), listing(EAST, *rows), regions=(EAST,))

    assert [(it[:2]) for it in events(after)] == [(LIFECYCLE_CHANGED, "a"), (LIFECYCLE_CHANGED, "b")]
    assert events(after)[0][2:] == (
        {
            "lifecycle": "deprecated",
            "regions": [EAST],
            "invocations": [on_demand(EAST)],
            "lifecycles": {"deprecated": [EAST]},
            "dates": [
                {
                    "regions": [EAST],
                    "legacy_at": None,
                    "extended_access_at": None,
                    "end_of_life_at": "2026-11-22T12:01:00Z",
                }
            ],
        },
        {"lifecycle": "retired", "lifecycles": {"retired": [EAST]}},
    )


def test_a_snapshot_that_was_derived_anew_meanwhile_is_judged_by_its_refresh() -> None:
    rows = (
        model("a", inference_types=("INFERENCE_PROFILE",), end_of_life_at=NOW + timedelta(minutes=1)),
        profile("us.a", {"a": [EAST]}),
    )
    before = snapshot(listing(EAST, *rows))
    assert before.valid_until is not None
    again = build_snapshot(before.state, at=before.valid_until)

    first = following(before, listing(EAST, *rows), regions=(EAST,))
    second = following(again, listing(EAST, *rows), regions=(EAST,))

    assert types(first) == [LIFECYCLE_CHANGED]
    assert events(first) == events(second)


def test_a_moment_is_an_event_once_however_often_it_is_looked_at() -> None:
    rows = (model("a", end_of_life_at=NOW + timedelta(minutes=1)),)
    after = following(snapshot(listing(EAST, *rows)), listing(EAST, *rows), regions=(EAST,))

    again = following(after, listing(EAST, *rows), at=LATER + timedelta(minutes=15), regions=(EAST,))

    assert again.state.events == after.state.events


def test_an_end_in_one_of_two_regions_tells_where() -> None:
    ends = NOW + timedelta(minutes=1)
    parts = listing(EAST, model("a", end_of_life_at=ends)), listing(WEST, model("a"))

    (event,) = events(following(snapshot(*parts), *parts))

    assert event[:2] == (LIFECYCLE_CHANGED, "a")
    assert event[2] is not None and event[3] is not None
    assert (event[2]["regions"], event[2]["lifecycles"], event[3]) == (
        [EAST],
        {"active": [EAST]},
        {"lifecycles": {"retired": [EAST]}},
    )


# Near retirements.


def test_a_retirement_that_comes_near_is_an_event_once_a_threshold() -> None:
    rows = listing(EAST, model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=91)))
    after = snapshot(rows)
    for number in range(1, 92):
        after = following(after, rows, at=NOW + timedelta(days=number), regions=(EAST,))
    seen = [(it.type, changes_of(it)[1], (it.at - NOW).days) for it in after.state.events]

    ends = "2027-02-21T12:00:00Z"
    assert seen[:3] == [
        (RETIREMENT_NEAR, {"within_days": 90, "days_left": 90, "retires_at": ends}, 1),
        (RETIREMENT_NEAR, {"within_days": 30, "days_left": 30, "retires_at": ends}, 61),
        (RETIREMENT_NEAR, {"within_days": 7, "days_left": 7, "retires_at": ends}, 84),
    ]
    assert [it[0] for it in seen[3:]] == [LIFECYCLE_CHANGED]


def test_a_date_that_is_set_near_passes_each_threshold_at_once() -> None:
    before = snapshot(listing(EAST, model("a")))
    near = model("a", lifecycle_status="LEGACY", end_of_life_at=LATER + timedelta(days=29))

    after = following(before, listing(EAST, near), regions=(EAST,))

    assert types(after) == [LIFECYCLE_CHANGED, DATES_CHANGED, RETIREMENT_NEAR, RETIREMENT_NEAR]
    assert [it.within_days for it in after.state.events] == [None, None, 90, 30]


def test_a_date_that_moves_away_and_back_is_near_once() -> None:
    after = snapshot(listing(EAST, model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=80))))
    for number, days in enumerate([120, 80, 120, 60], start=1):
        row = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=days))
        after = following(after, listing(EAST, row), at=NOW + timedelta(hours=number), regions=(EAST,))

    assert types(after).count(RETIREMENT_NEAR) == 1


def test_a_retirement_is_not_near_while_a_region_has_no_end_for_the_model() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("a")))
    near = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=20))

    assert RETIREMENT_NEAR not in types(following(before, listing(EAST, near), listing(WEST, model("a"))))


def test_an_end_that_passed_while_nothing_was_refreshed_is_no_longer_near() -> None:
    rows = listing(EAST, model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=40)))

    assert types(following(snapshot(rows), rows, at=NOW + timedelta(days=41), regions=(EAST,))) == [LIFECYCLE_CHANGED]


# What is no event.


def test_a_first_start_makes_no_event() -> None:
    first = next_snapshot(
        None, listing(EAST, model("a")), source="aws", regions=(EAST,), at=NOW, max_stale=timedelta(1)
    )

    assert first.state.events == ()


def test_a_catalog_that_arrives_region_by_region_makes_no_event() -> None:
    first = next_snapshot(
        None, failures(EAST), source="aws", regions=(EAST, WEST), at=NOW, max_stale=timedelta(1), is_complete=False
    )
    second = following(first, listing(WEST, model("a")), is_complete=False)
    third = following(second, listing(EAST, model("a"), model("b")), is_retry=True)

    assert [it.id for it in third.models] == ["a", "b"]
    assert third.state.events == ()


def test_a_region_that_is_newly_configured_makes_no_event_and_one_that_no_longer_is_neither() -> None:
    before = snapshot(listing(EAST, model("a")))

    more = following(before, listing(EAST, model("a")), listing(WEST, model("a"), model("b")))
    less = following(more, listing(EAST, model("a")), regions=(EAST,), at=LATER + timedelta(minutes=1))

    assert [it.id for it in more.models] == ["a", "b"]
    assert less.state.events == ()


def test_a_part_that_is_newly_asked_for_or_listed_makes_no_event() -> None:
    row = model("a", inference_types=("INFERENCE_PROFILE",))
    before = snapshot(listing(EAST, row, without=[PROFILES]), failures=(failure(EAST, PROFILES),))

    after = following(
        before,
        listing(EAST, row, profile("us.a", {"a": [EAST]}), application_profiles=[profile("arn", "a")]),
        regions=(EAST,),
        parts=(*BASE_PARTS, APPLICATION_PROFILES),
    )

    assert after.by_id["a"].invoke == {EAST: "us.a"}
    assert after.state.events == ()


@pytest.mark.parametrize("failed", [[MODELS], [PROFILES], [MODELS, PROFILES]])
def test_a_part_that_fails_makes_no_event_not_even_when_it_is_too_old_or_back(failed: list[str]) -> None:
    rows = model("a"), model("b"), profile("us.a", {"a": [EAST]})
    steady = model("c")
    after = snapshot(listing(EAST, *rows), listing(WEST, steady))
    for hours in (1, 23, 25, 26):
        at = NOW + timedelta(hours=hours)
        failing = [failure(EAST, part, at=at) for part in failed]
        after = following(
            after, listing(EAST, *rows, without=failed, at=at), *failing, listing(WEST, steady, at=at), at=at
        )
    at = NOW + timedelta(hours=27)

    after = following(after, listing(EAST, *rows, at=at), listing(WEST, steady, at=at), at=at)

    assert after.by_id["a"].regions == (EAST,)
    assert after.state.events == ()


def test_a_model_counts_as_removed_only_when_the_catalog_believes_it() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")))
    much_later = NOW + timedelta(hours=25)

    doubted = following(before, listing(EAST, model("a")), listing(WEST))
    believed = following(doubted, listing(EAST, model("a"), at=much_later), listing(WEST, at=much_later), at=much_later)

    assert types(doubted) == []
    assert [it[:2] for it in events(believed)] == [(REMOVED, "b")]


def test_a_model_that_may_still_be_where_nothing_is_known_is_not_removed() -> None:
    before = snapshot(listing(EAST, model("a"), model("b")), listing(WEST, model("b")))

    after = following(before, listing(EAST, model("a")), regions=(EAST,))

    assert [it[:2] for it in events(after)] == [(REGIONS_CHANGED, "b")]


def test_a_model_that_was_known_elsewhere_is_not_added() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")))

    after = following(before, listing(EAST, model("a"), model("b")), regions=(EAST,))

    assert [(it[0], it[2]) for it in events(after)] == [(REGIONS_CHANGED, {})]


def test_another_source_makes_no_event_and_keeps_none() -> None:
    before = following(snapshot(listing(EAST)), listing(EAST, model("a")), regions=(EAST,))

    after = following(before, listing(EAST, model("b")), regions=(EAST,), source="demo")

    assert types(before) == [ADDED]
    assert after.state.events == ()


def test_destinations_that_are_not_known_are_no_change() -> None:
    before = snapshot(listing(EAST, model("a"), profile("us.a", "a")))

    after = following(before, listing(EAST, model("a"), profile("us.a", {"a": [EAST, "global"]})), regions=(EAST,))

    assert after.by_id["a"].invocations != before.by_id["a"].invocations
    assert after.state.events == ()


def test_names_modalities_and_profiles_of_the_account_are_no_events() -> None:
    before = snapshot(listing(EAST, model("a"), application_profiles=[profile("arn:1", "a")]))

    after = following(
        before,
        listing(EAST, model("a", name="A", input_modalities=("TEXT", "IMAGE")), application_profiles=[]),
        regions=(EAST,),
        parts=(*BASE_PARTS, APPLICATION_PROFILES),
    )

    assert after.state.events == ()


def test_a_catalog_that_is_loaded_again_makes_no_event() -> None:
    rows = listing(EAST, model("a"), model("b", end_of_life_at=ENDS), profile("us.a", {"a": [EAST]}))
    before = following(snapshot(rows), rows, regions=(EAST,))
    loaded = build_snapshot(decode_state(encode_state(before.state)), at=LATER)

    assert following(loaded, rows, regions=(EAST,), at=LATER + timedelta(minutes=15)).state.events == ()


# Their ids, and how many are kept.


def many(count: int, *, at: datetime = NOW) -> CatalogSnapshot:
    """A snapshot after a refresh that added so many models."""
    before = snapshot(listing(EAST))
    return following(before, listing(EAST, *(model(f"m{n:05d}") for n in range(count))), at=at, regions=(EAST,))


def test_ids_have_one_width_begin_with_the_version_and_grow() -> None:
    first = following(snapshot(listing(EAST)), listing(EAST, model("b"), model("a")), regions=(EAST,), version_ms=17)
    second = following(first, listing(EAST, model("a")), regions=(EAST,), version_ms=17)

    ids = [it.id for it in second.state.events]
    assert ids == ["0000000000017-00000", "0000000000017-00001", "0000000000018-00000"]
    assert [it.model_id for it in first.state.events] == ["a", "b"]


def test_an_id_begins_with_the_moment_where_no_version_is_given() -> None:
    after = following(snapshot(listing(EAST)), listing(EAST, model("a")), regions=(EAST,))

    assert [it.id for it in after.state.events] == [f"{round(LATER.timestamp() * 1000)}-00000"]


def test_an_id_is_later_than_all_before_though_the_clock_was_set_back() -> None:
    first = following(snapshot(listing(EAST)), listing(EAST, model("a")), regions=(EAST,))
    second = following(first, listing(EAST, model("a"), model("b")), regions=(EAST,), at=NOW - timedelta(days=9))

    ids = [it.id for it in second.state.events]
    assert ids == sorted(set(ids)) and len(ids) == 2


def test_the_oldest_events_leave_first_and_the_newest_of_them_is_remembered() -> None:
    after = many(MAX_EVENTS + 5)

    assert len(after.state.events) == MAX_EVENTS
    assert after.state.events[0].model_id == "m00005"
    assert after.state.forgotten_event_id == after.state.events[0].id[:-5] + "00004"


def test_events_leave_after_400_days_though_nothing_changes() -> None:
    after = many(2)
    rows = listing(EAST, *(model(f"m{n:05d}") for n in range(2)))

    kept = following(after, rows, at=NOW + EVENTS_KEPT, regions=(EAST,))
    gone = following(kept, rows, at=NOW + EVENTS_KEPT + timedelta(seconds=1), regions=(EAST,))

    assert kept.state.events == after.state.events
    assert (gone.state.events, gone.state.forgotten_event_id) == ((), after.state.events[-1].id)


def test_events_that_compress_badly_leave_earlier() -> None:
    noise = Random(1)
    big = [replace(it, model_id=noise.randbytes(200).hex()) for it in many(1_000).state.events]

    left = bounded(big, at=NOW)

    assert MAX_COMPRESSED_BYTES / 2 < compressed_size(left) <= MAX_COMPRESSED_BYTES
    assert left == tuple(big[-len(left) :])


def test_events_are_stored_with_the_catalog() -> None:
    rows = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=5)), profile("us.a", {"a": [EAST]})
    after = following(many(3), listing(EAST, *rows), regions=(EAST,))
    state = replace(after.state, forgotten_event_id="0000000000001-00000")

    assert len(after.state.events) == 3 + 1 + 3 + 3
    assert decode_state(encode_state(state)) == state


def test_equal_facts_are_one_object_after_a_load() -> None:
    row = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=5))
    after = following(snapshot(listing(EAST)), listing(EAST, row), regions=(EAST,))

    loaded = decode_state(encode_state(after.state)).events

    assert len(loaded) > 1
    assert len({id(it.after) for it in loaded}) == 1


# From any state to any other.

Ways = dict[tuple[str, str], tuple[str, ...]]


def is_listed(world: World, region: str, part: str) -> bool:
    return any((it.region, it.part) == (region, part) for it in world)


def projection(world: World, other: World, at: datetime) -> dict[str, dict[str, Any]]:
    """How each model can be called, and its life, where both worlds list it: computed straight from the listings."""
    models: dict[str, dict[str, Any]] = {}
    for region in REGIONS:
        if not (is_listed(world, region, MODELS) and is_listed(other, region, MODELS)):
            continue
        for row in world.rows(region, MODELS):
            assert isinstance(row, FoundationModel)
            found = models.setdefault(row.id, {"ways": {}, "words": {}, "ends": {}})
            has_ended = row.end_of_life_at is not None and row.end_of_life_at <= at
            is_legacy = row.lifecycle_status == "LEGACY" or (row.legacy_at is not None and row.legacy_at <= at)
            found["words"][region] = "retired" if has_ended else "deprecated" if is_legacy else "active"
            found["ends"][region] = row.end_of_life_at
            if has_ended:
                continue
            types = row.inference_types or ()
            if "ON_DEMAND" in types:
                found["ways"][region, "on demand"] = ()
            knows = [is_listed(it, region, PROFILES) for it in (world, other)]
            if not any(knows) and "INFERENCE_PROFILE" in types:
                found["ways"][region, "unknown"] = ()
            for way in world.rows(region, PROFILES) if all(knows) else ():
                assert isinstance(way, InferenceProfile)
                for model_id, places in way.models:
                    if model_id == row.id and way.status in (None, "ACTIVE"):
                        found["ways"][region, way.id] = places
    for found in models.values():
        words, ends = set(found.pop("words").values()), list(found.pop("ends").values())
        found["lifecycle"] = next(it for it in ("active", "deprecated", "retired") if it in words)
        found["retires_at"] = None if None in ends else max(ends).strftime("%Y-%m-%dT%H:%M:%SZ")
    return models


def ways_in(side: Side) -> Ways:
    return {
        (region, it["profile"] or ("on demand" if it["on_demand"] else "unknown")): tuple(it["destinations"])
        for it in side.get("invocations", [])
        for region in it["regions"]
    }


def apply(models: dict[str, dict[str, Any]], event: CatalogEvent) -> None:
    before, after = changes_of(event)
    if after is None:
        del models[event.model_id]
        return
    found = models.setdefault(event.model_id, {"ways": {}, "lifecycle": None, "retires_at": None})
    for way in ways_in(before or {}):
        del found["ways"][way]
    found["ways"] |= ways_in(after)
    found |= {name: after[name] for name in ("lifecycle", "retires_at") if name in after}


@given(WORLDS, WORLDS)
def test_events_lead_from_any_state_to_any_other(old: World, new: World) -> None:
    previous = old.snapshot()
    later = NOW + timedelta(days=2)  # Past all generated dates.
    current = build_snapshot(replace(new.snapshot().state, attempted_at=later), at=later)
    expected, models = projection(new, old, later), projection(old, new, NOW)
    was_known, is_known = set(previous.by_id), set(current.by_id)

    found = list(derive_events(previous, current, at=later))
    # Only of what AWS tells: destinations that one of the two does not know are as they were.
    for model_id in expected.keys() & models.keys():
        ways, was = expected[model_id]["ways"], models[model_id]["ways"]
        ways |= {way: was[way] for way in ways.keys() & was.keys() if not (ways[way] and was[way])}
    for it in found:
        apply(models, it)

    for model_id in expected.keys() | models.keys():
        one, two = models.get(model_id), expected.get(model_id)
        if two is None:  # It may still be where only the old state looked.
            assert one is None or (
                one["ways"] == {} and model_id not in {it.model_id for it in found if it.type == REMOVED}
            )
        elif one is None:  # It was known where only the old state looked, and here it cannot be called.
            assert two["ways"] == {} and model_id in was_known
        else:
            assert one["ways"] == two["ways"]
            if model_id in projection(old, new, NOW) or model_id not in was_known:
                assert one == two
    added = {it.model_id for it in found if it.type == ADDED}
    assert added == {it for it in expected if it not in was_known}
    assert not {it.model_id for it in found if it.type == REMOVED} & is_known


@given(WORLDS)
def test_a_state_differs_from_itself_by_no_event(world: World) -> None:
    one = world.snapshot()
    two = build_snapshot(decode_state(encode_state(one.state)), at=NOW)

    assert list(derive_events(one, two, at=NOW)) == []


@given(WORLDS, st.integers(0, 2))
def test_no_number_of_refreshes_makes_an_event_twice(world: World, days: int) -> None:
    results = list(world)
    after = world.snapshot()
    for _ in range(3):
        after = following(
            after,
            [replace(it, listed_at=NOW + timedelta(days=days)) for it in results],
            at=NOW + timedelta(days=days),
            regions=REGIONS,
            parts=(*BASE_PARTS, APPLICATION_PROFILES),
        )
        keys = [(it.type, it.model_id, it.within_days) for it in after.state.events]
        assert len(keys) == len(set(keys))


def test_only_models_that_may_differ_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    facts_at = model_facts.facts_at

    def counted(entry: Any, *rest: Any) -> Any:
        compared.append(entry.id)
        return facts_at(entry, *rest)

    monkeypatch.setattr(changes, "facts_at", counted)
    rows = [model(f"m{n}", end_of_life_at=ENDS) for n in range(50)]
    before = snapshot(listing(EAST, *rows))

    following(before, listing(EAST, *rows[:-1], model("m49", lifecycle_status="LEGACY")), regions=(EAST,))

    assert set(compared) == {"m49"}
