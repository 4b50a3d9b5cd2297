"""The lease on a file: one holder, and no end of refreshing where that one does not end."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from app.refresh.file_lock import lock_holder
from app.refresh.file_store import FileStore
from app.refresh.store import LeaseLost, LeaseTaken, StoreUnreachable
from tests.unit.refresh.world import counting, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder)


def test_the_lease_has_one_holder(store: FileStore, folder: Path) -> None:
    with store.lease(), pytest.raises(LeaseTaken), FileStore(folder).lease():
        pass
    with FileStore(folder).lease():
        pass


def test_the_lease_ends_with_the_block_whatever_ends_it(store: FileStore) -> None:
    with pytest.raises(RuntimeError), store.lease():
        raise RuntimeError
    with store.lease():
        pass


def test_the_lease_is_not_inherited_by_a_child(store: FileStore) -> None:
    with store.lease():
        child = subprocess.Popen(["sleep", "60"])
    try:
        with store.lease():
            pass
    finally:
        child.kill()
        child.wait()


@contextmanager
def holding(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds the lock, as `flock` at a terminal does."""
    code = "import fcntl, sys, time; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True)"
    holder = subprocess.Popen([sys.executable, "-c", f"{code}; time.sleep(60)", str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_the_lease_ends_with_its_holder(store: FileStore, folder: Path) -> None:
    with store.lease():
        pass
    with holding(folder / "lease") as holder:
        with pytest.raises(LeaseTaken, match=rf"process {holder.pid}, .*python.* -c import fcntl"), store.lease():
            pass
        holder.kill()
        holder.wait()

        with store.lease():
            pass


def overdue(folder: Path) -> FileStore:
    """A store with a lease that is due for replacement at the next look."""
    store = FileStore(folder, max_lease_s=0.0)
    with pytest.raises(LeaseTaken), store.lease():
        pass
    return store


def test_a_lease_that_is_held_for_too_long_is_replaced_and_its_holder_logged(store: FileStore, folder: Path) -> None:
    save(store, b"old")
    with holding(folder / "lease") as holder:
        impatient = overdue(folder)
        with counting("leases_replaced") as counted, capture_logs() as logs:
            save(impatient, b"new")
        with pytest.raises(LeaseTaken), impatient.lease(), FileStore(folder).lease():
            pass

    assert [(line["event"], line["log_level"], line["holder_pid"]) for line in logs] == [
        ("lease_replaced", "error", holder.pid)
    ]
    assert "import fcntl" in logs[0]["holder_command"]
    assert counted == [1]
    stored = store.load()
    assert stored is not None and stored.data == b"new"


def test_who_held_a_replaced_lease_saves_nothing(store: FileStore, folder: Path) -> None:
    with store.lease() as old:
        save(overdue(folder), b"of the new holder")
        held = old.held()
        with pytest.raises(LeaseLost, match="took the lease over"):
            store.save(b"of the old holder", old)

    assert not held
    stored = store.load()
    assert stored is not None and stored.data == b"of the new holder"


def test_a_lease_that_is_replaced_while_the_disk_hangs_saves_nothing(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, b"old")
    fsync = os.fsync

    def hang(descriptor: int) -> None:
        (folder / "lease").unlink()
        fsync(descriptor)

    with store.lease() as lease, monkeypatch.context() as hanging:
        hanging.setattr(os, "fsync", hang)
        with pytest.raises(LeaseLost):
            store.save(b"new", lease)

    stored = store.load()
    assert stored is not None and stored.data == b"old"
    assert not list(folder.glob(".snapshot-*"))


def test_of_many_that_find_a_lease_overdue_one_replaces_it_and_one_gets_it(folder: Path) -> None:
    with FileStore(folder).lease():
        stores = [overdue(folder) for _ in range(8)]
        got: list[FileStore] = []
        together, over = threading.Barrier(8), threading.Barrier(8)

        def contend(store: FileStore) -> None:
            together.wait()
            with suppress(LeaseTaken), store.lease():
                got.append(store)
                over.wait()
                return
            over.wait()

        with counting("leases_replaced") as counted, ThreadPoolExecutor(8) as pool:
            list(pool.map(contend, stores))

    assert len(got) == 1
    assert counted == [1]


def test_a_lease_that_changes_hands_is_not_overdue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("app.refresh.file_lease.time", SimpleNamespace(monotonic=lambda: clock[0]))
    store = FileStore(folder, max_lease_s=40.0)

    def is_taken(after_s: float) -> bool:
        clock[0] += after_s
        try:
            with store.lease():
                return False
        except LeaseTaken:
            return True

    is_taken(0)
    for _ in range(2):
        with holding(folder / "lease"):
            assert all(is_taken(1) for _ in range(30))
    with holding(folder / "lease"):
        assert all(is_taken(1) for _ in range(30))
        # As at the next refresh, when the same worker holds it again.
        assert is_taken(900)
        assert all(is_taken(1) for _ in range(40))
        assert not is_taken(1)


@pytest.mark.parametrize(
    ("device", "found"), [("{major:02x}:{minor:02x}", True), ("00:99", True), ("other inode", False)]
)
def test_the_holder_of_a_lock_is_found_by_its_inode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, found: bool
) -> None:
    file = tmp_path.stat()
    name = device.format(major=os.major(file.st_dev), minor=os.minor(file.st_dev))
    inode = file.st_ino if found else file.st_ino + 1
    locks = tmp_path / "locks"
    locks.write_text(
        f"1: POSIX  ADVISORY  WRITE 1 {name}:{file.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE {os.getpid()} {name}:{inode} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 2 {name}:{inode} 0 EOF\n"
    )
    monkeypatch.setattr("app.refresh.file_lock.LOCKS", locks)
    holder = lock_holder(file)

    assert (holder.pid if holder else None) == (os.getpid() if found else None)


def test_a_lock_whose_holder_cannot_be_seen_is_replaced_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.refresh.file_lock.LOCKS", folder / "missing")
    with FileStore(folder).lease():
        with pytest.raises(LeaseTaken, match="a process that cannot be seen from here"), FileStore(folder).lease():
            pass
        with overdue(folder).lease():
            pass


def test_a_lease_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("a file")
    with (
        pytest.raises(StoreUnreachable, match="catalog: File exists"),
        FileStore(tmp_path / "catalog" / "fingerprint").lease(),
    ):
        pass
