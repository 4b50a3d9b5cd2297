"""What a refresh keeps, part by part, what it tries again, and what leaves."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.entries import GEOGRAPHIC
from app.catalog.next_snapshot import REMOVED_KEPT, never_listed, next_snapshot
from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    MODELS,
    PROFILES,
    FoundationModel,
    PartFailure,
    PartResult,
)
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from tests.support.builders import NOW, day, failure, failures, listing, model, profile, snapshot
from tests.unit.catalog.generated import REGIONS, WORLDS, World

EAST, WEST = "us-east-1", "eu-west-1"
MAX_STALE = timedelta(hours=24)
LATER = NOW + timedelta(minutes=15)


def following(
    previous: CatalogSnapshot | None,
    *results: Iterable[PartResult] | PartFailure,
    regions: tuple[str, ...] = (EAST, WEST),
    at: datetime = LATER,
    **options: Any,
) -> CatalogSnapshot:
    flat = [it for result in results for it in ([result] if isinstance(result, PartFailure) else result)]
    return next_snapshot(previous, flat, source="aws", regions=regions, at=at, max_stale=MAX_STALE, **options)


def ids(snapshot: CatalogSnapshot) -> list[str]:
    return [model.id for model in snapshot.models]


def codes(snapshot: CatalogSnapshot) -> list[tuple[str, str, str]]:
    return [(it.region, it.part, it.code) for it in snapshot.state.failures]


def ages(snapshot: CatalogSnapshot) -> dict[tuple[str, str], datetime]:
    return {(it.region, it.part): it.listed_at for it in snapshot.state.listings}


# Part by part.


def test_the_first_refresh_publishes_what_answered_and_names_what_did_not() -> None:
    first = following(None, listing(EAST, model("a")), failures(WEST), configured_regions=("all",))

    assert ids(first) == ["a"]
    assert codes(first) == [(WEST, part, "AccessDeniedException") for part in BASE_PARTS]
    assert (first.state.regions, first.state.configured_regions) == ((EAST, WEST), ("all",))
    assert first.state.attempted_at == first.state.refreshed_at == first.changed_at == first.state.changed_at == LATER


def test_a_failed_part_keeps_its_last_listing_and_no_other_part() -> None:
    before = snapshot(listing(EAST, model("a"), profile("us.a", "a")), listing(WEST, model("b")))

    after = following(
        before,
        listing(EAST, model("a", name="New"), at=LATER, without=[PROFILES]),
        failure(EAST, PROFILES, action="bedrock:ListInferenceProfiles"),
        failures(WEST, "Timeout"),
    )

    assert ages(after) == {(EAST, MODELS): LATER, (EAST, PROFILES): NOW, (WEST, MODELS): NOW, (WEST, PROFILES): NOW}
    assert after.by_id["a"].name == "New"
    assert after.by_id["a"].inference_profiles == {"us.a": (EAST,)}
    assert codes(after) == [
        (EAST, PROFILES, "AccessDeniedException"),
        (WEST, MODELS, "Timeout"),
        (WEST, PROFILES, "Timeout"),
    ]
    assert after.state.failures[0].action == "bedrock:ListInferenceProfiles"


def test_models_are_served_where_their_profiles_may_not_be_listed() -> None:
    first = following(None, listing(EAST, model("a"), without=[PROFILES]), failure(EAST, PROFILES), regions=(EAST,))

    assert [(it.id, it.regions) for it in first.models] == [("a", (EAST,))]


def test_a_part_that_is_missing_from_a_whole_refresh_timed_out_and_keeps_its_listing() -> None:
    before = snapshot(listing(EAST, model("a"), profile("us.a", "a")), listing(WEST, model("b")))

    after = following(before, listing(EAST, model("a"), at=LATER, without=[PROFILES]))

    assert ids(after) == ["a", "b"]
    assert codes(after) == [(EAST, PROFILES, "Timeout"), (WEST, MODELS, "Timeout"), (WEST, PROFILES, "Timeout")]
    assert {it.failed_at for it in after.state.failures} == {LATER}


def test_a_part_that_is_listed_again_has_not_failed() -> None:
    before = snapshot(listing(EAST, model("a")), failures=(failure(EAST, PROFILES),))

    assert codes(following(before, listing(EAST, model("a")), regions=(EAST,))) == []


def test_only_parts_that_are_wanted_are_kept_or_have_failed() -> None:
    own = profile("arn", "a")
    parts = (*BASE_PARTS, APPLICATION_PROFILES)
    with_own = following(None, listing(EAST, model("a"), application_profiles=[own]), regions=(EAST,), parts=parts)
    without = following(with_own, listing(EAST, model("a")), regions=(EAST,))
    again = following(without, listing(EAST, model("a")), regions=(EAST,), parts=parts)

    assert [it.id for it in with_own.application_profiles] == ["arn"]
    assert (without.application_profiles, without.state.parts, codes(without)) == ((), BASE_PARTS, [])
    assert codes(again) == [(EAST, APPLICATION_PROFILES, "Timeout")]


def test_listings_stand_in_the_configured_order_however_they_came() -> None:
    one = listing(EAST, model("a", name="US"))
    two = listing(WEST, model("a", name="EU"))

    assert following(None, two, one).models[0].name == "US"
    assert following(None, one, two, regions=(WEST, EAST)).models[0].name == "EU"


def test_a_region_that_is_no_longer_configured_leaves() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")), failures=(failure(WEST),))

    after = following(before, listing(EAST, model("a")), regions=(EAST,))

    assert (ids(after), after.state.regions, codes(after)) == (["a"], (EAST,), [])


def test_the_order_of_invocations_is_the_one_that_is_configured() -> None:
    after = following(
        None, listing(EAST, model("a"), profile("us.a", "a")), regions=(EAST,), invoke_order=(GEOGRAPHIC,)
    )

    assert after.models[0].invoke == {EAST: "us.a"}


# Empty where it was not.


@pytest.mark.parametrize(
    ("gone", "failed"),
    [
        (listing(WEST, profile("eu.b", "b")), [MODELS]),
        (listing(WEST, model("b")), [PROFILES]),
        (listing(WEST), [MODELS, PROFILES]),
    ],
)
def test_a_part_that_came_back_empty_is_a_failure_that_keeps_the_last_listing(
    gone: Iterable[PartResult], failed: list[str]
) -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b"), profile("eu.b", "b")))

    after = following(before, listing(EAST, model("a")), gone)

    assert ids(after) == ["a", "b"]
    assert after.by_id["b"].inference_profiles == {"eu.b": (WEST,)}
    assert codes(after) == [(WEST, part, "EmptyListing") for part in failed]


def test_a_listing_of_unreadable_rows_alone_says_so() -> None:
    before = snapshot(listing(EAST, model("a"), model("b")))

    after = following(before, listing(EAST, skipped_rows=2, duration_ms=7), regions=(EAST,))

    assert ids(after) == ["a", "b"]
    assert [(it.part, it.code, it.detail, it.duration_ms) for it in after.state.failures] == [
        (
            MODELS,
            "EmptyListing",
            "empty, where the last listing had 2 rows; 2 rows without a readable id were left out",
            7,
        )
    ]


def test_a_part_that_was_always_empty_is_no_failure() -> None:
    assert codes(following(snapshot(listing(EAST)), listing(EAST), regions=(EAST,))) == []


def test_a_part_that_stays_empty_is_believed_once_its_last_listing_is_too_old() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b"), profile("eu.b", "b")))
    late = NOW + MAX_STALE

    kept = following(before, listing(EAST, model("a"), at=late), listing(WEST, model("b"), at=late), at=late)
    late += timedelta(seconds=1)
    gone = following(before, listing(EAST, model("a"), at=late), listing(WEST, model("b"), at=late), at=late)

    assert (codes(kept), kept.by_id["b"].inference_profiles) == ([(WEST, PROFILES, "EmptyListing")], {"eu.b": (WEST,)})
    assert (ids(gone), codes(gone), gone.by_id["b"].inference_profiles) == (["a", "b"], [], {})


@pytest.mark.parametrize("other", [listing(EAST), failures(EAST)])
def test_an_empty_catalog_is_never_believed(other: Iterable[PartResult]) -> None:
    before = snapshot(listing(EAST), listing(WEST, model("b")))
    later = NOW + timedelta(days=30)

    after = following(before, other, listing(WEST, at=later), at=later)

    assert ids(after) == ["b"]
    assert (WEST, MODELS, "EmptyListing") in codes(after)


# Too old to be served.


def test_a_listing_that_is_too_old_leaves_when_another_region_answered() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")))
    late = NOW + MAX_STALE

    kept = following(before, listing(EAST, model("a"), at=late), failures(WEST), at=late)
    gone = following(before, listing(EAST, model("a")), failures(WEST), at=late + timedelta(seconds=1))

    assert ids(kept) == ["a", "b"]
    assert ids(gone) == ["a"]
    assert gone.state.regions == (EAST, WEST)


def test_profiles_that_are_too_old_leave_alone_and_then_rows_are_taken_at_their_word() -> None:
    row = model("a", inference_types=("INFERENCE_PROFILE",))
    before = snapshot(listing(EAST, row, profile("us.a", "a")))
    late = NOW + MAX_STALE + timedelta(seconds=1)

    after = following(
        before, listing(EAST, row, at=late, without=[PROFILES]), failure(EAST, PROFILES), regions=(EAST,), at=late
    )

    assert [(it.id, it.regions, it.invoke, it.inference_profiles) for it in after.models] == [("a", (EAST,), {}, {})]


def test_nothing_leaves_while_no_region_answers_at_all() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")))

    after = following(before, failures(EAST), failures(WEST), at=NOW + timedelta(days=30))

    assert ids(after) == ["a", "b"]
    assert after.state.refreshed_at == NOW
    assert after.state.attempted_at == NOW + timedelta(days=30)


# While results arrive.


def test_what_is_missing_while_results_arrive_has_not_failed() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")), failures=(failure(WEST, PROFILES),))

    after = following(before, listing(EAST, model("a"), model("new"), at=LATER), is_complete=False)

    assert ids(after) == ["a", "b", "new"]
    assert codes(after) == [(WEST, PROFILES, "AccessDeniedException")]
    assert after.state.retries == 0


def test_the_first_results_to_arrive_are_a_catalog() -> None:
    first = following(None, listing(EAST, model("a"), without=[PROFILES]), is_complete=False)

    assert (ids(first), codes(first), first.state.refreshed_at) == (["a"], [], LATER)
    assert never_listed(first.state) == (EAST, WEST)


def test_a_failure_that_arrives_counts_at_once() -> None:
    assert codes(following(None, failures(WEST), is_complete=False)) == [
        (WEST, part, "AccessDeniedException") for part in BASE_PARTS
    ]


def test_nothing_is_too_old_before_its_region_has_answered() -> None:
    """A region that failed last time may answer this time; until then its models stay."""
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")), failures=failures(WEST))
    late = NOW + MAX_STALE + timedelta(seconds=1)

    after = following(before, listing(EAST, model("a"), at=late), at=late, is_complete=False)

    assert ids(after) == ["a", "b"]


@st.composite
def results_in_two_orders(draw: st.DrawFn) -> tuple[list[PartResult], list[PartResult]]:
    """What a refresh brought: listings, some with unreadable rows, and failures; some parts are missing."""
    results: list[PartResult] = []
    for it in draw(WORLDS):
        found = replace(it, listed_at=LATER, skipped_rows=draw(st.sampled_from([0, 0, 1])))
        results.append(failure(it.region, it.part, "Timeout") if draw(st.booleans()) else found)
    return results, draw(st.permutations(results))


@settings(max_examples=50)
@given(st.none() | WORLDS, results_in_two_orders(), st.booleans())
def test_the_order_in_which_results_arrive_decides_nothing(
    world: World | None, orders: tuple[list[PartResult], list[PartResult]], is_retry: bool
) -> None:
    before = None if world is None else world.snapshot()
    options: dict[str, Any] = {"regions": REGIONS, "parts": (*BASE_PARTS, APPLICATION_PROFILES), "is_retry": is_retry}

    one, two = (following(before, order, **options) for order in orders)
    arriving = before
    for count in range(1, len(orders[1])):
        arriving = following(arriving, orders[1][:count], is_complete=False, **options)
    last = following(arriving, orders[1], **options)

    assert two.state == one.state
    assert (last.state.listings, last.state.failures) == (one.state.listings, one.state.failures)
    for field in ("models", "application_profiles", "by_id", "by_profile", "profile_names", "orphan_profiles"):
        assert getattr(two, field) == getattr(last, field) == getattr(one, field), field


# Tried again.


def test_the_regions_with_a_part_that_was_never_listed_are_tried_again() -> None:
    whole = listing(EAST, model("a"))

    assert never_listed(following(None, whole, listing(WEST)).state) == ()
    assert never_listed(following(None, whole, listing(WEST, without=[PROFILES])).state) == (WEST,)
    assert never_listed(following(None, whole, failures(WEST)).state) == (WEST,)


@pytest.mark.parametrize("empty", [[listing(EAST), listing(WEST)], [failures(EAST), listing(WEST)], []])
def test_while_no_region_lists_a_model_all_are_tried_again(empty: list[Iterable[PartResult]]) -> None:
    first = following(None, *empty)

    assert never_listed(first.state) == (EAST, WEST)
    assert first.state.retries == 1


def test_retries_are_counted_until_nothing_is_left_unlisted() -> None:
    first = following(None, listing(EAST, model("a")), failures(WEST))
    second = following(first, failures(WEST), at=LATER + timedelta(seconds=10), is_retry=True)
    third = following(second, listing(WEST, model("b")), at=LATER + timedelta(seconds=30), is_retry=True)

    assert [it.state.retries for it in (first, second, third)] == [1, 2, 0]
    assert [it.state.retried_at for it in (first, second, third)] == [
        None,
        LATER + timedelta(seconds=10),
        LATER + timedelta(seconds=30),
    ]
    assert {it.state.attempted_at for it in (first, second, third)} == {LATER}
    assert ids(third) == ["a", "b"]


def test_retries_are_counted_though_results_are_published_as_they_arrive() -> None:
    first = following(None, listing(EAST, model("a")), failures(WEST))
    arriving = following(first, failures(WEST), at=LATER + timedelta(seconds=10), is_retry=True, is_complete=False)
    second = following(arriving, failures(WEST), at=LATER + timedelta(seconds=11), is_retry=True)

    assert second.state.retries == 2


def test_a_retry_leaves_the_regions_that_were_not_asked_as_they_are() -> None:
    north = "eu-north-1"
    before = snapshot(
        listing(EAST, model("a")), listing(WEST, model("b")), failures=(*failures(WEST, "Timeout"), *failures(north))
    )
    late = NOW + MAX_STALE + timedelta(seconds=1)

    after = following(before, listing(north, model("c"), at=late), regions=(EAST, WEST, north), at=late, is_retry=True)

    assert ids(after) == ["a", "b", "c"]
    assert codes(after) == [(WEST, part, "Timeout") for part in BASE_PARTS]
    assert after.state.attempted_at == NOW


def test_what_was_listed_once_is_not_tried_again_when_it_fails() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")))

    after = following(before, listing(EAST, model("a")), failures(WEST))

    assert (never_listed(after.state), after.state.retries) == ((), 0)


# Rows without a readable id, and rows that leave something out.


def test_a_listing_with_unreadable_rows_takes_nothing_away() -> None:
    before = snapshot(listing(EAST, model("a"), model("b", name="Old"), profile("us.a", "a"), profile("us.b", "b")))

    after = following(
        before, listing(EAST, model("b", name="New"), profile("us.b", "b"), skipped_rows=2), regions=(EAST,)
    )

    assert [(it.id, it.name) for it in after.models] == [("a", "a"), ("b", "New")]
    assert sorted(after.by_profile) == ["us.a", "us.b"]
    assert [[row.id for row in it.rows] for it in after.state.listings] == [["b", "a"], ["us.b", "us.a"]]
    assert [it.skipped_rows for it in after.state.listings] == [2, 2]


def test_unreadable_rows_of_one_part_keep_that_parts_rows_alone() -> None:
    before = snapshot(listing(EAST, model("a"), model("b"), profile("us.a", "a"), profile("us.old", "a")))
    models, profiles = listing(EAST, model("a"), profile("us.a", "a"))
    skipping, _ = listing(EAST, model("a"), skipped_rows=1)

    after = following(before, [skipping, profiles], regions=(EAST,))

    assert (ids(after), sorted(after.by_profile)) == (["a", "b"], ["us.a"])
    assert ids(following(before, [models, profiles], regions=(EAST,))) == ["a"]


def bare(model_id: str, **fields: Any) -> FoundationModel:
    return FoundationModel(id=model_id, **fields)


def test_a_row_that_leaves_out_what_it_had_takes_nothing_away() -> None:
    row = model("a", name="A", provider="P", response_streaming=True, lifecycle_status="LEGACY", legacy_at=day(3))
    before = snapshot(listing(EAST, row))

    after = following(before, listing(EAST, bare("a"), bare("b")), regions=(EAST,))

    assert after.by_id["a"] == before.by_id["a"]
    assert [it.backfilled_rows for it in after.state.listings] == [1, 0]


def test_an_empty_list_is_a_value_and_a_lifecycle_is_one_statement() -> None:
    before = snapshot(listing(EAST, model("a", lifecycle_status="LEGACY", end_of_life_at=day(900))))

    row = bare("a", inference_types=(), lifecycle_status="LEGACY", start_of_life_at=day(0))
    after = following(before, listing(EAST, row), regions=(EAST,))

    assert after.by_id["a"].regions == ()
    assert after.by_id["a"].retires_at is None


# What a client can notice of a refresh.


def test_a_refresh_that_changes_no_model_keeps_them_and_the_moment_of_their_last_change() -> None:
    before = snapshot(listing(EAST, model("a")), listing(WEST, model("b")))

    after = following(before, listing(EAST, model("a"), at=LATER), failures(WEST))

    assert after.models is before.models
    assert after.changed_at == before.changed_at == NOW
    assert after.state.refreshed_at == LATER


def test_a_model_changes_by_no_region_that_failed_while_the_others_list_the_same() -> None:
    row, way = model("a"), profile("us.a", "a")
    before = snapshot(listing(EAST, row, way), listing(WEST, row, way))

    after = following(before, listing(EAST, model("a"), profile("us.a", "a"), at=LATER), failures(WEST))

    assert after.models is before.models
    assert after.changed_at == NOW


def test_a_refresh_that_changes_a_model_says_when() -> None:
    before = snapshot(listing(EAST, model("a")))

    after = following(before, listing(EAST, model("a", name="A")), regions=(EAST,))

    assert after.changed_at == after.state.changed_at == LATER


def test_a_state_that_was_stored_gives_the_snapshot_that_was_published() -> None:
    before = snapshot(listing(EAST, model("a"), model("b"), profile("us.b", "b", name="US B")))
    published = following(before, listing(EAST, model("b"), profile("us.b", "b", name="US B")), failures(WEST))

    loaded = build_snapshot(published.state, at=LATER)

    for field in (
        "models",
        "application_profiles",
        "orphan_profiles",
        "destinations",
        "by_id",
        "by_profile",
        "profile_names",
        "removed",
        "changed_at",
        "valid_until",
    ):
        assert getattr(loaded, field) == getattr(published, field), field


# What left.


def test_an_entry_that_left_is_remembered_for_a_day() -> None:
    before = snapshot(
        listing(
            EAST,
            model("a", start_of_life_at=day(3)),
            model("b", start_of_life_at=day(2)),
            profile("us.a", "a"),
            profile("us.b", "b"),
            application_profiles=[profile("arn", "b")],
        )
    )
    now = listing(EAST, model("b", start_of_life_at=day(2)), profile("other.b", "b"))
    left = following(before, now, regions=(EAST,))

    next_to_last = following(left, now, regions=(EAST,), at=LATER + REMOVED_KEPT - timedelta(seconds=1))
    last = following(left, now, regions=(EAST,), at=LATER + REMOVED_KEPT)

    gone = {"a": day(3), "us.a": day(3), "us.b": day(2), "arn": day(2)}
    assert left.removed == next_to_last.removed and {it: left.removed[it].created_at for it in left.removed} == gone
    assert {it.removed_at for it in left.state.removed} == {LATER}
    assert last.removed == {}


def test_so_many_that_left_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.catalog.next_snapshot.MAX_REMOVED", 2)
    before = snapshot(listing(EAST, *(model(name, start_of_life_at=day(1)) for name in "abcd")))

    left = following(before, listing(EAST, model("d")), regions=(EAST,))

    assert list(left.removed) == ["b", "c"]


def test_an_entry_that_came_back_is_not_remembered_as_gone() -> None:
    before = snapshot(listing(EAST, model("a"), model("b"), profile("us.b", "b")))
    left = following(before, listing(EAST, model("b"), profile("eu.b", "b")), regions=(EAST,))

    back = following(left, listing(EAST, model("a"), model("b"), profile("us.b", "b")), regions=(EAST,))

    assert sorted(left.removed) == ["a", "us.b"]
    assert list(back.removed) == ["eu.b"]


def test_a_clock_that_was_set_back_forgets_nothing_that_left() -> None:
    before = snapshot(listing(EAST, model("a"), model("b")))
    left = following(before, listing(EAST, model("b")), regions=(EAST,))

    after = following(left, listing(EAST, model("b")), regions=(EAST,), at=NOW - timedelta(days=900))

    assert list(after.removed) == ["a"]
