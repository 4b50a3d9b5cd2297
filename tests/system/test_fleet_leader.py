"""A leader that dies or is paused at each step of its refresh: no host ever goes back, and the next one takes over."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.catalog.codec import encode_state
from app.refresh import engine
from app.refresh.file_store import file_store
from app.refresh.fleet import FleetStore, fleet_store
from app.refresh.store import NO_VERSION, LeaseTaken, Version
from config import Settings
from config.store_url import store_url
from tests.support.builders import listing, model, snapshot
from tests.support.redis_server import RedisServer, needs_redis, running_redis
from tests.support.servers import PROJECT, eventually

pytestmark = needs_redis

LEASE_S = 0.8
STEPS = ("discovering", "put", "kept")
# A host's refresh that waits for a word at one step. It says what became of the refresh, and which version it then has.
LEADER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from app.refresh import engine
engine.LEASE_S, engine.BLOCK_S = float(sys.argv[4]), 0.2
from app.catalog.current import Catalog
from app.discovery.parent import Visits
from app.refresh.fleet import fleet_store
from app.refresh.refresher import Refresher
from app.refresh.store import LeaseLost
from config import Settings
from config.store_url import store_url
from tests.support.builders import listing, model

url, folder, halt = sys.argv[1:4]
settings = Settings(auth_disabled=True, catalog_dir=Path(folder), store=store_url(url))
store = fleet_store(settings)

def reach(step):
    global halt
    if step == halt:
        halt = None
        print(step, flush=True)
        sys.stdin.readline()

def after(step, call):
    def wrapped(*arguments, **named):
        result = call(*arguments, **named)
        reach(step)
        return result
    return wrapped

real = store._engine()
real.put = after("put", real.put)
store._copy.keep = after("kept", store._copy.keep)

def discover(settings, **_):
    reach("discovering")
    return Visits(regions=settings.regions, results=tuple(listing("us-east-1", model("leader"), at=datetime.now(UTC))))

try:
    done = Refresher(settings, Catalog(), store, discover).refresh_now()
    outcome = "stored" if done.stored and done.alone is None else done.alone
except LeaseLost:
    outcome = "lost"
store.link.follow_once()
print(json.dumps({"outcome": outcome, "version": list(store._copy.version())}), flush=True)
"""


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    monkeypatch.setattr(engine, "LEASE_S", LEASE_S)
    monkeypatch.setattr(engine, "BLOCK_S", 0.2)
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


class Leader:
    """The process of `LEADER`, as far as its step."""

    def __init__(self, redis: RedisServer, folder: Path, step: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", LEADER, redis.url, str(folder), step, str(LEASE_S)],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == step

    def __enter__(self) -> "Leader":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.startswith("20"):  # The log's lines begin with their time.
                return line.strip()
        raise AssertionError("the leader ended")

    def go_on(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.line())
        self.process.wait(10)
        return found


def host_at(redis: RedisServer, folder: Path) -> FleetStore:
    store = fleet_store(Settings(auth_disabled=True, catalog_dir=folder, store=store_url(redis.url)))
    assert store is not None
    return store


def refresh(store: FleetStore) -> Version:
    """One refresh, as soon as the lease can be had."""
    state = snapshot(listing("us-east-1", model("successor")), configured_regions=("us-east-1",)).state
    give_up = time.monotonic() + 3 * LEASE_S
    while True:
        try:
            with store.lease() as lease:
                return store.save(encode_state(state), lease).version
        except LeaseTaken:
            assert time.monotonic() < give_up, "the lease does not end"
            time.sleep(0.05)


@contextmanager
def recording(redis: RedisServer, folders: list[Path]) -> Iterator[dict[str, list[Version]]]:
    """All versions that the stream and each host's file had, in their order."""
    seen: dict[str, list[Version]] = {"stream": [NO_VERSION]} | {str(folder): [NO_VERSION] for folder in folders}
    stores = {str(it): file_store(Settings(auth_disabled=True, catalog_dir=it)) for it in folders}
    over = threading.Event()
    with redis.client() as client:

        def record() -> None:
            while not over.wait(0.005):
                keys = client.keys("*:catalog")
                now = {name: store.version() for name, store in stores.items()}
                if keys:
                    ms, _, n = client.xinfo_stream(keys[0])["last-generated-id"].decode().partition("-")
                    now["stream"] = Version(int(ms), int(n))
                for name, version in now.items():
                    if seen[name][-1] != version:
                        seen[name].append(version)

        thread = threading.Thread(target=record)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("step", STEPS)
def test_a_leader_that_is_killed_is_followed_by_the_next(step: str, redis: RedisServer, tmp_path: Path) -> None:
    folders = [tmp_path / "leader", tmp_path / "other"]
    other = host_at(redis, folders[1])
    with recording(redis, folders) as seen, Leader(redis, folders[0], step) as leader:
        leader.process.kill()
        leader.process.wait()

        version = refresh(other)
        started_again = host_at(redis, folders[0])
        started_again.link.follow_once()

        eventually(lambda: started_again._copy.version() == version)
        time.sleep(0.05)
    assert all(versions == sorted(set(versions)) for versions in seen.values()), seen
    assert seen["stream"][-1] == version


@pytest.mark.parametrize("step", STEPS)
def test_a_leader_that_is_paused_for_longer_than_its_lease_takes_nothing_back(
    step: str, redis: RedisServer, tmp_path: Path
) -> None:
    folders = [tmp_path / "leader", tmp_path / "other"]
    other = host_at(redis, folders[1])
    with recording(redis, folders) as seen, Leader(redis, folders[0], step) as leader:
        leader.process.send_signal(signal.SIGSTOP)
        version = refresh(other)
        leader.process.send_signal(signal.SIGCONT)

        report = leader.go_on()
        time.sleep(0.05)

    assert report["outcome"] == ("lost" if step == "discovering" else "stored")
    assert Version(*report["version"]) == version
    assert all(versions == sorted(set(versions)) for versions in seen.values()), seen
    assert seen["stream"][-1] == version


def test_what_a_paused_leader_saves_into_an_emptied_engine_is_replaced(redis: RedisServer, tmp_path: Path) -> None:
    other = host_at(redis, tmp_path / "other")
    with Leader(redis, tmp_path / "leader", "put") as leader:
        leader.process.send_signal(signal.SIGSTOP)
        version = refresh(other)
        with redis.client() as client:
            client.flushall()
        leader.process.send_signal(signal.SIGCONT)
        leader.go_on()

    other.link.follow_once()
    leaders = host_at(redis, tmp_path / "leader")
    leaders.link.follow_once()

    assert other._copy.version() == leaders._copy.version() == version
