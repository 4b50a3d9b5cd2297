"""A fleet whose engine and hosts are broken at random: no request fails, no host goes back, all agree afterwards."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx

from app.refresh.store import NO_VERSION, Version
from tests.support.builders import KEY
from tests.support.redis_server import needs_redis
from tests.support.servers import NO_CERTIFICATES, asking_without_pause, eventually
from tests.system.chaos.conftest import SCALE, Note
from tests.system.fleet_hosts import FleetOfHosts, running_fleet

pytestmark = needs_redis

ROUNDS = 4 * SCALE


def kill(fleet: FleetOfHosts, chance: random.Random) -> None:
    fleet.redis.kill()
    time.sleep(chance.uniform(0.2, 4))
    fleet.redis.start()


def pause(fleet: FleetOfHosts, chance: random.Random) -> None:
    fleet.redis.pause()
    time.sleep(chance.uniform(0.2, 4))
    fleet.redis.resume()


def flush(fleet: FleetOfHosts, chance: random.Random) -> None:
    with fleet.redis.client() as client:
        client.flushall()


def drop_connections(fleet: FleetOfHosts, chance: random.Random) -> None:
    with fleet.redis.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")


def fill(fleet: FleetOfHosts, chance: random.Random) -> None:
    with fleet.redis.client() as client:
        client.config_set("maxmemory", 1)
        time.sleep(chance.uniform(0.2, 4))
        client.config_set("maxmemory", 0)


def sleep(fleet: FleetOfHosts, chance: random.Random) -> None:
    with fleet.redis.client() as client:
        client.execute_command("DEBUG", "SLEEP", str(chance.uniform(0.2, 3)))


def write_garbage(fleet: FleetOfHosts, chance: random.Random) -> None:
    newest = fleet.newest()
    with fleet.redis.client() as client:
        client.xadd(fleet.redis.key(), {"z": chance.randbytes(100)}, f"{newest.ms + 1}-0", maxlen=1, approximate=False)


def pause_a_link(fleet: FleetOfHosts, chance: random.Random) -> None:
    """For longer than its lease."""
    holder = chance.choice(fleet.hosts).link_holder()
    if holder:
        os.kill(holder, signal.SIGSTOP)
        time.sleep(chance.uniform(0.2, 4))
        os.kill(holder, signal.SIGCONT)


FAULTS: tuple[Callable[[FleetOfHosts, random.Random], None], ...] = (
    *(kill, pause, flush, drop_connections, fill, sleep, write_garbage, pause_a_link),
)


def test_a_fleet_survives_whatever_breaks(tmp_path: Path, chance: random.Random, note: Note) -> None:
    seen: Counter[int | str] = Counter()
    versions: list[list[Version]] = []

    def ask(place: int, over: threading.Event) -> None:
        url = fleet.hosts[place].service.url
        with httpx.Client(base_url=url, headers={"x-api-key": KEY}, timeout=20, verify=NO_CERTIFICATES) as client:
            while not over.wait(0.01):
                for path in ("/v1/models", "/readyz"):
                    try:
                        seen[client.get(path).status_code] += 1
                    except httpx.TransportError as error:
                        seen[repr(error)] += 1

    def watch(place: int, over: threading.Event) -> None:
        host, mine = fleet.hosts[place], [NO_VERSION]
        versions.append(mine)
        while not over.wait(0.01):
            version = host.version()
            if version != mine[-1]:
                mine.append(version)

    def work(place: int, over: threading.Event) -> None:
        hosts = len(fleet.hosts)
        (ask if place < hosts else watch)(place % hosts, over)

    with running_fleet(
        tmp_path,
        hosts=2,
        application="tests.support.quick_fleet:app",
        CATALOG_REFRESH_SECONDS="2",
        # Of two workers one goes on while the other, with the link, is stopped.
        WEB_CONCURRENCY="2",
    ) as fleet:
        fleet.agree()
        done: Counter[str] = Counter()
        with asking_without_pause(work, 2 * len(fleet.hosts)):
            for number in range(ROUNDS):
                fault = FAULTS[number % len(FAULTS)] if len(FAULTS) < ROUNDS else chance.choice(FAULTS)
                fault(fleet, chance)
                done[fault.__name__] += 1
                time.sleep(chance.uniform(0, 2))
            eventually(lambda: {host.metric("fleet_linked") for host in fleet.hosts} == {1}, timeout_s=20)
            fleet.agree(within_s=20)
        logs = [host.service.log() for host in fleet.hosts]

    assert set(seen) == {200}
    assert all(mine == sorted(set(mine)) for mine in versions)
    assert not any("Traceback" in log for log in logs)
    note("faults of a fleet", rounds=ROUNDS, requests=seen.total(), failed=0, **done)
