"""The metrics page of one process."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.catalog.records import CatalogSnapshot, RegionFailure
from tests.conftest import MakeApp, client_of
from tests.support.builders import NOW, listing, model, snapshot
from tests.support.metrics_page import counts, samples


def test_metrics_ask_for_a_key(make_app: MakeApp) -> None:
    answer = client_of(make_app(snapshot()), key=None).get("/metrics")

    assert answer.status_code == 401


@pytest.mark.parametrize("accept", ["text/plain; version=x", "application/openmetrics-text; version=x", "*/*"])
def test_the_page_is_prometheus_text_whatever_is_accepted(make_app: MakeApp, accept: str) -> None:
    answer = client_of(make_app(snapshot())).get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_ages_are_those_of_the_scrape(make_app: MakeApp) -> None:
    now = NOW
    client = client_of(make_app(snapshot(listing("us-east-1", model("a"), model("b"))), clock=lambda: now))
    for later_s in (0, 75):
        now = NOW + timedelta(seconds=later_s)

        found = samples(client.get("/metrics").text)

        assert found["model_catalog_age_seconds"] == [({}, later_s)]
        assert found["model_catalog_region_listing_age_seconds"] == [({"region": "us-east-1"}, later_s)]
        assert found["model_catalog_models"] == [({}, 2)]


@pytest.mark.parametrize(
    ("catalog", "up"),
    [
        (None, 0),
        (snapshot(listing("us-east-1", model())), 1),
        # Other regions are configured than those that once answered.
        (replace(snapshot(), state=replace(snapshot().state, listings=(), refreshed_at=NOW)), 0),
    ],
)
def test_a_catalog_that_cannot_be_served_is_not_up(make_app: MakeApp, catalog: CatalogSnapshot | None, up: int) -> None:
    client = client_of(make_app(catalog))

    assert samples(client.get("/metrics").text)["model_catalog_up"] == [({}, up)]
    assert client.get("/readyz").status_code == (200 if up else 503)


def test_a_failing_region_is_told_with_its_code_and_without_its_text(make_app: MakeApp) -> None:
    failure = RegionFailure(region="eu-west-1", failed_at=NOW, code="AccessDeniedException", detail="a role's name")
    client = client_of(make_app(snapshot(listing("us-east-1", model()), failures=(failure,))))

    page = client.get("/metrics").text

    found = samples(page)
    assert found["model_catalog_region_failure"] == [({"region": "eu-west-1", "code": "AccessDeniedException"}, 1)]
    assert sorted((labels["region"], value) for labels, value in found["model_catalog_region_up"]) == [
        ("eu-west-1", 0),
        ("us-east-1", 1),
    ]
    assert "a role's name" not in page


def test_without_a_catalog_the_page_says_so(make_app: MakeApp) -> None:
    found = samples(client_of(make_app(None)).get("/metrics").text)

    assert found["model_catalog_up"] == [({}, 0)]
    assert "model_catalog_age_seconds" not in found


def test_paths_and_methods_that_clients_invent_make_no_new_series(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot()))
    client.open("/invented/first", method="BREW")
    before = {key for key in counts(samples(client.get("/metrics").text)) if key[1] == "OTHER"}
    for place in range(20):
        client.open(f"/invented/{place}", method=f"BREW{place}")

    after = {key for key in counts(samples(client.get("/metrics").text)) if key[1] == "OTHER"}

    assert before == after != set()
