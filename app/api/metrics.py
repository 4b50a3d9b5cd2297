"""What Prometheus scrapes, with a key of its own."""

from flask import Blueprint, Response, current_app

from app.api.request_state import current_settings
from app.catalog.status import status_of
from app.telemetry.metrics import exposition

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    at, latest = current_app.extensions["clock"](), current_app.extensions["catalog"].latest
    refresh_s = current_settings().refresh_s
    body, content_type = exposition(status_of(latest, at=at, refresh_s=refresh_s), refresh_s=refresh_s)
    return Response(body, content_type=content_type)
