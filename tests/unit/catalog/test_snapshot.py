"""A snapshot is derived from state: when it holds, what it looks up, and what of the last one is used again."""

from dataclasses import replace
from datetime import timedelta

from app.catalog.codec import decode_state, encode_state
from app.catalog.entries import GEOGRAPHIC
from app.catalog.event_changes import days_left
from app.catalog.records import (
    BASE_PARTS,
    DATA_RETENTION,
    MANTLE,
    PROJECT_MODELS,
    CatalogState,
    PartResult,
    RemovedModel,
)
from app.catalog.snapshot import build_snapshot, restrict_to_parts, restrict_to_regions, reuse_models
from tests.support.builders import NOW, day, failure, failures, listing, model, profile, snapshot


def test_a_model_that_reaches_its_end_of_life_is_retired_without_a_refresh() -> None:
    end = NOW + timedelta(hours=1)
    before = snapshot(
        listing(
            "us-east-1",
            model("a", lifecycle_status="LEGACY", end_of_life_at=end),
            model("b", lifecycle_status="LEGACY", end_of_life_at=end + timedelta(hours=1)),
        )
    )

    after = build_snapshot(before.state, at=end)

    assert before.valid_until == end
    assert [it.lifecycle for it in before.models] == ["deprecated", "deprecated"]
    assert [it.lifecycle for it in after.models] == ["retired", "deprecated"]
    assert [it.regions for it in after.models] == [(), ("us-east-1",)]
    assert after.changed_at == end
    assert after.valid_until == end + timedelta(hours=1)
    assert build_snapshot(before.state, at=end + timedelta(hours=1)).valid_until is None


def test_a_model_that_reaches_its_legacy_time_is_deprecated_without_a_refresh() -> None:
    legacy = NOW + timedelta(hours=1)
    before = snapshot(listing("us-east-1", model("a", lifecycle_status=None, legacy_at=legacy)))

    after = build_snapshot(before.state, at=legacy)

    assert before.valid_until == legacy
    assert [before.models[0].lifecycle, after.models[0].lifecycle] == ["active", "deprecated"]
    assert after.changed_at == legacy


def test_days_to_an_end_are_counted_anew_at_midnight_until_the_last_end() -> None:
    end = NOW.replace(hour=18) + timedelta(days=2)
    before = snapshot(listing("us-east-1", model("a", legacy_at=NOW, end_of_life_at=end)))
    found = [before]
    while (until := found[-1].valid_until) is not None:
        found.append(build_snapshot(before.state, at=until))

    midnights = [NOW.replace(hour=0) + timedelta(days=days) for days in range(3)]
    assert [it.days_from for it in found] == [*midnights, None]
    assert [days_left(end, it.at) for it in found] == [2, 1, 0, 0]
    assert [it.at for it in found] == [NOW, *midnights[1:], end]
    assert {it.changed_at for it in found[:-1]} == {NOW}


def test_a_region_leaves_a_model_at_its_own_end() -> None:
    end = NOW + timedelta(hours=1)
    before = snapshot(listing("us-east-1", model("a", end_of_life_at=end)), listing("eu-west-1", model("a")))

    after = build_snapshot(before.state, at=before.valid_until or NOW)

    assert before.models[0].regions == ("eu-west-1", "us-east-1")
    assert after.models[0].regions == ("eu-west-1",)


def test_dates_that_have_passed_change_nothing_at_the_next_look() -> None:
    found = snapshot(listing("us-east-1", model("a", legacy_at=day(1), end_of_life_at=day(2))))

    assert (found.changed_at, found.valid_until) == (NOW, None)


def test_profiles_lead_to_their_models_even_past_their_end() -> None:
    found = snapshot(
        listing(
            "us-east-1",
            model("a"),
            model("b", end_of_life_at=day(1)),
            profile("us.a", "a"),
            profile("us.b", "b"),
            profile("us.ghost", "ghost"),
            profile("old.a", "a", status="DELETING"),
        )
    )

    assert {name: it.id for name, it in found.by_profile.items()} == {"us.a": "a", "us.b": "b"}
    assert list(found.by_id) == [it.id for it in found.models] == ["a", "b"]
    assert found.orphan_profiles == 1


def test_a_profile_of_several_models_leads_to_the_first_in_list_order() -> None:
    found = snapshot(listing("us-east-1", model("b"), model("a"), profile("us.both", "b", "a")))

    assert found.by_profile["us.both"].id == "a"


def test_a_snapshots_destinations_are_all_that_a_profile_names_configured_or_not() -> None:
    found = snapshot(
        listing("eu-west-1", model("a"), profile("eu.a", {"a": ["eu-west-1", "eu-south-2"]})),
        listing("us-east-1", profile("global.b", {"b": ["global"]})),
    )

    assert found.destinations == {"eu-west-1", "eu-south-2", "global"}


