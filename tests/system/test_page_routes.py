"""The page's routes, without a browser."""

import gzip
import json
import re

import pytest
from flask.testing import FlaskClient

from app.pages.assets import STATIC
from app.pages.views import TEXTS
from tests.support.page_stub import ApiStub, make_app

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client() -> FlaskClient:
    return make_app(ApiStub(entries=[])).test_client()


def asset_paths(client: FlaskClient) -> set[str]:
    return set(re.findall(r'(?:href|src)="(/catalog/assets/[^"]+)"', client.get("/catalog").text))


def test_a_browser_gets_the_page_at_the_root(client: FlaskClient) -> None:
    response = client.get("/", headers={"Accept": BROWSER})

    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert "Accept" in response.vary


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/plain", "application/json, text/html;q=0.5"])
def test_a_program_gets_the_routes_at_the_root(client: FlaskClient, accept: str | None) -> None:
    response = client.get("/", headers={"Accept": accept} if accept else {})

    assert response.json == {"routes": {"search": "/search_models"}}
    assert "Accept" in response.vary


def test_the_page_forbids_what_it_does_not_need(client: FlaskClient) -> None:
    response = client.get("/catalog")
    policy = response.headers["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in response.headers


def test_the_page_has_no_script_or_style_of_its_own(client: FlaskClient) -> None:
    html = client.get("/catalog").text

    assert re.findall(r"<script(?![^>]*(?:src=|application/json))|<style|\sstyle=|\son\w+=|javascript:", html) == []
    assert re.findall(r"https?://", html.split("<body", 1)[1]) == []


def test_every_static_file_is_kept_for_a_year_under_its_hash(client: FlaskClient) -> None:
    paths = asset_paths(client)

    assert {path.rsplit("/", 1)[1] for path in paths} == {path.name for path in STATIC.iterdir()}
    for path in paths:
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_another_hash_is_not_found(client: FlaskClient) -> None:
    path = asset_paths(client).pop()
    response = client.get(re.sub(r"assets/\w+", "assets/0123456789abcdef", path))

    assert response.status_code == 404
    assert "immutable" not in response.headers.get("Cache-Control", "")


@pytest.mark.parametrize("accept_encoding", ["gzip", "gzip, br", "gzip;q=0", "identity", ""])
def test_a_client_gets_gzip_only_if_it_takes_it(client: FlaskClient, accept_encoding: str) -> None:
    path = next(path for path in asset_paths(client) if path.endswith("main.js"))
    response = client.get(path, headers={"Accept-Encoding": accept_encoding})
    is_zipped = response.headers.get("Content-Encoding") == "gzip"

    assert is_zipped == (accept_encoding in {"gzip", "gzip, br"})
    body = gzip.decompress(response.data) if is_zipped else response.data
    assert body == (STATIC / "main.js").read_bytes()
    assert "Accept-Encoding" in response.vary


def test_a_page_that_is_known_costs_a_304(client: FlaskClient) -> None:
    etag = client.get("/catalog").headers["ETag"]

    assert client.get("/catalog", headers={"If-None-Match": etag}).status_code == 304


def test_the_page_knows_the_prefix_that_it_is_served_under(client: FlaskClient) -> None:
    html = client.get("/catalog", environ_overrides={"SCRIPT_NAME": "/bedrock"}).text

    assert 'data-search-url="/bedrock/search_models"' in html
    assert 'src="/bedrock/catalog/assets/' in html


def test_every_view_of_the_page_needs_no_key() -> None:
    app = make_app(ApiStub(entries=[]))
    views = [view for name, view in app.view_functions.items() if name.startswith("pages.")]

    assert len(views) == 3
    assert all(getattr(view, "is_public", False) for view in views)


def test_every_text_that_the_script_names_exists() -> None:
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    names = set(re.findall(r'\b(?:t|tCount|find)\("([a-z_.]+)"', scripts))

    def exists(name: str) -> bool:
        at = texts
        for part in name.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        return at is not None

    assert len(names) > 50
    assert [name for name in sorted(names) if not exists(name)] == []


def test_no_script_makes_markup_of_text() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))

    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", scripts) == []
