"""What changed and what will end, over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import icalendar
import ics
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.catalog.current import Catalog
from app.catalog.snapshot import CatalogSnapshot, build_snapshot, reuse_models
from app.services import services_of
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import KEY, NOW, listing, model, snapshot
from tests.unit.catalog.test_changes import EAST, LATER, WEST, following

CHANGES, ATOM, RETIREMENTS, ICS = "/changes", "/changes.atom", "/retirements", "/retirements.ics"
ROUTES = (CHANGES, ATOM, RETIREMENTS, ICS)
EVENT_ROUTES = (CHANGES, ATOM)
MEDIA_TYPES = {
    CHANGES: "application/json",
    ATOM: "application/atom+xml; charset=utf-8",
    RETIREMENTS: "application/json",
    ICS: "text/calendar; charset=utf-8",
}
END = datetime(2026, 11, 25, tzinfo=UTC)


def world() -> CatalogSnapshot:
    """`a.old` will end, `b.new` came, `c.gone` left, and `a.wide` came to the west."""
    before = snapshot(
        listing(EAST, model("a.old", name="Old"), model("a.wide"), model("c.gone")), listing(WEST, model("a.old"))
    )
    ending = {"name": "Old", "lifecycle_status": "LEGACY", "legacy_at": NOW, "end_of_life_at": END}
    return following(
        before,
        listing(EAST, model("a.old", **ending), model("a.wide"), model("b.new")),
        listing(WEST, model("a.old", **ending), model("a.wide")),
        regions=(EAST, WEST),
    )


@pytest.fixture
def changed(make_app: MakeApp) -> Flask:
    return make_app(world(), clock=lambda: LATER)


@pytest.fixture
def reader(changed: Flask) -> FlaskClient:
    return client_of(changed)


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def types_of(client: FlaskClient, path: str = CHANGES) -> list[str]:
    return [f"{it['type'].removeprefix('model.')} {it['model_id']}" for it in json_of(client.get(path))["data"]]


@pytest.mark.parametrize("path", ROUTES)
def test_each_route_answers_with_its_own_type_and_the_headers_of_lists(reader: FlaskClient, path: str) -> None:
    answers = [reader.get(path) for _ in range(3)]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == MEDIA_TYPES[path]
        assert answer.headers["cache-control"].startswith("private, max-age=")
        names = ("etag", "last-modified", "age", "vary", "request-id")
        assert [name for name in names if name not in answer.headers] == []
    assert len({answer.data for answer in answers}) == 1


@pytest.mark.parametrize("path", ROUTES)
def test_a_reader_that_has_the_answer_gets_304(reader: FlaskClient, path: str) -> None:
    answer = reader.get(path)
    by_tag = reader.get(path, headers={"If-None-Match": answer.headers["etag"]})
    by_date = reader.get(path, headers={"If-Modified-Since": answer.headers["last-modified"]})
    head = reader.head(path)

    assert (by_tag.status_code, by_tag.data) == (by_date.status_code, by_date.data) == (304, b"")
    assert (head.status_code, head.data, head.headers["etag"]) == (200, b"", answer.headers["etag"])


@pytest.mark.parametrize("path", ROUTES)
def test_long_answers_are_compressed(make_app: MakeApp, path: str) -> None:
    before = snapshot(listing(EAST, model("z")))
    rows = [model(f"m{number}", lifecycle_status="LEGACY", end_of_life_at=END) for number in range(50)]
    client = client_of(make_app(following(before, listing(EAST, *rows), regions=(EAST,))))

    assert client.get(path, headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", ROUTES)
def test_each_route_asks_for_a_key_and_a_catalog(make_app: MakeApp, path: str) -> None:
    assert client_of(make_app(world()), key=None).get(path).status_code == 401
    empty = client_of(make_app()).get(path)

    assert (empty.status_code, json_of(empty)["error"]["type"]) == (503, "overloaded_error")
    assert client_of(make_app(world())).post(path).status_code == 405


def test_a_poller_goes_on_at_the_last_id(reader: FlaskClient) -> None:
    whole = json_of(reader.get(CHANGES))
    seen: list[Any] = []
    path = f"{CHANGES}?limit=2"
    while (page := json_of(reader.get(path)))["data"]:
        seen += page["data"]
        path = f"{CHANGES}?limit=2&after={page['last_id']}"

    assert seen == whole["data"]
    assert (whole["first_id"], whole["last_id"]) == (seen[0]["id"], seen[-1]["id"])
    assert page == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
        "oldest_id": seen[0]["id"],
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=model.added", ["added b.new"]),
        ("type[]=model.added&type[]=model.removed", ["added b.new", "removed c.gone"]),
        ("type=model.added,model.removed", ["added b.new", "removed c.gone"]),
        ("model=B.*", ["added b.new"]),
        ("model=unheard-of", []),
        ("region=eu-*&model=a.wide", ["regions_changed a.wide"]),
        ("region=us-*&model=a.wide", []),
        ("model=a.wide&type=&region=&after=&limit=&else=x", ["regions_changed a.wide"]),
    ],
)
def test_events_are_filtered(reader: FlaskClient, query: str, expected: list[str]) -> None:
    feed = feedparser.parse(reader.get(f"{ATOM}?{query}").data)

    assert types_of(reader, f"{CHANGES}?{query}") == expected
    assert not feed.bozo
    assert sorted(it.tags[0].term for it in feed.entries) == sorted(f"model.{it.split()[0]}" for it in expected)


WRONG = [
    ("limit=0", "limit: Input should be greater than or equal to 1"),
    ("limit=1001", "limit: Input should be less than or equal to 1000"),
    ("limit=many", "limit: Input should be a valid integer, unable to parse string as an integer"),
    ("type=added", "type: Input should be 'model.added', "),
    ("region=mars-1", "region: Input should be 'eu-west-1' or 'us-east-1'"),
    (f"model={'a' * 201}", "model.0: String should have at most 200 characters"),
]


@pytest.mark.parametrize("path", EVENT_ROUTES)
@pytest.mark.parametrize(("query", "message"), WRONG)
def test_a_wrong_argument_is_named(reader: FlaskClient, path: str, query: str, message: str) -> None:
    answer = reader.get(f"{path}?{query}")

    assert answer.status_code == 400
    assert json_of(answer)["error"]["type"] == "invalid_request_error"
    assert json_of(answer)["error"]["message"].startswith(message)


@pytest.mark.parametrize("after", ["x", "1", "1790000000000-0000", "1790000000000-000000", "%0a1790000000000-00000"])
def test_an_after_that_is_no_id_is_refused_and_not_ignored(reader: FlaskClient, after: str) -> None:
    answer = reader.get(f"{CHANGES}?after={after}")

    assert answer.status_code == 400
    assert json_of(answer)["error"]["message"].startswith("after: Input should be the id of an event")


def test_the_feed_and_the_calendar_are_read_by_their_readers(reader: FlaskClient) -> None:
    feed = feedparser.parse(reader.get(ATOM).data)
    calendar = icalendar.Calendar.from_ical(reader.get(ICS).data)
    other = ics.Calendar(reader.get(ICS).text)

    assert (feed.bozo, feed.version) == (False, "atom10")
    assert {it.id for it in feed.entries} and len({it.id for it in feed.entries}) == len(types_of(reader))
    (event,) = calendar.walk("VEVENT")
    assert (event.decoded("DTSTART"), event["SUMMARY"]) == (END.date(), "Old retires on Amazon Bedrock")
    assert [it.begin.date() for it in other.events] == [END.date()]


def test_a_retirement_is_listed(reader: FlaskClient) -> None:
    (found,) = json_of(reader.get(RETIREMENTS))["data"]

    assert (found["model_id"], found["lifecycle"], found["retires_at"]) == (
        "a.old",
        "deprecated",
        "2026-11-25T00:00:00Z",
    )
    assert [it["regions"] for it in found["regions"]] == [[WEST, EAST]]


# The clock.


def published(app: Flask) -> Catalog:
    return services_of(app).catalog


def test_the_days_that_are_left_are_right_after_midnight_and_past_the_end(make_app: MakeApp) -> None:
    clock = Clock(LATER)
    app = make_app(world(), clock=clock)
    client = client_of(app)
    seen = []
    for _ in range(4):
        for _ in range(3):
            answer = client.get(RETIREMENTS)
        seen += [[it["days_left"] for it in json_of(answer)["data"]]]
        conditions = {"If-Modified-Since": answer.headers["last-modified"]}
        clock.now = clock.now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        services_of(app).refresher.reload_if_changed()
        if seen[-1]:
            assert client.get(RETIREMENTS, headers=conditions).status_code == 200

    assert seen == [[3], [2], [1], []]


def test_an_event_that_changes_no_model_reaches_a_cached_answer(make_app: MakeApp) -> None:
    ending = model("a", lifecycle_status="LEGACY", legacy_at=NOW, end_of_life_at=LATER + timedelta(days=30, minutes=5))
    before = following(snapshot(listing(EAST, model("a"))), listing(EAST, ending), regions=(EAST,), at=NOW)
    app = make_app(before, clock=Clock(LATER))
    client = client_of(app)
    for _ in range(3):
        stale = client.get(CHANGES)
    published(app).publish(following(before, listing(EAST, ending), regions=(EAST,), at=LATER + timedelta(minutes=10)))

    conditions = {"If-Modified-Since": stale.headers["last-modified"]}
    assert published(app).current().models is before.models
    assert types_of(client)[-1] == "retirement_near a" and len(types_of(client)) == len(json_of(stale)["data"]) + 1
    assert client.get(CHANGES, headers=conditions).status_code == 200


def test_a_catalog_derived_anew_the_same_day_keeps_its_cached_answers(make_app: MakeApp) -> None:
    app = make_app(world(), clock=Clock(LATER))
    client = client_of(app)
    for _ in range(3):
        client.get(CHANGES)
    last = published(app).current()
    published(app).publish(reuse_models(build_snapshot(last.state, at=LATER + timedelta(hours=1)), last))
    client.get(RETIREMENTS)

    assert [key.path for key in app.wsgi_app.inner._generation.cache._kept] == [CHANGES]  # type: ignore[attr-defined]


# Scopes.

KEYS = ("team-a:secret-a", "team-b:secret-b", "feed:secret+f/==", f"whole:{KEY}")
FILE = """
[scopes.a]
keys = ["team-a"]
models = ["a.*"]
regions = ["us-*"]

