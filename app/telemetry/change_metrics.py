"""Metrics of what changed, of what will end, and of how far webhooks' targets have got."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from app.catalog.event_changes import EVENT_TYPES
from app.catalog.records import CatalogEvent
from app.telemetry import metrics
from app.telemetry.metrics import NAMESPACE

# Prometheus sees no increase in a series that begins with its first event.
for _type in EVENT_TYPES:
    metrics.EVENTS.labels(_type)


def count_events(before: Sequence[CatalogEvent], after: Sequence[CatalogEvent]) -> None:
    """Count the events that a refresh added to those of before."""
    newest = before[-1].id if before else ""
    for event in after:
        if event.id > newest:
            metrics.EVENTS.labels(event.type).inc()


def change_metrics(retirements: Mapping[str, datetime], webhook_lags: Mapping[str, int]) -> Iterator[Metric]:
    """What is made at the scrape.

    Args:
        retirements: when each model ends that does so soon.
        webhook_lags: seconds, by target.
    """
    ends = GaugeMetricFamily(
        f"{NAMESPACE}_retirement_timestamp_seconds",
        "When the model has ended in every region; of models that end within 180 days.",
        labels=["model"],
    )
    for model_id, end in sorted(retirements.items()):
        ends.add_metric([model_id], end.timestamp())
    lags = GaugeMetricFamily(
        f"{NAMESPACE}_webhook_lag_seconds",
        "The age of the oldest event that the target is still to get; 0 without one.",
        labels=["target"],
    )
    for target, lag_s in sorted(webhook_lags.items()):
        lags.add_metric([target], lag_s)
    yield from (ends, lags)
