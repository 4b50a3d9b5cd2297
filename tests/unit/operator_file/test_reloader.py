"""The operator's file while the service runs: what counts, what is kept, and who refuses."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.catalog.scope import Scope
from app.operator_file.reading import InvalidOperatorFile, OperatorFile, read_operator_file
from app.operator_file.reloader import JUDGE_AGAIN_S, KEPT_NAME, MAX_BYTES, OperatorFileReloader
from app.telemetry import metrics

LONG = '[aliases]\nlong-name = "target"\n'
SHORT = '[aliases]\na = "b"\n'
BAD = "[aliases]\na = 5 # a bad value\n"


class Service:
    """One start of the service: a file, a runtime directory, and workers with a clock that only a test moves."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "catalog.toml"
        self.runtime = folder / "runtime"
        self.runtime.mkdir()
        self.now = 0.0
        self.applied: list[tuple[str, ...]] = []
        self.read: Callable[[str, date], OperatorFile] = lambda text, day: read_operator_file(
            text, as_of=day, base=Scope()
        )

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def worker(self, keep_in: bool = True) -> OperatorFileReloader:
        return OperatorFileReloader(
            self.path,
            read=lambda text, day: self.read(text, day),
            apply=lambda file, at: self.applied.append(tuple(it.name for it in file.aliases)),
            keep_in=self.runtime if keep_in else None,
            monotonic=lambda: self.now,
        )

    def started(self, text: str) -> OperatorFileReloader:
        self.write(text)
        worker = self.worker()
        worker.load()
        return worker

    def look(self, worker: OperatorFileReloader, seconds: float = 1.0) -> tuple[str, ...]:
        """The aliases in force after another look."""
        self.now += seconds
        worker.reload_if_changed()
        return self.applied[-1]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def is_rejected() -> bool:
    return bool(metrics.REGISTRY.get_sample_value("model_catalog_operator_file_rejected"))


def test_a_changed_file_is_in_force_at_the_next_look_and_once(service: Service) -> None:
    worker = service.started(SHORT)
    service.write(LONG)

    with capture_logs() as logs:
        assert service.look(worker) == ("long-name",)
        service.look(worker)
    assert service.applied == [("a",), ("long-name",)]
    assert [it["event"] for it in logs] == ["operator_file_reloaded"]


@pytest.mark.parametrize("text", [SHORT, ""])
def test_a_smaller_file_counts_when_two_looks_half_a_second_apart_agree(service: Service, text: str) -> None:
    worker = service.started(LONG)
    service.write(text)

    assert service.look(worker, 0.45) == ("long-name",)
    assert service.look(worker, 0.1) == ("long-name",)
    assert service.look(worker, 0.45) == (("a",) if text else ())


def test_a_smaller_file_that_still_changes_does_not_count_yet(service: Service) -> None:
    worker = service.started(LONG)
    for text in ("", "[aliases]\n", SHORT):
        service.write(text)
        assert service.look(worker) == ("long-name",)
    service.write(LONG)

    assert service.look(worker) == ("long-name",)
    assert service.applied == [("long-name",)]


def test_a_bad_change_keeps_the_last_good_file_and_is_told_once(service: Service) -> None:
    worker = service.started(SHORT)
    service.write(BAD)

    with capture_logs() as logs:
        assert [service.look(worker), service.look(worker)] == [("a",), ("a",)]
    assert [(it["event"], it["reason"]) for it in logs] == [
        (
            "operator_file_rejected",
            "aliases.a must be a target in quotes, or a table with target, listed, display_name, got 5",
        )
    ]
    assert is_rejected()
    service.write(LONG)
    assert service.look(worker) == ("long-name",)
    assert not is_rejected()


def test_a_bad_change_that_is_taken_back_is_forgotten(service: Service) -> None:
    worker = service.started(SHORT)
    for text in (BAD, SHORT, BAD):
        service.write(text)
        with capture_logs() as logs:
            assert service.look(worker) == ("a",)
        assert [it["event"] for it in logs] == ([] if text == SHORT else ["operator_file_rejected"])
    assert service.applied == [("a",)]


