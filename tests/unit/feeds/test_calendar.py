"""The calendar of retirements, as two parsers read it."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import ics

from app.api.feeds.queries import retirements_ics
from app.catalog.snapshot import CatalogSnapshot
from tests.support.builders import NOW, day, listing, model, snapshot, view
from tests.support.servers import PROJECT
from tests.unit.catalog.test_changes import EAST, WEST, following

ENDS = datetime(2027, 1, 8, 8, tzinfo=UTC)
MOVED = datetime(2027, 3, 1, 8, tzinfo=UTC)


def legacy(end: datetime | None, model_id: str = "a") -> Any:
    return model(
        model_id,
        name="Claude",
        lifecycle_status="LEGACY" if end else "ACTIVE",
        legacy_at=end and day(9),
        end_of_life_at=end,
    )


def calendar_of(snapshot: CatalogSnapshot, **scope: Any) -> list[Any]:
    """The events, which both parsers read alike."""
    body = retirements_ics(view(snapshot, **scope))
    events: list[Any] = list(icalendar.Calendar.from_ical(body).walk("VEVENT"))
    others = {it.uid: it for it in ics.Calendar(body.decode()).events}
    assert len(others) == len(events)
    for event in events:
        other = others[event["uid"]]
        assert (other.name, other.begin.date(), other.all_day) == (str(event["summary"]), event.start, True)
        assert (other.status == "CANCELLED") == (event["status"] == "CANCELLED")
        assert {it.trigger for it in other.alarms} == {it["trigger"].dt for it in event.walk("VALARM")}
    return events


def move(snapshot: CatalogSnapshot, end: datetime | None) -> CatalogSnapshot:
    at = snapshot.state.attempted_at + timedelta(hours=1)
    return following(snapshot, listing(EAST, legacy(end)), at=at, regions=(EAST,))


def test_a_retirement_is_an_all_day_event_with_alarms_before_it() -> None:
    (event,) = calendar_of(snapshot(listing(EAST, legacy(ENDS), model("b"))))

    assert (event.start, event.end) == (date(2027, 1, 8), date(2027, 1, 9))
    assert (event["dtstart"].params["VALUE"], event["status"], event["transp"]) == ("DATE", "CONFIRMED", "TRANSPARENT")
    assert str(event["summary"]) == "Claude retires on Amazon Bedrock"
    assert str(event["description"]) == "Model: a\nRegions: us-east-1"
    assert [it["trigger"].dt for it in event.walk("VALARM")] == [timedelta(days=-it) for it in (30, 14, 1)]
    assert {str(it["action"]) for it in event.walk("VALARM")} == {"DISPLAY"}


def test_a_date_that_moves_keeps_its_uid_and_its_sequence_grows() -> None:
    first = snapshot(listing(EAST, legacy(ENDS)))
    second = move(first, MOVED)
    third = move(second, ENDS)

    events = [calendar_of(it)[0] for it in (first, second, third)]

    assert len({it["uid"] for it in events}) == 1
    assert [it.start for it in events] == [date(2027, 1, 8), date(2027, 3, 1), date(2027, 1, 8)]
    sequences = [int(it["sequence"]) for it in events]
    assert sequences == sorted(set(sequences))
    stamps = [it["dtstamp"].dt for it in events]
    assert stamps == sorted(set(stamps))


def test_a_date_that_is_taken_back_is_cancelled_and_one_that_is_set_again_stands() -> None:
    first = snapshot(listing(EAST, legacy(ENDS)))
    second = move(first, None)
    third = move(second, MOVED)

    (before,), (gone,), (again,) = (calendar_of(it) for it in (first, second, third))

    assert (gone["uid"], again["uid"]) == (before["uid"], before["uid"])
    assert (gone.start, gone["status"], list(gone.walk("VALARM"))) == (date(2027, 1, 8), "CANCELLED", [])
    assert int(before["sequence"]) < int(gone["sequence"]) < int(again["sequence"])
    assert (again.start, again["status"]) == (date(2027, 3, 1), "CONFIRMED")


def test_a_model_has_an_event_for_each_day_on_which_it_ends_somewhere() -> None:
    found = calendar_of(snapshot(listing(EAST, legacy(ENDS)), listing(WEST, legacy(MOVED))))

    assert [(it.start, str(it["description"])) for it in found] == [
        (date(2027, 1, 8), "Model: a\nRegions: us-east-1"),
        (date(2027, 3, 1), "Model: a\nRegions: eu-west-1"),
    ]
    assert len({it["uid"] for it in found}) == 2


def test_a_scope_has_the_days_of_its_regions_alone() -> None:
    parts = snapshot(listing(EAST, legacy(ENDS)), listing(WEST, legacy(MOVED)))
    moved = following(parts, listing(EAST, legacy(None)), listing(WEST, legacy(MOVED)))

    assert [it.start for it in calendar_of(parts, regions=("eu-*",))] == [date(2027, 3, 1)]
    assert [it["status"] for it in calendar_of(moved, regions=("eu-*",))] == ["CONFIRMED"]
    assert [it["status"] for it in calendar_of(moved, regions=("us-*",))] == ["CANCELLED"]


def test_an_end_that_has_passed_stays_while_the_model_is_listed() -> None:
    ended = snapshot(listing(EAST, legacy(NOW - timedelta(days=3))))
    gone = following(ended, listing(EAST, model("b")), regions=(EAST,))

    assert [it["status"] for it in calendar_of(ended)] == ["CONFIRMED"]
    assert calendar_of(gone) == []


def test_the_file_says_whose_it_is_and_how_often_to_read_it() -> None:
    body = retirements_ics(view(snapshot(listing(EAST, model("a")))))

    calendar: Any = icalendar.Calendar.from_ical(body)
    assert (calendar["version"], calendar["method"]) == ("2.0", "PUBLISH")
    assert b"\r\nREFRESH-INTERVAL;VALUE=DURATION:PT12H\r\n" in body
    assert str(calendar["prodid"]).startswith("-//")


def test_what_ends_lines_in_names_does_not_end_them_in_the_file() -> None:
    row = model("a", name="A\r\nATTACH:x;,\\", lifecycle_status="LEGACY", end_of_life_at=ENDS)

    (event,) = calendar_of(snapshot(listing(EAST, row)))

    assert "attach" not in event


def test_nothing_of_the_library_is_imported_before_the_first_calendar() -> None:
    code = "import sys; import app.api.feeds.calendar; sys.exit('icalendar' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
