"""The service described, for programs and for people: without a key, and without asking any other host."""

from functools import lru_cache

from flask import Blueprint, Flask, Response, current_app, request
from flask_swagger_ui import get_swaggerui_blueprint

from app.auth.authentication import public

bp = Blueprint("docs", __name__)

DOCUMENT_PATH = "/openapi.json"
PAGES_PATH = "/docs"
# Swagger UI's page sets itself up in a script of its own; whatever else it may try, no other host is asked.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    # Without the last two, the page asks validator.swagger.io about the document, and holds the Host header.
    config = {"app_name": "Bedrock model catalog", "validatorUrl": None, "oauth2RedirectUrl": ""}
    pages = get_swaggerui_blueprint(PAGES_PATH, DOCUMENT_PATH, config=config, blueprint_name="docs_pages")
    pages.after_request(_keep_to_this_host)
    app.register_blueprint(pages)
    public(app.view_functions["docs_pages.show"])


@bp.get(DOCUMENT_PATH)
@public
def openapi_json() -> Response:
    response = Response(_document(current_app._get_current_object()), mimetype="application/json")  # type: ignore[attr-defined]
    response.add_etag()
    response.make_conditional(request)
    return response


@lru_cache(maxsize=1)
def _document(app: Flask) -> str:
    # A worker that is never asked for it does without the library.
    from app.api.openapi.document import describe

    return app.json.dumps(describe(app))


def _keep_to_this_host(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
