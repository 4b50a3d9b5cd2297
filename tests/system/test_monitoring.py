"""The alert rules and the dashboard: Prometheus accepts them, and the metrics in their queries exist."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from app.telemetry import metrics
from tests.conftest import MakeApp, client_of
from tests.support.builders import NOW, failures, listing, model, snapshot
from tests.support.servers import PROJECT

ALERTS = PROJECT / "deploy/prometheus/alerts.yml"
DASHBOARD = PROJECT / "deploy/grafana/model-catalog.json"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's prometheus")


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_accepts_the_alert_rules() -> None:
    promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    for name in ("alerts_test.yml", "changes_test.yml"):
        promtool("test", "rules", str(PROJECT / "tests/system/prometheus" / name))


@needs_promtool
def test_prometheus_accepts_the_metrics_page(make_app: MakeApp) -> None:
    page = client_of(make_app(snapshot(listing("us-east-1", model())))).get("/metrics").get_data()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_in_a_query_exists(path: Path, make_app: MakeApp) -> None:
    failed = failures("eu-west-1", "Timeout", duration_ms=1)
    app = make_app(snapshot(listing("us-east-1", model()), failures=failed), clock=lambda: NOW + timedelta(seconds=1))
    client = client_of(app)
    client.get("/v1/models")
    for source in ("API_KEYS_FILE", "API_KEYS_SECRET_ID"):
        metrics.KEY_SOURCE_FAILURES.labels(source)
        metrics.KEY_SOURCE_FAILING.labels(source)
    for gauge in (metrics.FLEET_LINKED, metrics.FLEET_VERSION, metrics.FLEET_LAG):
        gauge.labels("default")
    metrics.FLEET_INFO.labels("default", "0123456789ab")
    exposed = set(re.findall(r"^model_catalog_\w+", client.get("/metrics").text, re.MULTILINE))

    queried = set(re.findall(r"model_catalog_\w+", path.read_text()))

    assert queried
    assert queried <= exposed


def test_every_alert_links_to_its_heading_in_the_operations_guide() -> None:
    alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - alert|\Z)", ALERTS.read_text(), re.DOTALL)

    assert len(alerts) > 10
    assert [name for name, rule in alerts if f"runbook: docs/operations.md#{name.lower()}\n" not in rule] == []


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_text())

    assert dashboard["uid"] and dashboard["schemaVersion"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
