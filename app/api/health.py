"""What a load balancer and an operator ask, without a key."""

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue

from app.api.request_state import current_settings
from app.api.status_schemas import CatalogStatusSchema, LivenessSchema
from app.auth.authentication import public
from app.catalog.status import UNAVAILABLE, status_of

bp = Blueprint("health", __name__)

LIVENESS, STATUS = LivenessSchema(), CatalogStatusSchema()


@bp.get("/livez")
@public
def livez() -> ResponseReturnValue:
    """The process serves."""
    return jsonify(LIVENESS.dump({}))


@bp.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """A catalog is loaded, how old it is, and how each region is; 503 without one."""
    at, latest = current_app.extensions["clock"](), current_app.extensions["catalog"].latest
    status = status_of(latest, at=at, refresh_s=current_settings().refresh_s)
    return jsonify(STATUS.dump(status)), 503 if status.state == UNAVAILABLE else 200
