"""Webhooks of running services: two workers of one host, and two hosts of a fleet, with real receivers."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.bedrock_standin import BedrockStandin, model_row
from tests.support.redis_server import needs_redis
from tests.support.servers import PROJECT, Service, eventually, running_service, service_environ
from tests.support.webhook_receiver import Received, Receiver, answer, receiving
from tests.support.webhook_targets import SECRET, SECRET_PATH, payload_of, write_operator_file
from tests.system.fleet_hosts import Host, running_fleet

EAST = "us-east-1"
REGIONS = (EAST, "eu-west-1")


def catalog_command(environ: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).with_name("flask")), "--app", "wsgi", "catalog", *words],
        cwd=PROJECT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


def workers_of(service: Service) -> list[int]:
    master = service.process.pid
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def added(receiver: Receiver) -> list[str]:
    """The models that a receiver was told of, in the order of their coming."""
    payloads = [payload_of(it) for it in list(receiver.received)]
    return [it["data"]["model_id"] for it in payloads if it["type"] == "model.added"]


class Answers:
    """What a receiver answers; `before` runs when it has read a request."""

    def __init__(self) -> None:
        self.status = "204 No Content"
        self.kills: list[int] = []

    def __call__(self, received: Received, connection: object) -> bytes:
        for pid in self.kills:
            os.kill(pid, signal.SIGKILL)
        self.kills = []
        return answer(self.status, b"thanks\x1b[31m")


def test_two_workers_send_every_event_once_in_order_and_what_a_killed_one_was_sending_again(tmp_path: Path) -> None:
    answers = Answers()
    with receiving(tmp_path, answers, names=("localhost",)) as receiver, BedrockStandin(REGIONS) as standin:
        file = write_operator_file(tmp_path, receiver)
        options: dict[str, Any] = standin.environ | {
            "SSL_CERT_FILE": str(receiver.ca_file),
            "CATALOG_CONFIG_FILE": str(file),
            "CATALOG_REFRESH_SECONDS": "1",
            "WEB_CONCURRENCY": "2",
        }
        with running_service(tmp_path, **options) as service:
            environ = service_environ(tmp_path, **options)
            folder = tmp_path / "catalog" / "webhooks"
            eventually(lambda: list(folder.glob("*.json")))
            wanted: list[str] = []

            def add() -> None:
                wanted.append(f"made.m{len(wanted)}")
                standin[EAST].models.append(model_row(wanted[-1]))

            for _ in range(3):
                add()
                eventually(lambda: added(receiver) == wanted)

            # The receiver has the event, and its sender does not live to know it.
            answers.kills = workers_of(service)
            add()
            eventually(lambda: added(receiver) == [*wanted, wanted[-1]], timeout_s=20)
            add()
            eventually(lambda: added(receiver) == [*wanted[:-1], *wanted[-2:]], timeout_s=20)

            # 410 switches it off, until the file changes.
            answers.status = "410 Gone"
            add()
            eventually(lambda: service.events("webhook_switched_off"))
            answers.status = "204 No Content"
            count = len(receiver.received)
            status = catalog_command(environ, "status")
            shown = service.get("/metrics").text
            assert len(receiver.received) == count
            file.write_text(file.read_text() + "# it is there again\n")
            began = time.monotonic()
            eventually(lambda: len(receiver.received) == count + 1)
            assert time.monotonic() - began < 3

            # What a target answers is shown without what a terminal obeys.
            tried = catalog_command(environ, "webhooks", "test", "ops")
            unknown = catalog_command(environ, "webhooks", "test", "other")
            answers.status = "500 Broken"
            failed = catalog_command(environ, "webhooks", "test", "ops")
            listed = catalog_command(environ, "webhooks", "--json")
            log = service.log()

        assert [stat.S_IMODE(it.stat().st_mode) for it in (folder, *folder.glob("*.json"))] == [0o700, 0o600]
        assert tried.returncode == 0 and tried.stdout.startswith("HTTP 204 in ")
        assert (failed.returncode, "HTTP 500" in failed.stdout, "thanks?[31m" in failed.stdout) == (1, True, True)
        assert unknown.returncode == 1 and "there are: ops" in unknown.stderr
        assert "HTTP410" in status.stdout and "localhost" in status.stdout
        assert 'model_catalog_webhook_lag_seconds{target="ops"}' in shown
        assert 'model_catalog_webhook_deliveries_total{outcome="gone",target="ops"} 1.0' in shown
        assert '"host": "localhost"' in listed.stdout
        everything = [log, shown, *(f"{it.stdout}{it.stderr}" for it in (status, tried, unknown, failed, listed))]
        for secret in (SECRET, SECRET.removeprefix("whsec_"), SECRET_PATH, SECRET_PATH.rpartition("/")[2]):
            assert not [it for it in everything if secret in it]


def senders(host: Host) -> int:
    return len(host.events("webhook_delivered"))


@needs_redis
def test_one_host_of_a_fleet_sends_and_the_other_goes_on_where_it_is_killed(tmp_path: Path) -> None:
    answers = Answers()
    with (
        receiving(tmp_path, answers, names=("localhost",)) as receiver,
        running_fleet(tmp_path, user="catalog:word") as fleet,
    ):
        file = write_operator_file(tmp_path, receiver)
        options: dict[str, str] = {"SSL_CERT_FILE": str(receiver.ca_file), "CATALOG_CONFIG_FILE": str(file)}
        hosts = [fleet.start_host(**options), fleet.start_host(**options)]
        fleet.agree()
        with fleet.redis.client() as engine:
            eventually(lambda: engine.keys("*:webhooks"))

            def add(name: str) -> None:
                fleet.standin[EAST].models.append(model_row(name))
                assert hosts[1].command("refresh").returncode == 0

            add("made.m0")
            eventually(lambda: added(receiver) == ["made.m0"], timeout_s=15)
            answers.kills = [hosts[0].service.process.pid, *hosts[0].workers(), hosts[1].link_holder()]
            add("made.m1")
            # Both senders are gone, one for good: the lease of the one that had it runs out first.
            eventually(lambda: added(receiver) == ["made.m0", "made.m1", "made.m1"], timeout_s=45)
            add("made.m2")
            eventually(lambda: added(receiver)[3:] == ["made.m2"], timeout_s=15)
            [key] = engine.keys("*:webhooks")
            value = engine.get(key)

        assert value is not None and b"event_id" in value
        assert senders(hosts[1]) >= 2
        assert SECRET_PATH.encode() not in value
