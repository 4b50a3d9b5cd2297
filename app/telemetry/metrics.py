"""Prometheus metrics: counts of all workers of a host, and the catalog's ages as they are at the scrape.

Under gunicorn the workers count in a directory that they share (app/server/runtime_dir.py); elsewhere each process
counts for itself.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.catalog.records import ACCOUNT_PARTS
from app.catalog.status import FRESH, UNAVAILABLE, CatalogStatus

NAMESPACE = "model_catalog"
REGISTRY = CollectorRegistry()

# Seconds. Most responses are cached and take well under a millisecond.
REQUEST_BUCKETS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
)
REFRESH_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)

REQUESTS = Counter(
    "http_requests",
    "Finished requests.",
    ["route", "method", "status"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "From a request's arrival at the worker's application to its response.",
    ["route"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=REQUEST_BUCKETS,
)
REFRESHES = Counter(
    "refreshes",
    "Refreshes by outcome: complete (every base part of every region listed), partial, failed (no region), or retry.",
    ["outcome"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
REFRESH_SECONDS = Histogram(
    "refresh_duration_seconds",
    "How long refreshes took.",
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=REFRESH_BUCKETS,
)
LEASE = Gauge(
    "lease_held",
    "1 in the worker that holds the lease, which allows it to refresh.",
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="liveall",
)
LEASES_REPLACED = Counter(
    "leases_replaced",
    "Leases that were held for longer than a refresh may last, and taken from their holder.",
    namespace=NAMESPACE,
    registry=REGISTRY,
)
LAST_REFRESH = Gauge(
    "worker_last_refresh_timestamp_seconds",
    "When each worker last refreshed the catalog itself; 0: never.",
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="liveall",
)
STORE_LOADS = Counter(
    "store_loads",
    "Loads of the stored catalog by outcome: loaded, unreadable, malformed, other_settings, other_format.",
    ["outcome"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
EVENTS = Counter(
    "events",
    "What AWS changed, by type of event; counted by the worker whose refresh noticed it.",
    ["type"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
WEBHOOK_DELIVERIES = Counter(
    "webhook_deliveries",
    "Attempts to deliver an event to a webhook's target by outcome: delivered, failed, gone; and events dropped.",
    ["target", "outcome"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
STORE_SAVES = Counter(
    "store_saves",
    "Attempts to store the catalog by outcome: saved, failed.",
    ["outcome"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
JOB_FAILURES = Counter(
    "job_failures", "Background jobs that ended in a bug.", ["job_name"], namespace=NAMESPACE, registry=REGISTRY
)
WORKER_EXITS = Counter(
    "worker_exits", "Workers that ended, for whatever reason.", namespace=NAMESPACE, registry=REGISTRY
)
KEY_SOURCE_FAILING = Gauge(
    "key_source_failing",
    "1 if any worker last failed to read the source of keys; the last good keys stay valid.",
    ["source"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
KEY_SOURCE_FAILURES = Counter(
    "key_source_failures",
    "Failed attempts to read a source of keys.",
    ["source"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
OPERATOR_FILE_REJECTED = Gauge(
    "operator_file_rejected",
    "1 if any worker's last look at the operator's file refused it; the last good one stays in force.",
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)

FLEET_LINKED = Gauge(
    "fleet_linked",
    "1 if this host can use the engine of its fleet; absent without one.",
    ["fleet"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
FLEET_INFO = Gauge(
    "fleet_info",
    "1 for the fleet and the fingerprint of the settings of this host; hosts of one fingerprint share.",
    ["fleet", "fingerprint"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
FLEET_VERSION = Gauge(
    "fleet_version",
    "Version of the fleet's catalog that this host has, in milliseconds.",
    ["fleet"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
FLEET_LAG = Gauge(
    "fleet_lag_seconds",
    "Time from the beginning of the refresh of the last catalog taken to its arrival, by the engine's clock.",
    ["fleet"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
FLEET_PUTS = Counter(
    "fleet_puts",
    "Attempts to put a catalog into the engine by outcome: accepted, superseded, failed.",
    ["outcome"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
FLEET_TAKES = Counter(
    "fleet_takes",
    "Catalogs that came from the engine by outcome: kept, older, malformed.",
    ["outcome"],
    namespace=NAMESPACE,
    registry=REGISTRY,
)
FLEET_OFFERS = Counter(
    "fleet_offers",
    "Catalogs of this host that the engine had lost, or never had.",
    namespace=NAMESPACE,
    registry=REGISTRY,
)
FLEET_ALONE = Counter(
    "fleet_alone_refreshes",
    "Refreshes that this host made for itself, as the engine could not be used.",
    namespace=NAMESPACE,
    registry=REGISTRY,
)

# Prometheus sees no increase in a series that begins with its first event.
for _outcome in ("complete", "partial", "failed", "retry"):
    REFRESHES.labels(_outcome)
for _outcome in ("loaded", "unreadable", "malformed", "other_settings", "other_format"):
    STORE_LOADS.labels(_outcome)
for _outcome in ("saved", "failed"):
    STORE_SAVES.labels(_outcome)
for _outcome in ("accepted", "superseded", "failed"):
    FLEET_PUTS.labels(_outcome)
for _outcome in ("kept", "older", "malformed"):
    FLEET_TAKES.labels(_outcome)

# A label's child costs 2 us to look up in the library, and every request needs two.
_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def count_request(route: str, method: str, status: int, duration_s: float) -> None:
    """Count one finished request; each argument but the last takes few values, none of them a client's to choose."""
    children = _children.get((route, method, status))
    if children is None:
        children = REQUESTS.labels(route, method, str(status)), REQUEST_SECONDS.labels(route)
        _children[route, method, status] = children
    counter, histogram = children
    counter.inc()
    histogram.observe(duration_s)


