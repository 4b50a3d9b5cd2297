"""Many clients at once through nginx for minutes, with a refresh a second that changes the catalog: `make soak`.

Prints, minute by minute, the requests, the errors, and the memory and descriptors of every worker; ends with 1 if a
request failed or a worker grew. Everything is on loopback: the stand-in for Bedrock, gunicorn, nginx and the clients.
"""

import argparse
import asyncio
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support import nginx_server
from tests.support.bedrock_standin import BedrockStandin, model_row
from tests.support.builders import KEY
from tests.support.nginx_server import running_nginx
from tests.support.servers import Service, running_service

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
MODELS = 100
# Each connection asks about every two seconds, so that the figures are of the service and not of a full machine.
PAUSE_S = 2.0
ANSWER_WITHIN_S = 10.0
# What an allocator may take or leave between two minutes, and the descriptors that a refresh under way holds.
GROWTH_KIB = 4096
GROWTH_FDS = 8
# Debian's nginx.conf has 768, and a client's request takes two.
NGINX_CONNECTIONS = "4096"


class Load:
    """The clients, and what they were answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self.slowest_s = 0.0

    async def run(self, connections: int, until: float) -> None:
        await asyncio.gather(*(self.client(until) for _ in range(connections)))

    async def client(self, until: float) -> None:
        await asyncio.sleep(random.uniform(0, PAUSE_S))
        while time.monotonic() < until:
            try:
                await self.connection(until)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.answers[type(error).__name__] += 1

    async def connection(self, until: float) -> None:
        """One connection, until the server says that it closes it."""
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), ANSWER_WITHIN_S)
        try:
            while time.monotonic() < until:
                began = time.monotonic()
                writer.write(f"GET {target()} HTTP/1.1\r\nhost: catalog\r\nx-api-key: {KEY}\r\n\r\n".encode())
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_WITHIN_S)
                headers = head.decode("latin-1").lower()
                length = int(headers.partition("content-length:")[2].partition("\r")[0])
                await asyncio.wait_for(reader.readexactly(length), ANSWER_WITHIN_S)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.answers[headers.split()[1]] += 1
                if "\r\nconnection: close" in headers:
                    return
                await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S)
        finally:
            writer.close()


def target() -> str:
    """Pages, models and whole lists; one in four is new to every cache."""
    new = f"&user={random.randrange(1 << 40)}" if random.random() < 0.25 else ""
    return random.choice(
        (
            f"/anthropic/v1/models?limit={random.randrange(1, 40)}{new}",
            f"/anthropic/v1/models?limit=7&after_id=maker.common-{random.randrange(MODELS - 1)}-v1:0{new}",
            f"/anthropic/v1/models/maker.common-{random.randrange(MODELS - 1)}-v1:0?{new}",
            f"/v1/models?{new}",
        )
    )


def keep_changing(standin: BedrockStandin, done: threading.Event) -> None:
    number = 0
    stay = list(standin["us-east-1"].models)
    while not done.wait(0.5):
        number += 1
        standin["us-east-1"].models = [*stay, model_row(f"maker.passing-{number}-v1:0")]


def held_by(pid: int, socket: Path) -> tuple[int, int, int]:
    """Resident KiB, descriptors and threads of a process; nginx's connections, which come and go, are not counted."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    connections = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines() if str(socket) in line}
    held = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    descriptors = [it for it in held if it.removeprefix("socket:[").removesuffix("]") not in connections]
    return int(status["VmRSS"].split()[0]), len(descriptors), int(status["Threads"])


def children_of(pid: int) -> list[int]:
    return sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def minutes(
    service: Service, socket: Path, load: Load, number: int, done: threading.Event
) -> list[dict[int, tuple[int, int, int]]]:
    """What the workers held at the end of each minute, printed as it comes."""
    told = []
    for minute in range(1, number + 1):
        if done.wait(60):
            break
        held = {pid: held_by(pid, socket) for pid in children_of(service.process.pid)}
        told.append(held)
        workers = "  ".join(f"{pid}: {kib / 1024:.1f} MiB {fds} fds {n} threads" for pid, (kib, fds, n) in held.items())
        answers = ", ".join(f"{count} x {what}" for what, count in sorted(load.answers.items()))
        refreshes = service.log().count('"event": "catalog_refreshed"')
        print(
            f"minute {minute}: {answers}; {refreshes} refreshes; slowest {load.slowest_s:.2f} s; {workers}", flush=True
        )
        load.slowest_s = 0.0
    return told


def growth(told: list[dict[int, tuple[int, int, int]]]) -> list[str]:
    first, last = told[0], told[-1]
    if first.keys() != last.keys():
        return [f"the workers were {sorted(first)} and are {sorted(last)}"]
    return [
        f"worker {pid} grew from {first[pid]} to {last[pid]}"
        for pid in first
        if last[pid][0] > first[pid][0] + GROWTH_KIB or last[pid][1] > first[pid][1] + GROWTH_FDS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    nginx_server.MAIN = nginx_server.MAIN.replace("768", NGINX_CONNECTIONS)
    done = threading.Event()
    with tempfile.TemporaryDirectory() as name, BedrockStandin(REGIONS, models=MODELS) as standin:
        folder = Path(name)
        settings: dict[str, Any] = standin.environ | {
            "WEB_CONCURRENCY": str(chosen.workers),
            "CATALOG_REFRESH_SECONDS": "1",
            "CATALOG_REFRESH_TIMEOUT_SECONDS": "10",
        }
        socket = folder / "gunicorn.sock"
        with (
            running_service(folder, socket=socket, **settings) as service,
            running_nginx(folder / "nginx", socket) as nginx,
        ):
            threading.Thread(target=keep_changing, args=(standin, done), daemon=True).start()
            load = Load(nginx.port)
            told: list[dict[int, tuple[int, int, int]]] = []
            watch = threading.Thread(target=lambda: told.extend(minutes(service, socket, load, chosen.minutes, done)))
            watch.start()
            asyncio.run(load.run(chosen.connections, time.monotonic() + 60 * chosen.minutes + 1))
            watch.join()
            done.set()
            log = service.log()
    wrong = growth(told)
    wrong += [f"{count} x {what}" for what, count in load.answers.items() if what != "200"]
    wrong += ["a traceback in the log"] if "Traceback" in log else []
    print("; ".join(wrong) or f"{sum(load.answers.values())} requests, no error, no growth", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
