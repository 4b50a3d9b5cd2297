"""The service described, for programs and for people: without a key, and without loading anything from another host."""

from flask import Blueprint, Flask, Response, current_app, request
from flask_swagger_ui import get_swaggerui_blueprint

from app.auth.authentication import public

DOCUMENT_PATH = "/openapi.json"
PAGES_PATH = "/docs"
# Swagger UI's page sets itself up in a script of its own; whatever else it may try, no other host is contacted.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def init_app(app: Flask) -> None:
    app.register_blueprint(_make_blueprint())
    # Without the last two, the page asks validator.swagger.io about the document, and holds the Host header.
    config = {"app_name": "Bedrock model catalog", "validatorUrl": None, "oauth2RedirectUrl": ""}
    pages = get_swaggerui_blueprint(PAGES_PATH, DOCUMENT_PATH, config=config, blueprint_name="docs_pages")
    pages.after_request(_keep_to_this_host)
    app.register_blueprint(pages)
    public(app.view_functions["docs_pages.show"])


def _make_blueprint() -> Blueprint:
    blueprint = Blueprint("docs", __name__)
    documents: list[str] = []

    @blueprint.get(DOCUMENT_PATH)
    @public
    def openapi_json() -> Response:
        if not documents:
            # A worker that is never asked for it does without the library.
            from app.api.openapi.document import describe

            app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
            documents.append(app.json.dumps(describe(app)))
        response = Response(documents[0], mimetype="application/json")
        response.add_etag()
        response.make_conditional(request)
        return response

    return blueprint


def _keep_to_this_host(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
