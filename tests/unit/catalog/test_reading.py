"""Reading JSON that may be wrong: a value, or an error with the path to it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.catalog.reading import Malformed, Reader, parsed


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-22T12:00:00Z", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("2026-11-22T12:00:00+02:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        # Without an offset it is UTC, and a day alone its midnight.
        ("2026-11-22T12:00:00", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1.5, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        (datetime(2026, 11, 22, 12), datetime(2026, 11, 22, 12, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 11, 22, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_however_it_is_written(value: Any, moment: datetime) -> None:
    found = Reader(value).instant()

    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "value",
    [None, "", "yesterday", "2026-13-01", True, [], 10**400, float("nan"), float("inf"), "0001-01-01T00:00:00+14:00"],
)
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        Reader(value).instant()


@pytest.mark.parametrize("value", [None, "", 7, True, [], "\ud800", "half \udfff"])
def test_what_is_no_whole_text_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        Reader(value).string()


@pytest.mark.parametrize("value", [None, -1, 1.0, True, "1"])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        Reader(value).count()


def test_a_list_that_is_missing_is_empty_and_text_is_no_list() -> None:
    assert Reader(None).strings() == ()
    assert Reader(["a", "b"]).strings() == ("a", "b")
    with pytest.raises(Malformed):
        Reader("ab").strings()


def test_an_error_names_the_path_and_what_was_wanted() -> None:
    value = Reader({"rows": [{"id": "a"}, {"id": None}]})

    with pytest.raises(Malformed) as caught:
        [row.get("id").string() for row in value.get("rows").each()]

    assert str(caught.value) == "rows[1].id: expected a non-empty string, got NoneType"
    with pytest.raises(Malformed, match="top level: expected an object, got list"):
        Reader([]).get("rows")


def test_a_value_that_is_missing_is_none_and_one_that_is_wrong_is_not() -> None:
    assert Reader({}).get("name").maybe(Reader.string) is None
    with pytest.raises(Malformed):
        Reader({"name": ""}).get("name").maybe(Reader.string)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b"\x00"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="not JSON"):
        parsed(data)
