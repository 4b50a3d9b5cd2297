"""Things broken at random, many times over: what is lost must be nothing."""

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import FoundationModel
from app.catalog.snapshot import CatalogSnapshot
from app.refresh.file_store import FileStore
from app.refresh.store import Stored
from app.services import services_of
from tests.conftest import MakeApp, client_of
from tests.support.bedrock_standin import FAULTS, BedrockStandin
from tests.support.builders import NOW, day, listing, model
from tests.support.servers import Service, eventually, running_service
from tests.system.chaos.conftest import SCALE, Note

EAST = "us-east-1"


def numbered_bytes(number: int) -> bytes:
    """Bytes that tell their number and whether they are whole; their length differs from one number to the next."""
    filling = hashlib.sha256(str(number).encode()).digest() * (1 + number % 7 * 2000)
    return f"{number:08d}".encode() + filling


def save(store: FileStore, number: int) -> None:
    with store.lease() as lease:
        store.save(numbered_bytes(number), lease)


def number_of(stored: Stored | None) -> int:
    assert stored is not None, "the catalog is gone"
    number = int(stored.data[:8])
    assert stored.data == numbered_bytes(number), "the catalog is broken"
    return number


def in_child(work: Callable[[], None]) -> int:
    """Fork, and do it in the child, which ends when it is killed or done."""
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            work()
        os._exit(0)
    return pid