[scopes.b]
keys = ["team-b"]
models = ["b.*", "c.*"]
id_format = "bedrock/{id}"

[scopes.feed]
keys = ["feed"]
models = ["a.*"]
id_format = "bedrock/{id}"
feeds = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "operator.toml"
    file.write_text(FILE)
    return file


@pytest.fixture
def scoped(make_app: MakeApp, file: Path) -> Flask:
    return make_app(world(), api_keys=KEYS, operator_file=str(file), clock=lambda: LATER)


def test_each_key_sees_its_own_events_and_retirements(scoped: Flask) -> None:
    a, b = client_of(scoped, "secret-a"), client_of(scoped, "secret-b")
    for _ in range(3):
        assert {it.split()[1] for it in types_of(a)} == {"a.old"}  # a.wide came to the west alone.
        assert types_of(b) == ["added bedrock/b.new", "removed bedrock/c.gone"]
        assert [it["regions"][0]["regions"] for it in json_of(a.get(RETIREMENTS))["data"]] == [[EAST]]
        assert json_of(b.get(RETIREMENTS))["data"] == []
        for path in (ATOM, ICS):
            assert b"b.new" not in a.get(path).data and b"a.old" not in b.get(path).data
    assert "eu-west-1" not in a.get(CHANGES).text


def test_ids_are_written_and_read_as_the_scope_has_them(scoped: Flask) -> None:
    b, feed = client_of(scoped, "secret-b"), client_of(scoped, "secret+f/==")
    plain = json_of(client_of(scoped).get(f"{CHANGES}?model=b.new"))["data"]

    for pattern in ("bedrock/b.*", "b.new", "bedrock/*.new"):
        (found,) = json_of(b.get(f"{CHANGES}?model={pattern}"))["data"]
        assert found == {**plain[0], "model_id": "bedrock/b.new"}
    assert [it["model_id"] for it in json_of(feed.get(RETIREMENTS))["data"]] == ["bedrock/a.old"]
    assert "Model: bedrock/b.new" in b.get(ATOM).text and "Model: b.new" not in b.get(ATOM).text
    assert "Model: bedrock/a.old" in feed.get(ICS).text


def test_the_same_event_is_the_same_entry_and_the_same_day_in_every_scope(scoped: Flask) -> None:
    feed, whole = client_of(scoped, "secret+f/=="), client_of(scoped)

    def entries(client: FlaskClient) -> set[str]:
        return {it.id for it in feedparser.parse(client.get(ATOM).data).entries}

    def uids(client: FlaskClient) -> set[str]:
        return {str(it["UID"]) for it in icalendar.Calendar.from_ical(client.get(ICS).data).walk("VEVENT")}

    assert entries(feed) < entries(whole)
    assert uids(feed) == uids(whole)
