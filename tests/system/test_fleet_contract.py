"""What the refresher may expect of any store: of a file, and of a fleet's on either engine."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.refresh import engine
from app.refresh.file_store import file_store
from app.refresh.fleet import FleetStore, fleet_store
from app.refresh.store import LeaseLost, LeaseTaken, NotDue, SnapshotStore, Version
from config import Settings
from config.store_url import StoreUrl, store_url
from tests.support.memory_engine import MemoryEngine, MemoryServer
from tests.support.redis_server import VALKEY, RedisServer, needs_redis, needs_valkey, running_redis

LEASE_S = 0.6
# Makes a store of one more host; a file has one host alone.
MakeStore = Callable[[], SnapshotStore]
MakeHost = Callable[[], FleetStore]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("valkey"), binary=VALKEY) as server:
        yield server


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


ENGINES = ["memory", pytest.param("redis", marks=needs_redis), pytest.param("valkey", marks=needs_valkey)]


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LEASE_S", LEASE_S)
    monkeypatch.setattr(engine, "BLOCK_S", 0.1)


@pytest.fixture(params=ENGINES)
def make_host(request: pytest.FixtureRequest, tmp_path: Path) -> MakeHost:
    return host_maker(request.param, request, tmp_path)


@pytest.fixture(params=["file", *ENGINES])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    if request.param == "file":
        return lambda: file_store(Settings(auth_disabled=True, catalog_dir=tmp_path / "host"))
    return host_maker(request.param, request, tmp_path)


def host_maker(kind: str, request: pytest.FixtureRequest, folder: Path) -> MakeHost:
    folders = iter(folder / f"host-{number}" for number in range(9))
    if kind == "memory":
        server = MemoryServer(wall_ms)
        url = StoreUrl(tls=False, host="memory")
        return lambda: FleetStore(settings(next(folders), url), lambda: MemoryEngine(server))
    redis: RedisServer = request.getfixturevalue(kind)
    with redis.client() as client:
        client.flushall()

    def make() -> FleetStore:
        store = fleet_store(settings(next(folders), store_url(redis.url)))
        assert store is not None
        return store

    return make


def settings(folder: Path, url: StoreUrl) -> Settings:
    return Settings(auth_disabled=True, catalog_dir=folder, store=url)


def test_what_is_saved_is_loaded_again_under_its_version(make_store: MakeStore) -> None:
    store = make_store()
    assert store.token() is None and store.load() is None

    with store.lease() as lease:
        version = lease.version
        saved = store.save(b"data", lease)

    loaded = store.load()
    assert loaded is not None and (loaded.data, loaded.version) == (b"data", version)
    assert (saved.token, saved.version, saved.alone) == (store.token(), version, None)


def test_versions_grow_over_all_hosts(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(3)]
    versions = []
    for _ in range(2):
        for store in stores:
            with store.lease() as lease:
                versions += [store.save(b"data", lease).version, store.save(b"data", lease).version]

    assert versions == sorted(set(versions))


def test_there_is_one_lease_for_all_hosts(make_store: MakeStore) -> None:
    one, two = make_store(), make_store()

    with one.lease() as lease:
        assert lease.held()
        with pytest.raises(LeaseTaken), two.lease():
            pass
    with two.lease() as lease:
        assert lease.held()


def test_a_lease_that_is_asked_after_lives_on(make_store: MakeStore) -> None:
    one, two = make_store(), make_store()

    with one.lease() as lease:
        for _ in range(10):
            time.sleep(LEASE_S / 5)
            assert lease.held()
            with pytest.raises(LeaseTaken), two.lease():
                pass


def test_an_older_version_is_refused_after_a_later_one(make_store: MakeStore) -> None:
    one = make_store()
    with one.lease() as lease:
        one.save(b"first", lease)
        lease.version = Version(lease.version.ms - 1)

        with pytest.raises(LeaseLost):
            one.save(b"older", lease)

    loaded = one.load()
    assert loaded is not None and loaded.data == b"first"


def test_a_refresh_that_is_not_due_by_the_stores_clock_is_refused(make_host: MakeHost) -> None:
    one, two = make_host(), make_host()
    with one.lease() as lease:
        one.save(b"data", lease)
    two.link._note_linked()

    with pytest.raises(NotDue) as refused, two.lease(unless_younger_s=900):
        pass

    assert 890 < refused.value.retry_s <= 900


def test_a_lease_that_ran_out_is_another_hosts_and_its_save_is_refused(make_host: MakeHost) -> None:
    one, two = make_host(), make_host()

    with one.lease() as lease:
        time.sleep(LEASE_S * 1.5)
        with two.lease() as second:
            two.save(b"of the second", second)
            assert not lease.held()
            with pytest.raises(LeaseLost):
                one.save(b"of the first", lease)

        assert second.version > lease.version


def test_the_end_of_a_lost_lease_leaves_the_next_one_alone(make_host: MakeHost) -> None:
    one, two, three = make_host(), make_host(), make_host()

    with one.lease():
        time.sleep(LEASE_S * 1.5)
        held = two.lease()
        held.__enter__()

    with pytest.raises(LeaseTaken), three.lease():
        pass
    held.__exit__(None, None, None)


def test_a_host_that_died_between_put_and_keep_finds_its_catalog_in_the_engine(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_host()

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as dying, store.lease() as lease:
        dying.setattr(store._copy, "keep", die)
        with pytest.raises(Died):
            store.save(b"not decoded here", lease)
    assert store.load() is None

    monkeypatch.setattr(store.link, "_checked", lambda entry: b"decoded")
    store.link.follow_once()

    loaded = store.load()
    assert loaded is not None and loaded.version.ms == lease.version.ms


JOB = "check_access"


def linked(host: FleetStore) -> FleetStore:
    host.link.follow_once()
    return host


def test_one_host_at_a_time_has_a_jobs_lease_which_is_not_that_of_a_refresh(make_host: MakeHost) -> None:
    first, second = linked(make_host()), linked(make_host())

    with first.job_lease(JOB, max_held_s=60) as lease:
        assert lease is not None and lease.held()
        with second.job_lease(JOB, max_held_s=60) as other:
            assert other is None
        with second.job_lease("another_job", max_held_s=60) as other:
            assert other is not None
        with second.lease():
            pass
    with second.job_lease(JOB, max_held_s=60) as lease:
        assert lease is not None and lease.held()


def test_a_jobs_lease_is_kept_by_asking_and_lost_without(make_host: MakeHost) -> None:
    first, second = linked(make_host()), linked(make_host())

    with first.job_lease(JOB, max_held_s=60) as lease:
        assert lease is not None
        for _ in range(10):
            time.sleep(LEASE_S / 5)
            assert lease.held()
        time.sleep(1.2 * LEASE_S)
        with second.job_lease(JOB, max_held_s=60) as other:
            assert other is not None
            assert not lease.held()


def test_a_job_with_long_steps_has_a_longer_lease(make_host: MakeHost) -> None:
    first, second = linked(make_host()), linked(make_host())

    with first.job_lease(JOB, max_held_s=60, lease_s=5 * LEASE_S) as lease:
        assert lease is not None
        time.sleep(1.5 * LEASE_S)
        with second.job_lease(JOB, max_held_s=60, lease_s=5 * LEASE_S) as other:
            assert other is None
        assert lease.held()


def test_what_a_job_keeps_is_the_whole_fleets(make_host: MakeHost) -> None:
    first, second = linked(make_host()), linked(make_host())

    assert first.load_value("cursors") is None
    first.save_value("cursors", b"\x00one")
    assert second.load_value("cursors") == b"\x00one"
    second.save_value("cursors", b"two")
    assert first.load_value("cursors") == b"two"
    assert first.load_value("others") is None


def test_a_worker_that_does_not_follow_the_fleet_does_none_of_its_jobs(make_host: MakeHost) -> None:
    with make_host().job_lease(JOB, max_held_s=60) as lease:
        assert lease is None


def test_one_process_of_a_host_at_a_time_has_a_jobs_lease(tmp_path: Path) -> None:
    stores = [file_store(Settings(auth_disabled=True, catalog_dir=tmp_path)) for _ in range(2)]

    with stores[0].job_lease(JOB, max_held_s=60) as lease:
        assert lease is not None and lease.held()
        with stores[1].job_lease(JOB, max_held_s=60) as other:
            assert other is None
        with stores[1].lease():
            pass
    with stores[1].job_lease(JOB, max_held_s=60) as other:
        assert other is not None


def test_a_folder_that_cannot_be_made_gives_no_jobs_lease(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with file_store(Settings(auth_disabled=True, catalog_dir=tmp_path / "file")).job_lease(JOB, max_held_s=60) as lease:
        assert lease is None