def count_refresh(*, listed: int, failed: int, duration_ms: int, at: datetime, is_retry: bool = False) -> None:
    """
    Args:
        listed: how many regions listed their models.
        failed: how many have a base part that failed.
        is_retry: only regions with parts that were never listed were asked.
    """
    outcome = "retry" if is_retry else "failed" if not listed else "partial" if failed else "complete"
    REFRESHES.labels(outcome).inc()
    REFRESH_SECONDS.observe(duration_ms / 1000)
    LAST_REFRESH.set(at.timestamp())


def forget(pid: int) -> None:
    """In the master: count a worker's end and drop its gauges; what it counted stays."""
    WORKER_EXITS.inc()
    if _shared_dir() is not None:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


class _Disabled:
    """A metric that counts nothing."""

    def labels(self, *_: object) -> "_Disabled":
        return self

    def inc(self) -> None:
        pass

    def set(self, _: float) -> None:
        pass

    def observe(self, _: float) -> None:
        pass


def disable() -> None:
    """Count nothing in this process from now on: a file that it mapped would end it where there is no room."""
    module: dict[str, Any] = globals()
    for name, value in list(module.items()):
        if isinstance(value, Counter | Gauge | Histogram):
            module[name] = _Disabled()
    _children.clear()


def _shared_dir() -> Path | None:
    """prometheus_client's own variable: where the processes of one gunicorn count."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(shared) if shared else None


@contextmanager
def holding_lease() -> Iterator[None]:
    LEASE.set(1)
    try:
        yield
    finally:
        LEASE.set(0)


class _Scrape(Collector):
    """All that is counted, and one catalog's state, as a collector for one scrape."""

    def __init__(self, status: CatalogStatus, refresh_s: int, more: Sequence[Metric]) -> None:
        self._status = status
        self._more = more
        self._refresh_s = refresh_s

    def collect(self) -> Iterable[Metric]:
        shared = _shared_dir()
        if shared is not None and shared.is_dir():
            yield from MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]
        elif shared is None:
            yield from REGISTRY.collect()
        yield from catalog_metrics(self._status, self._refresh_s)
        yield from self._more


def exposition(status: CatalogStatus, *, refresh_s: int, more: Sequence[Metric] = ()) -> tuple[bytes, str]:
    """The metrics page and its content type.

    Always the plain text format, which every Prometheus reads: the library's own negotiation fails on a version in the
    Accept header that is no number.

    Args:
        more: made at the scrape, too.
    """
    return generate_latest(_Scrape(status, refresh_s, more)), CONTENT_TYPE_PLAIN_0_0_4


def catalog_metrics(status: CatalogStatus, refresh_s: int) -> Iterator[Metric]:
    """The snapshot's own metrics, made at the scrape: a stored age is wrong a second later."""
    yield _gauge("up", "1 if there is a catalog to serve.", 0 if status.state == UNAVAILABLE else 1)
    yield _gauge("refresh_interval_seconds", "How often the catalog is to be refreshed.", refresh_s)
    yield _gauge("models", "Models in the catalog, of any modality.", status.models)
    if status.age_s is not None:
        yield _gauge("age_seconds", "Since the last refresh that any region answered.", status.age_s)
    if status.attempted_at is not None:
        attempted = status.attempted_at.timestamp()
        yield _gauge("attempt_timestamp_seconds", "When any worker last tried to refresh.", attempted)
    yield _gauge("orphan_profiles", "Profiles whose models their region does not list.", status.orphan_profiles)
    without_limits = "Callable chat models whose token limits no card has."
    yield _gauge("models_without_limits", without_limits, status.models_without_limits)
    yield _gauge("aliases_gone", "Aliases whose target is not in the catalog.", status.aliases_gone)
    listed = _by_part("region_up", "1 if the last refresh listed the part of the region.")
    age = _by_part("region_listing_age_seconds", "Age of the listing that is served.")
    rows = _by_part("region_rows", "Rows of the listing.")
    skipped = _by_part("region_skipped_rows", "Rows without a readable id, which the listing was taken without.")
    unread = _by_part("region_unread_fields", "Values that could not be read and count as left out.")
    visit = _by_part("region_visit_seconds", "How long the last visit took.")
    failure = _by_part("region_failure", "1 for the code with which the last visit failed.", "code")
    for region in status.regions:
        for part in (it for it in region.parts if it.part not in ACCOUNT_PARTS):
            labels = [region.region, part.part]
            listed.add_metric(labels, 1 if part.state == FRESH else 0)
            rows.add_metric(labels, part.rows)
            skipped.add_metric(labels, part.skipped_rows)
            unread.add_metric(labels, part.unread_fields)
            if part.age_s is not None:
                age.add_metric(labels, part.age_s)
            if part.duration_ms is not None:
                visit.add_metric(labels, part.duration_ms / 1000)
            if part.failure is not None:
                failure.add_metric([*labels, part.failure.code], 1)
    yield from (listed, age, rows, skipped, unread, visit, failure)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, value=value)


def _by_part(name: str, meaning: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=["region", "part", *more])
