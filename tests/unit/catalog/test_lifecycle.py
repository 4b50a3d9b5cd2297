"""A model's lifecycle: dates decide before words, and the regions that are left before those that have ended."""

from datetime import datetime, timedelta

import pytest

from app.catalog.lifecycle import lifecycle_of, turning_points
from app.catalog.records import FoundationModel
from tests.support.builders import NOW, day, model

PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=1)
LEGACY = model("a", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=FUTURE)
ENDED = model("a", lifecycle_status="LEGACY", legacy_at=day(2), end_of_life_at=PAST)


@pytest.mark.parametrize("status", ["ACTIVE", None, "SOMETHING_NEW"])
def test_a_model_without_dates_that_no_region_calls_legacy_is_active(status: str | None) -> None:
    assert lifecycle_of([model("a", lifecycle_status=status)], NOW) == ("active", None, None)


@pytest.mark.parametrize("status", ["ACTIVE", None, "SOMETHING_NEW", "LEGACY"])
def test_a_model_past_its_end_of_life_is_retired_whatever_its_status_says(status: str | None) -> None:
    row = model("a", lifecycle_status=status, legacy_at=day(1), end_of_life_at=NOW)

    assert lifecycle_of([row], NOW) == ("retired", day(1), NOW)


@pytest.mark.parametrize("status", ["ACTIVE", None, "SOMETHING_NEW", "LEGACY"])
def test_a_model_past_its_legacy_time_is_deprecated_until_its_end_of_life(status: str | None) -> None:
    end = NOW + timedelta(seconds=1)

    assert lifecycle_of([model("a", lifecycle_status=status, legacy_at=NOW, end_of_life_at=end)], NOW) == (
        "deprecated",
        NOW,
        end,
    )


@pytest.mark.parametrize("status", ["ACTIVE", None, "SOMETHING_NEW"])
def test_a_model_whose_dates_are_all_to_come_is_active_without_dates(status: str | None) -> None:
    row = model("a", lifecycle_status=status, legacy_at=FUTURE, end_of_life_at=FUTURE + timedelta(days=45))

    assert lifecycle_of([row], NOW) == ("active", None, None)


def test_a_legacy_model_without_dates_is_deprecated() -> None:
    assert lifecycle_of([model("a", lifecycle_status="LEGACY")], NOW) == ("deprecated", None, None)


def test_a_legacy_model_whose_legacy_time_is_to_come_is_deprecated_already() -> None:
    assert lifecycle_of([model("a", lifecycle_status="LEGACY", legacy_at=FUTURE)], NOW) == ("deprecated", FUTURE, None)


def test_extended_access_neither_deprecates_nor_retires() -> None:
    assert lifecycle_of([model("a", extended_access_at=PAST)], NOW) == ("active", None, None)


@pytest.mark.parametrize("other", [LEGACY, ENDED])
def test_a_model_is_active_if_it_is_in_any_region_and_then_has_no_dates(other: FoundationModel) -> None:
    assert lifecycle_of([other, model("a")], NOW) == ("active", None, None)


def test_a_model_that_has_ended_in_one_region_and_is_legacy_in_another_is_deprecated() -> None:
    assert lifecycle_of([ENDED, LEGACY], NOW) == ("deprecated", day(2), FUTURE)
    assert lifecycle_of([LEGACY, ENDED], NOW) == ("deprecated", day(1), FUTURE)


def test_a_region_that_has_ended_is_no_reason_to_call_a_model_active() -> None:
    ended = model("a", lifecycle_status="ACTIVE", end_of_life_at=PAST)

    assert lifecycle_of([ended, LEGACY], NOW)[0] == "deprecated"


def test_a_model_without_an_end_where_it_lives_has_none_though_it_has_ended_elsewhere() -> None:
    assert lifecycle_of([ENDED, model("a", lifecycle_status="LEGACY")], NOW) == ("deprecated", day(2), None)


@pytest.mark.parametrize("ends", [(PAST, FUTURE), (FUTURE, PAST)])
def test_a_model_retires_with_the_last_region_that_has_it(ends: tuple[datetime, datetime]) -> None:
    rows = [model("a", lifecycle_status="LEGACY", end_of_life_at=end) for end in ends]

    assert lifecycle_of(rows, NOW) == ("deprecated", None, FUTURE)
    assert lifecycle_of(rows, FUTURE) == ("retired", None, FUTURE)


def test_a_lifecycle_can_change_at_each_legacy_time_and_end_of_life() -> None:
    rows = [model("a"), LEGACY, model("a", extended_access_at=day(7), end_of_life_at=day(9))]

    assert turning_points(rows) == {day(1), FUTURE, day(9)}
