"""The engine of a fleet in memory, with a clock to set and faults to switch on."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from app.refresh import engine as engine_room
from app.refresh.engine import EngineUnreachable, Entry
from app.refresh.store import NO_VERSION, Version


@dataclass
class MemoryServer:
    """What a Redis server would hold, for all hosts of one fleet.

    `refuses` names the calls that fail.
    """

    now_ms: Callable[[], int]
    entry: Entry | None = None
    newest: Version = NO_VERSION
    lease: tuple[str, int] | None = None
    refuses: set[str] = field(default_factory=set)
    puts: list[Version] = field(default_factory=list)
    acquired: int = 0
    jobs: dict[str, tuple[str, int]] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)

    def clear(self) -> None:
        self.entry, self.newest, self.lease = None, NO_VERSION, None

    def holder(self) -> str | None:
        return self.lease[0] if self.lease and self.lease[1] > self.now_ms() else None


class MemoryEngine:
    """One host's client; `is_cut` cuts it off from the server."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.is_cut = False

    def check(self, call: str) -> None:
        if self.is_cut or call in self.server.refuses or "all" in self.server.refuses:
            raise EngineUnreachable(f"memory: {call} fails")

    def acquire(self) -> "MemoryLease | None":
        self.check("acquire")
        if self.server.holder() is not None:
            return None
        self.server.acquired += 1
        return MemoryLease(self)

    def acquire_job(self, name: str, *, lease_s: float) -> "MemoryJobLock | None":
        self.check("acquire_job")
        held = self.server.jobs.get(name)
        if held is not None and held[1] > self.server.now_ms():
            return None
        return MemoryJobLock(self, name, lease_s)

    def load_value(self, name: str) -> bytes | None:
        self.check("load_value")
        return self.server.values.get(name)

    def save_value(self, name: str, data: bytes) -> None:
        self.check("save_value")
        self.server.values[name] = data

    def put(self, version: Version, payload: bytes) -> bool:
        self.check("put")
        if version <= self.server.newest:
            return version == self.server.newest
        self.server.entry, self.server.newest = Entry(version=version, payload=payload), version
        self.server.puts.append(version)
        return True

    def after(self, version: Version) -> Entry | None:
        self.check("after")
        entry = self.server.entry
        return entry if entry is not None and entry.version > version else None

    def newest(self) -> Version:
        self.check("newest")
        return self.server.newest

    def is_empty(self) -> bool:
        self.check("newest")
        return self.server.entry is None

    def now_ms(self) -> int:
        self.check("now_ms")
        return self.server.now_ms()

    def close(self) -> None:
        self.is_cut = True


class MemoryLease:
    def __init__(self, engine: MemoryEngine) -> None:
        self.now_ms = engine.server.now_ms()
        self.newest = engine.server.newest
        self._engine = engine
        self._token = uuid.uuid4().hex
        engine.server.lease = self._token, self.now_ms + round(engine_room.LEASE_S * 1000)

    def renew(self) -> bool:
        self._engine.check("renew")
        server = self._engine.server
        if server.holder() != self._token:
            return False
        server.lease = self._token, server.now_ms() + round(engine_room.LEASE_S * 1000)
        return True

    def release(self) -> None:
        if self._engine.server.holder() == self._token:
            self._engine.server.lease = None


class MemoryJobLock:
    def __init__(self, engine: MemoryEngine, name: str, lease_s: float) -> None:
        self._engine = engine
        self._name = name
        self._lease_s = lease_s
        self._token = uuid.uuid4().hex
        self._hold()

    def _hold(self) -> None:
        server = self._engine.server
        server.jobs[self._name] = self._token, server.now_ms() + round(self._lease_s * 1000)

    def renew(self) -> bool:
        self._engine.check("renew")
        token, until = self._engine.server.jobs.get(self._name, ("", 0))
        if token != self._token or until <= self._engine.server.now_ms():
            return False
        self._hold()
        return True

    def release(self) -> None:
        if self._engine.server.jobs.get(self._name, ("", 0))[0] == self._token:
            del self._engine.server.jobs[self._name]
