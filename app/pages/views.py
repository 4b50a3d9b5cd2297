"""The page's routes: the HTML, its static files and the list of routes for programs."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request
from werkzeug.datastructures import MIMEAccept

from app.pages.assets import Asset, load_assets, make_asset

View = Callable[..., Any]

TEXTS = Path(__file__).with_name("texts.json")
# What prints differs from what the others say, so it comes last.
STYLESHEETS = ("base.css", "table.css", "model.css", "print.css")
JSON_TYPE, HTML_TYPE = "application/json", "text/html"
IMMUTABLE = "public, max-age=31536000, immutable"
# No script or style of the document itself, no other host, no frame, and no string that becomes markup.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def make_blueprint(
    *,
    mark_public: Callable[[View], View],
    routes: Mapping[str, str],
    docs_path: str = "/docs",
    search_path: str = "/search_models",
    readiness_path: str = "/readyz",
) -> Blueprint:
    """Make the page's blueprint; it reads the static files and the texts, once.

    Args:
        mark_public: marks a view that needs no key.
        routes: what a program gets at `/`: names of routes and their paths.
        docs_path, search_path, readiness_path: paths of this service that the page links to and reads.
    """
    bp = Blueprint("pages", __name__, template_folder="templates")
    bundle = load_assets()
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))

    @lru_cache(maxsize=16)
    def render(script_root: str) -> Asset:
        html = render_template(
            "catalog.html",
            t=texts,
            assets=f"{script_root}/catalog/assets/{bundle.digest}",
            stylesheets=STYLESHEETS,
            modules=[name for name in bundle.assets if name.endswith(".js")],
            docs_url=script_root + docs_path,
            search_url=script_root + search_path,
            readiness_url=script_root + readiness_path,
        )
        return make_asset(html.encode(), content_type="text/html; charset=utf-8")

    def page() -> Response:
        response = _send(render(request.script_root))
        response.headers.update(SECURITY_HEADERS)
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response

    @bp.get("/")
    @mark_public
    def show_root() -> Response:
        if _prefers_html(request.accept_mimetypes):
            response = page()
        else:
            response = jsonify({"routes": dict(routes)})
            response.headers["X-Content-Type-Options"] = "nosniff"
        response.vary.add("Accept")
        return response

    @bp.get("/catalog")
    @mark_public
    def show_catalog() -> Response:
        return page()

    @bp.get("/catalog/assets/<digest>/<name>")
    @mark_public
    def send_asset(digest: str, name: str) -> Response:
        asset = bundle.assets.get(name)
        if asset is None or digest != bundle.digest:
            abort(404)
        response = _send(asset)
        response.headers["Cache-Control"] = IMMUTABLE
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return bp


def _send(asset: Asset) -> Response:
    """An asset's bytes, compressed for a client that takes gzip."""
    is_zipped = request.accept_encodings["gzip"] > 0
    response = Response(asset.gzipped if is_zipped else asset.body, content_type=asset.content_type)
    if is_zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


def _prefers_html(accept: MIMEAccept) -> bool:
    """Whether HTML is named and wanted more than JSON; `*/*` alone, as curl sends it, is a program."""
    return accept.best_match([JSON_TYPE, HTML_TYPE]) == HTML_TYPE
