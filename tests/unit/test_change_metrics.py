"""Metrics of changes: what is counted, and what is made at the scrape."""

from app.catalog.event_changes import EVENT_TYPES
from app.telemetry import metrics
from app.telemetry.change_metrics import change_metrics, count_events
from tests.support.builders import NOW, listing, model, snapshot
from tests.unit.catalog.test_changes import EAST, following


def counted(type_: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("model_catalog_events_total", {"type": type_})


def test_a_refresh_counts_each_of_its_events_once() -> None:
    before = following(snapshot(listing(EAST)), listing(EAST, model("a")), regions=(EAST,))
    after = following(before, listing(EAST, model("a"), model("b")), regions=(EAST,), version_ms=1 << 42)
    assert None not in {counted(it) for it in EVENT_TYPES}
    was = counted("model.added")

    count_events(before.state.events, after.state.events)

    assert was is not None
    assert counted("model.added") == was + 1


def test_retirements_and_lags_are_metrics() -> None:
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in change_metrics({"b": NOW, "a": NOW}, {"t": 7})
        for sample in family.samples
    }

    assert found == {
        ("model_catalog_retirement_timestamp_seconds", "a"): NOW.timestamp(),
        ("model_catalog_retirement_timestamp_seconds", "b"): NOW.timestamp(),
        ("model_catalog_webhook_lag_seconds", "t"): 7.0,
    }
