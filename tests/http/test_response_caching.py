"""The response cache over HTTP: what is kept, what changes it, and what caches are sent."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.http import http_date
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from app.auth.authentication import ANONYMOUS
from app.auth.key_format import parse_key
from app.catalog.current import Catalog
from app.catalog.next_snapshot import never_listed, next_snapshot
from app.catalog.snapshot import CatalogSnapshot
from app.refresh.schedule import RefreshSchedule
from app.services import services_of
from app.telemetry.access_log import AccessLog
from app.web.conditions import seconds_of
from app.web.request_context import CONTEXT, RequestContext, RequestContextMiddleware
from app.web.response_cache_middleware import ResponseCacheMiddleware
from config import Settings
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, NOW, day, failures, listing, model, profile, snapshot
from tests.support.servers import eventually

LIST = "/anthropic/v1/models"


REFRESH_S = 900


def later(previous: CatalogSnapshot, *listings: Any, seconds: int, regions: tuple[str, ...]) -> CatalogSnapshot:
    at = NOW + timedelta(seconds=seconds)
    parts = [part for region in listings for part in region]
    return next_snapshot(previous, parts, source="aws", regions=regions, at=at, max_stale=timedelta(days=1))


def rows(*numbers: int) -> list[Any]:
    return [model(f"m{number}", start_of_life_at=day(number), provider="P" * 60) for number in numbers]


def history() -> list[CatalogSnapshot]:
    """A catalog; the same refreshed; without m3; the same after m3 is forgotten; and asked of one region more."""
    east = ("us-east-1",)
    first = snapshot(listing("us-east-1", *rows(*range(12))))
    same = later(first, listing("us-east-1", *rows(*range(12))), seconds=60, regions=east)
    without = [number for number in range(12) if number != 3]
    less = later(same, listing("us-east-1", *rows(*without)), seconds=120, regions=east)
    forgotten = later(less, listing("us-east-1", *rows(*without)), seconds=2 * 86_400, regions=east)
    more = later(
        forgotten, listing("us-east-1", *rows(*without)), seconds=3 * 86_400, regions=("us-east-1", "eu-west-1")
    )
    return [first, same, less, forgotten, more]


HISTORY = history()


class Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


def ask(wsgi: Any, environ: dict[str, Any]) -> Answer:
    """An answer without what is new in each: the request id, in the headers and in an error's body."""
    body, status, headers = run_wsgi_app(wsgi, environ)
    request_id = headers.pop("request-id")
    assert headers.pop("x-request-id") == request_id
    data = b"".join(body)
    if environ["REQUEST_METHOD"] != "HEAD" and not status.startswith("304"):
        assert len(data) == int(headers["content-length"])
    return Answer(status, sorted(headers), data.replace(request_id.encode(), b""))


Layers = RequestContextMiddleware


def cache_of(app: Flask) -> ResponseCacheMiddleware:
    assert isinstance(app.wsgi_app, RequestContextMiddleware)
    assert isinstance(app.wsgi_app.inner, ResponseCacheMiddleware)
    return app.wsgi_app.inner


def fresh_layers(app: Flask, **changes: Any) -> Layers:
    """The layers over an app, with nothing cached."""
    services = replace(services_of(app), **changes)
    cache = ResponseCacheMiddleware(
        cache_of(app).inner,
        settings=services.settings,
        catalog=services.catalog,
        clock=services.clock,
    )
    access_log = AccessLog(services.settings)
    return Layers(
        cache, settings=services.settings, catalog=services.catalog, key_ring=services.key_ring, access_log=access_log
    )


