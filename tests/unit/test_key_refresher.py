"""The key refresher: its sources, what it keeps while one fails, and how it takes changes."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.auth.aws_parent import read_aws_sources
from app.auth.key_format import InvalidKeySource
from app.auth.key_refresher import KeyRefresher
from app.auth.key_sources import FILE, SECRET, SETTING
from app.telemetry import metrics
from config import ConfigError, Settings


class Sources:
    """A file and AWS's sources that a test changes, on a clock that it turns."""

    def __init__(self, folder: Path, *, cache_dir: Path | None = None, **settings: Any) -> None:
        self.file = folder / "keys"
        self.file.write_text("from-file\n")
        self.now_s = 0.0
        self.documents: dict[str, str | InvalidKeySource] = {SECRET: "ops:from-aws"}
        self.refresher = KeyRefresher(
            Settings(api_keys_file=str(self.file), api_keys_secret_id="keys", **settings),
            self.fetch,
            cache_dir=cache_dir,
            monotonic=lambda: self.now_s,
        )

    def fetch(self, settings: Settings, *, stopping: Callable[[], bool]) -> Mapping[str, str | InvalidKeySource]:
        return dict(self.documents)

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.refresher.refresh()

    def admits(self, *texts: str) -> list[bool]:
        return [self.refresher.ring.name_of([text]) is not None for text in texts]


def test_all_sources_count_together(tmp_path: Path) -> None:
    sources = Sources(tmp_path, api_keys=("from-env",))
    sources.later(0)

    assert sources.admits("from-env", "from-file", "from-aws", "other") == [True, True, True, False]


def test_a_key_removed_from_aws_is_refused_within_one_interval(tmp_path: Path) -> None:
    sources = Sources(tmp_path, refresh_s=900)
    sources.later(0)
    sources.documents[SECRET] = "ops:new"
    sources.later(600)
    before = sources.admits("from-aws", "new")
    sources.later(300)

    assert before == [True, False]
    assert sources.admits("from-aws", "new") == [False, True]


def test_a_key_removed_from_the_file_is_refused_at_the_next_look(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.later(0)
    sources.file.write_text("from-2nd-\n")  # As long as before.
    sources.later(1)

    assert sources.admits("from-file", "from-2nd-", "from-aws") == [False, True, True]


@pytest.mark.parametrize("content", [None, b"ci:\n", b"\xff\xfe"])
def test_a_file_that_can_no_longer_be_read_keeps_its_keys(tmp_path: Path, content: bytes | None) -> None:
    sources = Sources(tmp_path)
    sources.later(0)
    if content is None:
        sources.file.unlink()
    else:
        sources.file.write_bytes(content)
    sources.later(1000)
    sources.later(1)
    while_broken = sources.admits("from-file")
    failing = metrics.KEY_SOURCE_FAILING.labels(FILE)._value.get()
    sources.file.write_text("repaired-\n")
    sources.later(1)

    assert (failing, metrics.KEY_SOURCE_FAILING.labels(FILE)._value.get()) == (1, 0)
    assert while_broken == [True]
    assert sources.admits("from-file", "repaired-") == [False, True]


def test_aws_failing_keeps_its_keys_and_is_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from app.telemetry import logs

    logs.configure("json", "info")
    sources = Sources(tmp_path)
    sources.later(0)
    for broken in (InvalidKeySource("AccessDeniedException"), "ci:sha256:nonsense"):
        sources.documents[SECRET] = broken
        sources.later(1000)

        assert sources.admits("from-aws") == [True]

    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failures = [line for line in logged if line["event"] == "key_source_failed"]
    assert [(line["source"], line["consequence"]) for line in failures] == [(SECRET, "its last 1 keys stay")] * 2
    assert "AccessDeniedException" in failures[0]["reason"]
    assert "nonsense" not in str(logged)


def test_the_last_document_of_aws_is_cached_for_workers_to_come(tmp_path: Path) -> None:
    first = Sources(tmp_path, cache_dir=tmp_path)
    first.later(0)
    # Knows nothing of the secret, and writes the file's keys last.
    second = Sources(tmp_path, cache_dir=tmp_path)
    second.documents[SECRET] = InvalidKeySource("AccessDeniedException")
    second.later(0)
    second.file.write_text("new\n")
    second.later(1)
    third = Sources(tmp_path, cache_dir=tmp_path)
    third.documents[SECRET] = InvalidKeySource("AccessDeniedException")
    third.refresher.refresh()

    assert third.admits("from-aws") == [True]


@pytest.mark.parametrize("content", ["[]x", "7", '{"a": 1}', '[{"sha256": "no hex"}]', "[[1]]"])
def test_a_malformed_cache_is_not_used(tmp_path: Path, content: str) -> None:
    for source in (SECRET, SETTING):
        (tmp_path / f"keys-{source}.json").write_text(content)
    sources = Sources(tmp_path, cache_dir=tmp_path)
    with capture_logs() as logs:
        sources.refresher.refresh()

    assert [line["file"] for line in logs if line["event"] == "key_cache_failed"] == [
        str(tmp_path / f"keys-{SECRET}.json")
    ]
    assert sources.admits("from-file", "from-aws") == [True, True]


def test_a_pipe_in_place_of_the_cache_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"keys-{SECRET}.json")
    sources = Sources(tmp_path, cache_dir=tmp_path)
    sources.refresher.refresh()

    assert sources.admits("from-aws") == [True]


