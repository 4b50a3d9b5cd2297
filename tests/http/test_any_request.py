"""Whatever bytes a client sends: one of the documented answers, whole, with an id, and never a fault of ours."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from app import create_app
from app.catalog.current import Catalog
from config import Settings
from tests.conftest import client_of
from tests.support.builders import KEY, listing, model, profile, snapshot

# What WSGI hands over: the bytes of a path, a query or a header as Latin-1.
BYTES = st.binary(max_size=40).map(lambda sent: sent.decode("latin-1"))
NAMES = st.sampled_from(
    [
        *("limit", "after_id", "before_id", "lifecycle", "lifecycle[]", "lifecycle[0]", "region", "x"),
        *("view", "within", "within[]", "query", "provider", "input_modalities[]", "streaming"),
    ]
)
VALUES = (
    st.sampled_from(["1", "0", "a", "b", "us.a", "active", "retired", "us-east-1", "mars-1", "", ",", "9" * 5000])
    | st.sampled_from(["models", "profiles", "all", "us-*", "*", "**", "*-*-*", "*" * 150, "global", "true"])
    | st.integers().map(str)
    | st.text(max_size=6).map(lambda value: quote(value, errors="replace"))
    | st.binary(max_size=6).map(quote)
)
QUERIES = st.lists(st.tuples(NAMES, VALUES).map("=".join), max_size=4).map("&".join) | BYTES
PATHS = st.sampled_from(
    [
        *("/anthropic/v1/models", "/v1/models", "/search_models", "/anthropic/v1", "/livez", "/readyz", "", "/", "//"),
        *("/v1/messages", "/anthropic/v1/messages", "/v1/chat/completions", "/v1/responses"),
    ]
)
ENDS = st.sampled_from(
    [
        *("", "/", "/a", "/us.a", "/a[1m]", "/us.a[1M]", "/bedrock/us.a", "/converse/anthropic/bedrock/a", "/[1m][1m]"),
        *("/arn:aws:bedrock:us-east-1::foundation-model/a", "/arn:aws:bedrock:::inference-profile/us.a"),
    ]
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PUT", "TRACE", "\x00"])

DOCUMENTED = {200, 204, 304, 400, 404, 405}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder: Path = tmp_path_factory.mktemp("catalog")
    rows = (model("a"), model("b"), profile("us.a", "a"))
    settings = Settings(api_keys=(KEY,), catalog_dir=folder, access_log=False)
    return create_app(settings, catalog=Catalog(snapshot(listing("us-east-1", *rows))))


def check(app: Flask, environ: dict[str, Any], documented: set[int]) -> None:
    answer = client_of(app, key=None).get("/", environ_overrides=environ)

    assert answer.status_code in documented, answer.text
    assert answer.headers["request-id"].startswith("req_")
    if environ.get("REQUEST_METHOD") == "HEAD" or answer.status_code in (204, 304):
        assert answer.data == b""
    elif answer.mimetype == "application/json":
        body = json.loads(answer.data)
        assert ("error" in body) == (answer.status_code >= 400)
        assert body.get("request_id", answer.headers["request-id"]) == answer.headers["request-id"]


@given(METHODS, PATHS, ENDS | BYTES, QUERIES)
@example("GET", "/anthropic/v1/models", "", "\x80=\xff")
@example("GET", "/anthropic/v1/models", "", "after_id=%ED%A0%80")
@example("GET", "/anthropic/v1/models", "/\xed\xa0\x80", "")
def test_any_path_and_query_gets_a_documented_answer(app: Flask, method: str, path: str, end: str, query: str) -> None:
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path + end,
        "RAW_URI": f"{path}{end}?{query}",
        "QUERY_STRING": query,
        "HTTP_X_API_KEY": KEY,
    }

    check(app, environ, DOCUMENTED)


HEADERS = [
    "HTTP_X_API_KEY",
    "HTTP_AUTHORIZATION",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_RANGE",
    "HTTP_COOKIE",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_EXPECT",
    "HTTP_ANTHROPIC_VERSION",
    "HTTP_ANTHROPIC_BETA",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REMOTE_ADDR",
]
HEADER_VALUES = (
    st.sampled_from(
        [KEY, f"Bearer {KEY}", "Bearer", "*", "gzip;q=x", '"', "W/", "-1", "1e9", "9" * 50, "192.0.2.1, ::1"]
    )
    | BYTES
)


@given(METHODS, PATHS, st.dictionaries(st.sampled_from(HEADERS), HEADER_VALUES, max_size=5))
def test_any_header_gets_a_documented_answer(app: Flask, method: str, path: str, headers: dict[str, str]) -> None:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": "", **headers}

    check(app, environ, DOCUMENTED | {401, 413})
