"""Events in words."""

from typing import Any

import pytest

from app.catalog.event_changes import EVENT_TYPES
from app.catalog.event_text import lines_of, title_of
from app.catalog.records import CatalogEvent
from app.catalog.visible_events import VisibleEvent
from tests.support.builders import NOW

REGIONS = ["a-1", "b-1", "c-1", "d-1", "e-1"]


def seen(type_: str, before: Any = None, after: Any = None) -> VisibleEvent:
    event = CatalogEvent(id="1", at=NOW, type=f"model.{type_}", model_id="a.b", name="B")
    return VisibleEvent(event=event, before=before, after=after)


def way(profile: str | None, *, on_demand: bool = False) -> dict[str, Any]:
    return {"on_demand": on_demand, "profile": profile, "regions": ["a-1"], "destinations": []}


def near(days_left: int) -> VisibleEvent:
    return seen("retirement_near", {}, {"days_left": days_left, "retires_at": "2027-01-02T"})


@pytest.mark.parametrize(
    ("event", "title"),
    [
        (seen("added", None, {"regions": REGIONS[:2]}), "B is new in a-1, b-1"),
        (seen("added", None, {"lifecycle": "active", "regions": []}), "B is new"),
        (seen("removed", {"regions": []}), "B is no longer listed"),
        (seen("regions_changed", {}, {"regions": REGIONS}), "B can now be called in 5 regions"),
        (
            seen("regions_changed", {"regions": ["a-1"]}, {"regions": ["b-1"]}),
            "B can now be called in b-1 and can no longer be called in a-1",
        ),
        (
            seen(
                "invocation_changed",
                {"invocations": [way(None, on_demand=True), way("x")]},
                {"invocations": [way("x"), way(None)]},
            ),
            "B gains an inference profile and loses on demand and is processed elsewhere through x",
        ),
        (seen("lifecycle_changed", {}, {"lifecycle": "retired"}), "B is now retired"),
        (seen("lifecycle_changed", {}, {"lifecycles": {"deprecated": ["a-1"]}}), "B is now deprecated in a-1"),
        (seen("dates_changed", {"retires_at": None}, {"retires_at": "2027-01-02T"}), "B retires on 2027-01-02"),
        (
            seen("dates_changed", {"retires_at": "2027-01-02T"}, {"retires_at": "2027-02-02T"}),
            "B retires on 2027-02-02, not on 2027-01-02",
        ),
        (
            seen("dates_changed", {"retires_at": "2027-01-02T"}, {"retires_at": None}),
            "B does not retire on 2027-01-02 in all regions",
        ),
        (seen("dates_changed", {"dates": []}, {"dates": []}), "B has other dates"),
        (
            seen("retirement_near", {}, {"days_left": 1, "retires_at": "2027-01-02T"}),
            "B retires in 1 day, on 2027-01-02",
        ),
        (near(1), "B retires in 1 day, on 2027-01-02"),
        (near(0), "B retires today, on 2027-01-02"),
        (near(9), "B retires in 9 days, on 2027-01-02"),
    ],
)
def test_a_title_says_what_happened(event: VisibleEvent, title: str) -> None:
    assert title_of(event) == title
    assert event.event.type in EVENT_TYPES


def test_lines_say_what_was_and_what_is() -> None:
    event = seen(
        "added",
        {},
        {
            "lifecycle": "active",
            "regions": ["a-1"],
            "invocations": [{"on_demand": False, "profile": "x", "regions": ["a-1"], "destinations": ["b-1", "c-1"]}],
            "retires_at": "2027-01-02T00:00:00Z",
            "dates": [
                {
                    "regions": ["a-1"],
                    "legacy_at": None,
                    "extended_access_at": "2026-12-01T00:00:00Z",
                    "end_of_life_at": "2027-01-02T00:00:00Z",
                }
            ],
        },
    )

    assert lines_of(event) == (
        "Model: a.b",
        "After: active",
        "After: callable in a-1",
        "After: x in a-1, processed in b-1, c-1",
        "After: ends on 2027-01-02",
        "After: extended access until 2026-12-01, end 2027-01-02 in a-1",
    )
