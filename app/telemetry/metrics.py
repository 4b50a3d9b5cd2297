"""What Prometheus is told: counts from all workers of a host, and the catalog's ages as they are at the scrape.

Under gunicorn the workers count together in a folder (app/server/runtime_dir.py); elsewhere each counts alone.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.catalog.status import UNAVAILABLE, CatalogStatus
from app.server import runtime_dir as runtime_folder

NAMESPACE = "model_catalog"
REGISTRY = CollectorRegistry()

# Seconds. Most answers are ready before they are asked for and take well under a millisecond.
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
    "From a request's arrival at the worker's application to its answer.",
    ["route"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=REQUEST_BUCKETS,
)
REFRESHES = Counter(
    "refreshes",
    "Refreshes by outcome: complete (every region answered), partial, failed (none did).",
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
    "1 in the worker that holds the right to refresh just now.",
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="liveall",
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
    "Loads of the stored catalog by outcome: loaded, unreadable, malformed, other_source.",
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
    "1 if any worker's last reading of the source of keys failed; its last keys stay.",
    ["source"],
    namespace=NAMESPACE,
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
KEY_SOURCE_FAILURES = Counter(
    "key_source_failures",
    "Readings of a source of keys that failed.",
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

# Prometheus sees no increase in a series that begins with its first event.
for _outcome in ("complete", "partial", "failed"):
    REFRESHES.labels(_outcome)
for _outcome in ("loaded", "unreadable", "malformed", "other_source"):
    STORE_LOADS.labels(_outcome)
for _outcome in ("saved", "failed"):
    STORE_SAVES.labels(_outcome)
for _job in ("follow", "refresh_if_due", "make_ahead", "keys"):
    JOB_FAILURES.labels(_job)

# A label's child costs 2 us to look up in the library, and every request needs two.
_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def count_request(route: str, method: str, status: int, took_s: float) -> None:
    """Count one finished request; each argument but the last takes few values, none of them a client's to choose."""
    children = _children.get((route, method, status))
    if children is None:
        children = REQUESTS.labels(route, method, str(status)), REQUEST_SECONDS.labels(route)
        _children[route, method, status] = children
    counter, histogram = children
    counter.inc()
    histogram.observe(took_s)


def count_refresh(*, listed: int, failed: int, took_ms: int, at: datetime) -> None:
    """
    Args:
        listed: how many regions answered.
        failed: how many did not.
    """
    REFRESHES.labels("failed" if not listed else "partial" if failed else "complete").inc()
    REFRESH_SECONDS.observe(took_ms / 1000)
    LAST_REFRESH.set(at.timestamp())


def forget(pid: int) -> None:
    """In the master: count a worker's end; what it alone could tell goes, what it counted stays."""
    WORKER_EXITS.inc()
    if runtime_folder.folder() is not None:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
        runtime_folder.give_back(pid)


def count_alone() -> None:
    """In a worker, before it counts anything: map memory of its own instead of files that the others see."""

    def in_memory(file_name: str) -> MmapedDict:
        memory = os.memfd_create(os.path.basename(file_name))
        return MmapedDict(f"/proc/self/fd/{memory}")  # type: ignore[no-untyped-call]

    vars(values)["MmapedDict"] = in_memory  # Where the library looks for it whenever it maps a file.


@contextmanager
def holding_lease() -> Iterator[None]:
    LEASE.set(1)
    try:
        yield
    finally:
        LEASE.set(0)


class _Scrape(Collector):
    """All that is counted, and one catalog's state, as a collector for one scrape."""

    def __init__(self, status: CatalogStatus, refresh_s: int) -> None:
        self._status = status
        self._refresh_s = refresh_s

    def collect(self) -> Iterable[Metric]:
        shared = runtime_folder.folder()
        if shared is not None and shared.is_dir():
            yield from MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]
        elif shared is None:
            yield from REGISTRY.collect()
        yield from catalog_metrics(self._status, self._refresh_s)


def exposition(status: CatalogStatus, *, refresh_s: int) -> tuple[bytes, str]:
    """The metrics page and its content type.

    Always the plain text format, which every Prometheus reads: the library's own negotiation fails on a version in the
    Accept header that is no number.
    """
    return generate_latest(_Scrape(status, refresh_s)), CONTENT_TYPE_PLAIN_0_0_4


def catalog_metrics(status: CatalogStatus, refresh_s: int) -> Iterator[Metric]:
    """What the snapshot itself tells, made at the scrape: an age that was written down is wrong a second later."""
    yield _gauge("up", "1 if there is a catalog to serve.", 0 if status.state == UNAVAILABLE else 1)
    yield _gauge("refresh_interval_seconds", "How often the catalog is to be refreshed.", refresh_s)
    yield _gauge("models", "Models in the catalog, of any modality.", status.models)
    if status.age_s is not None:
        yield _gauge("age_seconds", "Since the last refresh that any region answered.", status.age_s)
    if status.attempted_at is not None:
        attempted = status.attempted_at.timestamp()
        yield _gauge("attempt_timestamp_seconds", "When any worker last tried to refresh.", attempted)
    listed = _by_region("region_up", "1 if the last refresh listed the region.")
    age = _by_region("region_listing_age_seconds", "Age of the listing that is served for the region.")
    models = _by_region("region_models", "Models in the region's listing.")
    skipped = _by_region("region_skipped_rows", "Malformed rows that the region's listing was taken without.")
    visit = _by_region("region_visit_seconds", "How long the last visit to the region took.")
    failure = _by_region("region_failure", "1 for the code with which the region's last visit failed.", "code")
    for region in status.regions:
        listed.add_metric([region.region], 0 if region.failure else 1)
        models.add_metric([region.region], region.models)
        skipped.add_metric([region.region], region.skipped_rows)
        if region.age_s is not None:
            age.add_metric([region.region], region.age_s)
        if region.took_ms is not None:
            visit.add_metric([region.region], region.took_ms / 1000)
        if region.failure is not None:
            failure.add_metric([region.region, region.failure.code], 1)
    yield from (listed, age, models, skipped, visit, failure)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, value=value)


def _by_region(name: str, meaning: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=["region", *more])
