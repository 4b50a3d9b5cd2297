"""Metrics for Prometheus, with a key."""

from flask import Blueprint, Response

from app.services import current_services
from app.telemetry.metrics import exposition

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    services = current_services()
    body, content_type = exposition(services.status(), refresh_s=services.settings.refresh_s)
    return Response(body, content_type=content_type)
