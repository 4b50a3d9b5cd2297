"""The cache of the shipped nginx configuration."""

import stat
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.builders import KEY
from tests.support.nginx_checks import (
    AT_MOST_S,
    MODELS,
    behind_nginx,
    constant_load,
    once,
    raw,
    wait_for_the_second,
)
from tests.support.nginx_server import Nginx
from tests.support.servers import eventually
from tests.support.unix_app import PAST, Answer, Asked, UnixApp, storable

FEEDS = ("changes", "changes.atom", "retirements", "retirements.ics")


@pytest.mark.parametrize(
    ("target", "is_kept"),
    [
        ("/v1/models?kept", True),
        ("/anthropic/v1/models?kept", True),
        ("/search_models?kept", True),
        ("/search_models/?kept", True),
        ("/search_modelsx?kept", False),
        *((f"/{name}{slash}?kept", True) for name in FEEDS for slash in ("", "/")),
        *((f"/{name}?{query}", False) for name in FEEDS for query in ("key=a", "kept&key=a", "key=&key=a", "key=")),
        ("/changes.atom?monkey=kept", True),
        ("/changesxatom?kept", False),
        ("/changes/x?kept", False),
        ("/readyz?kept", False),
    ],
)
def test_what_is_asked_of_the_catalog_is_kept_and_nothing_else(
    nginx: Nginx, app: UnixApp, target: str, is_kept: bool
) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)
    for _ in range(2):
        nginx.get(target)

    assert len(app.asked) == (1 if is_kept else 2)


def test_a_question_asked_again_within_the_second_does_not_reach_the_application(
    nginx: Nginx, app: UnixApp, path: str
) -> None:
    app.answer = lambda asked: storable(asked.target.encode(), until=int(time.time()) + 60)

    answers = [nginx.get(path), nginx.get(path), httpx.head(nginx.url + path, headers={"x-api-key": KEY})]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.text for answer in answers] == [path, path, ""]
    assert answers[0].headers["etag"] == answers[2].headers["etag"] == '"v1"'
    assert answers[0].headers.get_list("cache-control")[-1] == "private, max-age=900"
    assert "x-accel-expires" not in answers[0].headers
    assert len(app.asked) == 1


def test_a_client_that_has_the_answer_gets_304_without_the_application(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)

    first = nginx.get(path, if_none_match='"v1"')
    other = nginx.get(path, if_none_match='"v0"')

    assert (first.status_code, first.content) == (304, b"")
    assert (other.status_code, other.content) == (200, b"{}")
    assert len(app.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"x-api-key": "another"},
        {"x-api-key": ""},
        {"x-api-key": KEY, "authorization": f"Bearer {KEY}"},
        {"authorization": f"Bearer {KEY}"},
        {"authorization": KEY},
        {"x-api-key": KEY, "origin": "https://a.example"},
        {"x-api-key": KEY, "accept-encoding": "br"},
        {"x-api-key": KEY, "accept-encoding": "gzip;q=0"},
        {"x-api-key": f"{KEY}|", "origin": ""},
        {"x-api-key": KEY + "\x0b"},
    ],
)
def test_an_answer_is_stored_for_one_key_origin_and_encoding(
    nginx: Nginx, app: UnixApp, path: str, other: dict[str, str]
) -> None:
    app.answer = lambda asked: storable(repr(asked.headers).encode(), until=int(time.time()) + 60)

    def ask(headers: dict[str, str]) -> str:
        lines = "".join(f"{name}: {value}\r\n" for name, value in ({"accept-encoding": "gzip"} | headers).items())
        return raw(nginx.port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n".encode()).text

    mine_first = ask({"x-api-key": KEY})
    theirs = ask(other)
    mine_again = ask({"x-api-key": KEY})

    assert mine_again == mine_first != theirs
    assert len(app.asked) == 2


@pytest.mark.parametrize("suffix", ["/", "?", "?limit=1", "?limit=1&limit=1", "?limit=01", "%2F", "?LIMIT=1", "/../b"])
def test_an_answer_is_stored_for_one_path_and_query_as_sent(nginx: Nginx, app: UnixApp, path: str, suffix: str) -> None:
    app.answer = lambda asked: storable(asked.target.encode(), until=int(time.time()) + 60)
    head = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: k\r\n\r\n"

    answers = [raw(nginx.port, f"GET {target}{head}".encode()).text for target in (path, path + suffix) * 2]

    assert answers == [path, path + suffix] * 2
    assert len(app.asked) == 2


@pytest.mark.parametrize(
    "question",
    [
        ("POST", MODELS),
        ("OPTIONS", MODELS),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("POST", "/mcp"),
        ("GET", f"/{MODELS}"),
    ],
)
def test_only_questions_about_the_catalog_are_stored(nginx: Nginx, app: UnixApp, question: tuple[str, str]) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)

    for _ in range(3):
        httpx.request(question[0], nginx.url + question[1], headers={"x-api-key": KEY})

    assert [asked.method for asked in app.asked] == [question[0]] * 3


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 404, 405, 429, 500, 503])
def test_only_answers_that_the_application_lets_nginx_keep_are_stored(
    nginx: Nginx, app: UnixApp, path: str, status: int
) -> None:
    app.answer = lambda asked: Answer(status=status)

    answers = [nginx.get(path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status] * 3
    assert len(app.asked) == 3


def test_a_refused_key_is_refused_anew_each_time_and_stored_never(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=PAST) if asked.header("x-api-key") == KEY else Answer(status=401)

    answers = [nginx.get(path, key=key).status_code for key in (KEY, "bad", KEY, "bad", KEY)]
    app.answer = lambda asked: storable(b"{}") if asked.header("x-api-key") == "bad" else Answer(status=401)

    assert answers == [200, 401, 200, 401, 200]
    assert [nginx.get(path, key=key).status_code for key in (KEY, "bad")] == [401, 200]


def test_a_revalidation_asks_by_tag_and_every_other_time_for_the_whole(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=PAST)

    answers = [nginx.get(path, if_none_match='"of-the-client"') for _ in range(65)]

    tags = [asked.header("if-none-match") for asked in app.asked]
    assert tags[0] is None and set(tags[1:]) == {None, '"v1"'}
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"{}")}


