"""A Redis or Valkey server as the engine of a fleet: a stream of one entry, and redis-py's lock.

A stream refuses an id that is not greater than every earlier one, so the newest version wins by the server's own rule.
Only the process that speaks to the server imports this module: redis-py takes 6 MiB.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis, RedisError
from redis._parsers import _RESP2Parser
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, InvalidResponse, LockError, ResponseError
from redis.lock import Lock
from redis.retry import Retry

from app.refresh import engine
from app.refresh.engine import EngineUnreachable, Entry
from app.refresh.store import NO_VERSION, Version
from config import Settings
from config.store_url import StoreUrl

FIELD = b"z"
MAX_PASSWORD_BYTES = 4096
MAX_ANSWER_BYTES = 16 << 20
MAX_REASON = 200
# redis-py's parsers raise these on bytes that are no Redis protocol, and where another thread closes the connection.
PROTOCOL_ERRORS = (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError)


class BoundedParser(_RESP2Parser):
    """Reads no more for one answer than a catalog can take: a server holds values of 512 MB."""

    def on_connect(self, connection: Any) -> None:
        super().on_connect(connection)  # type: ignore[no-untyped-call]
        buffer: Any = self._buffer
        read, purge, total = buffer.read, buffer.purge, 0

        def bounded_read(length: int, **options: Any) -> Any:
            nonlocal total
            total += length
            if total > MAX_ANSWER_BYTES:
                raise InvalidResponse(f"an answer of over {MAX_ANSWER_BYTES >> 20} MiB, which no catalog is")
            return read(length, **options)

        def counting_purge() -> None:
            nonlocal total
            total = 0
            purge()

        buffer.read, buffer.purge = bounded_read, counting_purge


class PasswordFile(CredentialProvider):
    """Reads the password at each connection, so that it can be changed without a restart."""

    def __init__(self, user: str | None, file: Path) -> None:
        self._user = user
        self._file = file
        self.password: str | None = None

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            with self._file.open("rb") as file:
                password = file.read(MAX_PASSWORD_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise AuthenticationError(f"CATALOG_STORE_PASSWORD_FILE: {self._file}: {reason}") from None
        self.password = password
        return (password,) if self._user is None else (self._user, password)


class UrlPassword(CredentialProvider):
    """The password of `CATALOG_STORE`, if it has one."""

    def __init__(self, url: StoreUrl) -> None:
        self._user = url.user
        self.password = url.password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        return (self.password or "",) if self._user is None else (self._user, self.password or "")


def _credentials(url: StoreUrl, settings: Settings) -> PasswordFile | UrlPassword | None:
    if settings.store_password_file:
        return PasswordFile(url.user, Path(settings.store_password_file))
    return None if url.user is None and url.password is None else UrlPassword(url)


def _pool(
    url: StoreUrl, settings: Settings, credentials: CredentialProvider | None, *, timeout_s: float
) -> ConnectionPool:
    options: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "db": url.database,
        "protocol": 2,
        "parser_class": BoundedParser,
        "socket_connect_timeout": engine.TIMEOUT_S,
        "socket_timeout": timeout_s,
        # Its own retries make 15 s of a timeout of 1 s.
        "retry": Retry(NoBackoff(), 0),
        # It would name itself to the server by a command that the user's rights need not include.
        "driver_info": None,
        "credential_provider": credentials,
    }
    if url.tls:
        options |= {"connection_class": SSLConnection, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
        options["ssl_ca_certs"] = settings.store_ca_file or None
    else:
        options["connection_class"] = Connection
    return ConnectionPool(**options)


class RedisLock:
    """redis-py's lock, held through a pool of connections of its own."""

    def __init__(self, owner: "RedisEngine", lock: Lock, pool: ConnectionPool) -> None:
        self._owner = owner
        self._lock = lock
        self._pool = pool

    def renew(self) -> bool:
        with self._owner.errors(self._pool):
            try:
                return bool(self._lock.reacquire())
            except LockError:
                return False

    def release(self) -> None:
        with suppress(EngineUnreachable), self._owner.errors(self._pool), suppress(LockError):
            self._lock.release()
        self._pool.disconnect()


class RedisLease(RedisLock):
    """The fleet's lease, and what the server answered when it was acquired."""

    def __init__(self, owner: "RedisEngine", lock: Lock, pool: ConnectionPool, *, now_ms: int, newest: Version) -> None:
        super().__init__(owner, lock, pool)
        self.now_ms = now_ms
        self.newest = newest


