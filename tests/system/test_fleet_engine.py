"""A real Redis server as an engine: each way in which it fails is one error with a reason, and no secret in it."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import ResponseError

from app.refresh import engine as engine_room
from app.refresh.engine import EngineUnreachable
from app.refresh.redis_engine import RedisEngine
from app.refresh.store import NO_VERSION, Version
from config import Settings
from config.store_url import store_url
from tests.support.certificates import Authority
from tests.support.redis_server import ACL_RULES, VALKEY, RedisServer, needs_redis, needs_valkey, running_redis
from tests.support.servers import eventually, free_port

pytestmark = needs_redis

KEY = "{model-catalog:default:0123456789ab.1}"
PASSWORD = "hunter2-of-the-fleet"
TIMEOUT_S = 0.25


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_room, "TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(engine_room, "BLOCK_S", 0.2)


@pytest.fixture(scope="module", params=["redis", pytest.param("valkey", marks=needs_valkey)])
def shared_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    binary = VALKEY if request.param == "valkey" else None
    with running_redis(tmp_path_factory.mktemp("engine"), binary=binary) as server:
        yield server


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    with shared_server.client() as client:
        client.flushall()
        client.config_set("maxmemory", 0)
        client.execute_command("ACL", "SETUSER", "default", "reset", "on", "nopass", "+@all", "~*", "&*")
        client.execute_command("ACL", "SETUSER", "catalog", "reset", "on", f">{PASSWORD}", *ACL_RULES.split())
    return shared_server


@contextmanager
def engine_at(url: str, **settings: Any) -> Iterator[RedisEngine]:
    engine = RedisEngine(Settings(auth_disabled=True, store=store_url(url), **settings), KEY)
    try:
        yield engine
    finally:
        engine.close()


def as_user(server: RedisServer, password: str = PASSWORD, user: str = "catalog") -> str:
    return server.url.replace("redis://", f"redis://{user}:{password}@")


def use(engine: RedisEngine) -> None:
    """All that a host asks of its engine."""
    newest = engine.newest()
    lease = engine.acquire()
    assert lease is not None
    later = Version(max(newest.ms + 1, lease.now_ms))
    assert engine.put(later, b"data") and lease.renew()
    lease.release()
    entry = engine.after(newest)
    assert entry is not None and (entry.version, entry.payload) == (later, b"data")
    assert engine.after(later) is None
    assert engine.now_ms() >= lease.now_ms


def refusal(engine: RedisEngine, call: Callable[[RedisEngine], object] = RedisEngine.newest) -> str:
    """The reason of a failure, which comes in time and has no secret."""
    began = time.monotonic()
    with pytest.raises(EngineUnreachable) as refused:
        call(engine)
    assert time.monotonic() - began < 3
    assert PASSWORD not in f"{refused.value!r} {refused.value.__cause__!r}"
    return str(refused.value)


def test_the_rights_of_the_documented_user_are_enough_and_no_more(server: RedisServer) -> None:
    with engine_at(as_user(server)) as engine:
        use(engine)
    with server.client() as client:
        assert client.execute_command("ACL", "LOG") == []
    with server.client(username="catalog", password=PASSWORD) as client:
        for command in ("FLUSHALL", "KEYS *", "CONFIG GET *", "GET other", "XADD other * z 1", "SWAPDB 0 1", "PING"):
            with pytest.raises(ResponseError, match="permission"):
                client.execute_command(*command.split())


def test_what_no_host_saves_any_more_expires(server: RedisServer) -> None:
    with engine_at(server.url, max_stale_s=100) as engine:
        engine.put(Version(5), b"data")
    with server.client() as client:
        assert 86_490_000 < client.pttl(f"{KEY}:catalog") <= 86_500_000
        assert client.xlen(f"{KEY}:catalog") == 1


def test_the_newest_version_outlives_its_entry(server: RedisServer) -> None:
    with engine_at(server.url) as engine:
        engine.put(Version(5, 1), b"data")
        with server.client() as client:
            client.xdel(f"{KEY}:catalog", "5-1")

        assert engine.newest() == Version(5, 1)
        assert engine.put(Version(4), b"older") is False


def test_a_put_is_accepted_once_more_where_its_answer_was_lost(server: RedisServer) -> None:
    with engine_at(server.url) as engine:
        assert engine.put(Version(5), b"data")
        assert engine.put(Version(5), b"data")
        assert not engine.put(Version(4), b"data")


def test_an_entry_of_other_fields_has_no_payload(server: RedisServer) -> None:
    with engine_at(server.url) as engine, server.client() as client:
        client.xadd(f"{KEY}:catalog", {"other": "field"}, "7-0")
        entry = engine.after(NO_VERSION)

    assert entry is not None and (entry.version, entry.payload) == (Version(7), None)


def test_an_answer_larger_than_any_catalog_is_not_read(server: RedisServer) -> None:
    with engine_at(server.url) as engine, server.client() as client:
        client.xadd(f"{KEY}:catalog", {"z": bytes(40 << 20)}, "7-0")
        tracemalloc.start()
        try:
            assert "over 16 MiB" in refusal(engine, lambda engine: engine.after(NO_VERSION))
            assert "over 16 MiB" in refusal(engine)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        client.delete(f"{KEY}:catalog")

        assert peak < 4 << 20
        for number in range(1, 40):
            engine.put(Version(number), bytes(1 << 20))
            assert engine.after(Version(number - 1)) is not None


def test_a_key_of_another_type_is_a_failure(server: RedisServer) -> None:
    with engine_at(server.url) as engine, server.client() as client:
        client.set(f"{KEY}:catalog", "text")

        assert "WRONGTYPE" in refusal(engine)


def test_the_password_is_read_at_each_connection(server: RedisServer, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    url = server.url.replace("redis://", "redis://catalog@")
    with engine_at(url, store_password_file=str(file)) as engine, server.client() as client:
        use(engine)
        client.execute_command("ACL", "SETUSER", "catalog", "resetpass", ">the-next-one")
        engine.close()
        assert "AuthenticationError" in refusal(engine)
        file.write_text("the-next-one")
        use(engine)

        engine.close()
        file.unlink()
        assert refusal(engine).endswith(f"CATALOG_STORE_PASSWORD_FILE: {file}: No such file or directory")
        file.write_bytes(b"\xff\xfe")
        assert refusal(engine).endswith("it is no text")


def test_a_wrong_password_or_user_is_named_and_not_shown(server: RedisServer) -> None:
    for url in (as_user(server, "wrong"), as_user(server, user="nobody")):
        with engine_at(url) as engine:
            assert "invalid username-password pair" in refusal(engine)


def test_a_server_that_repeats_the_password_finds_it_redacted() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"-ERR unknown command 'AUTH', with args: '{PASSWORD}' \x1b[2J\r\n".encode())

    with fake_server(answer) as url, engine_at(url.replace("redis://", f"redis://:{PASSWORD}@")) as engine:
        reason = refusal(engine)

    assert "[redacted]" in reason
    assert reason.isprintable()


def test_a_user_without_the_right_to_put_is_told_which_one(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "catalog", "-xadd", "-set")
    with engine_at(as_user(server)) as engine:
        assert engine.newest() == NO_VERSION
        assert "xadd" in refusal(engine, lambda engine: engine.put(Version(1), b"data"))
        assert "set" in refusal(engine, RedisEngine.acquire)


def test_a_full_server_still_gives_what_it_has(server: RedisServer) -> None:
    with engine_at(server.url) as engine, server.client() as client:
        engine.put(Version(1), b"data")
        client.config_set("maxmemory", 1)

        assert "maxmemory" in refusal(engine, lambda engine: engine.put(Version(2), b"data"))
        assert "maxmemory" in refusal(engine, RedisEngine.acquire)
        assert engine.after(NO_VERSION) is not None

        client.config_set("maxmemory", 0)
        use(engine)


def test_a_hung_server_is_seen_in_time_and_used_again_afterwards(server: RedisServer) -> None:
    with engine_at(server.url) as engine:
        use(engine)
        server.pause()
        try:
            refusal(engine)
            refusal(engine, RedisEngine.acquire)
        finally:
            server.resume()
        with server.client() as client:
            client.delete(f"{KEY}:lease")  # Taken by the request that was not waited for.
        use(engine)


def test_a_server_that_was_killed_is_used_again_after_its_restart(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server, engine_at(server.url) as engine:
        use(engine)
        server.kill()
        refusal(engine)
        server.start()

        assert engine.newest() == NO_VERSION
        use(engine)


def test_a_replica_refuses_writes_and_is_used_once_it_is_promoted(tmp_path: Path, server: RedisServer) -> None:
    with engine_at(server.url) as primary:
        primary.put(Version(100), b"data")
    with (
        running_redis(tmp_path, "--replicaof", server.host, str(server.port), binary=server.binary) as replica,
        engine_at(replica.url) as engine,
        replica.client() as client,
    ):
        eventually(lambda: engine.newest() == Version(100))
        assert "ReadOnlyError" in refusal(engine, lambda engine: engine.put(Version(200), b"data"))
        client.replicaof("NO", "ONE")

        # What the old primary took last never came here, so a host offers it.
        assert engine.put(Version(200), b"data")


@contextmanager
def fake_server(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """A port that does as it is told with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                held.append(connection)
                with suppress(OSError):
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


