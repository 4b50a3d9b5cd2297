"""Browser clients: what a page of another origin may send and read."""

import pytest
from werkzeug.test import TestResponse

from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, listing, model, snapshot

PAGE = "https://app.example.com"
# What @anthropic-ai/sdk and openai send from a browser, and what MCP clients do.
SENT = (
    "anthropic-beta,anthropic-dangerous-direct-browser-access,anthropic-version,authorization,content-type,"
    "if-none-match,last-event-id,mcp-method,mcp-name,mcp-protocol-version,mcp-session-id,openai-beta,"
    "openai-organization,openai-project,user-agent,x-api-key,x-stainless-arch,x-stainless-lang,x-stainless-os,"
    "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,"
    "x-stainless-timeout"
)


def preflight(make_app: MakeApp, path: str = "/anthropic/v1/models", origin: str = PAGE) -> TestResponse:
    app = make_app(snapshot(listing("us-east-1", model())), cors_origins=(PAGE, "https://other.example.com"))
    method = "POST" if path == "/mcp" else "GET"
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": SENT}
    return client_of(app, key=None).options(path, headers=headers)


@pytest.mark.parametrize("path", ["/anthropic/v1/models", "/v1/models", "/anthropic/v1/models/a", "/metrics", "/mcp"])
def test_a_preflight_is_answered_without_a_key(make_app: MakeApp, path: str) -> None:
    answer = preflight(make_app, path)

    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == {"GET", "HEAD", "POST"}
    assert answer.headers["Access-Control-Max-Age"] == "3600"
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) == set(SENT.split(","))
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "request-id" in answer.headers


def test_a_preflight_for_a_path_that_is_not_served_is_refused(make_app: MakeApp) -> None:
    assert preflight(make_app, "/nowhere").status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.com.evil.example", "null"])
def test_a_page_of_another_origin_is_told_nothing(make_app: MakeApp, origin: str) -> None:
    answer = preflight(make_app, origin=origin)

    assert not [name for name in dict(answer.headers) if name.startswith("Access-Control-")]


@pytest.mark.parametrize(("path", "key"), [("/v1/models", KEY), ("/v1/models", None), ("/v1/models/none", KEY)])
def test_a_page_reads_every_answer_errors_included(make_app: MakeApp, path: str, key: str | None) -> None:
    app = make_app(snapshot(listing("us-east-1", model())), cors_origins=(PAGE,))
    # Asked before without an origin, so that an answer that was kept would show.
    client_of(app, key).get(path)

    answer = client_of(app, key).get(path, headers={"Origin": PAGE})

    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed == {"request-id", "x-request-id", "retry-after", "x-should-retry", "etag", "age"}


@pytest.mark.parametrize("headers", [{}, {"Origin": PAGE}])
def test_answers_vary_by_origin_where_origins_differ(make_app: MakeApp, headers: dict[str, str]) -> None:
    app = make_app(snapshot(listing("us-east-1", model())), cors_origins=(PAGE,))

    answer = client_of(app).get("/v1/models", headers=headers)

    assert "origin" in answer.vary


@pytest.mark.parametrize("headers", [{}, {"Origin": PAGE}])
def test_every_origin_may_be_let_in(make_app: MakeApp, headers: dict[str, str]) -> None:
    app = make_app(snapshot(listing("us-east-1", model())), cors_origins=("*",))

    answer = client_of(app).get("/v1/models", headers=headers)

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "origin" not in answer.vary


def test_without_the_setting_there_is_no_cors(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model()))))
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}

    preflight, answer = client.options("/v1/models", headers=headers), client.get("/v1/models", headers=headers)

    assert preflight.status_code == 405
    assert answer.status_code == 200
    for told in (preflight, answer):
        assert not [name for name in dict(told.headers) if name.startswith("Access-Control-")]
