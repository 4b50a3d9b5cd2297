"""Feeds and calendars behind nginx: stored for each key of a header, and never with a key of an address."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import feedparser
import httpx2 as httpx
import icalendar
import pytest

from tests.support.nginx_checks import OUTSIDE, UNBUFFERED, assert_error, behind_nginx
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import Service, eventually, running_service
from tests.support.unix_app import Answer

ATOM, ICS = FILES = ("/changes.atom", "/retirements.ics")
SECRET = "in-the-address+/="
IN_QUERY = "in-the-address%2B%2F%3D"
SCOPES = """
[scopes.a]
keys = ["a"]
models = ["nothing.here"]

[scopes.feed]
keys = ["feed"]
feeds = true
"""


@dataclass
class Feeds:
    """nginx before a service, with the file of its keys."""

    nginx: Nginx
    service: Service
    keys: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.nginx.get(path, key=None, **headers)

    def written(self) -> bytes:
        """All that nginx and the service have logged, and all that nginx has stored."""
        files = [self.service.log_file, *(it for it in self.nginx.folder.rglob("*") if it.is_file())]
        return b"".join(it.read_bytes() for it in files)


@pytest.fixture
def feeds(tmp_path: Path) -> Iterator[Feeds]:
    operator, keys, socket = tmp_path / "operator.toml", tmp_path / "keys", tmp_path / "gunicorn.sock"
    operator.write_text(SCOPES)
    keys.write_text(f"feed:{SECRET}\na:secret-a\nother:secret-o\n")
    (tmp_path / "service").mkdir()
    with (
        running_service(
            tmp_path / "service",
            socket=socket,
            API_KEYS="",
            API_KEYS_FILE=str(keys),
            CATALOG_CONFIG_FILE=str(operator),
        ) as service,
        running_nginx(tmp_path / "nginx", socket, changes={"site.conf": UNBUFFERED}) as nginx,
    ):
        yield Feeds(nginx, service, keys)


def test_a_key_in_the_address_works_and_stands_in_no_log_and_no_file_of_the_cache(feeds: Feeds) -> None:
    for _ in range(3):
        atom, calendar = (feeds.get(f"{path}?key={IN_QUERY}") for path in FILES)
        again = feeds.get(f"{ATOM}?key={IN_QUERY}", if_none_match=atom.headers["etag"])
        answers = [
            *(atom, calendar, again),
            feeds.get(f"{ATOM}?limit=0&key={IN_QUERY}"),
            feeds.get(f"{ATOM}?key={IN_QUERY}", x_api_key="secret-a"),
            httpx.head(f"{feeds.nginx.url}{ICS}?key={IN_QUERY}"),
            httpx.post(f"{feeds.nginx.url}{ICS}?key={IN_QUERY}"),
        ]
        assert [it.status_code for it in answers] == [200, 200, 304, 400, 200, 200, 405]
    assert atom.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert calendar.headers["content-type"] == "text/calendar; charset=utf-8"
    assert not feedparser.parse(atom.content).bozo
    assert icalendar.Calendar.from_ical(calendar.content)["VERSION"] == "2.0"
    feeds.get(ATOM, x_api_key="secret-o")
    feeds.nginx.logged(feeds.get("/livez").headers["request-id"])

    written = feeds.written()
    assert b"in-the-address" not in written
    # The key of a header is there: what is looked at is all that there is.
    assert b"secret-o" in written and b'"/changes.atom"' in written


def test_the_key_of_an_address_is_refused_two_seconds_after_it_is_revoked(feeds: Feeds) -> None:
    statuses = []
    assert [feeds.get(f"{path}?key={IN_QUERY}").status_code for path in FILES] == [200, 200]
    feeds.keys.write_text("feed:another-key-of-the-same-length\na:secret-a\nother:secret-o\n")
    revoked_at = time.monotonic()
    while (age_s := time.monotonic() - revoked_at) < 3.5:
        statuses.append((age_s, [feeds.get(f"{path}?key={IN_QUERY}").status_code for path in FILES]))
        time.sleep(0.05)

    assert {status for age_s, found in statuses if age_s > 2 for status in found} == {401}


def test_a_key_without_feeds_in_the_address_is_a_wrong_one(feeds: Feeds) -> None:
    for key in ("secret-a", "secret-o", "wrong"):
        answer = feeds.get(f"{ATOM}?key={key}")
        assert_error(answer, 401)
        assert answer.json()["error"]["message"] == "invalid x-api-key"
    assert feeds.get(f"/changes?key={IN_QUERY}").status_code == 401


def test_an_answer_to_a_header_is_stored_for_its_key_alone(feeds: Feeds) -> None:
    def stored() -> set[Path]:
        return {it for it in feeds.nginx.cache.rglob("*") if it.is_file()}

    def scopes() -> list[str]:
        return [feeds.get(ICS, x_api_key=key).text for key in (SECRET, "secret-a", "secret-o")]

    first = scopes()

    assert len(stored()) == 3
    assert [scopes(), scopes()] == [first, first]
    eventually(lambda: len(stored()) == 3)


def test_an_error_of_nginx_itself_does_not_hold_the_key(tmp_path: Path) -> None:
    limits = {"http.conf": {"rate=100r/s": "rate=1r/m"}, "catalog.conf": {"burst=200": "burst=1"}}
    query = f"?key={IN_QUERY}"
    with behind_nginx(tmp_path, limits | {"site.conf": UNBUFFERED}) as (nginx, app):
        app.answer = lambda asked: Answer()
        answers = [nginx.get(f"{ATOM}{query}", key=None, x_forwarded_for=OUTSIDE) for _ in range(3)]
        app.stop()
        answers += [nginx.get(f"{ICS}{query}", key=None)]
        nginx.logged(answers[-1].headers["request-id"])
        written = b"".join(it.read_bytes() for it in tmp_path.rglob("*") if it.is_file())

    assert [it.status_code for it in answers] == [200, 200, 429, 502]
    for answer in answers[2:]:
        assert_error(answer, answer.status_code)
        assert "in-the-address" not in answer.text
    assert b"in-the-address" not in written