def test_a_cache_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sources(tmp_path, cache_dir=tmp_path).later(0)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    sources = Sources(tmp_path, cache_dir=tmp_path)
    sources.documents[SECRET] = InvalidKeySource("AccessDeniedException")
    sources.refresher.refresh()

    assert sources.admits("from-aws") == [False]


def test_aws_is_not_asked_for_keys_without_authentication() -> None:
    refresher = KeyRefresher(Settings(auth_disabled=True, api_keys_secret_id="keys"), refuse_to_fetch)
    refresher.refresh()

    assert refresher.ring.is_complete


def refuse_to_fetch(*_: Any, **__: Any) -> Mapping[str, str | InvalidKeySource]:
    raise AssertionError("AWS was asked")


def test_until_aws_answers_it_is_asked_every_ten_seconds(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.documents[SECRET] = InvalidKeySource("Timeout")
    sources.later(0)
    was_complete = sources.refresher.ring.is_complete
    sources.documents[SECRET] = "ops:from-aws"
    sources.later(10)

    assert not was_complete
    assert sources.refresher.ring.is_complete
    assert sources.admits("from-aws") == [True]


def test_a_service_without_any_key_does_not_start() -> None:
    with pytest.raises(ConfigError, match="name no key"):
        KeyRefresher(Settings(), read_aws_sources)


@pytest.mark.parametrize("settings", [{"api_keys": ("ci:",)}, {"api_keys_file": "/nonexistent"}])
def test_a_source_that_is_wrong_at_the_start_stops_it(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="API_KEYS"):
        KeyRefresher(Settings(**settings), read_aws_sources)


def test_a_file_rewritten_in_place_refuses_no_good_key_at_any_moment(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.later(0)
    before = sources.file.read_bytes()
    admitted = []
    # What a look may find while `open(..., "w")` has truncated the file and its lines arrive one by one.
    for content in (b"", before[:4], before, b"", before + b"new-key\n"):
        sources.file.write_bytes(content)
        sources.later(1)
        admitted += sources.admits("from-file")

    assert admitted == [True] * 5
    assert sources.admits("new-key", before[:4].decode()) == [True, False]


@pytest.mark.parametrize(("content", "admits"), [("", False), ("# all revoked\n", False), ("from-fil\n", False)])
def test_an_emptied_or_smaller_file_counts_when_two_looks_half_a_second_apart_agree(
    tmp_path: Path, content: str, admits: bool
) -> None:
    sources = Sources(tmp_path)
    sources.later(0)
    sources.file.write_text(content)
    seen = []
    for seconds in (0.45, 0.1, 0.45):
        sources.later(seconds)
        seen += sources.admits("from-file")

    assert seen == [True, True, admits]


def test_a_file_with_fewer_keys_than_another_worker_read_last_is_looked_at_twice(tmp_path: Path) -> None:
    first = Sources(tmp_path, cache_dir=tmp_path)
    first.file.write_text("from-file\nsecond\n")
    first.later(0)
    later = Sources(tmp_path, cache_dir=tmp_path)  # Writes one key alone.
    later.later(0)
    at_once = later.admits("second")
    later.later(1)

    assert (at_once, later.admits("second")) == ([True], [False])
