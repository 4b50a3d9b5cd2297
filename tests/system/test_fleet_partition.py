"""A partition that drops packets and refuses none: seen by both sides, healed without an older catalog on any host."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.bedrock_standin import BedrockStandin, model_row
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.servers import eventually
from tests.system.fleet_hosts import REGIONS, FleetOfHosts

pytestmark = needs_redis

NAMESPACE, OUTSIDE, INSIDE = "catalog-fleet", "catfleet0", "catfleet1"
HOST, ENGINE = "10.203.77.1", "10.203.77.2"


def ip(*arguments: str, within: bool = False) -> None:
    command = ["ip", "netns", "exec", NAMESPACE, "ip", *arguments] if within else ["ip", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """A namespace for the engine, with a cable to this one."""
    try:
        with suppress(subprocess.CalledProcessError):
            ip("netns", "delete", NAMESPACE)
        ip("netns", "add", NAMESPACE)
        ip("link", "add", OUTSIDE, "type", "veth", "peer", "name", INSIDE, "netns", NAMESPACE)
        ip("address", "add", f"{HOST}/30", "dev", OUTSIDE)
        ip("link", "set", OUTSIDE, "up")
        ip("address", "add", f"{ENGINE}/30", "dev", INSIDE, within=True)
        connect()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces take root and the command ip: {error}")
    yield
    ip("netns", "delete", NAMESPACE)


def connect() -> None:
    ip("link", "set", INSIDE, "up", within=True)


def cut() -> None:
    """What is sent from here on vanishes, on connections that stand, too."""
    ip("link", "set", INSIDE, "down", within=True)


@pytest.fixture
def fleet(network: None, tmp_path: Path) -> Iterator[FleetOfHosts]:
    folder = tmp_path / "redis"
    folder.mkdir()
    redis = RedisServer(folder, host=ENGINE, within=("ip", "netns", "exec", NAMESPACE))
    redis.start()
    try:
        with BedrockStandin(REGIONS) as standin, ExitStack() as stack:
            yield FleetOfHosts(tmp_path, redis, standin, stack)
    finally:
        redis.kill()


def test_a_host_that_is_cut_off_sees_it_goes_alone_and_is_back_in_time(fleet: FleetOfHosts) -> None:
    host = fleet.start_host(WEB_CONCURRENCY="1", CATALOG_REFRESH_SECONDS="3")
    eventually(lambda: host.metric("fleet_linked", fleet="default") == 1)

    cut()
    began = time.monotonic()
    eventually(lambda: host.metric("fleet_linked", fleet="default") == 0, timeout_s=12)
    # 7 s: an XREAD of 5 s, and 2 s more for its answer; and what a busy machine adds.
    assert time.monotonic() - began < 9
    fleet.standin["us-east-1"].models.append(model_row("maker.while-cut-off-v1:0"))
    eventually(lambda: "maker.while-cut-off-v1:0" in host.ids(), timeout_s=15)

    connect()
    began = time.monotonic()
    eventually(lambda: host.metric("fleet_linked", fleet="default") == 1, timeout_s=15)
    assert time.monotonic() - began < 10
    fleet.agree()
    assert len(host.events("fleet_unreachable")) == 1
