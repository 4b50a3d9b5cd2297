"""`make bench-fleet`: three real hosts and 1,000 followers on one Redis: what a fleet costs, and how fast news is.

`--recorded FOLDER` has the stand-in list what was recorded: a file a region, with modelSummaries and
inferenceProfileSummaries.
"""

import argparse
import json
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
from rich.console import Console
from rich.table import Table

from benchmarks.load import resident_kib
from tests.support.bedrock_standin import BedrockStandin, Region, model_row
from tests.support.builders import KEY
from tests.support.followers import Followers, following
from tests.support.redis_server import RedisServer, running_redis
from tests.support.servers import NO_CERTIFICATES, asking_without_pause, eventually
from tests.system.fleet_hosts import FleetOfHosts, Host
from tests.system.test_fleet import ids_by_worker

INTERVAL_S = 10
REGIONS = [f"us-east-{number}" for number in range(1, 19)]
# Of the clients that ask while the engine dies.
PAUSE_S = 0.02


def standin_of(recorded: Path | None) -> BedrockStandin:
    if recorded is None:
        return BedrockStandin(REGIONS, models=100)
    regions = {}
    for file in sorted(recorded.glob("*.json")):
        rows = json.loads(file.read_text())
        regions[file.stem] = Region(models=rows["modelSummaries"], profiles=rows["inferenceProfileSummaries"])
    standin = BedrockStandin(regions)
    standin.regions.update(regions)
    return standin


class Figures:
    def __init__(self) -> None:
        self.table = Table("what", "measured", "to reach")

    def add(self, what: str, measured: str, reach: str = "") -> None:
        self.table.add_row(what, measured, reach)
        print(f"{what}: {measured}" + (f" (to reach: {reach})" if reach else ""), flush=True)


