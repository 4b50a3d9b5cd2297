"""Metrics for Prometheus, with a key."""

from flask import Blueprint, Response

from app.catalog.status import status_of
from app.services import current_services
from app.telemetry.metrics import exposition

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    services = current_services()
    refresh_s = services.settings.refresh_s
    status = status_of(services.catalog.latest, at=services.clock(), refresh_s=refresh_s)
    body, content_type = exposition(status, refresh_s=refresh_s)
    return Response(body, content_type=content_type)
