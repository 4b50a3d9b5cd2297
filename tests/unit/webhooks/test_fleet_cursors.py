"""The cursors of a fleet: on the engine, with a copy on each host."""

import os
import time
from pathlib import Path

import pytest

from app.refresh.store import StoreUnreachable
from app.webhooks.cursors import Cursor, CursorFile, CursorsUnavailable, FleetCursors, cursor_store

ONE = {"a": Cursor(event_id="1")}
TWO = {"a": Cursor(event_id="2")}


class Engine:
    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.is_down = False
        self.calls = 0

    def load_value(self, name: str) -> bytes | None:
        self._call()
        return self.values.get(name)

    def save_value(self, name: str, data: bytes) -> None:
        self._call()
        self.values[name] = data

    def _call(self) -> None:
        self.calls += 1
        if self.is_down:
            raise StoreUnreachable("the engine is down")


def host(engine: Engine, folder: Path) -> FleetCursors:
    return FleetCursors(engine, CursorFile(folder / "cursors.json"))


def test_hosts_share_cursors_and_a_look_costs_the_engine_nothing(tmp_path: Path) -> None:
    engine = Engine()
    first, second = host(engine, tmp_path / "first"), host(engine, tmp_path / "second")
    first.save(ONE)
    assert second.load() == ONE
    calls = engine.calls

    assert first.peek() == second.peek() == ONE
    assert engine.calls == calls


def test_an_engine_that_comes_back_empty_has_what_the_host_last_saw(tmp_path: Path) -> None:
    engine = Engine()
    cursors = host(engine, tmp_path)
    cursors.save(ONE)
    cursors.save(TWO)
    engine.values.clear()

    assert cursors.load() == TWO


def test_an_engine_that_is_down_or_holds_something_else_stops_the_sending(tmp_path: Path) -> None:
    engine = Engine()
    cursors = host(engine, tmp_path)
    cursors.save(ONE)
    engine.values = dict.fromkeys(engine.values, b"garbage")
    with pytest.raises(CursorsUnavailable, match="damaged"):
        cursors.load()
    engine.is_down = True

    with pytest.raises(CursorsUnavailable, match="the engine is down"):
        cursors.load()
    with pytest.raises(CursorsUnavailable, match="the engine is down"):
        cursors.save(TWO)
    assert cursors.peek() == ONE


def test_a_host_whose_disk_is_full_sends_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cursors = FleetCursors(Engine(), CursorFile(tmp_path / "file" / "cursors.json"))

    cursors.save(ONE)

    assert cursors.load() == ONE


def test_without_a_fleet_there_is_a_file_of_the_catalogs_own(tmp_path: Path) -> None:
    cursor_store(tmp_path, "fingerprint", None).save(ONE)

    assert (tmp_path / "webhooks" / "fingerprint.json").exists()


def test_after_a_change_of_the_settings_targets_get_what_they_are_owed(tmp_path: Path) -> None:
    switched_off = Cursor(event_id="2", attempts=3, revision="r", is_gone=True)
    before, damaged = (cursor_store(tmp_path, name, None) for name in ("before", "damaged"))
    before.save({"ops": switched_off})
    damaged.save(ONE)
    (tmp_path / "webhooks" / "damaged.json").write_bytes(b"{")
    (tmp_path / "webhooks" / "unreadable.json").mkdir()
    changed = cursor_store(tmp_path, "changed", None)

    # How far it has got, and nothing of how it failed.
    assert changed.load() == changed.peek() == {"ops": Cursor(event_id="2")}
    changed.save({})
    assert changed.load() == {}
    assert before.load() == {"ops": switched_off}


def test_cursors_that_other_settings_left_long_ago_owe_nothing(tmp_path: Path) -> None:
    cursor_store(tmp_path, "before", None).save(ONE)
    four_days_ago = time.time() - 4 * 24 * 3600
    os.utime(tmp_path / "webhooks" / "before.json", (four_days_ago, four_days_ago))

    assert cursor_store(tmp_path, "changed", None).load() == {}


def test_a_fleet_without_cursors_begins_with_those_of_the_settings_before(tmp_path: Path) -> None:
    cursor_store(tmp_path, "before", None).save({"ops": Cursor(event_id="2")})

    assert cursor_store(tmp_path, "changed", Engine()).load() == {"ops": Cursor(event_id="2")}