def test_a_revoked_key_is_refused_within_a_second_under_constant_load(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}")
    with constant_load(nginx, path) as seen:
        eventually(lambda: len(seen) > 100)
        wait_for_the_second(0.1)
        app.answer = lambda asked: Answer(status=401)
        revoked_at = time.time()
        eventually(lambda: seen[-1][0] > revoked_at + AT_MOST_S + 0.5)

    assert {status for at, status, _ in seen if at < revoked_at} == {200}
    assert {status for at, status, _ in seen if at > revoked_at + AT_MOST_S} == {401}


def test_a_new_catalog_is_seen_within_a_second_under_constant_load(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"old", tag='"old"')
    with constant_load(nginx, path) as seen:
        eventually(lambda: len(seen) > 100)
        wait_for_the_second(0.1)
        app.answer = lambda asked: storable(b"new", tag='"new"')
        refreshed_at = time.time()
        eventually(lambda: seen[-1][0] > refreshed_at + AT_MOST_S + 0.5)

    assert {body for _, _, body in seen} == {"old", "new"}
    assert {body for at, _, body in seen if at > refreshed_at + AT_MOST_S} == {"new"}


def test_under_constant_load_each_client_asks_the_application_about_once_a_second(
    nginx: Nginx, app: UnixApp, path: str
) -> None:
    clients, asked_at = 4, Counter[int]()

    def answer(asked: Asked) -> Answer:
        second = int(time.time())
        asked_at[second] += 1
        return storable(b"{}", until=second)

    app.answer = answer
    with constant_load(nginx, path, clients) as seen:
        eventually(lambda: len(asked_at) > 3)

    # Twice, where an answer of the second before comes late.
    assert max(asked_at.values()) <= 2 * clients < len(seen) / len(asked_at)


def test_while_one_request_revalidates_the_others_do_not_wait(nginx: Nginx, app: UnixApp, path: str) -> None:
    held, let_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Answer:
        if len(app.asked) == 2:
            held.set()
            let_go.wait(30)
        return storable(b"{}", until=PAST)

    app.answer = answer
    nginx.get(path)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(nginx.get, path)
        held.wait(10)
        others = [nginx.get(path).status_code for _ in range(5)]
        is_still_held = not first.done()
        let_go.set()

    assert others == [200] * 5 and is_still_held
    assert first.result().status_code == 200
    assert len(app.asked) == 7


def test_a_new_question_of_many_clients_is_one_request_to_the_application(tmp_path: Path) -> None:
    # With the shipped time for waiting some would ask for themselves on a machine that is busy.
    patient = {"cache.conf": {"lock_timeout 50ms": "lock_timeout 10s", "lock_age 1s": "lock_age 10s"}}
    with behind_nginx(tmp_path, patient) as (nginx, app), ThreadPoolExecutor(8) as pool:

        def answer(asked: Asked) -> Answer:
            time.sleep(0.3)
            return storable(b"{}", until=int(time.time()) + 60)

        app.answer = answer
        answers = list(pool.map(lambda _: nginx.get(MODELS).status_code, range(8)))

    assert answers == [200] * 8
    assert len(app.asked) == 1


def test_nobody_waits_long_for_an_answer_that_another_client_asked_for(nginx: Nginx, app: UnixApp, path: str) -> None:
    let_go = threading.Event()
    app.answer = once(let_go)
    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(nginx.get, path) for _ in range(2)]
        eventually(lambda: len(app.asked) == 2)
        let_go.set()

    assert [client.result().status_code for client in clients] == [200, 200]


def test_the_cache_is_readable_by_nginx_alone(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}")
    nginx.get(path)

    assert stat.S_IMODE(nginx.cache.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in nginx.cache.rglob("*") if file.is_file()} == {0o600}
