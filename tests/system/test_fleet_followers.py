"""A thousand hosts on one engine: at rest next to nothing, and news for all of them at once."""

import time
from pathlib import Path

from tests.support.bedrock_standin import model_row
from tests.support.followers import following
from tests.support.redis_server import needs_redis
from tests.system.fleet_hosts import running_fleet

pytestmark = needs_redis

FOLLOWERS = 1000
REST_S = 5


def test_a_thousand_followers_have_a_forced_refresh_within_two_seconds(tmp_path: Path) -> None:
    with running_fleet(tmp_path, hosts=1, WEB_CONCURRENCY="1") as fleet:
        [host] = fleet.hosts
        fleet.agree()
        with following(fleet.redis, FOLLOWERS) as followers:
            commands, cpu_s = fleet.redis.commands(), fleet.redis.cpu_s()
            time.sleep(REST_S)
            assert (fleet.redis.commands() - commands) / REST_S < 500
            assert (fleet.redis.cpu_s() - cpu_s) / REST_S < 0.05

            fleet.standin["us-east-1"].models.append(model_row("maker.brand-new-v1:0"))
            before = time.monotonic()
            assert host.command("refresh").returncode == 0
            # The save is before the command's end.
            ended = time.monotonic()
            while min(followers.arrived.values()) < before:
                assert time.monotonic() - ended < 2
                time.sleep(0.01)

            assert set(followers.versions.values()) == {str(host.version())}
