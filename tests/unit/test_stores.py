"""The file store: the old bytes or the new ones, never broken ones, and one lease."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.refresh import store as stores
from app.refresh.store import SET_ASIDE_KEPT, FileStore, LeaseTaken
from tests.support.servers import PROJECT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder)


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.set-aside-*"))


def test_what_was_saved_is_loaded(store: FileStore) -> None:
    store.save(b"first")
    store.save(b"second\nline")

    assert store.load() == b"second\nline"


def test_nothing_stored_is_none(store: FileStore) -> None:
    assert store.version() is None
    assert store.load() is None


def test_a_save_tells_the_version_that_others_will_see(store: FileStore, folder: Path) -> None:
    first, second = store.save(b"same"), store.save(b"same")

    assert first != second
    assert FileStore(folder).version() == second


def test_everybody_may_read_the_file(store: FileStore, folder: Path) -> None:
    store.save(b"data")

    assert (folder / "snapshot.json").stat().st_mode & 0o777 == 0o644


def _flip(folder: Path) -> None:
    data = bytearray((folder / "snapshot.json").read_bytes())
    data[-3] ^= 1
    (folder / "snapshot.json").write_bytes(data)


def _truncate(folder: Path) -> None:
    os.truncate(folder / "snapshot.json", (folder / "snapshot.json").stat().st_size - 3)


def _future(folder: Path) -> None:
    header, _, data = (folder / "snapshot.json").read_bytes().partition(b"\n")
    changed = json.loads(header) | {"format": 99}
    (folder / "snapshot.json").write_bytes(json.dumps(changed).encode() + b"\n" + data)


def _folder(folder: Path) -> None:
    (folder / "snapshot.json").unlink()
    (folder / "snapshot.json" / "within").mkdir(parents=True)


def _pipe(folder: Path) -> None:
    (folder / "snapshot.json").unlink()
    os.mkfifo(folder / "snapshot.json")


def _sparse(folder: Path) -> None:
    os.truncate(folder / "snapshot.json", stores.FILE_BYTES_AT_MOST + 1)


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
    "a future format": (_future, "format 99"),
    "a folder": (_folder, "a folder stands"),
    "a named pipe": (_pipe, "no regular file"),
    "gigabytes": (_sparse, "which no catalog is"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_a_stored_catalog_is_set_aside_and_named_in_the_log(
    store: FileStore, folder: Path, damage: str
) -> None:
    store.save(b"good " * 100)
    spoil, reason = DAMAGE[damage]
    spoil(folder)
    with capture_logs() as logs:
        loaded = store.load()

    assert loaded is None
    assert store.version() is None
    assert [(line["event"], line["log_level"]) for line in logs] == [("stored_catalog_set_aside", "error")]
    assert reason in logs[0]["reason"]
    assert [logs[0]["moved_to"]] == [path.name for path in aside(folder)]


def test_after_a_setting_aside_saving_goes_on(store: FileStore, folder: Path) -> None:
    store.save(b"good")
    _flip(folder)
    store.load()
    store.save(b"better")

    assert store.load() == b"better"


def test_a_folder_in_the_files_place_does_not_stop_a_save(store: FileStore, folder: Path) -> None:
    store.save(b"good")
    _folder(folder)
    store.save(b"better")

    assert store.load() == b"better"


def test_a_good_catalog_that_took_the_place_of_a_bad_one_is_not_set_aside(store: FileStore, folder: Path) -> None:
    store.save(b"no catalog, as its reader finds out")
    store.load()
    FileStore(folder).save(b"good")
    store.set_aside("it is no catalog")

    assert store.load() == b"good"
    assert aside(folder) == []


def test_only_the_last_files_set_aside_are_kept(store: FileStore, folder: Path) -> None:
    for _ in range(SET_ASIDE_KEPT + 3):
        store.save(b"good")
        _flip(folder)
        store.load()

    assert len(aside(folder)) == SET_ASIDE_KEPT


def test_what_a_killed_writer_left_is_removed_by_the_next_save(store: FileStore, folder: Path) -> None:
    folder.mkdir()
    (folder / ".snapshot-left").write_bytes(b"half")
    store.save(b"data")

    assert [path.name for path in folder.iterdir()] == ["snapshot.json"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_save_that_fails_leaves_what_was_stored_and_nothing_else(
    store: FileStore, folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            store.save(b"new")

    assert store.load() == b"old"
    assert [path.name for path in folder.iterdir()] == ["snapshot.json"]


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
    store.save(b"data")

    assert steps == ["fsync .snapshot", "rename", "fsync catalog"]


def test_a_folder_that_vanished_is_made_again(store: FileStore, folder: Path) -> None:
    store.save(b"old")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    assert store.load() is None
    store.save(b"new")
    assert store.load() == b"new"


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


def test_the_lease_ends_with_its_holder(store: FileStore, folder: Path) -> None:
    hold = f"with FileStore(Path({str(folder)!r})).lease():\n print(flush=True); time.sleep(60)"
    code = f"from app.refresh.store import *\n{hold}"
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LeaseTaken), store.lease():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    with store.lease():
        pass


def test_a_lease_that_cannot_be_asked_for_says_why(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("a file")
    with pytest.raises(FileExistsError), FileStore(tmp_path / "catalog").lease():
        pass


def test_readers_beside_a_writer_see_whole_catalogs_only(store: FileStore, folder: Path) -> None:
    bodies = [
        bytes([letter]) * size for letter, size in zip(b"abcdef", (1, 10, 1000, 100_000, 50, 200_000), strict=True)
    ]
    store.save(bodies[0])
    done = threading.Event()
    read: list[bytes | None] = []

    def follow() -> None:
        reader = FileStore(folder)
        while not done.is_set():
            read.append(reader.load())

    readers = [threading.Thread(target=follow) for _ in range(2)]
    for thread in readers:
        thread.start()
    for number in range(60):
        store.save(bodies[number % len(bodies)])
    done.set()
    for thread in readers:
        thread.join()

    assert set(read) <= set(bodies)
    assert aside(folder) == []
