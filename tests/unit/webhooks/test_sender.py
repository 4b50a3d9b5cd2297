"""In order, at least once, with pauses that grow; what a target does is no other target's trouble."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.current import Catalog
from app.catalog.event_changes import ADDED, REMOVED
from app.catalog.patterns import PatternSet
from app.catalog.records import CatalogEvent, ModelFacts
from app.catalog.snapshot import CatalogSnapshot
from app.webhooks.cursors import Cursor, CursorFile, CursorsUnavailable
from app.webhooks.delivery import DELIVERED, FAILED, SWITCHED_OFF, Attempt
from app.webhooks.messages import MAX_SLACK_CHARS, Message, event_message
from app.webhooks.sender import ABSENT_KEPT, WebhookSender, retry_pause
from app.webhooks.targets import Target
from tests.support.builders import NOW, snapshot

OK = Attempt(outcome=DELIVERED, status=200)
BROKEN = Attempt(outcome=FAILED, status=500, error="HTTP500")
GONE = Attempt(outcome=SWITCHED_OFF, status=410, error="HTTP410")


def target(name: str, **changes: Any) -> Target:
    fields: dict[str, Any] = {"host": f"{name}.example", "port": 443, "path": "/", "secret": b"s" * 32, "revision": "1"}
    return Target(name=name, **(fields | changes))


def event(number: int, at: datetime = NOW, **changes: Any) -> CatalogEvent:
    fields: dict[str, Any] = {"type": ADDED, "model_id": f"m{number}", "name": "M", "after": ModelFacts()}
    return CatalogEvent(id=f"{number:013d}-00000", at=at, **(fields | changes))


def holding(*events: CatalogEvent, forgotten: str = "") -> CatalogSnapshot:
    return snapshot(events=events, forgotten_event_id=forgotten)


class Lease:
    def __init__(self) -> None:
        self.is_held = True

    def held(self) -> bool:
        return self.is_held


class World:
    """A sender over a catalog, targets whose answers a test chooses, and a clock that it sets."""

    def __init__(self, path: Path, *targets: Target) -> None:
        self.now = NOW
        self.catalog = Catalog(holding())
        self.targets = list(targets)
        self.answers: dict[str, Callable[[str], Attempt]] = {}
        self.sent: list[tuple[str, str]] = []
        self.cursors = CursorFile(path / "webhooks" / "cursors.json")
        self.lease: Lease | None = Lease()
        self.sender = self.another()
        self.sender.send_due()  # New targets begin with what comes next.

    def another(self) -> WebhookSender:
        """The sender of another process."""
        return WebhookSender(
            self.catalog, lambda: self.targets, self.cursors, self._lease, clock=lambda: self.now, send=self._send
        )

    def publish(self, *events: CatalogEvent, forgotten: str = "") -> None:
        self.catalog.publish(holding(*events, forgotten=forgotten))

    def after(self, **later: float) -> list[tuple[str, str]]:
        """What is sent in a run so much later."""
        self.now += timedelta(**later)
        self.sent.clear()
        self.sender.send_due()
        return list(self.sent)

    @contextmanager
    def _lease(self) -> Iterator[Lease | None]:
        yield self.lease

    def _send(self, target: Target, message: Message) -> Attempt:
        _, body = message
        model_id = json.loads(body)["data"].get("model_id", "probe")
        self.sent.append((target.name, model_id))
        answer = self.answers.get(target.name)
        return OK if answer is None else answer(model_id)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, target("a"))


def test_every_event_is_sent_once_and_in_order(world: World) -> None:
    world.publish(event(1), event(2))
    first = world.after()
    world.publish(event(1), event(2), event(3))

    assert first == [("a", "m1"), ("a", "m2")]
    assert world.after() == [("a", "m3")]
    assert world.after() == []


def test_a_new_target_gets_what_comes_after_it(world: World) -> None:
    world.publish(event(1), event(2))
    world.targets.append(target("b"))
    assert world.after() == [("a", "m1"), ("a", "m2")]

    world.publish(event(1), event(2), event(3))

    assert sorted(world.after()) == [("a", "m3"), ("b", "m3")]


def test_a_target_gets_only_what_it_wants(tmp_path: Path) -> None:
    world = World(tmp_path, target("a", types=(REMOVED,)), target("b", models=PatternSet(["m2"])))
    world.publish(event(1), event(2), event(3, type=REMOVED))

    assert sorted(world.after()) == [("a", "m3"), ("b", "m2")]
    assert {it.pending for it in world.sender.status()} == {0}
    assert {it.event_id for it in world.cursors.load().values()} == {event(3).id}


def test_an_event_that_fails_is_tried_again_with_growing_pauses_and_holds_up_the_next(world: World) -> None:
    world.answers["a"] = lambda _: BROKEN
    world.publish(event(1), event(2))

    sent = [bool(world.after(seconds=seconds)) for seconds in (0, 4, 1, 9, 1, 19, 1)]
    world.answers.clear()

    assert sent == [True, False, True, False, True, False, True]
    assert world.after(seconds=40) == [("a", "m1"), ("a", "m2")]


def test_pauses_double_to_six_hours_and_a_target_may_ask_for_longer_ones() -> None:
    assert [retry_pause(it, None) for it in (1, 2, 3)] == [timedelta(seconds=it) for it in (5, 10, 20)]
    assert retry_pause(100, None) == retry_pause(1, 1e9) == timedelta(hours=6)
    assert retry_pause(1, 90.0) == timedelta(seconds=90)
    assert retry_pause(6, 90.0) == timedelta(seconds=160)


def test_a_target_that_fails_is_not_in_the_way_of_another(tmp_path: Path) -> None:
    world = World(tmp_path, target("a"), target("b"))
    world.answers["a"] = lambda _: BROKEN
    world.publish(event(1), event(2))

    assert world.after() == [("a", "m1"), ("b", "m1"), ("b", "m2")]


def test_what_could_not_be_delivered_in_three_days_is_given_up_and_the_rest_goes_on(world: World) -> None:
    world.answers["a"] = lambda _: BROKEN
    world.publish(event(1), event(2), event(3, at=NOW + timedelta(days=2)))
    tried = []
    with capture_logs() as logs:
        while world.now < NOW + timedelta(days=3, hours=7):
            tried += world.after(minutes=5)

    assert tried[:20] == [("a", "m1")] * 20
    (cursor,) = world.cursors.load().values()
    assert cursor.event_id == event(2).id
    assert [it["up_to"] for it in logs if it["event"] == "webhook_events_dropped"] == [event(2).id]
    world.answers.clear()
    assert world.after(hours=6) == [("a", "m3")]


def test_an_event_of_before_a_long_stop_is_tried_all_the_same(world: World) -> None:
    world.publish(event(1))

    assert world.after(days=10) == [("a", "m1")]


def test_a_target_that_is_gone_gets_nothing_until_the_file_changes(world: World) -> None:
    world.answers["a"] = lambda _: GONE
    world.publish(event(1), event(2))

    assert world.after() == [("a", "m1")]
    assert world.after(days=30) == []
    assert [it.is_switched_off for it in world.sender.status()] == [True]
    world.targets[0] = replace(world.targets[0], revision="2")
    world.answers.clear()
    assert world.after() == [("a", "m1"), ("a", "m2")]
    assert [it.is_switched_off for it in world.sender.status()] == [False]


def test_a_change_of_the_file_is_tried_at_once(world: World) -> None:
    world.answers["a"] = lambda _: BROKEN
    world.publish(event(1))
    for _ in range(48):
        world.after(hours=1)
    world.targets[0] = replace(world.targets[0], revision="2")

    assert world.after() == [("a", "m1")]
    assert [it.attempts for it in world.cursors.load().values()] == [1]


def test_a_target_is_remembered_for_an_hour_in_which_it_is_not_configured(world: World) -> None:
    (configured,) = world.targets
    world.targets.clear()
    world.after()
    world.publish(event(1))

    world.targets.append(configured)
    assert world.after(minutes=59) == [("a", "m1")]
    world.targets.clear()
    world.after()
    world.publish(event(1), event(2))
    world.targets.append(configured)
    assert world.after(seconds=ABSENT_KEPT.total_seconds() + 1) == []


def test_events_that_are_kept_no_longer_are_counted_as_dropped(world: World) -> None:
    world.publish(event(5), forgotten=event(4).id)

    with capture_logs() as logs:
        assert world.after() == [("a", "m5")]

    assert [(it["event"], it["reason"]) for it in logs if it["log_level"] == "error"] == [
        ("webhook_events_dropped", "no longer kept")
    ]


def test_two_processes_do_not_send_the_same(world: World) -> None:
    world.publish(event(1))
    other = world.another()
    world.after()

    other.send_due()

    assert world.sent == [("a", "m1")]


def test_nothing_is_sent_while_another_process_has_the_lease(world: World) -> None:
    world.lease = None
    world.publish(event(1))

    assert world.after() == []


def test_a_lease_that_is_lost_under_way_ends_the_run_and_notes_nothing(world: World) -> None:
    assert world.lease is not None
    lease = world.lease

    def lose(_: str) -> Attempt:
        lease.is_held = False
        return OK

    world.answers["a"] = lose
    world.publish(event(1), event(2))

    assert world.after() == [("a", "m1")]
    assert [it.event_id for it in world.cursors.load().values()] == [""]


def test_a_run_ends_when_the_process_is_to_stop(world: World) -> None:
    world.sender._stopping = lambda: bool(world.sent)
    world.publish(event(1), event(2))

    assert world.after() == [("a", "m1")]


def test_nothing_is_sent_where_nothing_can_be_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    world.publish(event(1))
    monkeypatch.setattr("os.replace", full)
    with capture_logs() as logs:
        assert world.after() == []

    assert [it["event"] for it in logs] == ["webhook_cursors_unavailable"]
    monkeypatch.undo()
    assert world.after() == [("a", "m1")]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"targets": {"a": {"attempts": -1}}}', b'{"targets": []}'])
def test_cursors_that_are_damaged_stop_the_sending_and_say_what_to_do(world: World, damage: bytes) -> None:
    world.cursors._path.write_bytes(damage)

    with pytest.raises(CursorsUnavailable, match="remove it"):
        world.cursors.load()
    world.publish(event(1))
    assert world.after() == []


def test_cursors_are_read_as_they_were_written(tmp_path: Path) -> None:
    cursors = {
        "a": Cursor(event_id=""),
        "b": Cursor(
            event_id="1",
            delivered_at=NOW,
            failing_since=NOW,
            attempts=3,
            next_attempt_at=NOW,
            last_error="HTTP500",
            revision="r",
            is_gone=True,
            absent_since=NOW,
        ),
    }
    file = CursorFile(tmp_path / "deep" / "cursors.json")

    file.save(cursors)

    assert file.load() == cursors
    assert [it.name for it in (tmp_path / "deep").iterdir()] == ["cursors.json"]
    assert (tmp_path / "deep" / "cursors.json").stat().st_mode & 0o077 == 0


def test_the_status_tells_how_far_each_target_has_got(world: World) -> None:
    world.answers["a"] = lambda model_id: OK if model_id == "m1" else BROKEN
    world.publish(event(1), event(2), event(3))
    world.after(seconds=90)

    (status,) = world.sender.status()

    assert (status.name, status.host, status.event_id, status.pending) == ("a", "a.example", event(1).id, 2)
    assert (status.lag_s, status.delivered_at, status.last_error) == (90, NOW + timedelta(seconds=90), "HTTP500")
    assert status.next_attempt_at == NOW + timedelta(seconds=95)


def test_logs_name_the_host_alone(world: World) -> None:
    world.targets[0] = replace(world.targets[0], path="/very-secret")
    world.answers["a"] = lambda _: BROKEN
    world.publish(event(1))
    with capture_logs() as logs:
        world.after()

    assert [(it["event"], it["host"]) for it in logs] == [("webhook_failed", "a.example")]
    assert "very-secret" not in str(logs)


def test_a_probe_is_sent_whatever_is_due(world: World) -> None:
    assert world.sender.send_probe("a") == OK
    assert world.sent == [("a", "probe")]
    with pytest.raises(KeyError):
        world.sender.send_probe("none")


def test_a_clock_that_was_set_back_does_not_stop_a_target(world: World) -> None:
    world.answers["a"] = lambda _: BROKEN
    world.publish(event(1))
    world.after(days=300)
    world.answers.clear()

    assert world.after(days=-300) == [("a", "m1")]


def test_a_slack_message_escapes_names_and_is_short() -> None:
    slack = target("a", format="slack", secret=None)
    odd = event(1, name="<!channel> & more", model_id="m" * 9000)

    headers, body = event_message(slack, odd, at=NOW)

    text = json.loads(body)["text"]
    assert text.startswith("*&lt;!channel&gt; &amp; more is new*\n")
    assert len(text) <= MAX_SLACK_CHARS + 10
    assert headers == {"Content-Type": "application/json"}
