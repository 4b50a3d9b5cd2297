"""Two keys of different scopes through nginx and real workers: no state of the cache gives one the other's answer."""

import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.support.gateway_stub import GatewayStub, running_gateway
from tests.support.nginx_checks import AT_MOST_S, MODELS, UNBUFFERED
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import Service, asking_without_pause, eventually, running_service

VERSION = {"anthropic-version": "2023-06-01"}
QUESTIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (f"{MODELS}?limit=1000", {}),
    ("/v1/models", {}),
    ("/v1/models", VERSION),
    ("/search_models?limit=1000", {}),
)
# The makers that each caller may see, by the headers that it sends. With two valid keys, that of x-api-key decides.
CALLERS: tuple[tuple[Mapping[str, str], str], ...] = (
    ({"x-api-key": "secret-a"}, "anthropic"),
    ({"x-api-key": "secret-b"}, "amazon"),
    ({"authorization": "Bearer secret-a"}, "anthropic"),
    ({"x-api-key": "secret-b", "authorization": "Bearer secret-a"}, "amazon"),
)
# Stored answers are sent in each of these, and in no other.
STATES = {"MISS", "HIT", "EXPIRED", "REVALIDATED", "STALE"}
FILE = """
[scopes.a]
keys = ["team-a"]
models = ["{a}.*"]

[scopes.b]
keys = ["team-b"]
models = ["amazon.*"]
"""
# Half a second until a worker looks, and AT_MOST_S behind nginx.
SEEN_S = AT_MOST_S + 0.5
SITES = ("site.conf", "gateway.conf", "both dialects at the root")


@dataclass
class Seen:
    """The answers so far: when each was requested, by which caller, its status, and the makers that it names."""

    answers: list[tuple[float, str, int, frozenset[str]]] = field(default_factory=list)
    callers: dict[str, str] = field(default_factory=dict)

    def states(self, nginx: Nginx) -> dict[str, set[str]]:
        """The states of nginx's cache that each maker's caller got an answer in."""
        found = defaultdict(set)
        for line in nginx.access_log().splitlines():
            entry = json.loads(line)
            if entry["request_id"] in self.callers:
                found[self.callers[entry["request_id"]]].add(entry["cache"])
        return found


def makers(answer: httpx.Response) -> frozenset[str]:
    return frozenset(it["id"].partition(".")[0] for it in answer.json()["data"]) if answer.is_success else frozenset()


@contextmanager
def asking(nginx: Nginx) -> Iterator[Seen]:
    """Every caller, each as two clients that request everything without a pause."""
    seen = Seen()

    def ask(place: int, over: threading.Event) -> None:
        headers, maker = CALLERS[place % len(CALLERS)]
        with httpx.Client(timeout=15) as client:
            for path, more in itertools.cycle(QUESTIONS):
                if over.is_set():
                    return
                asked_at = time.time()
                answer = client.get(nginx.url + path, headers={**headers, **more})
                seen.callers[answer.headers["request-id"]] = maker
                seen.answers.append((asked_at, maker, answer.status_code, makers(answer)))

    with asking_without_pause(ask, 2 * len(CALLERS)):
        yield seen


@contextmanager
def standing(folder: Path, site: str, **settings: str) -> Iterator[tuple[Nginx, Service]]:
    with ExitStack() as stack:
        socket = folder / "gunicorn.sock"
        workers: Any = settings | {"WEB_CONCURRENCY": "2"}
        service = stack.enter_context(running_service(folder, socket=socket, **workers))
        changes = {"site.conf" if site == "site.conf" else "gateway.conf": UNBUFFERED}
        if site == SITES[2]:
            changes["http.conf"] = {"#root#": ""}
        port = None if site == "site.conf" else stack.enter_context(running_gateway(GatewayStub())).port
        nginx = stack.enter_context(running_nginx(folder / "nginx", socket, changes=changes, gateway_port=port))
        yield nginx, service


@pytest.mark.parametrize("site", SITES)
def test_no_key_gets_the_answer_of_another_in_any_state_of_the_cache(tmp_path: Path, site: str) -> None:
    file = tmp_path / "operator.toml"
    file.write_text(FILE.format(a="anthropic"))
    keys = "team-a:secret-a,team-b:secret-b"
    with standing(tmp_path, site, API_KEYS=keys, CATALOG_CONFIG_FILE=str(file)) as (nginx, service):
        with asking(nginx) as seen:
            fresh = STATES - {"STALE"}
            eventually(lambda: all(fresh <= seen.states(nginx)[maker] for maker in ("anthropic", "amazon")), 30)
        service.process.terminate()
        service.process.wait(30)
        with asking(nginx) as stale:
            eventually(lambda: all("STALE" in stale.states(nginx)[maker] for maker in ("anthropic", "amazon")))

    answers = [*seen.answers, *stale.answers]
    assert {(maker, status, found) for _, maker, status, found in answers} == {
        ("anthropic", 200, frozenset({"anthropic"})),
        ("amazon", 200, frozenset({"amazon"})),
    }


def test_a_changed_scope_and_a_revoked_key_are_seen_under_constant_load(tmp_path: Path) -> None:
    file, key_file = tmp_path / "operator.toml", tmp_path / "keys"
    file.write_text(FILE.format(a="anthropic"))
    key_file.write_text("team-a:secret-a\nteam-b:secret-b\n")
    settings = {"API_KEYS": "", "API_KEYS_FILE": str(key_file), "CATALOG_CONFIG_FILE": str(file)}
    with standing(tmp_path, "site.conf", **settings) as (nginx, _), asking(nginx) as seen:
        eventually(lambda: len(seen.answers) > 100)
        file.write_text(FILE.format(a="mistral") + "# longer than before\n")
        changed_at = time.time()
        eventually(lambda: seen.answers[-1][0] > changed_at + SEEN_S + 0.5)
        key_file.write_text("team-a:secret-c\nteam-b:secret-b\n")
        revoked_at = time.time()
        eventually(lambda: seen.answers[-1][0] > revoked_at + SEEN_S + 0.5)

    def found(maker: str, begin: float, end: float) -> set[tuple[int, frozenset[str]]]:
        return {(status, found) for at, it, status, found in seen.answers if it == maker and begin < at < end}

    old, new = (200, frozenset({"anthropic"})), (200, frozenset({"mistral"}))
    assert found("anthropic", 0, changed_at) == {old}
    assert found("anthropic", changed_at + SEEN_S, revoked_at) == {new}
    assert found("anthropic", revoked_at + SEEN_S, time.time()) == {(401, frozenset())}
    assert found("amazon", 0, time.time()) == {(200, frozenset({"amazon"}))}