def test_a_kill_at_any_moment_of_a_write_leaves_the_old_catalog_or_the_new(
    tmp_path: Path, chance: random.Random, note: Note
) -> None:
    store = FileStore(tmp_path)
    save(store, 0)
    number, new, kills = 0, 0, 60 * SCALE
    for _ in range(kills):
        done, tell = os.pipe()

        def keep_saving(begin: int = number, tell: int = tell) -> None:
            for following in range(begin + 1, begin + 10_000):
                save(FileStore(tmp_path), following)
                os.write(tell, following.to_bytes(4))

        child = in_child(keep_saving)
        os.close(tell)
        time.sleep(chance.uniform(0.001, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with open(done, "rb") as pipe:
            written = pipe.read()
        saved = int.from_bytes(written[-4:]) if written else number
        number = number_of(store.load())
        assert number in (saved, saved + 1)
        new += number == saved + 1

    assert not list(tmp_path.glob("*.quarantined-*"))
    note("kills of a writer at random moments", kills=kills, writes=number, with_the_new_file_already_there=new, lost=0)


# The calls of a save between which a kill can fall; the moments within a write are those above.
STEPS = ("mkstemp", "fsync", "replace")


def test_a_kill_before_and_after_each_step_of_a_write_does_too(tmp_path: Path, note: Note) -> None:
    import tempfile

    store = FileStore(tmp_path)
    save(store, 1)
    kills = 0
    for step in STEPS:
        for place in (1, 2):
            for after in (False, True):
                module: Any = tempfile if step == "mkstemp" else os

                def die(step: str = step, place: int = place, after: bool = after, module: Any = module) -> None:
                    real, calls = getattr(module, step), [0]

                    def killing(*arguments: Any, **named: Any) -> Any:
                        calls[0] += 1
                        if calls[0] == place and not after:
                            os.kill(os.getpid(), signal.SIGKILL)
                        result = real(*arguments, **named)
                        if calls[0] == place and after:
                            os.kill(os.getpid(), signal.SIGKILL)
                        return result

                    setattr(module, step, killing)
                    save(FileStore(tmp_path), 2)

                _, status = os.waitpid(in_child(die), 0)
                kills += os.WIFSIGNALED(status)
                assert number_of(store.load()) in (1, 2)
                save(store, 1)
                assert {path.name for path in tmp_path.iterdir()} == {"snapshot.json", "lease", "write"}

    assert kills >= 6
    note("kills at each step of a write", kills=kills, lost=0)


def wait_for_refresh(service: Service, *, stored: bool) -> None:
    seen = len(service.events("catalog_refreshed"))
    eventually(lambda: stored in [it["stored"] for it in service.events("catalog_refreshed")[seen:]], timeout_s=30)


def ids_of(service: Service) -> set[str]:
    answer = service.get("/v1/models")
    assert answer.status_code == 200, answer.text
    return {row["id"] for row in answer.json()["data"]}


def test_a_disk_that_is_full_or_read_only_or_loses_the_folder_stops_nothing_and_heals(
    tmp_path: Path, small_disk: Path, note: Note
) -> None:
    settings: dict[str, Any] = {"CATALOG_REFRESH_SECONDS": "1", "CATALOG_DIR": str(small_disk / "catalog")}
    with BedrockStandin([EAST, "eu-west-1"]) as standin:
        settings |= standin.environ | {"WEB_CONCURRENCY": "2"}
        with running_service(tmp_path, **settings) as service:
            for _ in range(max(1, SCALE // 5)):
                wait_for_refresh(service, stored=True)
                fill(small_disk / "filling")
                wait_for_refresh(service, stored=False)
                assert ids_of(service) == standin.model_ids()
                (small_disk / "filling").unlink()
                wait_for_refresh(service, stored=True)

                remount(small_disk, "ro")
                wait_for_refresh(service, stored=False)
                assert ids_of(service) == standin.model_ids()
                remount(small_disk, "rw")
                wait_for_refresh(service, stored=True)

                shutil.rmtree(small_disk / "catalog")
                assert ids_of(service) == standin.model_ids()
                wait_for_refresh(service, stored=True)
                assert list((small_disk / "catalog").glob("*/snapshot.json"))
    refused = service.events("snapshot_save_failed")

    for error in (errno.ENOSPC, errno.EROFS):
        assert any(os.strerror(error) in it["error"] for it in refused)
    assert "Traceback" not in service.log()
    note("full, read-only and vanished folders", rounds=max(1, SCALE // 5), refused_writes=len(refused), lost=0)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def remount(folder: Path, mode: str) -> None:
    # A write under way keeps a disk from becoming read-only, for a moment.
    eventually(
        lambda: not subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], capture_output=True).returncode
    )


class ChangingCatalog:
    """Forty models that stay, and others that come and go with every refresh."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.staying = {f"stays-{number}": day(chance.randrange(30)) for number in range(40)}
        self.passing: dict[str, FoundationModel] = {}
        self.refreshes = 0
        self.latest: CatalogSnapshot | None = None

    def refresh(self) -> CatalogSnapshot:
        self.refreshes += 1
        for name in [name for name in self.passing if self.chance.random() < 0.4]:
            del self.passing[name]
        for number in range(self.chance.randrange(12)):
            name = f"passes-{self.refreshes}-{number}"
            self.passing[name] = model(name, start_of_life_at=day(self.chance.randrange(30)))
        rows = [model(name, start_of_life_at=at) for name, at in self.staying.items()]
        at = NOW + timedelta(seconds=self.refreshes)
        self.latest = next_snapshot(
            self.latest,
            listing(EAST, *rows, *self.passing.values(), at=at),
            source="aws",
            regions=[EAST],
            at=at,
            max_stale=timedelta(days=1),
        )
        return self.latest


@pytest.mark.parametrize("direction", ["after_id", "before_id"])
@pytest.mark.parametrize("limit", [1, 7, 20])
def test_who_pages_while_the_catalog_changes_sees_what_stays_exactly_once(
    make_app: MakeApp, chance: random.Random, note: Note, limit: int, direction: str
) -> None:
    changing = ChangingCatalog(chance)
    app = make_app(changing.refresh())
    client = client_of(app)
    walks = pages = 0
    while changing.refreshes < 100 * SCALE:
        seen: list[str] = []
        cursor = ""
        # From behind, the walk begins at the last model that stays.
        if direction == "before_id":
            staying = [it.id for it in changing.latest.models if it.id in changing.staying] if changing.latest else []
            cursor = f"&before_id={staying[-1]}"
            seen.append(staying[-1])
        for _ in range(400):
            page = client.get(f"/anthropic/v1/models?limit={limit}{cursor}").get_json()
            assert "data" in page, page
            pages += 1
            ids = [row["id"] for row in page["data"]]
            seen += ids if direction == "after_id" else reversed(ids)
            if not page["has_more"]:
                break
            cursor = f"&{direction}={page['last_id' if direction == 'after_id' else 'first_id']}"
            if chance.random() < 0.5:
                services_of(app).catalog.publish(changing.refresh())
        else:
            pytest.fail("the client goes round for ever")
        walks += 1
        # What was there throughout was seen exactly once, and nothing twice.
        assert len(seen) == len(set(seen))
        assert set(changing.staying) <= set(seen)

    note(f"paging by {limit} with {direction}", refreshes=changing.refreshes, walks=walks, pages=pages, lost=0)


def test_faults_in_any_order_lose_no_model(tmp_path: Path, chance: random.Random, note: Note) -> None:
    names = [EAST, "us-west-2", "eu-west-1", "eu-north-1"]
    settings: dict[str, Any] = {"CATALOG_REFRESH_SECONDS": "1", "CATALOG_REFRESH_TIMEOUT_SECONDS": "4"}
    faults, slowest = 0, 0
    with BedrockStandin(names) as standin:
        there = standin.model_ids()
        with running_service(tmp_path, WEB_CONCURRENCY="2", **standin.environ | settings) as service:
            for _ in range(3 * SCALE):
                for name in names[1:]:
                    standin[name].fault = chance.choice([*FAULTS, None])
                    faults += standin[name].fault is not None
                wait_for_refresh(service, stored=True)
                readiness = service.get("/readyz").json()
                assert there <= ids_of(service)
                assert next(it["state"] for it in readiness["regions"] if it["region"] == EAST) == "fresh"
            for name in names:
                standin[name].fault = None
            eventually(lambda: all_fresh(service), timeout_s=30)
            # A worker that did not refresh itself follows a moment later.
            eventually(lambda: all(ids_of(service) == there for _ in range(10)), timeout_s=30)
    refreshes = [it["duration_ms"] for it in service.events("catalog_refreshed")]
    slowest = max(refreshes)

    assert "Traceback" not in service.log()
    note("faults in random order", faults=faults, refreshes=len(refreshes), ms_the_slowest_refresh=slowest, lost=0)


def all_fresh(service: Service) -> bool:
    return {region["state"] for region in service.get("/readyz").json()["regions"]} == {"fresh"}