@pytest.fixture(scope="module")
def module_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An app whose catalog the tests change."""
    settings = Settings(api_keys=(KEY,), catalog_dir=tmp_path_factory.mktemp("catalog"), refresh_s=REFRESH_S)
    return create_app(settings, catalog=Catalog(HISTORY[0]), clock=lambda: NOW + timedelta(days=4))


@pytest.fixture(scope="module")
def timed_app(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flask, list[datetime]]:
    """An app whose catalog and clock the test changes."""
    now = [NOW]
    settings = Settings(api_keys=(KEY,), catalog_dir=tmp_path_factory.mktemp("catalog"), refresh_s=REFRESH_S)
    return create_app(settings, catalog=Catalog(), clock=lambda: now[0]), now


paths = st.sampled_from(
    [
        LIST,
        f"{LIST}/",
        "/v1/models",
        *("/search_models", "/changes", "/changes.atom", "/retirements", "/retirements.ics"),
        *(f"{prefix}/{name}" for prefix in (LIST, "/v1/models") for name in ("m1", "m3", "m1[1m]", "nope", "ü", "a/b")),
        "/livez",
        "/readyz",
        "/",
        "/anthropic/v1/nothing",
    ]
)


values = st.sampled_from(
    [
        *("1", "3", "1000", "0", "x", "m1", "m3", "m11", "active", "retired", "active,deprecated", ""),
        *("models", "profiles", "all", "us-*", "eu-*", "*", "global"),
    ]
)


queries = st.lists(
    st.tuples(
        st.sampled_from(
            ["limit", "after_id", "before_id", "lifecycle[]", "lifecycle", "region", "view", "within", "beta", "ü"]
        ),
        values | st.sampled_from(["us-east-1", "eu-west-1"]) | st.text(max_size=3),
    ),
    max_size=3,
).map(urlencode) | st.sampled_from(["&", "limit", "limit=3&", "limit=%33", "%", "after_id=m3", "region=eu-west-1"])


headers = st.fixed_dictionaries(
    {},
    optional={
        "X-Api-Key": st.sampled_from([KEY, "wrong", ""]),
        "Authorization": st.sampled_from([f"Bearer {KEY}", "bearer wrong", KEY]),
        "Accept-Encoding": st.sampled_from(["gzip", "gzip, br", "identity", "gzip;q=0", "*", "gzip;q=0.5, identity"]),
        "If-None-Match": st.sampled_from(["*", '"x"', 'W/"x"', "x", ""]),
        "If-Modified-Since": st.sampled_from([http_date(NOW), http_date(NOW + timedelta(days=9)), "yesterday"]),
        "Origin": st.just("https://example.com"),
        "Upgrade": st.just("websocket"),
        "Connection": st.sampled_from(["upgrade", "close"]),
        "Content-Length": st.sampled_from(["0", str(1 << 21), "x"]),
        "Transfer-Encoding": st.just("chunked"),
        "Host": st.sampled_from(["example.com", "a b", "[", ""]),
        "Accept": st.sampled_from(["text/html", "*/*"]),
        "Range": st.just("bytes=0-1"),
        "X-HTTP-Method-Override": st.just("DELETE"),
        "anthropic-beta": st.just("any"),
    },
)


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.sampled_from([None, *HISTORY]), min_size=1, max_size=4),
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS"]),
    path=paths,
    query=queries,
    given_headers=headers,
    sends_key=st.booleans(),
    has_it=st.booleans(),
    peer=st.sampled_from(["127.0.0.1", ""]),
)
@example([*HISTORY[2:4]], "GET", LIST, "after_id=m3", {}, True, False, "")
@example(HISTORY[:2:-1], "GET", LIST, "region=eu-west-1", {}, True, False, "")
@example(HISTORY[:4], "GET", "/v1/models", "view=profiles&region=us-*&within=*", {}, True, False, "")
@example([HISTORY[0]], "GET", LIST, "", {"Connection": "upgrade", "Upgrade": "websocket"}, True, False, "")
@example([HISTORY[0]], "GET", LIST, "", {"Content-Length": str(1 << 21)}, True, False, "")
@example([HISTORY[0]], "HEAD", LIST, "", {"Accept-Encoding": "gzip"}, True, False, "")
@example([HISTORY[0]], "GET", LIST, "", {"Accept-Encoding": "gzip"}, True, True, "")
def test_every_request_is_answered_alike_with_and_without_the_cache(
    module_app: Flask,
    steps: list[CatalogSnapshot | None],
    method: str,
    path: str,
    query: str,
    given_headers: dict[str, str],
    sends_key: bool,
    has_it: bool,
    peer: str,
) -> None:
    if sends_key:
        given_headers = given_headers | {"X-Api-Key": KEY}

    def environ(**more: str) -> dict[str, Any]:
        built = EnvironBuilder(path=path, method=method, headers=Headers(given_headers | more)).get_environ()
        # The builder knows better than a client that lies.
        length = {"CONTENT_LENGTH": given_headers["Content-Length"]} if "Content-Length" in given_headers else {}
        return built | {"QUERY_STRING": query, "REMOTE_ADDR": peer} | length

    for current in steps:
        services_of(module_app).catalog.publish(current)
        cache_of(module_app).warm()
        for _ in range(2):
            simple = EnvironBuilder(path=path, headers=Headers({"X-Api-Key": KEY})).get_environ()
            run_wsgi_app(module_app.wsgi_app, simple | {"QUERY_STRING": query})
        expected = ask(fresh_layers(module_app), environ())
        if has_it:
            etag = dict(expected.headers).get("ETag", "none")
            expected = ask(fresh_layers(module_app), environ(**{"If-None-Match": etag}))
        answers = [ask(module_app.wsgi_app, environ(**({"If-None-Match": etag} if has_it else {}))) for _ in range(3)]

        assert answers == [expected] * 3
        if expected.status == "200 OK" and method == "GET" and "HTTP_ACCEPT_ENCODING" not in environ():
            body, status, _ = run_wsgi_app(
                cache_of(module_app).inner, environ() | {CONTEXT: RequestContext("", ANONYMOUS)}
            )

            assert (status, b"".join(body)) == (expected.status, expected.body)


Counting = tuple[FlaskClient, list[str], Catalog]


@pytest.fixture
def counting(make_app: MakeApp) -> Counting:
    """A client, the paths for which a view was asked, and the catalog."""
    app = make_app(HISTORY[0], refresh_s=REFRESH_S, clock=lambda: NOW + timedelta(seconds=100))
    asked: list[str] = []
    app.before_request(lambda: asked.append(request.full_path))
    return client_of(app), asked, services_of(app).catalog


def test_a_view_is_not_called_again_for_what_was_requested_twice(counting: Counting) -> None:
    client, asked, _ = counting
    answers = [client.get(f"{LIST}?limit=3").data for _ in range(5)]

    assert len(asked) == 2
    assert len(set(answers)) == 1


FILTERS = (
    *(f"view={view}" for view in ("models", "profiles", "all")),
    *("region=us-east-1", "region=us-*", "within=us-*", "within=*", "view=all&region=us-*&within=us-east-1"),
)


@pytest.mark.parametrize("path", [LIST, "/v1/models", "/search_models"])
def test_filtered_lists_are_kept_like_any_other_each_for_itself(counting: Counting, path: str) -> None:
    client, asked, catalog = counting
    first = {query: client.get(f"{path}?{query}").data for query in FILTERS}
    for _ in range(3):
        assert {query: client.get(f"{path}?{query}").data for query in FILTERS} == first

    assert len(asked) == 2 * len(FILTERS)
    catalog.publish(HISTORY[2])
    for query in FILTERS:
        before, after = json.loads(first[query])["data"], client.get(f"{path}?{query}").get_json()["data"]
        assert [row["id"] for row in before if row["id"] != "m3"] == [row["id"] for row in after]


def test_a_list_that_a_changed_name_of_a_profile_is_in_is_made_anew(counting: Counting) -> None:
    client, _, catalog = counting
    names = []
    for name in ("Old", "New"):
        row = profile("us.m1", {"m1": ("us-east-1",)}, name=name)
        new = listing("us-east-1", *rows(1), row)
        catalog.publish(later(catalog.current(), new, seconds=60, regions=("us-east-1",)))
        listed = [client.get(f"{LIST}?view=profiles").get_json()["data"] for _ in range(4)]
        assert listed == [listed[0]] * 4
        names += [entry["display_name"] for entry in listed[0] if entry["id"] == "us.m1"]

    assert names == ["Old", "New"]


def test_a_refresh_that_changes_nothing_keeps_the_answers(counting: Counting) -> None:
    client, asked, catalog = counting
    ages = [client.get(LIST).headers["age"] for _ in range(3)]
    catalog.publish(HISTORY[1])
    ages.append(client.get(LIST).headers["age"])

    assert len(asked) == 2
    assert ages == ["100", "100", "100", "40"]


def test_a_change_shows_at_once_and_the_view_is_asked_once(counting: Counting) -> None:
    client, asked, catalog = counting
    for _ in range(3):
        client.get(LIST)
    catalog.publish(HISTORY[2])
    changed = [client.get(LIST) for _ in range(3)]

    assert len(asked) == 3
    assert all("m3" not in [row["id"] for row in answer.get_json()["data"]] for answer in changed)


def test_after_a_change_the_last_requested_responses_are_made_before_their_next_request(counting: Counting) -> None:
    client, asked, catalog = counting
    cache = cache_of(client.application)
    for path in (LIST, f"{LIST}?limit=3", f"{LIST}/m3", "/v1/models?once"):
        for _ in range(1 if path.endswith("once") else 2):
            client.get(path)
    before = len(asked)
    cache.warm()
    assert len(asked) == before

    catalog.publish(HISTORY[2])
    # The first asker may be quicker than the background.
    client.get(LIST)
    cache.warm()
    cache.warm()
    made = asked[before:]
    answers = [client.get(path) for path in (LIST, f"{LIST}?limit=3")]

    assert asked[before:] == made == [f"{LIST}?", f"{LIST}?limit=3", f"{LIST}/m3?"]
    assert all("m3" not in [row["id"] for row in answer.get_json()["data"]] for answer in answers)
    assert client.get(f"{LIST}/m3").status_code == 404


def test_a_worker_warms_the_cache_in_the_background(counting: Counting) -> None:
    client, asked, catalog = counting
    refresher = services_of(client.application).refresher
    for _ in range(2):
        client.get(LIST)
    catalog.publish(HISTORY[2])
    with refresher._store.lease():  # So that it does not refresh.
        scheduler = services_of(client.application).scheduler
        scheduler.start()
        try:
            eventually(lambda: len(asked) == 3)
        finally:
            scheduler.stop()


def test_only_so_many_responses_are_warmed(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    client, asked, catalog = counting
    cache = cache_of(client.application)
    monkeypatch.setattr("app.web.response_cache.MAX_HOT_KEYS", 2)
    for limit in (1, 2, 3, 1):
        for _ in range(2):
            client.get(f"{LIST}?limit={limit}")
    before = len(asked)
    catalog.publish(HISTORY[2])
    cache.warm()

    assert asked[before:] == [f"{LIST}?limit=3", f"{LIST}?limit=1"]


def test_an_answer_to_a_request_that_a_change_overtook_is_not_kept(make_app: MakeApp) -> None:
    app = make_app(HISTORY[0])
    catalog, client = services_of(app).catalog, client_of(app)
    overtaking = iter([HISTORY[0], HISTORY[2], HISTORY[2], HISTORY[2]])

    @app.after_request
    def change(response: Response) -> Response:
        catalog.publish(next(overtaking))
        return response

    client.get(LIST)
    overtaken, after = client.get(LIST), [client.get(LIST) for _ in range(2)]

    assert "m3" in [row["id"] for row in overtaken.get_json()["data"]]
    assert all("m3" not in [row["id"] for row in answer.get_json()["data"]] for answer in after)


def test_an_answer_to_a_request_that_a_change_overtook_drives_no_kept_answer_out(counting: Counting) -> None:
    client, asked, catalog = counting

    @client.application.after_request
    def change(response: Response) -> Response:
        if request.path.endswith("/m1") and catalog.latest is HISTORY[0]:
            catalog.publish(HISTORY[2])
            with ThreadPoolExecutor() as background:
                background.submit(cache_of(client.application).warm).result()
        return response

    for _ in range(2):
        client.get(LIST)
    client.get(f"{LIST}/m1")
    before = len(asked)
    client.get(LIST)

    assert len(asked) == before


def test_a_cached_response_requires_a_key_too(counting: Counting) -> None:
    client, _, _ = counting
    for _ in range(3):
        client.get(LIST)
    stranger = client.application.test_client()

    assert stranger.get(LIST).status_code == 401
    assert stranger.get(LIST, headers={"x-api-key": "wrong"}).status_code == 401
    assert stranger.get(LIST, headers={"x-api-key": "wrong", "authorization": f"Bearer {KEY}"}).status_code == 200


def test_a_revoked_key_gets_no_cached_response(counting: Counting) -> None:
    client, _, _ = counting
    for _ in range(3):
        client.get(LIST)
    services_of(client.application).key_ring.publish([parse_key("another")], is_complete=True)

    assert client.get(LIST).status_code == 401


def test_every_answer_has_an_id_of_its_own(counting: Counting) -> None:
    client, _, _ = counting

    assert len({client.get(LIST).headers["request-id"] for _ in range(5)}) == 5


def test_the_headers_for_caches(counting: Counting) -> None:
    client, _, _ = counting
    answer = client.get(LIST)

    assert answer.headers["etag"].startswith('"')
    assert answer.headers["cache-control"] == "private, max-age=900"
    assert answer.headers["age"] == "100"
    assert answer.headers["vary"] == "Accept-Encoding, Authorization, X-Api-Key"
    assert "x-accel-expires" not in answer.headers


def test_after_a_clock_was_set_back_an_answer_is_fresh_for_an_interval(make_app: MakeApp) -> None:
    refreshed = HISTORY[0].state.refreshed_at
    assert refreshed is not None
    app = make_app(replace(HISTORY[0], state=replace(HISTORY[0].state, attempted_at=refreshed - timedelta(days=1))))

    assert client_of(app).get(LIST).headers["cache-control"] == "private, max-age=900"


def test_what_escapes_the_application_is_logged_and_counted(
    make_app: MakeApp, capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app(HISTORY[0])

    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    cache_of(app).inner = broken
    with pytest.raises(RuntimeError):
        client_of(app).get(LIST)

    assert [json.loads(line)["status"] for line in capfd.readouterr().err.splitlines()] == [500]


def test_nginx_is_told_to_ask_again_each_second_in_the_order_that_it_reads(counting: Counting) -> None:
    client, _, _ = counting
    for conditional in ({}, {"If-None-Match": "*"}):
        answer = client.get(LIST, headers=conditional, environ_overrides={"REMOTE_ADDR": ""})

        assert [(name, value) for name, value in answer.headers if name in ("Cache-Control", "X-Accel-Expires")] == [
            ("Cache-Control", "stale-if-error=3600"),
            ("X-Accel-Expires", f"@{int(NOW.timestamp()) + 100}"),
            ("Cache-Control", "private, max-age=900"),
        ]


def test_a_catalog_that_could_not_be_refreshed_says_how_old_it_is(make_app: MakeApp) -> None:
    failed = later(HISTORY[0], seconds=1000, regions=("us-east-1",))
    app = make_app(failed, refresh_s=REFRESH_S, clock=lambda: NOW + timedelta(seconds=1500))
    answer = client_of(app).get(LIST)

    assert answer.headers["age"] == "1500"
    # The next refresh comes 900 s after the one that failed, so 400 s are left.
    assert answer.headers["cache-control"] == "private, max-age=1900"


EAST, WEST = ("us-east-1", "eu-west-1")
# What a visit brings: the regions that answer, and whether it is over and a retry.
VISITS: dict[str, tuple[tuple[str, ...], bool, bool]] = {
    "all answer": ((EAST, WEST), True, False),
    "one answers": ((EAST,), True, False),
    "none answers": ((), True, False),
    "one has answered so far": ((EAST,), False, False),
    "a retry is answered": ((WEST,), True, True),
    "a retry is not": ((), True, True),
}


@settings(max_examples=200, deadline=None)
@given(
    visits=st.lists(st.tuples(st.sampled_from(sorted(VISITS)), st.integers(0, 2000)), min_size=1, max_size=6),
    later_s=st.integers(0, 1000),
)
@example(visits=[("one answers", 0)], later_s=0)
@example(visits=[("one answers", 0), ("a retry is not", 10)], later_s=3)
@example(visits=[("all answer", 0), ("none answers", 900)], later_s=100)
def test_no_answer_is_fresh_beyond_the_next_attempt_nor_much_less_long(
    timed_app: tuple[Flask, list[datetime]], visits: list[tuple[str, int]], later_s: int
) -> None:
    app, now = timed_app
    now[0] = NOW
    schedule = RefreshSchedule(
        services_of(app).settings, clock=lambda: now[0], monotonic=lambda: (now[0] - NOW).total_seconds()
    )
    current: CatalogSnapshot | None = None
    for visit, pause_s in visits:
        now[0] += timedelta(seconds=pause_s)
        answering, is_complete, is_retry = VISITS[visit]
        missing = never_listed(current.state) if current is not None else ()
        asked = missing if is_retry and missing else (EAST, WEST)
        results = [it for region in asked if region in answering for it in listing(region, *rows(1), at=now[0])]
        if is_complete:
            results += [it for region in asked if region not in answering for it in failures(region, at=now[0])]  # type: ignore[misc]
        current = next_snapshot(
            current,
            results,
            source="aws",
            regions=(EAST, WEST),
            at=now[0],
            max_stale=timedelta(days=1),
            is_complete=is_complete,
            is_retry=is_retry and bool(missing),
        )
        schedule.note_refreshed(current.state)
    services_of(app).catalog.publish(current)
    now[0] += timedelta(seconds=later_s)
    answer = client_of(app).get(LIST)
    if answer.status_code == 503:
        assert "cache-control" not in answer.headers
        return
    max_age_s = int(answer.headers["cache-control"].removeprefix("private, max-age="))
    left_s = max_age_s - int(answer.headers["age"])
    now[0] += timedelta(seconds=left_s, milliseconds=-1)

    assert left_s <= 0 or not schedule.is_due()
    now[0] += timedelta(seconds=1)
    assert schedule.is_due()


def test_last_modified_is_the_last_change_that_a_client_could_see(make_app: MakeApp) -> None:
    future = datetime(2100, 1, 1, tzinfo=UTC)
    app = make_app(replace(HISTORY[1], changed_at=future))

    assert client_of(app).get(LIST).headers["last-modified"] == http_date(future)


def test_last_modified_is_not_before_the_start_because_another_version_may_have_shown_the_catalog_otherwise(
    make_app: MakeApp,
) -> None:
    app = make_app(replace(HISTORY[1], changed_at=datetime(2000, 1, 1, tzinfo=UTC)), clock=lambda: NOW)

    assert seconds_of(client_of(app).get(LIST).headers["last-modified"]) == int(NOW.timestamp())


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other",W/{} , "third"', "*"])
def test_a_client_that_has_the_answer_is_told_so(counting: Counting, form: str) -> None:
    client, _, _ = counting
    full = client.get(LIST)
    for _ in range(3):
        answer = client.get(LIST, headers={"if-none-match": form.format(full.headers["etag"])})

        assert (answer.status_code, answer.data) == (304, b"")
        for name in ("etag", "last-modified", "cache-control", "age", "vary"):
            assert answer.headers[name] == full.headers[name]
        assert "content-type" not in answer.headers


@pytest.mark.parametrize("value", ['"other"', "", "not-quoted", '"*"'])
def test_a_client_that_has_something_else_gets_the_answer(counting: Counting, value: str) -> None:
    client, _, _ = counting

    assert client.get(LIST, headers={"if-none-match": value}).status_code == 200


def test_the_date_counts_only_without_an_entity_tag(counting: Counting) -> None:
    client, _, _ = counting
    since = client.get(LIST).headers["last-modified"]
    before = http_date((seconds_of(since) or 0) - 1)

    assert client.get(LIST, headers={"if-modified-since": since}).status_code == 304
    assert client.get(LIST, headers={"if-modified-since": before}).status_code == 200
    assert client.get(LIST, headers={"if-modified-since": "yesterday"}).status_code == 200
    assert client.get(LIST, headers={"if-modified-since": since, "if-none-match": '"other"'}).status_code == 200


def test_each_encoding_has_its_own_entity_tag(counting: Counting) -> None:
    client, _, _ = counting
    plain, zipped = client.get(LIST), client.get(LIST, headers={"accept-encoding": "gzip"})

    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    assert zipped.headers["etag"] != plain.headers["etag"]
    conditional = {"accept-encoding": "gzip", "if-none-match": zipped.headers["etag"]}
    assert client.get(LIST, headers=conditional).status_code == 304


def test_a_small_answer_is_not_compressed(counting: Counting) -> None:
    client, _, _ = counting

    assert "content-encoding" not in client.get(f"{LIST}/m1", headers={"accept-encoding": "gzip"}).headers


def test_head_is_get_without_the_body(counting: Counting) -> None:
    client, _, _ = counting
    for path in (LIST, f"{LIST}?limit=0", "/livez"):
        get, head = client.get(path), client.head(path)

        assert head.data == b""
        assert head.status_code == get.status_code
        ids = {"Request-Id", "X-Request-Id"}
        assert {k: v for k, v in head.headers.items() if k.title() not in ids} == {
            k: v for k, v in get.headers.items() if k.title() not in ids
        }


@pytest.mark.parametrize("path", [f"{LIST}?limit=0", f"{LIST}/nope", "/nothing", "/livez", "/readyz"])
def test_nothing_but_a_cacheable_answer_is_kept_or_says_that_it_can_be(counting: Counting, path: str) -> None:
    client, asked, _ = counting
    answers = [client.get(path) for _ in range(4)]

    assert len(asked) == 4
    assert not any({"etag", "cache-control", "age"} & {name.lower() for name in dict(it.headers)} for it in answers)
