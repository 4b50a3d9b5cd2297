"""A thousand hosts' links as clients of one event loop: each sends what a link sends, and notes when news arrived."""

import asyncio
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from app.refresh import engine
from tests.support.redis_server import RedisServer
from tests.support.servers import eventually

CONNECT_AT_ONCE = 50


async def read_reply(reader: asyncio.StreamReader) -> Any:
    """One value of Redis's protocol, version 2."""
    line = (await reader.readline())[:-2]
    kind, rest = line[:1], line[1:]
    if kind == b"$":
        return None if rest == b"-1" else (await reader.readexactly(int(rest) + 2))[:-2]
    if kind == b"*":
        return None if rest == b"-1" else [await read_reply(reader) for _ in range(int(rest))]
    return int(rest) if kind == b":" else line


def command(*words: str) -> bytes:
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(it)}\r\n{it}\r\n".encode() for it in words)


@dataclass
class Followers:
    """`arrived` has the time of each follower's last news, on the monotonic clock."""

    host: str
    port: int
    key: str
    count: int
    arrived: dict[int, float] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    bytes_received: int = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        gate = asyncio.Semaphore(CONNECT_AT_ONCE)
        await asyncio.gather(*(self._follow(place, gate) for place in range(self.count)))

    async def _follow(self, place: int, gate: asyncio.Semaphore) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        version = "0-0"
        try:
            while True:
                writer.write(command("XLEN", self.key))
                await read_reply(reader)
                block = str(round(engine.BLOCK_S * 1000))
                writer.write(command("XREAD", "COUNT", "1", "BLOCK", block, "STREAMS", self.key, version))
                found = await read_reply(reader)
                if found:
                    [[_, [[id, fields]]]] = found
                    version = id.decode()
                    self.arrived[place] = time.monotonic()
                    self.versions[place] = version
                    self.bytes_received += len(fields[1])
        finally:
            writer.close()


@contextmanager
def following(redis: RedisServer, count: int) -> Iterator[Followers]:
    """Followers in a thread, all connected and up to date."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 1000)), hard))
    followers = Followers(redis.host, redis.port, redis.key(), count)
    loop = asyncio.new_event_loop()
    task = loop.create_task(followers.run())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        eventually(lambda: len(followers.arrived) == count, timeout_s=30)
        yield followers
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()
