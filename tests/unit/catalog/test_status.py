"""How fresh the catalog is, by region and part, and why it is not there."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.catalog.cards import NO_CARDS
from app.catalog.cards.reading import read_operator_cards
from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import MODELS, PROFILES, PartFailure, PartListing
from app.catalog.snapshot import CatalogSnapshot, with_cards
from app.catalog.status import CatalogStatus, RegionStatus, age, models_without_limits, status_of, unavailable_reason
from tests.support.builders import NOW, failure, failures, listing, model, profile, snapshot

OLD = NOW - timedelta(minutes=45)


def region_of(*listings: tuple[PartListing, ...], failed: tuple[PartFailure, ...] = ()) -> RegionStatus:
    [found] = status_of(snapshot(*listings, failures=failed), at=NOW, refresh_s=900).regions
    return found


EAST = listing("us-east-1", model("a"))
ONE_OLD = (*listing("us-east-1", at=OLD, without=[PROFILES]), *listing("us-east-1", without=[MODELS]))


@pytest.mark.parametrize(
    ("listed", "failed", "states", "state"),
    [
        (EAST, (), ("fresh", "fresh"), "fresh"),
        (EAST, (failure("us-east-1", PROFILES),), ("fresh", "stale"), "partial"),
        (EAST, failures("us-east-1"), ("stale", "stale"), "stale"),
        (EAST[:1], (failure("us-east-1", PROFILES),), ("fresh", "missing"), "partial"),
        (EAST[:1], failures("us-east-1"), ("stale", "missing"), "partial"),
        (EAST[1:], (failure("us-east-1", MODELS),), ("missing", "fresh"), "partial"),
        (EAST[:1], (), ("fresh", "missing"), "partial"),
        ((), failures("us-east-1"), ("missing", "missing"), "missing"),
    ],
)
def test_a_region_is_what_all_of_its_parts_are_or_partial(
    listed: tuple[PartListing, ...], failed: tuple[PartFailure, ...], states: tuple[str, str], state: str
) -> None:
    found = region_of(listed, failed=failed)

    assert tuple(it.state for it in found.parts) == states
    assert found.state == state


def test_a_region_that_is_configured_and_was_never_heard_of_is_missing() -> None:
    found = status_of(snapshot(EAST, regions=("us-east-1", "eu-west-1")), at=NOW, refresh_s=900)

    assert [(it.region, it.state, it.age_s, it.failure) for it in found.regions] == [
        ("eu-west-1", "missing", None, None),
        ("us-east-1", "fresh", 0, None),
    ]


def test_a_status_has_each_parts_figures_and_its_last_failure() -> None:
    refused = failure("us-east-1", PROFILES, action="bedrock:ListInferenceProfiles", duration_ms=80)
    models = replace(
        listing("us-east-1", model("a"), model("b"), at=OLD)[0],
        skipped_rows=1,
        unread_fields=2,
        backfilled_rows=3,
        duration_ms=120,
    )
    [region] = status_of(snapshot([models], failures=(refused,)), at=NOW, refresh_s=900).regions

    one, two = region.parts
    assert (one.part, one.listed_at, one.age_s, one.rows, one.failure) == (MODELS, OLD, 2700, 2, None)
    assert (one.skipped_rows, one.unread_fields, one.backfilled_rows, one.duration_ms) == (1, 2, 3, 120)
    assert (two.part, two.listed_at, two.age_s, two.rows, two.failure) == (PROFILES, None, None, 0, refused)
    assert (two.skipped_rows, two.unread_fields, two.backfilled_rows, two.duration_ms) == (0, 0, 0, 80)
    assert (region.models, region.inference_profiles, region.age_s, region.failure) == (2, 0, 2700, refused)


def test_a_regions_age_is_that_of_its_oldest_part() -> None:
    assert region_of(ONE_OLD).age_s == 2700


def test_the_length_of_the_last_visit_counts_whether_it_failed_or_not() -> None:
    late = failure("us-east-1", MODELS, duration_ms=30_000)

    assert region_of(listing("us-east-1", model("a"), duration_ms=120), failed=(late,)).parts[0].duration_ms == 30_000


def test_a_catalog_is_ready_while_it_is_younger_than_two_intervals() -> None:
    catalog = snapshot(listing("us-east-1", model("a"), model("b"), profile("us.ghost", "ghost")))

    found = status_of(catalog, at=NOW + timedelta(seconds=200.9), refresh_s=100)
    late = status_of(catalog, at=NOW + timedelta(seconds=201), refresh_s=100)

    assert (found.state, found.source, found.models, found.orphan_profiles) == ("ready", "aws", 2, 1)
    assert (found.attempted_at, found.refreshed_at, found.age_s) == (NOW, NOW, 200)
    assert late.state == "stale"


@pytest.mark.parametrize(
    "catalog",
    [
        snapshot(listing("us-east-1")),
        snapshot(failures=failures("us-east-1"), refreshed_at=None),
        snapshot(listing("us-east-1", profile("us.a", "a"), without=[MODELS])),
        snapshot(listing("us-east-1"), listing("eu-west-1", profile("eu.a", "a"))),
    ],
)
def test_a_catalog_without_a_model_is_unavailable(catalog: CatalogSnapshot) -> None:
    assert status_of(catalog, at=NOW, refresh_s=900).state == "unavailable"


def test_before_the_first_snapshot_the_catalog_is_unavailable() -> None:
    assert status_of(None, at=NOW, refresh_s=900) == CatalogStatus(state="unavailable")


def test_a_catalog_that_no_refresh_brought_is_not_ready_by_its_failures_alone() -> None:
    only_failures = next_snapshot(
        None, failures("sa-east-1"), source="aws", regions=("sa-east-1",), at=NOW, max_stale=timedelta(days=1)
    )

    found = status_of(only_failures, at=NOW, refresh_s=900)

    assert (found.state, found.refreshed_at, found.age_s) == ("unavailable", None, None)
    assert [(it.region, it.state, it.failure and it.failure.code) for it in found.regions] == [
        ("sa-east-1", "missing", "AccessDeniedException")
    ]


def test_no_age_is_negative_where_the_clock_was_set_back() -> None:
    found = status_of(snapshot(EAST), at=NOW - timedelta(days=1), refresh_s=900)

    assert (found.state, found.age_s, found.regions[0].age_s) == ("ready", 0, 0)
    assert (age(None, NOW), age(NOW, NOW - timedelta(days=1))) == (None, 0)


@pytest.mark.parametrize(
    ("catalog", "reason"),
    [
        (None, "no region has answered yet"),
        (
            snapshot(failures=(*failures("us-east-1"), *failures("eu-west-1"))),
            "no region has answered yet: AccessDeniedException in 2 of 2 regions",
        ),
        (
            snapshot(
                failures=(*failures("us-east-1", "Timeout"), *failures("eu-west-1"), *failures("sa-east-1", "Timeout"))
            ),
            "no region has answered yet: AccessDeniedException in 1 of 3 regions, Timeout in 2 of 3 regions",
        ),
        (snapshot(listing("us-east-1"), listing("eu-west-1")), "no model in 2 of 2 regions"),
        (
            snapshot(listing("us-east-1"), failures=failures("eu-west-1")),
            "no model in 1 of 2 regions, AccessDeniedException in 1 of 2 regions",
        ),
        (snapshot(listing("us-east-1"), regions=("us-east-1", "eu-west-1")), "no model in 1 of 2 regions"),
        (snapshot(regions=("us-east-1", "eu-west-1")), "no region has answered yet"),
        (snapshot(listing("us-east-1"), failures=(failure("us-east-1", PROFILES),)), "no model in 1 of 1 regions"),
    ],
)
def test_the_reason_why_nothing_is_served_is_codes_and_counts(catalog: CatalogSnapshot | None, reason: str) -> None:
    assert unavailable_reason(catalog) == reason


def test_the_reason_why_nothing_is_served_never_holds_aws_text() -> None:
    refused = failures("us-east-1", detail="arn:aws:iam::123456789012:role/Secret is not authorized")

    assert "Secret" not in unavailable_reason(snapshot(failures=refused))


def test_callable_chat_models_without_both_limits_are_counted() -> None:
    known = read_operator_cards(
        {"a": {"max_input_tokens": 1000, "max_tokens": 10}, "b": {"max_tokens": 10}}, as_of=NOW.date()
    )
    models = (model("a"), model("b"), model("c"), model("picture", output_modalities=("IMAGE",)))
    catalog = snapshot(listing("us-east-1", *models))

    found = with_cards(catalog, NO_CARDS.with_layer(known), at=NOW)

    assert (models_without_limits(catalog), models_without_limits(found)) == (3, 2)
