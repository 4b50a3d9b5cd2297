"""A sender that is killed at any moment: nothing is lost, nothing overtakes, and what comes twice is little."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.catalog.codec import encode_state
from app.catalog.records import CatalogState
from tests.support.builders import NOW, listing, model, snapshot
from tests.support.servers import PROJECT
from tests.support.webhook_receiver import HOST, Received, answer, receiving
from tests.unit.catalog.test_changes import EAST, following

REFRESHES = 12
MODELS_A_REFRESH = 6
WAIT_S = 60.0
BEGAN = time.time()

# A process that sends what the stored catalog holds, as a worker does, with the lease as a lock on a file.
SENDER = """
import fcntl, os, ssl, sys, time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from app.catalog.codec import decode_state
from app.catalog.current import Catalog
from app.catalog.snapshot import build_snapshot
from app.webhooks.cursors import CursorFile
from app.webhooks.delivery import deliver
from app.webhooks.sender import WebhookSender
from app.webhooks.targets import Target

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
folder, port = Path(sys.argv[1]), int(sys.argv[2])
context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
target = Target(name="a", host=sys.argv[3], port=port, path="/", secret=b"s" * 32, allow_private=True, revision="1")
catalog = Catalog()

class Held:
    def held(self):
        return True

@contextmanager
def lease():
    descriptor = os.open(folder / "lease", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Held()
    except BlockingIOError:
        yield None
    finally:
        os.close(descriptor)

def send(target, message):
    return deliver(target, *message, context=lambda: context, resolve=lambda *_: ["127.0.0.1"], timeout_s=5)

def clock():  # A hundred times as fast, so that a pause of five seconds takes 50 ms.
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=(time.time() - float(sys.argv[4])) * 100)

sender = WebhookSender(catalog, lambda: [target], CursorFile(folder / "cursors.json"), lease, send=send, clock=clock)
print("ready", flush=True)
while True:
    state = decode_state((folder / "state.json").read_bytes())
    catalog.publish(build_snapshot(state, at=state.attempted_at))
    sender.send_due()
    time.sleep(0.002)
"""


def store(folder: Path, state: CatalogState) -> None:
    """The catalog and its events in one step, as the refresher stores them."""
    (folder / "state.new").write_bytes(encode_state(state))
    os.replace(folder / "state.new", folder / "state.json")


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", SENDER, str(folder), str(port), HOST, str(BEGAN)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == b"ready\n"
    return process


class Senders:
    """Two sending processes, of which one has the lease; whichever ends is started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self._running = [start(folder, port), start(folder, port)]
        self.kills = 0

    def kill(self, *places: int) -> None:
        for place in places:
            self._running[place].send_signal(signal.SIGKILL)
        self.kills += len(places)

    def restart(self) -> None:
        for place, process in enumerate(self._running):
            if process.poll() is not None:
                self._running[place] = start(self._folder, self._port)

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_arrives_in_order_though_senders_are_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    delivered: list[str] = []
    senders: list[Senders] = []

    def respond(received: Received, connection: object) -> bytes:
        if chance.random() < 0.1:
            return answer("503 Service Unavailable")
        delivered.append(json.loads(received.body)["data"]["id"])
        if chance.random() < 0.05:
            senders[0].kill(0, 1)  # The receiver has the event, and the sender does not live to know it.
        time.sleep(chance.uniform(0, 0.02))
        return answer("204 No Content")

    current = snapshot(listing(EAST, model("first")))
    store(tmp_path, current.state)
    with receiving(tmp_path, respond) as receiver:
        senders.append(Senders(tmp_path, receiver.port))
        try:
            deadline = time.monotonic() + WAIT_S
            while not (tmp_path / "cursors.json").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            for number in range(REFRESHES):
                rows = [model(f"m{number}-{place}") for place in range(MODELS_A_REFRESH)]
                at = NOW.replace(minute=number)
                current = following(current, listing(EAST, model("first"), *rows, at=at), at=at, regions=(EAST,))
                store(tmp_path, current.state)
                time.sleep(chance.uniform(0, 0.2))
                senders[0].kill(chance.randrange(2))
                senders[0].restart()
            wanted = [it.id for it in current.state.events]
            deadline = time.monotonic() + WAIT_S
            while len(set(delivered)) < len(wanted) and time.monotonic() < deadline:
                senders[0].restart()
                time.sleep(0.05)
        finally:
            senders[0].stop()

    again = len(delivered) - len(wanted)
    print(f"{senders[0].kills} kills, {len(wanted)} events, {len(delivered)} deliveries, {again} of them again")
    assert list(dict.fromkeys(delivered)) == wanted
    # An event that comes again is the one before, never an older one.
    assert delivered == sorted(delivered)
    assert again <= senders[0].kills
