"""Metrics for Prometheus, with a key."""

from flask import Blueprint, Response

from app.catalog.retirements import ending_soon
from app.catalog.status import status_of
from app.services import current_services
from app.telemetry.change_metrics import change_metrics
from app.telemetry.metrics import exposition

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    services = current_services()
    refresh_s = services.settings.refresh_s
    snapshot, now = services.catalog.latest, services.clock()
    status = status_of(snapshot, at=now, refresh_s=refresh_s)
    retirements = {} if snapshot is None else ending_soon(snapshot, at=now)
    changes = change_metrics(retirements, services.webhooks.lags())
    body, content_type = exposition(status, refresh_s=refresh_s, more=tuple(changes))
    return Response(body, content_type=content_type)
