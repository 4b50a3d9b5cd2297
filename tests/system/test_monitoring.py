"""The alert rules and the dashboard: Prometheus takes them, and what they ask for is what the service tells."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from app.catalog.records import RegionFailure
from app.telemetry import metrics
from tests.conftest import MakeApp, client_of
from tests.support.builders import NOW, listing, model, snapshot
from tests.support.servers import PROJECT

ALERTS = PROJECT / "deploy/prometheus/alerts.yml"
DASHBOARD = PROJECT / "deploy/grafana/model-catalog.json"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's prometheus")


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_takes_the_alert_rules() -> None:
    promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    for name in ("alerts_test.yml", "changes_test.yml"):
        promtool("test", "rules", str(PROJECT / "tests/system/prometheus" / name))


@needs_promtool
def test_prometheus_takes_the_metrics_page(make_app: MakeApp) -> None:
    page = client_of(make_app(snapshot(listing("us-east-1", model())))).get("/metrics").get_data()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_is_told(path: Path, make_app: MakeApp) -> None:
    failure = RegionFailure(region="eu-west-1", failed_at=NOW, code="Timeout", took_ms=1)
    app = make_app(snapshot(listing("us-east-1", model()), failures=(failure,)))
    app.extensions["clock"] = lambda: NOW + timedelta(seconds=1)
    client = client_of(app)
    client.get("/v1/models")
    for source in ("API_KEYS_FILE", "API_KEYS_SECRET_ID"):
        metrics.KEY_SOURCE_FAILURES.labels(source)
        metrics.KEY_SOURCE_FAILING.labels(source)
    told = set(re.findall(r"^model_catalog_\w+", client.get("/metrics").text, re.MULTILINE))

    asked = set(re.findall(r"model_catalog_\w+", path.read_text()))

    assert asked
    assert asked <= told


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_text())

    assert dashboard["uid"] and dashboard["schemaVersion"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
