"""The metrics page, parsed."""

import collections

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples(page: str) -> Samples:
    found: Samples = collections.defaultdict(list)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def counts(found: Samples) -> dict[tuple[str, str, str], float]:
    """Requests by route, method and status; those for /metrics itself left out."""
    requests = {
        (labels["route"], labels["method"], labels["status"]): value
        for labels, value in found["model_catalog_http_requests_total"]
    }
    return {key: value for key, value in requests.items() if key[0] != "/metrics"}
