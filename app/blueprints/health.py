"""What a load balancer and an operator ask, without a key."""

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue

from app.auth import public
from app.blueprints import current_settings
from app.catalog.status import UNAVAILABLE, status_of
from app.schemas.status import CatalogStatusSchema, LivenessSchema

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
