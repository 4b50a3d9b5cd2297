"""Paths of inference are refused with a message that helps; and every 401 says how to authenticate."""

import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeApp, client_of, json_of
from tests.http.kinds import KINDS

MESSAGES = ("/v1/messages", "/v1/messages/", "/v1/messages/count_tokens", "/v1/messages/batches/x/results")
OTHERS = ("/v1/chat/completions", "/v1/chat/completions/", "/v1/responses", "/v1/responses/resp_1/cancel")
LAYOUTS = [("/anthropic", ""), ("", "/openai"), ("/a/b", "/c"), ("/same", "/same"), ("", "")]


def check_refusal(client: FlaskClient, path: str, *, method: str, is_openai: bool) -> None:
    answer = client.open(path, method=method, json={"model": "maker.both", "messages": []})

    assert answer.status_code == (404 if is_openai else 400), path
    error = json_of(answer)["error"]
    assert error["type"] == "invalid_request_error"
    assert path in error["message"]
    assert "this service lists models" in error["message"] and "gateway" in error["message"]
    assert answer.headers["x-should-retry"] == "false"
    if is_openai:
        assert list(error) == ["message", "type", "param", "code"]
    else:
        assert json_of(answer)["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(("anthropic", "openai"), LAYOUTS)
def test_inference_is_refused_in_its_own_dialect_under_either_prefix(
    make_app: MakeApp, anthropic: str, openai: str, method: str
) -> None:
    client = client_of(make_app(KINDS, anthropic_prefix=anthropic, openai_prefix=openai))

    for prefix in {anthropic, openai}:
        for path in MESSAGES:
            check_refusal(client, prefix + path, method=method, is_openai=False)
        for path in OTHERS:
            check_refusal(client, prefix + path, method=method, is_openai=True)


@pytest.mark.parametrize(
    "path",
    ["/v1/messagesx", "/v1/message", "/v1/chat", "/v1/chat/completionsx", "/other/v1/messages", "/v1/embeddings"],
)
def test_any_other_path_is_only_not_found(make_app: MakeApp, path: str) -> None:
    answer = client_of(make_app(KINDS)).post(path, json={})

    assert answer.status_code == 404
    assert json_of(answer)["error"]["message"] == "Not found"


def test_a_model_may_be_called_like_a_path_of_inference(make_app: MakeApp) -> None:
    client = client_of(make_app(KINDS))

    assert json_of(client.get("/v1/models/v1/messages"))["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/v1/messages", "/anthropic/v1/messages", "/v1/chat/completions"])
def test_who_has_no_key_is_not_told_more_than_that(make_app: MakeApp, path: str) -> None:
    assert client_of(make_app(KINDS), key=None).post(path, json={}).status_code == 401


def test_inference_is_refused_without_a_catalog_too(make_app: MakeApp) -> None:
    assert client_of(make_app(None)).post("/v1/messages", json={}).status_code == 400


@pytest.mark.parametrize("key", [None, "wrong"])
def test_every_401_says_how_to_authenticate(make_app: MakeApp, key: str | None) -> None:
    app = make_app(KINDS)
    client = client_of(app, key)
    built = [rule.build(dict.fromkeys(rule.arguments, "a")) for rule in app.url_map.iter_rules()]
    paths = {parts[1] for parts in built if parts is not None}
    seen = 0
    for path in sorted(paths | {"/nothing", "/v1/messages", "/anthropic/v1/nothing", "/mcp/"}):
        for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
            answer = client.open(path, method=method, buffered=True)
            if answer.status_code == 401:
                seen += 1
                assert answer.headers.getlist("WWW-Authenticate") == ["Bearer"], (method, path)
            else:
                assert "WWW-Authenticate" not in answer.headers, (method, path)

    assert seen > 30


@pytest.mark.parametrize("era", ["2026-07-28", "2025-06-18"])
@pytest.mark.parametrize("key", [None, "wrong"])
def test_an_agent_without_a_key_is_told_how_to_authenticate_too(make_app: MakeApp, key: str | None, era: str) -> None:
    answer = client_of(make_app(KINDS), key).post(
        "/mcp",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        headers={"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era},
    )

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (json_of(answer)["jsonrpc"], json_of(answer)["id"]) == ("2.0", None)