class RedisEngine:
    """One key for the catalog, one for the lease, in one slot of a cluster."""

    def __init__(self, settings: Settings, key: str) -> None:
        """
        Args:
            key: without its end, and in braces.
        """
        assert settings.store is not None
        self._url = settings.store
        self._settings = settings
        self._key = key
        self._catalog, self._lease_key = f"{key}:catalog", f"{key}:lease"
        # Longer than any host serves a listing that it cannot renew: what no host saves any more goes.
        self._expiry_ms = (settings.max_stale_s + 86_400) * 1000
        self._credentials = _credentials(self._url, settings)
        # The connection that follows stays open; the other one is there while there is something to do.
        self._command_pool = _pool(self._url, settings, self._credentials, timeout_s=engine.TIMEOUT_S)
        self._follow_pool = _pool(self._url, settings, self._credentials, timeout_s=engine.BLOCK_S + engine.TIMEOUT_S)
        # Connects where a job keeps a value.
        self._value_pool = _pool(self._url, settings, self._credentials, timeout_s=engine.TIMEOUT_S)
        self._commands = Redis(connection_pool=self._command_pool)
        self._follow = Redis(connection_pool=self._follow_pool)

    @contextmanager
    def errors(self, pool: ConnectionPool | None = None) -> Iterator[None]:
        """Turn all that can go wrong with the server into one error.

        Raises:
            EngineUnreachable
        """
        try:
            yield
        except (RedisError, OSError, *PROTOCOL_ERRORS) as error:
            # What is left in a connection's buffer would be the answer to the next command.
            (pool or self._command_pool).disconnect()
            raise EngineUnreachable(f"{self._url}: {self._reason(error)}") from None

    def _reason(self, error: Exception) -> str:
        """What the server says may hold anything: servers that do not know AUTH quote the password."""
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        if self._credentials is not None and self._credentials.password:
            reason = reason.replace(self._credentials.password, "[redacted]")
        return "".join(it if it.isprintable() else "?" for it in reason[:MAX_REASON])

    def acquire(self) -> RedisLease | None:
        with self.errors():
            lock = Lock(self._commands, self._lease_key, timeout=engine.LEASE_S, blocking=False, thread_local=False)
            if not lock.acquire():
                return None
            now_ms, newest = _now_ms(self._commands), self._newest(self._commands)
            return RedisLease(self, lock, self._command_pool, now_ms=now_ms, newest=newest)

    def acquire_job(self, name: str, *, lease_s: float) -> RedisLock | None:
        # Not the pool of commands: the end of a refresh closes its connections.
        pool = _pool(self._url, self._settings, self._credentials, timeout_s=engine.TIMEOUT_S)
        with self.errors(pool):
            key = f"{self._key}:{name}"
            lock = Lock(Redis(connection_pool=pool), key, timeout=lease_s, blocking=False, thread_local=False)
            if lock.acquire():
                return RedisLock(self, lock, pool)
        pool.disconnect()
        return None

    def load_value(self, name: str) -> bytes | None:
        with self.errors(self._value_pool):
            value: Any = Redis(connection_pool=self._value_pool).get(f"{self._key}:{name}")
            return value if isinstance(value, bytes) else None

    def save_value(self, name: str, data: bytes) -> None:
        with self.errors(self._value_pool):
            Redis(connection_pool=self._value_pool).set(f"{self._key}:{name}", data, ex=engine.VALUE_EXPIRY_S)

    def put(self, version: Version, payload: bytes) -> bool:
        with self.errors():
            try:
                self._commands.xadd(self._catalog, {FIELD: payload}, str(version), maxlen=1, approximate=False)
            except ResponseError as error:
                # The answer to an earlier try may have been lost.
                if "equal or smaller" in str(error):
                    return self._newest(self._commands) == version
                raise
            self._commands.pexpire(self._catalog, self._expiry_ms)
            return True

    def after(self, version: Version) -> Entry | None:
        with self.errors(self._follow_pool):
            found: Any = self._follow.xread({self._catalog: str(version)}, count=1, block=round(engine.BLOCK_S * 1000))
            return _entry(found) if found else None

    def newest(self) -> Version:
        with self.errors(self._follow_pool):
            return self._newest(self._follow)

    def _newest(self, client: "Redis") -> Version:
        """Unlike the entry itself, this outlives its deletion; the answer holds the entry, too, and that twice."""
        try:
            found: Any = client.xinfo_stream(self._catalog)
        except ResponseError as error:
            if "no such key" in str(error):
                return NO_VERSION
            raise
        return _version(found["last-generated-id"])

    def is_empty(self) -> bool:
        with self.errors(self._follow_pool):
            return not self._follow.xlen(self._catalog)

    def now_ms(self) -> int:
        with self.errors(self._follow_pool):
            return _now_ms(self._follow)

    def close(self) -> None:
        self._command_pool.disconnect()
        self._value_pool.disconnect()
        self._follow_pool.disconnect()


def _now_ms(client: "Redis") -> int:
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def _entry(found: Any) -> Entry:
    """The one entry of `XREAD`'s answer."""
    [(_, [(id, fields)])] = found.items() if isinstance(found, dict) else found
    payload = fields.get(FIELD) if isinstance(fields, dict) else None
    return Entry(version=_version(id), payload=payload if isinstance(payload, bytes) else None)


def _version(id: bytes) -> Version:
    ms, _, n = id.decode().partition("-")
    return Version(int(ms), int(n))