def test_the_order_of_invocations_is_the_snapshots() -> None:
    found = snapshot(listing("us-east-1", model("a"), profile("us.a", "a")), invoke_order=(GEOGRAPHIC,))

    assert (found.models[0].invoke, found.models[0].on_demand_regions) == ({"us-east-1": "us.a"}, ())


def test_what_left_lately_is_looked_up_by_id() -> None:
    found = snapshot(
        listing("us-east-1", model("a")), removed=(RemovedModel(id="z", created_at=day(3), removed_at=NOW),)
    )

    assert list(found.removed) == ["z"]


def test_equal_models_are_the_ones_that_were_there() -> None:
    first = snapshot(listing("us-east-1", model("a"), profile("us.a", "a", name="US A")))
    second = snapshot(listing("us-east-1", model("a"), profile("us.a", "a", name="US A"), at=NOW + timedelta(hours=1)))

    found = reuse_models(second, first)

    assert found.models is first.models and found.by_id is first.by_id and found.by_profile is first.by_profile
    assert found.state is second.state


def test_models_are_new_where_a_client_can_notice() -> None:
    first = snapshot(listing("us-east-1", model("a"), profile("us.a", "a", name="US A")))

    for second in (
        snapshot(listing("us-east-1", model("a", name="A"), profile("us.a", "a", name="US A"))),
        snapshot(listing("us-east-1", model("a"), profile("us.a", "a", name="Another"))),
        snapshot(listing("us-east-1", model("a"))),
        snapshot(
            listing(
                "us-east-1", model("a"), profile("us.a", "a", name="US A"), application_profiles=[profile("x", "a")]
            )
        ),
    ):
        assert reuse_models(second, first) is second
    assert reuse_models(first, None) is first


def test_a_catalog_that_is_read_back_has_the_models_that_were_stored() -> None:
    """Rows that are equal are one object only where they were read together."""
    rows = [(model("a", name="A"), profile("us.a", "a")) for _ in range(2)]
    stored = snapshot(listing("us-east-1", *rows[0]), listing("us-west-2", *rows[1]))

    loaded = build_snapshot(decode_state(encode_state(stored.state)), at=NOW)

    assert reuse_models(loaded, stored).models is stored.models


def test_a_stored_state_is_served_for_the_configured_regions_alone_in_their_order() -> None:
    state = CatalogState(
        source="aws",
        attempted_at=NOW,
        regions=("us-east-1", "eu-west-1", "sa-east-1", "ap-south-1"),
        listings=(
            *listing("us-east-1", model("a", name="US")),
            *listing("eu-west-1", model("a", name="EU")),
            *listing("sa-east-1", model("c")),
        ),
        failures=(*failures("us-east-1"), failure("ap-south-1"), failure("eu-west-1")),
    )

    kept = restrict_to_regions(state, ("eu-west-1", "us-east-1"))

    assert kept.regions == ("eu-west-1", "us-east-1")
    results: list[PartResult] = [*kept.listings, *kept.failures]
    assert {it.region for it in results} == {"eu-west-1", "us-east-1"}
    assert len(kept.failures) == 3
    assert [(it.id, it.name) for it in build_snapshot(kept, at=NOW).models] == [("a", "EU")]
    assert replace(kept, regions=state.regions, listings=state.listings, failures=state.failures) == state


def test_a_stored_state_is_served_with_the_configured_parts_and_projects_alone() -> None:
    opened = replace(listing("us-east-1", model("b"))[0], part=PROJECT_MODELS)
    state = CatalogState(
        source="aws",
        attempted_at=NOW,
        regions=("us-east-1",),
        parts=(*BASE_PARTS, MANTLE, PROJECT_MODELS),
        projects=("proj_a",),
        listings=(*listing("us-east-1", model("a"), mantle=["a"]), opened),
        failures=(failure("us-east-1", DATA_RETENTION),),
    )
    base = replace(state, parts=BASE_PARTS, projects=(), listings=state.listings[:2], failures=())

    assert restrict_to_parts(state, state.parts, projects=state.projects) == replace(state, failures=())
    assert restrict_to_parts(state, BASE_PARTS) == base
    other = restrict_to_parts(state, state.parts, projects=("proj_b",))
    assert {it.part for it in other.listings} == {*BASE_PARTS, MANTLE}
    [entry] = build_snapshot(restrict_to_parts(state, BASE_PARTS), at=NOW).models
    assert (entry.mantle_rows, entry.project_ways) == (None, None)
