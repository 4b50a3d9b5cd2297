"""A key in the address of the feed and of the calendar: who may, and that nothing keeps or repeats it."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.auth.key_format import parse_key
from app.services import services_of
from app.web.feed_keys import FEED_PATHS, pop_keys
from tests.conftest import MakeApp, client_of, json_of
from tests.http.test_feeds import ATOM, CHANGES, FILE, ICS, KEYS, RETIREMENTS, types_of, world
from tests.support.builders import KEY, listing, model, snapshot
from tests.unit.catalog.test_changes import LATER

FILES = (ATOM, ICS)
FEED_KEY = "secret+f/=="
IN_QUERY = quote(FEED_KEY, safe="")


@pytest.fixture
def scoped(make_app: MakeApp, tmp_path: Path) -> Flask:
    file = tmp_path / "operator.toml"
    file.write_text(FILE)
    return make_app(world(), api_keys=KEYS, operator_file=str(file), clock=lambda: LATER)


@pytest.mark.parametrize("path", [*FILES, *(f"{it}/" for it in FILES)])
@pytest.mark.parametrize(
    "query",
    [
        f"key={IN_QUERY}",
        f"key={FEED_KEY}",
        f"key={quote_plus(FEED_KEY)}",
        f"limit=50&key={IN_QUERY}",
        f"key={IN_QUERY}&limit=50",
        f"key=wrong&key={IN_QUERY}",
    ],
)
def test_a_feeds_key_in_the_address_opens_and_shows_its_scope(scoped: Flask, path: str, query: str) -> None:
    answer = client_of(scoped, key=None).get(f"{path}?{query}")

    assert answer.status_code == 200
    assert answer.data == client_of(scoped, FEED_KEY).get(f"{path}?limit=50").data
    assert b"a.old" in answer.data and b"b.new" not in answer.data


@pytest.mark.parametrize("path", FILES)
def test_a_good_key_whose_scope_has_no_feeds_is_refused_as_a_wrong_one(scoped: Flask, path: str) -> None:
    stranger = client_of(scoped, key=None)
    answers = [stranger.get(f"{path}?key={key}") for key in ("wrong", "secret-a", KEY)]

    for answer in answers:
        body = json_of(answer)
        body.pop("request_id")
        assert (answer.status_code, body) == (
            401,
            {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}},
        )
        assert answer.headers["www-authenticate"] == "Bearer"
    names = [sorted(answer.headers.keys()) for answer in answers]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("path", [CHANGES, RETIREMENTS, "/v1/models", "/search_models", "/metrics", "/changes.atom/x"])
def test_no_other_route_takes_a_key_in_its_address(scoped: Flask, path: str) -> None:
    assert client_of(scoped, key=None).get(f"{path}?key={IN_QUERY}").status_code == 401


def test_only_the_argument_named_key_is_one(scoped: Flask) -> None:
    for name in ("KEY", "%6bey", "key%5B%5D", "api_key", "x=1;key"):
        assert client_of(scoped, key=None).get(f"{ATOM}?{name}={IN_QUERY}").status_code == 401, name


@pytest.mark.parametrize("path", FILES)
def test_an_empty_key_is_none(scoped: Flask, path: str) -> None:
    answer = client_of(scoped, key=None).get(f"{path}?key=")

    assert json_of(answer)["error"]["message"] == "x-api-key header is required"
    assert client_of(scoped).get(f"{path}?key=").status_code == 200


def test_of_two_keys_a_valid_headers_decides(scoped: Flask) -> None:
    b, wrong = client_of(scoped, "secret-b"), client_of(scoped, "wrong")

    assert b.get(f"{ATOM}?key={IN_QUERY}").data == b.get(ATOM).data
    assert b.get(f"{ATOM}?key=wrong").status_code == 200
    assert wrong.get(f"{ATOM}?key={IN_QUERY}").status_code == 200
    assert wrong.get(f"{ATOM}?key=secret-a").status_code == 401


def test_a_key_of_no_scope_may_where_the_default_one_has_feeds(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text("[scopes.default]\nfeeds = true\n")
    app = make_app(world(), operator_file=str(file))

    assert client_of(app, key=None).get(f"{ATOM}?key={KEY}").status_code == 200
    assert client_of(make_app(world()), key=None).get(f"{ATOM}?key={KEY}").status_code == 401


def test_a_scope_that_loses_feeds_and_a_key_that_is_revoked_open_nothing(scoped: Flask, tmp_path: Path) -> None:
    stranger = client_of(scoped, key=None)
    path = f"{ATOM}?key={IN_QUERY}"
    for _ in range(3):
        assert stranger.get(path).status_code == 200
    (tmp_path / "operator.toml").write_text(FILE.replace("feeds = true", "feeds = false"))
    services_of(scoped).operator_file.reload_if_changed()
    assert stranger.get(path).status_code == 401

    # A smaller file would count at a second look alone.
    (tmp_path / "operator.toml").write_text(f"{FILE}# As before.\n")
    services_of(scoped).operator_file.reload_if_changed()
    assert stranger.get(path).status_code == 200
    services_of(scoped).key_ring.publish([parse_key("other:secret")], is_complete=True)
    assert stranger.get(path).status_code == 401


def test_while_keys_are_still_read_an_unknown_one_in_the_address_may_be_good(scoped: Flask) -> None:
    ring = services_of(scoped).key_ring
    ring.publish(ring.keys, is_complete=False)

    for key in ("wrong", "secret-a"):
        assert client_of(scoped, key=None).get(f"{ATOM}?key={key}").status_code == 503


def test_without_authentication_a_key_in_the_address_is_dropped(make_app: MakeApp) -> None:
    client = client_of(make_app(world(), auth_disabled=True), key=None)

    assert client.get(f"{ATOM}?key=SECRET").data == client.get(ATOM).data


SECRET = "in-the-address"


@pytest.mark.parametrize("query", ["", "&limit=0", "&region=mars", "&type=x", "&model=a.*", f"&key={SECRET}"])
@pytest.mark.parametrize("path", [*FILES, *(f"{it}/" for it in FILES)])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_no_answer_and_no_log_repeats_a_key_of_the_address(
    scoped: Flask, path: str, query: str, method: str, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    services_of(scoped).key_ring.publish(map(parse_key, (f"feed:{SECRET}", *KEYS[:2])), is_complete=True)
    for client in (client_of(scoped, key=None), client_of(scoped, "secret-a")):
        answer = client.open(f"{path}?key={SECRET}{query}", method=method)

        assert answer.status_code in (200, 400, 405)
        assert SECRET not in answer.text and SECRET not in str(answer.headers)
    assert SECRET not in "".join(capfd.readouterr()) and SECRET not in caplog.text


def test_a_failure_of_ours_does_not_log_the_key(
    make_app: MakeApp, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "operator.toml"
    file.write_text("[scopes.default]\nfeeds = true\n")
    good = snapshot(listing("us-east-1", model("a")))
    broken = replace(good, models=("not a model",))  # type: ignore[arg-type]
    app = make_app(broken, operator_file=str(file), api_keys=(SECRET,))

    assert client_of(app, key=None).get(f"{ICS}?key={SECRET}").status_code == 500
    logged = "".join(capfd.readouterr())
    assert "request_failed" in logged and SECRET not in logged


def test_the_cache_holds_no_key_and_shares_the_response_with_those_of_headers(scoped: Flask) -> None:
    for _ in range(3):
        client_of(scoped, key=None).get(f"{ATOM}?key={IN_QUERY}&limit=50")
        client_of(scoped, FEED_KEY).get(f"{ATOM}?limit=50")

    cache = scoped.wsgi_app.inner._generation.cache  # type: ignore[attr-defined]
    assert [tuple(key) for key in cache._kept] == [("feed", ATOM, "limit=50")]


def test_events_in_the_feed_are_those_of_the_scope(scoped: Flask) -> None:
    text = client_of(scoped, key=None).get(f"{ATOM}?key={IN_QUERY}").text

    assert text.count("<entry>") == len(types_of(client_of(scoped, FEED_KEY)))


# What is taken out of a query.

arguments = st.lists(
    st.tuples(st.sampled_from(["key", "limit", "keys", "xkey", "KEY", ""]), st.text("abk=%+ü", max_size=5))
)


@given(arguments)
def test_every_key_leaves_the_query_and_nothing_else_does(given_arguments: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in given_arguments)
    environ = {"QUERY_STRING": query, "RAW_URI": f"/changes.atom?{query}"}
    keys = [value for name, value in given_arguments if name == "key"]
    found = pop_keys(environ)

    kept = [f"{name}={value}" for name, value in given_arguments if name != "key"]
    assert environ["QUERY_STRING"].split("&") == ("&".join(kept)).split("&")
    assert bool(found) == bool(keys and keys[-1])
    assert not keys or environ["RAW_URI"] == "/changes.atom"


def test_the_paths_are_those_of_the_routes(scoped: Flask) -> None:
    rules = {str(rule) for rule in scoped.url_map.iter_rules()}

    assert {it.rstrip("/") for it in FEED_PATHS} <= rules