def test_a_refused_file_is_judged_again_as_what_it_is_checked_against_may_change(service: Service) -> None:
    worker = service.started(SHORT)
    plain = service.read

    def refuse(text: str, day: date) -> OperatorFile:
        raise InvalidOperatorFile("the key 'a' must be named by one scope")

    service.read = refuse
    service.write(LONG)
    assert service.look(worker) == ("a",)
    service.read = plain

    assert service.look(worker) == ("a",)
    assert service.look(worker, JUDGE_AGAIN_S) == ("long-name",)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "it cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"[aliases]\na = '\xff' # padding"), "line 2: not UTF-8"),
        (lambda path: path.write_bytes(b"#" * (MAX_BYTES + 1)), f"it must be at most {MAX_BYTES} bytes long"),
        (make_pipe, "it must be a regular file"),
        (lambda path: (path.unlink(), path.mkdir()), "it cannot be read: Is a directory"),
    ],
)
def test_a_missing_or_unreadable_file_keeps_the_last_good_one(
    service: Service, spoil: Callable[[Path], object], reason: str
) -> None:
    worker = service.started(SHORT)
    spoil(service.path)

    with capture_logs() as logs:
        assert [service.look(worker), service.look(worker)] == [("a",), ("a",)]
    assert [it["reason"] for it in logs] == [reason]
    assert is_rejected()


@pytest.mark.parametrize("spoil", [lambda path: path.write_text(BAD), Path.unlink])
def test_a_start_of_the_service_refuses_a_bad_file_and_a_worker_that_starts_anew_uses_the_last_good_one(
    service: Service, spoil: Callable[[Path], object]
) -> None:
    service.started(SHORT)
    spoil(service.path)

    with capture_logs() as logs:
        service.worker().load()
    assert service.applied == [("a",), ("a",)]
    assert [it["event"] for it in logs] == ["operator_file_rejected"]
    (service.runtime / KEPT_NAME).unlink()
    for worker in (service.worker(), service.worker(keep_in=False)):
        with pytest.raises(InvalidOperatorFile, match=f"^CATALOG_CONFIG_FILE {service.path}: "):
            worker.load()


def test_a_worker_that_starts_while_the_file_is_written_uses_the_last_good_one_at_first(service: Service) -> None:
    service.started(LONG)
    service.write("")
    worker = service.worker()
    worker.load()

    assert service.applied[-1] == ("long-name",)
    assert service.look(worker) == ("long-name",)
    assert service.look(worker) == ()


def test_a_kept_text_that_is_no_longer_allowed_is_no_reason_to_start(service: Service) -> None:
    service.write(BAD)
    (service.runtime / KEPT_NAME).write_text(BAD)

    with pytest.raises(InvalidOperatorFile):
        service.worker().load()


def test_what_is_kept_is_the_last_good_text_with_its_day_for_this_user_alone(service: Service) -> None:
    worker = service.started(SHORT)
    days: list[date] = []
    read = service.read

    def watched(text: str, day: date) -> OperatorFile:
        days.append(day)
        return read(text, day)

    service.read = watched
    service.write(LONG)
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()
    os.utime(service.path, (noon, noon))
    service.look(worker)
    service.write(BAD)
    service.look(worker)
    kept = service.runtime / KEPT_NAME

    assert kept.read_text() == LONG
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [it.name for it in service.runtime.iterdir()] == [KEPT_NAME]
    service.worker().load()
    assert days[0] == days[-1] == date(2026, 1, 2)


def test_a_runtime_directory_that_cannot_be_written_is_told_and_harms_nothing(service: Service) -> None:
    service.write(SHORT)
    service.runtime.rmdir()

    with capture_logs() as logs:
        service.worker().load()
    assert service.applied == [("a",)]
    assert [it["event"] for it in logs] == ["operator_file_not_kept"]


def test_a_file_that_could_not_be_applied_is_applied_at_the_next_look(service: Service) -> None:
    service.write(SHORT)
    failing = [True]

    def apply(file: OperatorFile, at: datetime) -> None:
        if failing[0] and file.aliases[0].name == "long-name":
            raise RuntimeError
        service.applied.append((file.aliases[0].name,))

    worker = OperatorFileReloader(
        service.path, read=partial(_read_plain), apply=apply, keep_in=None, monotonic=lambda: service.now
    )
    worker.load()
    service.write(LONG)
    with pytest.raises(RuntimeError):
        service.look(worker)
    failing[0] = False

    assert service.look(worker) == ("long-name",)


def _read_plain(text: str, day: date) -> OperatorFile:
    return read_operator_file(text, as_of=day, base=Scope())


def test_a_file_is_as_new_as_its_rename(tmp_path: Path) -> None:
    service = Service(tmp_path)
    changed: list[datetime] = []
    other = tmp_path / "old.toml"
    other.write_text(LONG)
    os.utime(other, (0, 0))
    before = datetime.now(UTC).timestamp() - 5
    other.rename(service.path)
    OperatorFileReloader(service.path, read=_read_plain, apply=lambda _, at: changed.append(at), keep_in=None).load()

    assert changed[0].timestamp() > before
