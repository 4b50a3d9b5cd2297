"""Three hosts on one engine: AWS is asked once, a forced refresh is at once everywhere, one worker a host is linked."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bedrock_standin import model_row
from tests.support.builders import KEY
from tests.support.redis_server import needs_redis
from tests.support.servers import NO_CERTIFICATES, eventually
from tests.system.fleet_hosts import FleetOfHosts, Host, running_fleet

pytestmark = needs_redis


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetOfHosts]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), hosts=3) as fleet:
        yield fleet
        for host in fleet.hosts:
            assert "Traceback" not in host.service.log()


def ids_by_worker(host: Host) -> dict[int, set[str]]:
    """What each worker serves."""
    found: dict[int, set[str]] = {}
    headers = {"x-api-key": KEY}
    while len(found) < len(host.workers()):
        with httpx.Client(base_url=host.service.url, headers=headers, verify=NO_CERTIFICATES) as client:
            # A connection stays with the worker that took it.
            pid = worker_of(host, client)
            found[pid] = {row["id"] for row in client.get("/v1/models?limit=1000").json()["data"]}
    return found


def worker_of(host: Host, client: httpx.Client) -> int:
    """The worker that holds the client's connection: the only one with a socket of the client's port."""
    stream = client.get("/livez").extensions["network_stream"]
    port = stream.get_extra_info("client_addr")[1]
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[2].endswith(f":{port:04X}")
    }
    for pid in host.workers():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(descriptor)
            if target.startswith("socket:[") and target[8:-1] in inodes:
                return pid
    raise AssertionError(f"no worker holds port {port}")


def test_a_cold_start_of_three_hosts_costs_the_calls_of_one(fleet: FleetOfHosts) -> None:
    fleet.agree()

    assert fleet.refreshes() == 1
    assert {frozenset(host.ids()) for host in fleet.hosts} == {frozenset(fleet.standin.model_ids())}


def test_a_forced_refresh_is_shown_by_every_worker_of_every_host_within_two_seconds(fleet: FleetOfHosts) -> None:
    fleet.standin["us-east-1"].models.append(model_row("maker.brand-new-v1:0"))

    done = fleet.hosts[0].command("refresh")
    ended = time.monotonic()

    late = fleet.hosts
    while late:
        asked_at = time.monotonic()
        late = [host for host in late if not all("maker.brand-new-v1:0" in ids for ids in ids_by_worker(host).values())]
        # Asking takes its time, too, on a busy machine.
        assert not late or asked_at - ended < 2
    assert done.returncode == 0, done.stderr
    assert "Published to the fleet default" in done.stderr


def test_a_status_names_the_fleet_its_version_the_link_and_the_lag(fleet: FleetOfHosts) -> None:
    host = fleet.hosts[1]
    version = fleet.agree()

    shown = host.command("status").stdout
    report = json.loads(host.command("status", "--json").stdout)["fleet"]

    assert re.search(rf"fleet default \(redis://.*\): version {version}, this host {version}, lag 0.0 s", shown)
    assert f"link held by process {host.link_holder()}" in shown
    assert report | {"link_holder": ""} == {
        "name": "default",
        "store": fleet.redis.url,
        "is_reachable": True,
        "problem": None,
        "link_holder": "",
        "version": str(version),
        "host_version": str(version),
        "lag_seconds": 0.0,
    }


def test_one_connection_a_host_stays_open(fleet: FleetOfHosts) -> None:
    def connections() -> int:
        with fleet.redis.client() as client:
            return int(client.info("clients")["connected_clients"]) - 1

    eventually(lambda: connections() == len(fleet.hosts))


def test_the_metrics_tell_of_the_link_and_the_version(fleet: FleetOfHosts) -> None:
    fleet.agree()
    # Each worker tells what it has, a moment after the host's file; a refresh may come meanwhile.
    eventually(lambda: {host.metric("fleet_version", fleet="default") for host in fleet.hosts} == {fleet.newest().ms})
    for host in fleet.hosts:
        assert host.metric("fleet_linked", fleet="default") == 1
        assert host.metric("fleet_info", fleet="default", fingerprint=host.store.folder.name) == 1


def test_a_new_host_serves_at_once_and_asks_aws_for_nothing(fleet: FleetOfHosts) -> None:
    before = fleet.refreshes()

    host = fleet.start_host()

    assert fleet.refreshes() == before
    host.stop()
    fleet.hosts.remove(host)


def test_a_killed_link_is_taken_over_by_another_worker(fleet: FleetOfHosts) -> None:
    host = fleet.hosts[0]
    old = host.link_holder()

    os.kill(old, signal.SIGKILL)

    eventually(lambda: host.link_holder() not in (0, old), timeout_s=10)
    assert host.command("refresh").returncode == 0
    fleet.agree()


def test_a_reload_and_a_stop_close_the_link_in_time(fleet: FleetOfHosts) -> None:
    host = fleet.hosts[2]
    old = set(host.workers())
    began = time.monotonic()

    os.kill(host.service.process.pid, signal.SIGHUP)
    eventually(lambda: not old & set(host.workers()) and host.link_holder() in host.workers(), timeout_s=15)
    assert time.monotonic() - began < 12

    began = time.monotonic()
    host.service.process.terminate()
    host.service.process.wait(20)
    assert time.monotonic() - began < 5
    assert host.link_holder() == 0
    assert "job_failed" not in host.service.log()
    host.stop()
    fleet.hosts.remove(host)


def test_an_upgrade_has_one_link(fleet: FleetOfHosts) -> None:
    host = fleet.hosts[1]
    old = host.link_holder()

    os.kill(host.service.process.pid, signal.SIGUSR2)
    eventually(lambda: len(upgraded(host)) >= 2, timeout_s=20)
    assert host.link_holder() == old

    os.kill(host.service.process.pid, signal.SIGQUIT)
    host.service.process.wait(30)
    eventually(lambda: host.link_holder() not in (0, old), timeout_s=10)
    fleet.agree()
    for pid in masters(host):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not masters(host))
    fleet.hosts.remove(host)


def masters(host: Host) -> list[int]:
    """gunicorn's processes of this host that have no parent among them."""
    port = host.service.url.rpartition(":")[2]
    found: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            environ = (status.parent / "environ").read_bytes()
            parent = int(re.search(r"PPid:\s+(\d+)", status.read_text())[1])  # type: ignore[index]
        except (OSError, TypeError):
            continue
        if f"BIND=127.0.0.1:{port}\0".encode() in environ + b"\0":
            found[int(status.parent.name)] = parent
    return [pid for pid, parent in found.items() if parent not in found]


def upgraded(host: Host) -> list[int]:
    """The workers of the new master."""
    children = [pid for pid in host.workers() if Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [int(pid) for child in children for pid in Path(f"/proc/{child}/task/{child}/children").read_text().split()]
