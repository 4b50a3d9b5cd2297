"""From listings to one catalog: what merges how, what a refresh keeps, what leaves."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.catalog.merge import DEPARTED_KEPT, advance, derive, for_regions, merge_listings
from app.catalog.records import (
    EPOCH,
    INFERENCE_PROFILE,
    CatalogModel,
    CatalogSnapshot,
    CatalogState,
    FoundationModel,
    RegionFailure,
    RegionListing,
)
from tests.support.builders import NOW, day, listing, model, profile, snapshot

MAX_STALE = timedelta(hours=24)
LATER = NOW + timedelta(minutes=15)


def merged(*listings: RegionListing, at: datetime = NOW) -> list[CatalogModel]:
    return list(merge_listings(listings, at=at))


def only(*listings: RegionListing, at: datetime = NOW) -> CatalogModel:
    [found] = merge_listings(listings, at=at)
    return found


def failure(region: str, code: str = "AccessDeniedException") -> RegionFailure:
    return RegionFailure(region=region, failed_at=LATER, code=code)


def advanced(
    previous: CatalogSnapshot | None,
    *visits: RegionListing | RegionFailure,
    regions: tuple[str, ...] = ("us-east-1", "eu-west-1"),
    at: datetime = LATER,
) -> CatalogSnapshot:
    return advance(previous, visits, source="aws", regions=regions, at=at, max_stale=MAX_STALE)


def ids(snapshot: CatalogSnapshot) -> list[str]:
    return [model.id for model in snapshot.models]


def codes(snapshot: CatalogSnapshot) -> list[tuple[str, str]]:
    return [(failure.region, failure.code) for failure in snapshot.state.failures]


# What regions say of one model.


def test_a_model_listed_twice_is_one_model_in_two_regions() -> None:
    found = merged(listing("us-west-2", model("a")), listing("eu-west-1", model("a")))

    assert [(m.id, m.regions) for m in found] == [("a", ("eu-west-1", "us-west-2"))]


def test_two_listings_of_one_region_are_an_error() -> None:
    with pytest.raises(ValueError, match="us-east-1"):
        merged(listing("us-east-1"), listing("us-east-1"))


def test_the_first_region_that_says_something_describes_the_model() -> None:
    found = only(
        listing("us-east-1", model("a", provider="First")),
        listing("eu-west-1", model("a", name="Second Name", provider="Second")),
    )

    assert (found.name, found.provider) == ("Second Name", "First")


def test_a_model_that_no_region_names_is_called_by_its_id() -> None:
    found = only(listing("us-east-1", model("a")))

    assert (found.name, found.provider) == ("a", None)


def test_modalities_and_streaming_are_the_union_in_the_order_of_the_regions() -> None:
    found = only(
        listing("us-east-1", model("a", input_modalities=("TEXT",), output_modalities=("TEXT",))),
        listing(
            "eu-west-1",
            model("a", input_modalities=("IMAGE", "TEXT"), output_modalities=("SPEECH",), response_streaming=True),
        ),
    )

    assert found.input_modalities == ("TEXT", "IMAGE")
    assert found.output_modalities == ("TEXT", "SPEECH")
    assert found.response_streaming


def test_a_model_is_as_old_as_its_earliest_start_in_any_region() -> None:
    found = only(
        listing("us-east-1", model("a", start_of_life_at=None)),
        listing("us-west-2", model("a", start_of_life_at=day(9))),
        listing("eu-west-1", model("a", start_of_life_at=day(2))),
    )

    assert found.created_at == day(2)


def test_a_model_without_a_start_is_as_old_as_the_epoch() -> None:
    assert only(listing("us-east-1", model("a", start_of_life_at=None))).created_at == EPOCH


def test_models_are_listed_newest_first_and_equal_dates_by_id() -> None:
    found = merged(
        listing(
            "us-east-1",
            model("old", start_of_life_at=day(1)),
            model("b", start_of_life_at=day(5)),
            model("undated", start_of_life_at=None),
            model("a", start_of_life_at=day(5)),
            model("new", start_of_life_at=day(9)),
        )
    )

    assert [m.id for m in found] == ["new", "a", "b", "old", "undated"]


# Where a model is callable.


def test_a_model_is_callable_where_its_inference_type_or_a_profile_says_so() -> None:
    found = only(
        listing("us-east-1", model("a")),
        listing("us-west-2", model("a", inference_types=(INFERENCE_PROFILE,))),
        listing("eu-west-1", model("a", inference_types=()), profile("eu.a", "a")),
        listing("eu-west-3", model("a", inference_types=("PROVISIONED",))),
        listing("sa-east-1", model("a", inference_types=("SOMETHING_NEW",))),
    )

    assert found.regions == ("eu-west-1", "us-east-1", "us-west-2")


def test_a_provisioned_only_model_is_in_the_catalog_and_callable_nowhere() -> None:
    found = only(listing("us-east-1", model("a:0:200k", inference_types=("PROVISIONED",))))

    assert found.regions == () and not found.is_callable


def test_a_profile_makes_its_model_callable_in_a_region_that_does_not_list_the_model() -> None:
    found = only(listing("us-east-1", model("a")), listing("eu-north-1", profile("eu.a", "a")))

    assert found.regions == ("eu-north-1", "us-east-1")


def test_profiles_are_told_with_the_regions_they_can_be_called_from_all_sorted() -> None:
    found = only(
        listing("us-west-2", model("a"), profile("us.a", "a"), profile("global.a", "a")),
        listing("us-east-1", model("a"), profile("us.a", "a")),
    )

    assert found.inference_profiles == (("global.a", ("us-west-2",)), ("us.a", ("us-east-1", "us-west-2")))


def test_a_profile_that_is_not_active_makes_nothing_callable() -> None:
    found = only(listing("us-east-1", model("a", inference_types=()), profile("us.a", "a", status="DELETING")))

    assert (found.regions, found.inference_profiles) == ((), ())


def test_a_profile_of_a_model_that_nobody_lists_is_no_entry() -> None:
    assert merged(listing("us-east-1", profile("us.ghost", "ghost"))) == []


# Lifecycle.


@pytest.mark.parametrize("status", ["ACTIVE", None, "SOMETHING_NEW"])
def test_a_model_that_no_region_calls_legacy_is_active(status: str | None) -> None:
    found = only(listing("us-east-1", model("a", lifecycle_status=status)))

    assert (found.lifecycle, found.deprecated_at, found.retires_at) == ("active", None, None)


def test_a_model_is_active_if_any_region_says_so_and_then_has_no_dates() -> None:
    legacy = model("a", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=day(2))

    found = only(listing("us-east-1", legacy), listing("eu-west-1", model("a")))

    assert (found.lifecycle, found.deprecated_at, found.retires_at) == ("active", None, None)


def test_an_active_model_that_already_has_an_end_is_active_without_dates() -> None:
    found = only(listing("us-east-1", model("a", legacy_at=day(1), end_of_life_at=day(2))))

    assert (found.lifecycle, found.deprecated_at, found.retires_at) == ("active", None, None)


def test_a_legacy_model_is_deprecated_until_its_end_of_life() -> None:
    row = model("a", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=NOW + timedelta(seconds=1))

    found = only(listing("us-east-1", row))

    assert (found.lifecycle, found.deprecated_at, found.retires_at) == (
        "deprecated",
        day(1),
        NOW + timedelta(seconds=1),
    )


def test_a_legacy_model_is_retired_from_its_end_of_life_on() -> None:
    row = model("a", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=NOW)

    assert only(listing("us-east-1", row)).lifecycle == "retired"


def test_a_legacy_model_without_dates_is_deprecated() -> None:
    found = only(listing("us-east-1", model("a", lifecycle_status="LEGACY")))

    assert (found.lifecycle, found.deprecated_at, found.retires_at) == ("deprecated", None, None)


@pytest.mark.parametrize("regions", [("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")])
def test_a_model_retires_with_the_last_region_that_has_it(regions: tuple[str, str]) -> None:
    ends = {"us-east-1": NOW - timedelta(days=1), "eu-west-1": NOW + timedelta(days=1)}
    said = [listing(name, model("a", lifecycle_status="LEGACY", end_of_life_at=ends[name])) for name in regions]

    assert (only(*said).lifecycle, only(*said).retires_at) == ("deprecated", ends["eu-west-1"])


def test_a_model_that_reaches_its_end_of_life_is_retired_without_a_refresh() -> None:
    end = NOW + timedelta(hours=1)
    before = snapshot(
        listing(
            "us-east-1",
            model("a", lifecycle_status="LEGACY", end_of_life_at=end),
            model("b", lifecycle_status="LEGACY", end_of_life_at=end + timedelta(hours=1)),
        )
    )

    after = derive(before.state, at=end)

    assert before.rederive_at == end
    assert [m.lifecycle for m in before.models] == ["deprecated", "deprecated"]
    assert [m.lifecycle for m in after.models] == ["retired", "deprecated"]
    assert after.changed_at == end
    assert after.rederive_at == end + timedelta(hours=1)
    assert derive(before.state, at=end + timedelta(hours=1)).rederive_at is None


# What a refresh keeps.


def test_the_first_refresh_publishes_what_answered_and_names_what_did_not() -> None:
    first = advanced(None, listing("us-east-1", model("a")), failure("eu-west-1"))

    assert ids(first) == ["a"]
    assert codes(first) == [("eu-west-1", "AccessDeniedException")]
    assert first.state.regions == ("us-east-1", "eu-west-1")
    assert first.state.refreshed_at == first.changed_at == LATER


def test_a_failed_region_keeps_its_last_listing() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b")))

    after = advanced(before, listing("us-east-1", model("a"), at=LATER), failure("eu-west-1"))

    assert ids(after) == ["a", "b"]
    assert [kept.listed_at for kept in after.state.listings] == [LATER, NOW]
    assert codes(after) == [("eu-west-1", "AccessDeniedException")]


def test_a_region_that_was_not_heard_of_counts_as_timed_out_and_keeps_its_listing() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b")))

    after = advanced(before, listing("us-east-1", model("a")))

    assert ids(after) == ["a", "b"]
    assert codes(after) == [("eu-west-1", "Timeout")]


def test_listings_stand_in_the_configured_order_however_they_came() -> None:
    one = listing("us-east-1", model("a", name="US"))
    two = listing("eu-west-1", model("a", name="EU"))

    assert advanced(None, two, one).models[0].name == "US"
    assert advanced(None, one, two, regions=("eu-west-1", "us-east-1")).models[0].name == "EU"


def test_a_region_that_is_no_longer_configured_leaves() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b")))

    after = advanced(before, listing("us-east-1", model("a")), regions=("us-east-1",))

    assert ids(after) == ["a"]
    assert after.state.regions == ("us-east-1",)


@pytest.mark.parametrize(
    "gone", [listing("eu-west-1", profile("eu.b", "b")), listing("eu-west-1", model("b")), listing("eu-west-1")]
)
def test_a_listing_that_came_back_empty_is_a_failure_that_keeps_the_last_one(gone: RegionListing) -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b"), profile("eu.b", "b")))

    after = advanced(before, listing("us-east-1", model("a")), gone)

    assert ids(after) == ["a", "b"]
    assert after.by_id["b"].inference_profiles == (("eu.b", ("eu-west-1",)),)
    assert codes(after) == [("eu-west-1", "EmptyListing")]


def test_a_listing_of_malformed_rows_alone_says_so() -> None:
    before = snapshot(listing("us-east-1", model("a")))

    after = advanced(before, replace(listing("us-east-1"), skipped_rows=2), regions=("us-east-1",))

    assert ids(after) == ["a"]
    assert [(it.code, it.detail) for it in after.state.failures] == [
        ("EmptyListing", "no models, where the last listing had some; 2 malformed rows were left out")
    ]


def test_a_region_that_was_always_empty_is_no_failure() -> None:
    after = advanced(snapshot(listing("us-east-1")), listing("us-east-1"), regions=("us-east-1",))

    assert codes(after) == []


def test_a_region_that_stays_empty_is_believed_once_its_last_listing_is_too_old() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b"), profile("eu.b", "b")))
    late = NOW + MAX_STALE + timedelta(seconds=1)

    after = advanced(
        before, listing("us-east-1", model("a"), at=late), listing("eu-west-1", model("b"), at=late), at=late
    )

    assert ids(after) == ["a", "b"]
    assert after.by_id["b"].inference_profiles == ()
    assert codes(after) == []


@pytest.mark.parametrize("other", [listing("us-east-1"), failure("us-east-1")])
def test_an_empty_catalog_is_never_believed(other: RegionListing | RegionFailure) -> None:
    before = snapshot(listing("us-east-1"), listing("eu-west-1", model("b")))
    later = NOW + timedelta(days=30)

    after = advanced(before, other, listing("eu-west-1", at=later), at=later)

    assert ids(after) == ["b"]
    assert ("eu-west-1", "EmptyListing") in codes(after)


def test_a_listing_that_is_too_old_is_let_go_when_another_region_answered() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b")))
    late = NOW + MAX_STALE

    kept = advanced(before, listing("us-east-1", model("a"), at=late), failure("eu-west-1"), at=late)
    gone = advanced(before, listing("us-east-1", model("a")), failure("eu-west-1"), at=late + timedelta(seconds=1))

    assert ids(kept) == ["a", "b"]
    assert ids(gone) == ["a"]
    assert gone.state.regions == ("us-east-1", "eu-west-1")


def test_nothing_is_let_go_while_no_region_answers_at_all() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b")))

    after = advanced(before, failure("us-east-1"), failure("eu-west-1"), at=NOW + timedelta(days=30))

    assert ids(after) == ["a", "b"]
    assert after.state.refreshed_at == NOW
    assert after.state.attempted_at == NOW + timedelta(days=30)


def test_a_listing_with_malformed_rows_takes_nothing_away() -> None:
    before = snapshot(
        listing("us-east-1", model("a"), model("b", name="Old"), profile("us.a", "a"), profile("us.b", "b"))
    )

    after = advanced(
        before,
        listing("us-east-1", model("b", name="New"), profile("us.b", "b"), skipped_rows=2),
        regions=("us-east-1",),
    )

    assert [(m.id, m.name) for m in after.models] == [("a", "a"), ("b", "New")]
    assert sorted(after.by_profile) == ["us.a", "us.b"]
    assert after.state.listings[0].skipped_rows == 2
    assert [row.id for row in after.state.listings[0].models] == ["b", "a"]
    assert [row.id for row in after.state.listings[0].profiles] == ["us.b", "us.a"]


def test_a_malformed_row_that_says_its_id_keeps_that_model_and_no_other() -> None:
    rows = [model(name) for name in ("a", "b", "gone")]
    current = snapshot(listing("us-east-1", *rows, profile("us.a", "a"), profile("us.gone", "gone")))
    for _ in range(3):
        now = listing("us-east-1", model("a"), profile("us.new", "a"), skipped_rows=2, skipped_ids=("b", "us.a"))
        current = advanced(current, now, regions=("us-east-1",))

    assert ids(current) == ["a", "b"]
    assert sorted(current.by_profile) == ["us.a", "us.new"]


def test_a_listing_without_malformed_rows_takes_away_what_it_does_not_name() -> None:
    before = snapshot(listing("us-east-1", model("a"), model("b")))

    assert ids(advanced(before, listing("us-east-1", model("b")), regions=("us-east-1",))) == ["b"]


# What a client can notice of a refresh.


def bare(model_id: str, **said: Any) -> FoundationModel:
    return FoundationModel(id=model_id, **said)


def test_a_row_that_leaves_out_what_it_said_before_takes_nothing_away() -> None:
    row = model("a", name="A", provider="P", response_streaming=True, lifecycle_status="LEGACY", legacy_at=day(3))
    before = snapshot(listing("us-east-1", row))

    after = advanced(before, listing("us-east-1", bare("a"), bare("b")), regions=("us-east-1",))

    assert after.by_id["a"] == before.by_id["a"]
    assert after.state.listings[0].completed_rows == 1


def test_a_row_that_says_otherwise_is_believed() -> None:
    before = snapshot(listing("us-east-1", model("a", lifecycle_status="LEGACY", end_of_life_at=day(900))))

    row = bare("a", inference_types=(), lifecycle_status="LEGACY", start_of_life_at=day(0))
    after = advanced(before, listing("us-east-1", row), regions=("us-east-1",))

    assert after.by_id["a"].regions == ()
    assert after.by_id["a"].retires_at is None


def test_a_refresh_that_changes_no_model_keeps_them_and_the_moment_of_their_last_change() -> None:
    before = snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b")))

    after = advanced(before, listing("us-east-1", model("a"), at=LATER), failure("eu-west-1"))

    assert after.models is before.models
    assert after.changed_at == before.changed_at == NOW
    assert after.state.refreshed_at == LATER


def test_a_refresh_that_changes_a_model_says_when() -> None:
    before = snapshot(listing("us-east-1", model("a")))

    after = advanced(before, listing("us-east-1", model("a", name="A")), regions=("us-east-1",))

    assert after.changed_at == after.state.changed_at == LATER


def test_a_model_that_left_is_remembered_for_a_day() -> None:
    before = snapshot(listing("us-east-1", model("a", start_of_life_at=day(3)), model("b")))
    left = advanced(before, listing("us-east-1", model("b")), regions=("us-east-1",))

    next_to_last = advanced(
        left, listing("us-east-1", model("b")), regions=("us-east-1",), at=LATER + DEPARTED_KEPT - timedelta(seconds=1)
    )
    last = advanced(left, listing("us-east-1", model("b")), regions=("us-east-1",), at=LATER + DEPARTED_KEPT)

    assert left.departed_at == next_to_last.departed_at == {"a": day(3)}
    assert last.departed_at == {}


def test_so_many_that_left_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.catalog.merge.DEPARTED_AT_MOST", 2)
    before = snapshot(listing("us-east-1", *(model(name, start_of_life_at=day(1)) for name in "abcd")))

    left = advanced(before, listing("us-east-1", model("d")), regions=("us-east-1",))

    assert list(left.departed_at) == ["b", "c"]


def test_a_model_that_came_back_is_not_remembered_as_gone() -> None:
    before = snapshot(listing("us-east-1", model("a"), model("b")))
    left = advanced(before, listing("us-east-1", model("b")), regions=("us-east-1",))

    back = advanced(left, listing("us-east-1", model("a"), model("b")), regions=("us-east-1",))

    assert back.departed_at == {}


def test_a_clock_that_was_set_back_forgets_no_model_that_left() -> None:
    before = snapshot(listing("us-east-1", model("a"), model("b")))
    left = advanced(before, listing("us-east-1", model("b")), regions=("us-east-1",))

    after = advanced(left, listing("us-east-1", model("b")), regions=("us-east-1",), at=NOW - timedelta(days=900))

    assert list(after.departed_at) == ["a"]


def test_a_state_that_was_stored_gives_the_snapshot_that_was_published() -> None:
    before = snapshot(listing("us-east-1", model("a"), model("b"), profile("us.b", "b")))
    published = advanced(before, listing("us-east-1", model("b"), profile("us.b", "b")), failure("eu-west-1"))

    derived = derive(published.state, at=LATER)

    for told in ("models", "by_id", "by_profile", "departed_at", "changed_at", "rederive_at"):
        assert getattr(derived, told) == getattr(published, told), told


def test_a_stored_state_is_served_for_the_configured_regions_alone_in_their_order() -> None:
    state = CatalogState(
        source="aws",
        attempted_at=NOW,
        listings=(listing("us-east-1", model("a")), listing("eu-west-1", model("b")), listing("sa-east-1", model("c"))),
        failures=(failure("us-east-1"), failure("ap-south-1"), failure("eu-west-1")),
    )

    kept = for_regions(state, ("eu-west-1", "us-east-1"))

    assert [item.region for item in kept.listings] == ["eu-west-1", "us-east-1"]
    assert [item.region for item in kept.failures] == ["eu-west-1", "us-east-1"]
