"""Probes for load balancers and operators, without a key."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.api.status_schemas import CatalogStatusSchema, LivenessSchema
from app.auth.authentication import public
from app.catalog.status import UNAVAILABLE
from app.services import current_services

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
    status = current_services().status()
    return jsonify(STATUS.dump(status)), 503 if status.state == UNAVAILABLE else 200
