"""Stored answers that stand in for an application that cannot be reached."""

import threading
import time
from pathlib import Path

import pytest

from tests.support.nginx_checks import (
    MODELS,
    assert_error,
    behind_nginx,
    once,
    request_id_of,
)
from tests.support.nginx_server import Nginx
from tests.support.unix_app import PAST, Answer, UnixApp, storable


def test_a_stored_answer_stands_in_while_the_application_is_down(tmp_path: Path) -> None:
    with behind_nginx(tmp_path) as (nginx, app):
        app.answer = lambda asked: storable(b"{}", until=int(time.time()) - 60)
        fresh = nginx.get(MODELS)
        assert (fresh.status_code, fresh.headers.get("cache-status")) == (200, None)
        app.stop()
        stale, unknown = nginx.get(MODELS), nginx.get(MODELS, key="another")

        assert (stale.status_code, stale.content) == (200, b"{}")
        assert stale.headers["cache-status"] == "nginx; fwd=stale"
        entry = nginx.logged(request_id_of(stale))
        assert (entry["cache"], entry["status"], entry["upstream"].split(", ")[0]) == ("STALE", 200, "502")
        assert_error(unknown, 502)

        app.start()
        app.answer = lambda asked: storable(b"back", tag='"back"')
        assert nginx.get(MODELS).text == "back"


def test_a_stored_answer_stands_in_for_an_application_that_is_silent(tmp_path: Path) -> None:
    with behind_nginx(tmp_path, {"proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 300ms"}}) as (nginx, app):
        app.answer = lambda asked: storable(b"{}", until=PAST, stale_if_error_s=2_000_000_000)
        nginx.get(MODELS)
        silent = threading.Event()
        app.answer = once(silent)

        assert nginx.get(MODELS).text == "{}"
        silent.set()


def test_a_stored_answer_stands_in_no_longer_than_the_application_allows(tmp_path: Path) -> None:
    with behind_nginx(tmp_path) as (nginx, app):
        app.answer = lambda asked: storable(b"{}", until=int(time.time()) - 60, stale_if_error_s=30)
        nginx.get(MODELS)
        app.stop()

        assert_error(nginx.get(MODELS), 502)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_stored_answer_never_hides_an_error_of_the_application(
    nginx: Nginx, app: UnixApp, path: str, status: int
) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) - 60)
    nginx.get(path)
    app.answer = lambda asked: Answer(status=status)

    assert nginx.get(path).status_code == status