def measure_cold_start(fleet: FleetOfHosts, figures: Figures, hosts: int, settings: dict[str, str]) -> None:
    threads = [threading.Thread(target=fleet.start_host, kwargs=settings) for _ in range(hosts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fleet.agree()
    calls = sum(fleet.standin.calls.values())
    figures.add(
        f"cold start of {hosts} hosts", f"{fleet.refreshes()} refresh, {calls} calls", "one refresh's calls in all"
    )


def measure_rest(redis: RedisServer, figures: Figures, seconds: int, count: int) -> None:
    commands, cpu = redis.commands(), redis.cpu_s()
    time.sleep(seconds)
    # Asking for these figures is four commands itself.
    rate = (redis.commands() - commands - 4) / seconds
    share = 100 * (redis.cpu_s() - cpu) / seconds
    figures.add(f"at rest with {count} followers: commands/s", f"{rate:.0f}", "< 500")
    figures.add("at rest: CPU of the server", f"{share:.2f} %", "1 %")


def loads(host: Host) -> list[datetime]:
    """When this host's workers loaded a catalog."""
    return [datetime.fromisoformat(it["timestamp"]) for it in host.events("catalog_loaded")]


def measure_forced(fleet: FleetOfHosts, followers: Followers, figures: Figures, name: str) -> None:
    """By the hosts' own logs, as asking each worker takes longer than what is measured."""
    fleet.standin[next(iter(fleet.standin.regions))].models.append(model_row(name))
    before = {id(host): len(loads(host)) for host in fleet.hosts}
    before_s = time.monotonic()
    with fleet.redis.client() as client:
        sent = int(client.info("stats")["total_net_output_bytes"])
        cpu = fleet.redis.cpu_s()
        done = fleet.hosts[-1].command("refresh")
        assert done.returncode in (0, 3), done.stderr
        eventually(lambda: min(followers.arrived.values()) > before_s)
        eventually(lambda: all(len(loads(it)) >= before[id(it)] + len(it.workers()) for it in fleet.hosts))
        megabytes = (int(client.info("stats")["total_net_output_bytes"]) - sent) / 1e6
        used_ms = 1000 * (fleet.redis.cpu_s() - cpu)
    assert all(name in ids for host in fleet.hosts for ids in ids_by_worker(host).values())
    first, last = min(followers.arrived.values()), max(followers.arrived.values())
    saved = datetime.now(UTC) - timedelta(seconds=time.monotonic() - first)
    shown = max(loads(host)[-1] for host in fleet.hosts)
    figures.add("forced refresh: last worker of the real hosts", f"{(shown - saved).total_seconds():.2f} s", "1 s")
    figures.add("forced refresh: last follower", f"{last - first:.2f} s", "1 s")
    figures.add("a refresh: bytes out of the server", f"{megabytes:.1f} MB", "< 10 MB")
    figures.add("a refresh: CPU of the server", f"{used_ms:.0f} ms")


def measure_outage(fleet: FleetOfHosts, figures: Figures, seconds: int) -> None:
    quiet, broken = [list[float](), list[float]()]
    where = quiet
    failed: list[str] = []

    def ask(place: int, over: threading.Event) -> None:
        with httpx.Client(base_url=fleet.hosts[place].service.url, verify=NO_CERTIFICATES, timeout=10) as client:
            while not over.wait(PAUSE_S):
                began = time.perf_counter()
                try:
                    status = client.get("/v1/models", headers={"x-api-key": KEY}).status_code
                except httpx.TransportError as error:
                    failed.append(repr(error))
                    continue
                where.append(time.perf_counter() - began)
                if status != 200:
                    failed.append(str(status))

    def alone(host: Host) -> float:
        return host.metric("fleet_alone_refreshes_total") or 0

    with asking_without_pause(ask, len(fleet.hosts)):
        time.sleep(seconds)
        before = [alone(host) for host in fleet.hosts]
        where = broken
        fleet.redis.kill()
        time.sleep(seconds)
        refreshes = [alone(host) - was for host, was in zip(fleet.hosts, before, strict=True)]
        fleet.redis.start()
        back = time.monotonic()
        fleet.agree(within_s=30)
        agreed = time.monotonic() - back
    figures.add(f"server killed for {seconds} s: failed requests", f"{len(failed)} of {len(broken)}", "0")
    p99 = [f"{1000 * sorted(times)[int(0.99 * len(times))]:.1f}" for times in (quiet, broken)]
    figures.add("p99 of requests before and while it was away", " and ".join(p99) + " ms", "at most twice")
    figures.add(
        f"refreshes of each host in {seconds} s alone, interval {INTERVAL_S} s",
        ", ".join(f"{it:.0f}" for it in refreshes),
        f"<= {seconds // INTERVAL_S + 1}",
    )
    figures.add("back, empty: one version everywhere after", f"{agreed:.1f} s", "10 s")
    listings = fleet.refreshes()
    time.sleep(3 * INTERVAL_S)
    figures.add("refreshes in the three intervals after", str(fleet.refreshes() - listings), "one an interval")


def sizes_of(host: Host) -> list[float]:
    """MiB of a host's workers, the one that refreshed last."""
    return sorted(resident_kib(pid) / 1024 for pid in host.workers())


def measure_memory(fleet: FleetOfHosts, figures: Figures, settings: dict[str, str]) -> None:
    """Against a host without a fleet, of which one worker refreshed, too."""
    plain = fleet.start_host(**settings, CATALOG_STORE="")
    fleet.hosts.remove(plain)
    without = sizes_of(plain)
    plain.stop()
    [refreshed] = [host for host in fleet.hosts if host.events("catalog_refreshed")]
    linked = sizes_of(refreshed)
    for what, place, reach in (("without the link", 0, "0.5 MiB more"), ("with the link", -1, "8 MiB more")):
        measured = f"{linked[place]:.1f} MiB, without a fleet {without[place]:.1f}"
        figures.add(f"memory of a worker {what}", measured, f"at most {reach}")


def run(*, hosts: int, followers: int, seconds: int, recorded: Path | None = None) -> Figures:
    figures = Figures()
    settings = {"CATALOG_REFRESH_SECONDS": "3600", "CATALOG_REFRESH_TIMEOUT_SECONDS": "30"}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_redis(Path(folder) / "redis", "--maxclients", str(followers + 1000)) as redis,
        standin_of(recorded) as standin,
        ExitStack() as stack,
    ):
        fleet = FleetOfHosts(Path(folder), redis, standin, stack)
        measure_cold_start(fleet, figures, hosts, settings)
        with redis.client() as client:
            [[_, [[_, fields]]]] = client.xread({redis.key(): "0-0"})
            figures.add("a catalog in the server", f"{len(fields[b'z'])} B")
        measure_memory(fleet, figures, settings)
        with following(redis, followers) as all_followers:
            measure_rest(redis, figures, seconds, followers)
            measure_forced(fleet, all_followers, figures, "maker.forced-1-v1:0")
            measure_forced(fleet, all_followers, figures, "maker.forced-2-v1:0")
            with redis.client() as client:
                used = client.info("memory")["used_memory_rss"] / 2**20
            figures.add(f"memory of the server with {followers} followers", f"{used:.0f} MiB")
        for host in fleet.hosts:
            host.stop()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_redis(Path(folder) / "redis") as redis,
        standin_of(recorded) as standin,
        ExitStack() as stack,
    ):
        fleet = FleetOfHosts(Path(folder), redis, standin, stack)
        for _ in range(hosts):
            fleet.start_host(**settings | {"CATALOG_REFRESH_SECONDS": str(INTERVAL_S)})
        measure_outage(fleet, figures, max(2 * INTERVAL_S, seconds))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--followers", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20, help="of each measurement at rest")
    parser.add_argument("--recorded", type=Path, metavar="FOLDER")
    chosen = parser.parse_args()
    Console().print(run(**vars(chosen)).table)


if __name__ == "__main__":
    main()
