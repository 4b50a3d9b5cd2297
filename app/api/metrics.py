"""Metrics for Prometheus, with a key."""

from flask import Blueprint, Response

from app.catalog.retirements import ending_soon
from app.services import current_services
from app.telemetry.change_metrics import change_metrics
from app.telemetry.metrics import exposition

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    services = current_services()
    snapshot = services.catalog.latest
    retirements = {} if snapshot is None else ending_soon(snapshot, at=services.clock())
    changes = change_metrics(retirements, services.webhooks.lags())
    refresh_s = services.settings.refresh_s
    body, content_type = exposition(services.status(), refresh_s=refresh_s, more=tuple(changes))
    return Response(body, content_type=content_type)
