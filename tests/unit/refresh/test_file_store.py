"""The file store: the old bytes or the new ones, never broken ones, and one lease."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.refresh import file_store
from app.refresh.file_lock import locked
from app.refresh.file_store import MAX_QUARANTINED, FileStore
from app.refresh.store import NO_VERSION, LeaseLost, StoreUnreachable, UnsupportedFormat, Version
from tests.unit.refresh.world import save

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder to another user takes root")
FILES = ["lease", "snapshot.json", "write"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder)


def loaded(store: FileStore) -> bytes | None:
    stored = store.load()
    return None if stored is None else stored.data


def quarantined(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.quarantined-*"))


def test_what_was_saved_is_loaded(store: FileStore) -> None:
    save(store, b"first")
    save(store, b"second\nline")

    assert loaded(store) == b"second\nline"


def test_nothing_stored_is_none(store: FileStore) -> None:
    assert store.token() is None
    assert store.load() is None


def test_a_save_tells_the_version_that_others_will_see(store: FileStore, folder: Path) -> None:
    first, second = save(store, b"same"), save(store, b"same")

    assert first != second
    assert FileStore(folder).token() == second


def test_the_folder_and_its_files_are_the_users_alone(store: FileStore, folder: Path) -> None:
    folder.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        save(store, b"data")
    finally:
        os.umask(before)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: 0o700, "snapshot.json": 0o600, "lease": 0o600, "write": 0o600}


def _flip(folder: Path) -> None:
    data = bytearray((folder / "snapshot.json").read_bytes())
    data[-3] ^= 1
    (folder / "snapshot.json").write_bytes(data)


def _truncate(folder: Path) -> None:
    os.truncate(folder / "snapshot.json", (folder / "snapshot.json").stat().st_size - 3)


def _folder(folder: Path) -> None:
    (folder / "snapshot.json").unlink()
    (folder / "snapshot.json" / "within").mkdir(parents=True)


def _pipe(folder: Path) -> None:
    (folder / "snapshot.json").unlink()
    os.mkfifo(folder / "snapshot.json")


def _sparse(folder: Path) -> None:
    os.truncate(folder / "snapshot.json", file_store.MAX_FILE_BYTES + 1)


def _write(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "snapshot.json").write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "zero length": (lambda folder: os.truncate(folder / "snapshot.json", 0), "it is empty"),
    "truncated": (_truncate, "and should be"),
    "cut within the header": (lambda folder: os.truncate(folder / "snapshot.json", 20), "not a stored catalog"),
    "a flipped bit": (_flip, "checksum"),
    "more than was written": (
        lambda folder: os.truncate(folder / "snapshot.json", (folder / "snapshot.json").stat().st_size + 9),
        "and should be",
    ),
    "foreign JSON": (_write(b'{"kind": "other"}\n{}'), "not a stored catalog"),
    "foreign bytes": (_write(os.urandom(5000)), "not a stored catalog"),
    "deep JSON": (_write(b"[" * 5000), "not a stored catalog"),
    "a format that is no number": (_write(b'{"kind": "bedrock-model-catalog", "format": "1"}\n{}'), "has format '1'"),
    "a folder": (_folder, "a folder stands"),
    "a named pipe": (_pipe, "no regular file"),
    "gigabytes": (_sparse, "which no catalog is"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_a_stored_catalog_is_quarantined_and_named_in_the_log(
    store: FileStore, folder: Path, damage: str
) -> None:
    save(store, b"good " * 100)
    spoil, reason = DAMAGE[damage]
    spoil(folder)
    with capture_logs() as logs:
        stored = store.load()

    assert stored is None
    assert store.token() is None
    assert [(line["event"], line["log_level"]) for line in logs] == [("snapshot_quarantined", "error")]
    assert reason in logs[0]["reason"]
    assert [logs[0]["moved_to"]] == [path.name for path in quarantined(folder)]


def test_after_a_quarantine_saving_goes_on(store: FileStore, folder: Path) -> None:
    save(store, b"good")
    _flip(folder)
    store.load()
    save(store, b"better")

    assert loaded(store) == b"better"


def test_a_folder_in_the_files_place_does_not_stop_a_save(store: FileStore, folder: Path) -> None:
    save(store, b"good")
    _folder(folder)
    save(store, b"better")

    assert loaded(store) == b"better"


def test_a_good_catalog_that_took_the_place_of_a_bad_one_is_not_quarantined(store: FileStore, folder: Path) -> None:
    save(store, b"no catalog, as its reader finds out")
    store.load()
    save(FileStore(folder), b"good")
    store.quarantine("it is no catalog")

    assert loaded(store) == b"good"
    assert quarantined(folder) == []


def test_only_the_last_quarantined_files_are_kept(store: FileStore, folder: Path) -> None:
    for _ in range(MAX_QUARANTINED + 3):
        save(store, b"good")
        _flip(folder)
        store.load()

    assert len(quarantined(folder)) == MAX_QUARANTINED


def test_what_a_killed_writer_left_is_removed_by_the_next_save(store: FileStore, folder: Path) -> None:
    folder.mkdir()
    (folder / ".snapshot-left").write_bytes(b"half")
    save(store, b"data")

    assert sorted(path.name for path in folder.iterdir()) == FILES


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_leaves_what_was_stored_and_nothing_else(
    store: FileStore, folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, step, fail)
        with pytest.raises(StoreUnreachable, match="No space left"):
            save(store, b"new")

    assert loaded(store) == b"old"
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_after(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name.partition('-')[0]}")
        fsync(descriptor)

    def noted_replace(source: str, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save(store, b"data")

    assert steps == ["fsync .snapshot", "rename", "fsync catalog"]


def test_a_folder_that_vanished_is_made_again(store: FileStore, folder: Path) -> None:
    save(store, b"old")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    assert store.load() is None
    save(store, b"new")
    assert loaded(store) == b"new"


def test_readers_beside_a_writer_see_whole_catalogs_only(store: FileStore, folder: Path) -> None:
    bodies = [
        bytes([letter]) * size for letter, size in zip(b"abcdef", (1, 10, 1000, 100_000, 50, 200_000), strict=True)
    ]
    save(store, bodies[0])
    done = threading.Event()
    read: list[bytes | None] = []

    def follow() -> None:
        reader = FileStore(folder)
        while not done.is_set():
            read.append(loaded(reader))

    readers = [threading.Thread(target=follow) for _ in range(2)]
    for thread in readers:
        thread.start()
    for number in range(60):
        save(store, bodies[number % len(bodies)])
    done.set()
    for thread in readers:
        thread.join()

    assert set(read) <= set(bodies)
    assert quarantined(folder) == []


def test_the_version_grows_with_each_save_also_under_one_lease(store: FileStore, folder: Path) -> None:
    versions = []
    for _ in range(2):
        with store.lease() as lease:
            for _ in range(2):
                store.save(b"data", lease)
                stored = FileStore(folder).load()
                assert stored is not None
                versions.append(stored.version)

    assert versions == sorted(set(versions))


def test_the_version_grows_although_the_clock_was_set_back(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, b"first")
    monkeypatch.setattr("app.refresh.file_store.time.time_ns", lambda: 0)
    with FileStore(folder).lease() as lease:
        stored = store.load()

        assert stored is not None
        assert lease.version == Version(stored.version.ms + 1)


def test_saves_under_one_lease_count_within_one_refresh(store: FileStore, folder: Path) -> None:
    with store.lease() as lease:
        first, second = store.save(b"some", lease).version, store.save(b"all", lease).version

    assert second == first.next() == FileStore(folder).version()


def test_what_another_host_saved_is_kept_if_it_is_newer(store: FileStore, folder: Path) -> None:
    store.keep(b"first", Version(5, 1))
    kept = store.token()

    assert store.keep(b"as late", Version(5, 1)) == kept
    assert store.keep(b"older", Version(5)) == kept
    assert store.keep(b"newer", Version(5, 2)) != kept
    assert (loaded(store), FileStore(folder).version()) == (b"newer", Version(5, 2))


def test_what_another_host_saved_replaces_no_newer_format(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("app.refresh.file_header.FORMAT", 99)
        save(store, b"later")

    with pytest.raises(UnsupportedFormat):
        store.keep(b"first", Version(2**60))
    assert store.version() == NO_VERSION


@pytest.mark.parametrize("version", [Version(2**63 + 1), Version(5, 2**64), Version(5, -1)], ids=str)
def test_a_version_that_no_engine_takes_is_damage(version: Version, folder: Path) -> None:
    store = FileStore(folder)
    store.keep(b"data", version)

    assert store.version() == NO_VERSION
    assert store.load() is None
    assert len(quarantined(folder)) == 1


def test_what_is_older_than_what_is_stored_is_not_saved(store: FileStore, folder: Path) -> None:
    save(store, b"newest")
    with store.lease() as lease:
        lease.version = Version(1)
        with pytest.raises(LeaseLost, match="is stored"):
            store.save(b"older", lease)

    assert loaded(store) == b"newest"


def test_a_save_gives_up_on_a_writer_that_never_ends(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.refresh.file_store.WRITE_LOCK_S", 0.02)
    save(store, b"old")
    with locked(folder / "write", wait_s=0), pytest.raises(StoreUnreachable, match=r"write is locked by process"):
        save(store, b"new")

    assert loaded(store) == b"old"


@needs_root
def test_a_folder_of_another_user_is_refused_and_named(store: FileStore, folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 12345, -1)

    for use in (store.check_user, store.lease().__enter__):
        with pytest.raises(StoreUnreachable, match=r"catalog belongs to the user 12345, and .* run it as that user"):
            use()


@needs_root
def test_root_makes_no_folder_for_the_service_of_another_user(store: FileStore, folder: Path) -> None:
    store.check_user()
    os.chown(folder.parent, 12345, -1)

    with pytest.raises(StoreUnreachable, match="belongs to the user 12345"):
        store.check_user()