GARBAGE = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no number": b":x\r\n",
    "no length": b"$x\r\n",
    "a negative length": b"$-7\r\n",
    "another shape": b"*1\r\n*1\r\n+x\r\n",
    "a map that is none": b"*3\r\n+last-generated-id\r\n$3\r\n5-0\r\n",
    "no id": b"*2\r\n$17\r\nlast-generated-id\r\n$3\r\nabc\r\n",
    "a status": b"+OK\r\n",
    "an id of another type": b"*2\r\n$17\r\nlast-generated-id\r\n:5\r\n",
    "depth": b"*1\r\n" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_a_failure_and_no_crash(garbage: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(garbage)

    with fake_server(answer) as url, engine_at(url) as engine:
        refusal(engine)
        refusal(engine, lambda engine: engine.after(NO_VERSION))
        with suppress(EngineUnreachable):
            assert engine.acquire() is None


def test_a_connection_that_is_reset_in_the_middle_of_a_payload_is_a_failure() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\nz\r\n$1000\r\nhalf")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    with fake_server(answer) as url, engine_at(url) as engine:
        assert "Connection" in refusal(engine, lambda engine: engine.after(NO_VERSION))


def test_a_port_that_accepts_and_never_answers_is_a_failure() -> None:
    with fake_server(lambda connection: None) as url, engine_at(url) as engine:
        assert "Timeout" in refusal(engine)


def test_closing_ends_a_wait_at_once(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_room, "BLOCK_S", 20.0)
    with engine_at(server.url) as engine:
        ended = threading.Event()

        def wait() -> None:
            with pytest.raises(EngineUnreachable):
                engine.after(NO_VERSION)
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        with server.client() as client:
            eventually(lambda: client.info("clients")["blocked_clients"] == 1)
        engine.close()

        assert ended.wait(2)


@contextmanager
def tls_server(folder: Path, authority: Authority, host: str, **options: Any) -> Iterator[str]:
    """The URL of a server that speaks TLS alone, under the name `localhost`."""
    certificate, key = authority.sign(host, **options)
    port = free_port()
    tls = ["--tls-port", str(port), "--port", "0", "--tls-cert-file", str(certificate)]
    tls += ["--tls-key-file", str(key), "--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "no"]
    server = RedisServer(folder, *tls, port=port)
    server.start(wait=False)
    try:
        eventually(lambda: is_open(server.port))
        yield f"rediss://localhost:{server.port}"
    finally:
        server.kill()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_over_tls_all_works_and_a_wait_can_be_closed(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file = str(authority.file)
    with tls_server(tmp_path, authority, "localhost") as url:
        with engine_at(url, store_ca_file=ca_file) as engine:
            use(engine)
        monkeypatch.setattr(engine_room, "BLOCK_S", 20.0)
        with engine_at(url, store_ca_file=ca_file) as engine:
            threading.Timer(0.3, engine.close).start()
            began = time.monotonic()
            with pytest.raises(EngineUnreachable):
                engine.after(Version(2**60))
        assert time.monotonic() - began < 3


def test_a_certificate_is_checked_with_its_name_its_end_and_its_authority(tmp_path: Path, authority: Authority) -> None:
    ca_file = str(authority.file)
    with tls_server(tmp_path, authority, "localhost") as url:
        for settings in ({}, {"store_ca_file": str(Authority(tmp_path, "another").file)}):
            with engine_at(url, **settings) as engine:
                assert "CERTIFICATE_VERIFY_FAILED" in refusal(engine)
        with engine_at(url, store_ca_file=str(tmp_path / "missing.pem")) as engine:
            assert "No such file" in refusal(engine)
        with engine_at(url.replace("localhost", "127.0.0.1"), store_ca_file=ca_file) as engine:
            assert "IP address mismatch" in refusal(engine)
    with tls_server(tmp_path, authority, "elsewhere") as url, engine_at(url, store_ca_file=ca_file) as engine:
        assert "Hostname mismatch" in refusal(engine)
    with (
        tls_server(tmp_path, authority, "localhost", expires_in=-timedelta(days=1)) as url,
        engine_at(url, store_ca_file=ca_file) as engine,
    ):
        assert "expired" in refusal(engine)


def test_tls_to_a_plain_port_and_the_reverse_fail_with_the_scheme_in_the_reason(
    server: RedisServer, tmp_path: Path, authority: Authority
) -> None:
    with engine_at(server.url.replace("redis://", "rediss://")) as engine:
        assert refusal(engine).startswith("rediss://")
    with tls_server(tmp_path, authority, "localhost") as url, engine_at(url.replace("rediss://", "redis://")) as engine:
        assert refusal(engine).startswith("redis://")
