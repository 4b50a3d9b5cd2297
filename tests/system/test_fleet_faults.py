"""The engine breaks in every way while clients ask: no request fails, and afterwards all hosts agree."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.builders import KEY
from tests.support.redis_server import needs_redis
from tests.support.servers import NO_CERTIFICATES, asking_without_pause, eventually
from tests.system.fleet_hosts import FleetOfHosts, running_fleet

pytestmark = needs_redis

INTERVAL_S = 2
PASSWORD = "hunter2-of-the-fleet"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetOfHosts]:
    with running_fleet(
        tmp_path_factory.mktemp("fleet"),
        hosts=2,
        user=f"catalog:{PASSWORD}",
        application="tests.support.quick_fleet:app",
        CATALOG_REFRESH_SECONDS=str(INTERVAL_S),
        WEB_CONCURRENCY="1",
    ) as fleet:
        yield fleet
        for host in fleet.hosts:
            assert "Traceback" not in host.service.log()
            assert PASSWORD not in host.service.log()
            assert PASSWORD not in host.service.get("/metrics").text


@contextmanager
def clients_of(fleet: FleetOfHosts) -> Iterator["Counter[int | str]"]:
    """One client a host that asks all the time; gives what has come so far."""
    seen: Counter[int | str] = Counter()

    def ask(place: int, over: threading.Event) -> None:
        url = fleet.hosts[place].service.url
        with httpx.Client(base_url=url, headers={"x-api-key": KEY}, timeout=10, verify=NO_CERTIFICATES) as client:
            for number in range(10**9):
                if over.wait(0.005):
                    return
                for path in (f"/v1/models?limit={1 + number % 100}", "/readyz", "/v1/models/unknown"):
                    try:
                        seen[client.get(path).status_code] += 1
                    except httpx.TransportError as error:
                        seen[repr(error)] += 1

    with asking_without_pause(ask, len(fleet.hosts)):
        yield seen


def linked(fleet: FleetOfHosts) -> set[float | None]:
    return {host.metric("fleet_linked", fleet="default") for host in fleet.hosts}


def password(value: str) -> Callable[[FleetOfHosts], None]:
    def change(fleet: FleetOfHosts) -> None:
        with fleet.redis.client() as client:
            client.execute_command("ACL", "SETUSER", "catalog", "resetpass", f">{value}")
            client.execute_command("CLIENT", "KILL", "USER", "catalog")

    return change


def maxmemory(value: int) -> Callable[[FleetOfHosts], None]:
    def change(fleet: FleetOfHosts) -> None:
        with fleet.redis.client() as client:
            client.config_set("maxmemory", value)

    return change


def restart(fleet: FleetOfHosts) -> None:
    fleet.redis.start()
    fleet.redis.add_catalog_user(PASSWORD)


Change = Callable[[FleetOfHosts], object]
FAULTS: dict[str, tuple[Change, Change]] = {
    "killed": (lambda fleet: fleet.redis.kill(), restart),
    "paused": (lambda fleet: fleet.redis.pause(), lambda fleet: fleet.redis.resume()),
    "another password": (password("another"), password(PASSWORD)),
    "full": (maxmemory(1), maxmemory(0)),
}


@pytest.mark.parametrize(("break_it", "repair_it"), FAULTS.values(), ids=FAULTS)
def test_no_request_fails_each_host_goes_alone_and_all_agree_afterwards(
    break_it: Change, repair_it: Change, fleet: FleetOfHosts
) -> None:
    fleet.agree()
    eventually(lambda: linked(fleet) == {1})
    lines = [len(host.events("fleet_unreachable")) for host in fleet.hosts]
    alone = [host.metric("fleet_alone_refreshes_total") or 0 for host in fleet.hosts]
    with clients_of(fleet) as seen:
        break_it(fleet)
        began = time.monotonic()
        eventually(lambda: linked(fleet) == {0}, timeout_s=20)
        eventually(
            lambda: all(
                (host.metric("fleet_alone_refreshes_total") or 0) > before
                for host, before in zip(fleet.hosts, alone, strict=True)
            ),
            timeout_s=20,
        )
        lasted = time.monotonic() - began
        for host, before in zip(fleet.hosts, alone, strict=True):
            assert (host.metric("fleet_alone_refreshes_total") or 0) - before <= lasted / INTERVAL_S + 1
        repair_it(fleet)
        eventually(lambda: linked(fleet) == {1}, timeout_s=15)
        fleet.agree()

    assert set(seen) == {200, 404}
    for host, before in zip(fleet.hosts, lines, strict=True):
        assert len(host.events("fleet_unreachable")) == before + 1


def test_a_flushed_engine_is_healed_by_what_hosts_have(fleet: FleetOfHosts) -> None:
    fleet.agree()
    before = min(host.version() for host in fleet.hosts)

    with clients_of(fleet) as seen, fleet.redis.client() as client:
        client.flushall()
        version = fleet.agree()

    assert version >= before
    assert set(seen) == {200, 404}


def test_after_faults_one_host_refreshes_for_all_again(fleet: FleetOfHosts) -> None:
    eventually(lambda: linked(fleet) == {1})
    fleet.agree()
    before = fleet.refreshes()

    time.sleep(2 * INTERVAL_S)

    assert 1 <= fleet.refreshes() - before <= 3


def test_an_operator_hears_that_only_this_host_has_it(fleet: FleetOfHosts, tmp_path: Path) -> None:
    host = fleet.hosts[0]
    fleet.redis.kill()
    try:
        refreshed = host.command("refresh")
        status = host.command("status")
    finally:
        restart(fleet)

    assert refreshed.returncode == 1
    assert "Published on this host alone: redis://" in refreshed.stderr
    assert "fleet default: cannot be used: redis://" in status.stdout
    assert PASSWORD not in refreshed.stdout + refreshed.stderr + status.stdout + status.stderr
    assert status.returncode == 0


def test_the_password_is_in_no_process_list_and_no_child(fleet: FleetOfHosts) -> None:
    fleet.standin["us-east-1"].latency_ms = 1500
    try:
        eventually(lambda: child_environs("app.discovery"), timeout_s=20)
        environs = child_environs("app.discovery")
    finally:
        fleet.standin["us-east-1"].latency_ms = 0

    assert all(b"PATH=" in environ and PASSWORD.encode() not in environ for environ in environs)
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert PASSWORD.encode() not in command.read_bytes()
        except OSError:
            continue


def child_environs(command: str) -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if command.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                found.append((process / "environ").read_bytes())
        except OSError:
            continue
    return [environ for environ in found if environ]
