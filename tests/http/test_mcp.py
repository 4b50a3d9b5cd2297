"""MCP at the level of HTTP: both eras of the protocol, the tools, and what goes wrong in many servers."""

import json
import re
import subprocess
import sys
from io import BytesIO
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import __version__
from app.api import queries
from app.api.mcp.views import MAX_MESSAGE_BYTES
from app.catalog.records import INFERENCE_PROFILE
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import day, listing, model, numbered, profile, snapshot
from tests.support.servers import PROJECT

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ERAS = (MODERN, LEGACY)
TOOLS = ("search_models", "anthropic_model_list", "anthropic_model_get", "model_changes")
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}

WORLD = snapshot(
    listing(
        "us-east-1",
        model(
            "a",
            name="Älpha",
            provider="Anthropic",
            inference_types=(INFERENCE_PROFILE,),
            response_streaming=False,
        ),
        model("b", lifecycle_status="LEGACY", legacy_at=day(3)),
        profile("us.a", "a"),
    )
)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(WORLD)


def ask(
    client: FlaskClient,
    method: str,
    params: dict[str, Any] | None = None,
    *,
    era: str = LEGACY,
    path: str = "/mcp",
    headers: dict[str, str] | None = None,
) -> TestResponse:
    """One request, as a client of the era sends it."""
    sent = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era}
    if era == MODERN:
        sent["Mcp-Method"] = method
        if params and "name" in params:
            sent["Mcp-Name"] = params["name"]
        params = (params or {}) | {"_meta": META}
    message = {"jsonrpc": "2.0", "id": 7, "method": method} | ({} if params is None else {"params": params})
    return client.post(path, json=message, headers=sent | (headers or {}))


def call(client: FlaskClient, name: str, arguments: Any, *, era: str = LEGACY) -> dict[str, Any]:
    """A tool's result."""
    response = ask(client, "tools/call", {"name": name, "arguments": arguments}, era=era)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = json_of(response)["result"]
    return result


def post(client: FlaskClient, body: str | bytes, **headers: str) -> TestResponse:
    return client.post("/mcp", data=body, content_type="application/json", headers=headers)


def tools(client: FlaskClient, era: str = LEGACY) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool for tool in json_of(ask(client, "tools/list", era=era))["result"]["tools"]}


def test_the_handshake_names_the_server_and_opens_no_session(client: FlaskClient) -> None:
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    response = ask(client, "initialize", params, era="2025-06-18")

    result = json_of(response)["result"]
    assert (result["protocolVersion"], result["serverInfo"]["version"]) == ("2025-06-18", __version__)
    assert list(result["capabilities"]) == ["tools"]
    assert "mcp-session-id" not in response.headers


def test_discovery_names_the_version_without_a_handshake(client: FlaskClient) -> None:
    result = json_of(ask(client, "server/discover", era=MODERN))["result"]

    assert (result["supportedVersions"], list(result["capabilities"])) == ([MODERN], ["tools"])


def test_the_version_is_the_projects() -> None:
    assert f'version = "{__version__}"' in (PROJECT / "pyproject.toml").read_text()


def test_both_spellings_of_the_path_answer_without_a_redirect(client: FlaskClient) -> None:
    assert [ask(client, "ping", path=path).status_code for path in ("/mcp", "/mcp/")] == [200, 200]


def test_a_notification_is_202_without_a_body(client: FlaskClient) -> None:
    response = post(client, '{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    assert (response.status_code, response.data) == (202, b"")
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD", "PUT", "OPTIONS"])
def test_any_method_but_post_is_405(client: FlaskClient, method: str) -> None:
    response = client.open("/mcp", method=method, headers={"Accept": "text/event-stream"})

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("era", ERAS)
def test_the_tools_are_listed(client: FlaskClient, era: str) -> None:
    assert tuple(tools(client, era)) == TOOLS


def test_what_a_client_may_keep_of_the_tools_is_told(client: FlaskClient) -> None:
    result = json_of(ask(client, "tools/list", era=MODERN))["result"]

    assert (result["ttlMs"] > 0, result["cacheScope"]) == (True, "public")


def objects_of(schema: Any) -> list[dict[str, Any]]:
    """Every object in a JSON Schema whose properties are named."""
    found = [schema] if isinstance(schema, dict) and "properties" in schema else []
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return found + [inner for part in parts for inner in objects_of(part)]


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("which", ["inputSchema", "outputSchema"])
def test_a_schema_stands_alone_and_is_closed(client: FlaskClient, name: str, which: str) -> None:
    schema = tools(client)[name][which]
    jsonschema.Draft202012Validator.check_schema(schema)

    assert "$ref" not in json.dumps(schema)
    assert all(part["additionalProperties"] is False for part in objects_of(schema))
    # What model providers allow in the name of a tool's argument.
    assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", argument) for argument in schema["properties"])


@pytest.mark.parametrize("name", TOOLS)
def test_an_answer_is_told_to_have_every_key_and_each_a_type_that_any_provider_reads(
    client: FlaskClient, name: str
) -> None:
    schema = tools(client)[name]["outputSchema"]

    for part in objects_of(schema):
        assert set(part["properties"]) - set(part["required"]) <= SOMETIMES
    assert '"type": [' not in json.dumps(schema) and "x-sometimes" not in json.dumps(schema)


def test_the_list_takes_the_arguments_of_its_route(client: FlaskClient) -> None:
    schema = tools(client)["anthropic_model_list"]["inputSchema"]

    assert set(schema["properties"]) == {
        *("limit", "after_id", "before_id", "lifecycle", "view", "region", "within", "detail"),
    }
    assert {name: schema["properties"]["limit"][name] for name in ("type", "minimum", "maximum", "default")} == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 20,
    }


def test_the_page_size_that_is_configured_is_told(make_app: MakeApp) -> None:
    described = tools(client_of(make_app(WORLD, default_limit=5)))

    for name in ("anthropic_model_list", "search_models"):
        assert described[name]["inputSchema"]["properties"]["limit"]["default"] == 5


# The keys that not every entry has.
SOMETIMES = {
    "inference_profiles",
    "model_id",
    "geography",
    "destinations",
    "retires_at",
    "alias_of",
    "projects",
    "max_input_tokens",
    "mantle",
    "endpoints",
    "data_retention",
    "base_model_id",
    "status",
    "updated_at",
    "commitment_ends_at",
}

CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("anthropic_model_list", {}, "/anthropic/v1/models"),
    ("anthropic_model_list", {"limit": 1}, "/anthropic/v1/models?limit=1"),
    ("anthropic_model_list", {"limit": 1.0}, "/anthropic/v1/models?limit=1"),
    ("anthropic_model_list", {"after_id": "a"}, "/anthropic/v1/models?after_id=a"),
    ("anthropic_model_list", {"lifecycle": ["deprecated"]}, "/anthropic/v1/models?lifecycle[]=deprecated"),
    ("anthropic_model_list", {"lifecycle": "retired"}, "/anthropic/v1/models?lifecycle[]=retired"),
    ("anthropic_model_list", {"region": ["us-east-1"]}, "/anthropic/v1/models?region=us-east-1"),
    ("anthropic_model_get", {"model_id": "b"}, "/anthropic/v1/models/b"),
    ("anthropic_model_get", {"model_id": "us.a"}, "/anthropic/v1/models/us.a"),
    ("search_models", {}, "/search_models"),
    ("search_models", {"provider": "anthropic", "streaming": False}, "/search_models?provider=anthropic"),
    ("search_models", {"query": "älpha", "input_modalities": ["text"]}, "/search_models?query=%C3%84LPHA"),
]


@pytest.mark.parametrize("extensions", [True, False])
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("name", "arguments", "path"), CALLS)
def test_a_tool_answers_as_its_route_does(
    make_app: MakeApp, name: str, arguments: dict[str, Any], path: str, era: str, extensions: bool
) -> None:
    client = client_of(make_app(WORLD, extensions=extensions))
    detail = {} if name == "anthropic_model_get" else {"detail": "full"}
    result = call(client, name, arguments | detail, era=era)

    structured = result["structuredContent"]
    assert structured == json_of(client.get(path)) == json.loads(result["content"][0]["text"])
    assert result["isError"] is False
    jsonschema.validate(structured, tools(client)[name]["outputSchema"])


BIG = snapshot(
    *(
        listing(
            region,
            *(
                model(f"maker.model-{number}-20260101-v1:0", name=f"Maker Model {number} Sonnet", provider="Maker")
                for number in range(30)
            ),
            *(
                profile(f"{geography}.maker.model-{number}-20260101-v1:0", f"maker.model-{number}-20260101-v1:0")
                for number in range(30)
                for geography in ("eu", "global", "us")
            ),
        )
        for region in (f"eu-west-{place}" for place in range(1, 19))
    )
)


@pytest.mark.parametrize("name", ["search_models", "anthropic_model_list"])
@pytest.mark.parametrize("view", ["models", "profiles", "all"])
def test_a_list_for_agents_is_short_unless_all_is_wanted(make_app: MakeApp, name: str, view: str) -> None:
    client = client_of(make_app(BIG))

    short = call(client, name, {"limit": 20, "view": view}, era=ERAS[0])
    full = call(client, name, {"limit": 20, "view": view, "detail": "full"}, era=ERAS[0])

    schema = tools(client)[name]["outputSchema"]
    assert len(short["content"][0]["text"].encode()) < 6_000
    for result in (short, full):
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        jsonschema.validate(result["structuredContent"], schema)
    assert [it["id"] for it in short["structuredContent"]["data"]] == [
        it["id"] for it in full["structuredContent"]["data"]
    ]


def test_a_short_entry_says_where_and_by_which_profiles(client: FlaskClient) -> None:
    [entry] = call(client, "anthropic_model_list", {"limit": 1}, era=ERAS[0])["structuredContent"]["data"]

    assert entry == {
        "id": "a",
        "display_name": "Älpha",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "regions": {"count": 1, "groups": ["us"]},
        "profiles": ["us"],
    }


ARGUMENTS = [
    *(("anthropic_model_list", name) for name in ("limit", "after_id", "before_id", "lifecycle", "detail")),
    *(("anthropic_model_list", name) for name in ("view", "region", "within")),
    *(("search_models", name) for name in ("query", "provider", "input_modalities", "output_modalities", "streaming")),
    *(("search_models", name) for name in ("lifecycle", "limit", "after_id", "view", "region", "within", "detail")),
    *(("model_changes", name) for name in ("since_days", "within_days", "model", "region", "limit")),
]


@pytest.mark.parametrize("empty", [None, "", []])
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_an_empty_argument_is_one_that_was_left_out(
    client: FlaskClient, name: str, argument: str, empty: object
) -> None:
    assert call(client, name, {argument: empty}, era=ERAS[0]) == call(client, name, {}, era=ERAS[0])


@pytest.mark.parametrize("era", ERAS)
def test_nulls_stay_in_the_structured_content(client: FlaskClient, era: str) -> None:
    found = call(client, "anthropic_model_list", {"detail": "full"}, era=era)["structuredContent"]["data"][0]

    assert (found["capabilities"], found["retires_at"]) == (None, None)


ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("anthropic_model_list", {"limit": 0}, "limit: Input should be greater than or equal to 1"),
    (
        "anthropic_model_list",
        {"limit": 2.5},
        "limit: Input should be a valid integer, got a number with a fractional part",
    ),
    ("anthropic_model_list", {"limit": True}, "limit: Input should be a valid integer"),
    ("anthropic_model_list", {"limit": "1_0"}, "limit: Input should be a valid integer, unable to parse string"),
    ("anthropic_model_list", {"detail": "long"}, "detail: Input should be 'short' or 'full'"),
    ("anthropic_model_list", {"limit": [1]}, "limit: Input should be a valid integer"),
    ("anthropic_model_list", {"lifecycle": ["new"]}, "lifecycle: Input should be 'active', 'deprecated' or 'retired'"),
    ("anthropic_model_list", {"lifecycle[]": ["active"]}, "lifecycle[]: Extra inputs are not permitted"),
    ("anthropic_model_list", {"region": "mars-1"}, "region: Input should be 'us-east-1'"),
    ("anthropic_model_list", {"region": {"a": 1}}, "region: Input should be a list of strings"),
    ("anthropic_model_list", {"after_id": "x"}, "after_id: No model with the id 'x' was listed"),
    ("anthropic_model_list", {"after_id": "a", "before_id": "b"}, "before_id: Only one of"),
    ("anthropic_model_list", {"page": 2}, "page: Extra inputs are not permitted"),
    ("anthropic_model_get", {}, "model_id: Field required"),
    ("anthropic_model_get", {"model_id": 5}, "model_id: Input should be a valid string"),
    ("anthropic_model_get", {"model_id": "none"}, "not_found_error: model: none"),
    ("search_models", {"provider": ["acme"]}, "provider: Input should be 'Anthropic'"),
    ("search_models", {"provider": ["acme", 5]}, "provider.1: Input should be a valid string"),
    ("search_models", {"streaming": "maybe"}, "streaming: Input should be 'true' or 'false'"),
    ("search_models", {"limit": 1001}, "limit: Input should be less than or equal to 1000"),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("name", "arguments", "message"), ERRORS)
def test_what_the_caller_can_mend_is_a_result_that_names_the_field(
    client: FlaskClient, name: str, arguments: dict[str, Any], message: str, era: str
) -> None:
    result = call(client, name, arguments, era=era)

    assert result["isError"] is True
    assert message in result["content"][0]["text"]
    assert "structuredContent" not in result


@pytest.mark.parametrize("era", ERAS)
def test_no_arguments_at_all_are_none(client: FlaskClient, era: str) -> None:
    assert call(client, "anthropic_model_list", None, era=era)["structuredContent"]["has_more"] is False


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ("anthropic_model_list", "lifecycle"),
        ("anthropic_model_list", "region"),
        ("search_models", "lifecycle"),
        ("search_models", "region"),
        ("search_models", "provider"),
        ("search_models", "input_modalities"),
    ],
)
def test_an_empty_list_is_no_filter(make_app: MakeApp, tool: str, name: str) -> None:
    retired = model("old", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=day(2))
    client = client_of(make_app(snapshot(listing("us-east-1", model("a"), retired))))
    found = call(client, tool, {name: []})["structuredContent"]["data"]

    assert [row["id"] for row in found] == ["a"]


def test_a_catalog_that_is_not_there_yet_is_something_to_try_again(make_app: MakeApp) -> None:
    result = call(client_of(make_app()), "search_models", {})

    assert result["isError"] is True
    assert "try again" in result["content"][0]["text"]


@pytest.mark.parametrize(("era", "status"), [(MODERN, 400), (LEGACY, 200)])
def test_an_unknown_tool_is_bad_parameters(client: FlaskClient, era: str, status: int) -> None:
    response = ask(client, "tools/call", {"name": "nope", "arguments": {}}, era=era)

    assert (response.status_code, json_of(response)["id"]) == (status, 7)
    assert json_of(response)["error"] == {"code": -32602, "message": "Unknown tool: nope"}


@pytest.mark.parametrize("era", ERAS)
def test_a_crash_is_told_without_its_reason(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], era: str
) -> None:
    def crash(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(queries, "get_model", crash)
    response = ask(client, "tools/call", {"name": "anthropic_model_get", "arguments": {"model_id": "a"}}, era=era)

    assert (json_of(response)["id"], json_of(response)["error"]) == (
        7,
        {"code": -32603, "message": "Internal server error"},
    )
    assert "secret" not in response.text
    assert "secret" in capsys.readouterr().err


BAD_BODIES = [
    ('{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
    ('{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600),
    ('{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
    ('{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
    ('{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
    ('[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
    ("[]", -32600),
    ('"ping"', -32600),
    ("null", -32600),
    ("", -32700),
    ("{", -32700),
    ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": NaN}}', -32700),
    ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": Infinity}}', -32700),
    ('{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}', -32700),
    ('{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "\\udfff"}}', -32700),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}', -32700),
    ("[" * 60_000, -32700),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("body", "code"), BAD_BODIES)
def test_what_is_no_message_is_refused_with_an_empty_id(
    client: FlaskClient, body: str | bytes, code: int, era: str
) -> None:
    response = post(client, body, **{"MCP-Protocol-Version": era})

    assert response.status_code == 400
    assert (json_of(response)["id"], json_of(response)["error"]["code"]) == (None, code)


@pytest.mark.parametrize("number", ["1e999", "1e300", "9" * 5000])
def test_a_number_of_any_size_is_only_a_bad_limit(client: FlaskClient, number: str) -> None:
    message = (
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": '
        '{"name": "anthropic_model_list", "arguments": {"limit": NUMBER}}}'
    )
    response = post(client, message.replace("NUMBER", number))

    assert json_of(response)["id"] is None or json_of(response)["result"]["isError"] is True


@pytest.mark.parametrize("name", ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"])
def test_a_header_that_a_proxy_joined_from_two_is_refused(client: FlaskClient, name: str) -> None:
    value = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "search_models"}[name]
    params = {"name": "search_models", "arguments": {}}
    response = ask(client, "tools/call", params, era=MODERN, headers={name: f"{value}, {value}"})

    assert (response.status_code, json_of(response)["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Accept": "text/html"}, 406), ({"Content-Type": "text/plain"}, 400), ({"Origin": "https://evil.example"}, 403)],
)
@pytest.mark.parametrize("era", ERAS)
def test_what_is_refused_by_its_headers_is_told_in_json_rpc(
    client: FlaskClient, headers: dict[str, str], status: int, era: str
) -> None:
    response = ask(client, "tools/list", era=era, headers=headers)

    assert (response.status_code, response.content_type) == (status, "application/json")
    assert (json_of(response)["jsonrpc"], json_of(response)["id"]) == ("2.0", None)
    assert json_of(response)["error"]["message"]


def test_who_does_not_say_what_it_accepts_is_answered(client: FlaskClient) -> None:
    assert post(client, '{"jsonrpc": "2.0", "id": 1, "method": "ping"}').status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:6274", 200),
        ("http://127.0.0.1", 200),
        ("https://[::1]:8000", 200),
        ("https://Tools.Example", 200),
        ("https://tools.example:444", 403),
        ("http://tools.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost:8000.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_may_call_from_here_or_from_where_the_operator_says(make_app: MakeApp, origin: str, status: int) -> None:
    client = client_of(make_app(WORLD, cors_origins=("https://tools.example",)))

    assert ask(client, "ping", headers={"Origin": origin}).status_code == status


def test_any_page_may_call_where_the_operator_lets_every_origin_ask(make_app: MakeApp) -> None:
    client = client_of(make_app(WORLD, cors_origins=("*",)))

    assert ask(client, "ping", headers={"Origin": "https://any.example"}).status_code == 200


@pytest.mark.parametrize(("key", "message"), [(None, "x-api-key header is required"), ("wrong", "invalid x-api-key")])
@pytest.mark.parametrize("era", ERAS)
def test_a_refusal_without_a_key_is_told_in_json_rpc(app: Flask, key: str | None, message: str, era: str) -> None:
    response = ask(client_of(app, key=key), "tools/list", era=era)

    assert (response.status_code, json_of(response)["id"], json_of(response)["error"]["message"]) == (
        401,
        None,
        message,
    )


def test_a_bearer_key_opens(app: Flask) -> None:
    response = ask(client_of(app, key=None), "ping", headers={"Authorization": "bearer test-key"})

    assert response.status_code == 200


def test_a_body_too_large_is_told_in_json_rpc(client: FlaskClient) -> None:
    response = post(client, b" " * (2 << 20))

    assert (response.status_code, json_of(response)["id"]) == (413, None)


@pytest.mark.parametrize(("padding", "status"), [(1000, 200), (MAX_MESSAGE_BYTES, 413)])
def test_a_body_without_a_content_length_is_read_whole_or_refused(
    client: FlaskClient, padding: int, status: int
) -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}' + b" " * padding
    response = client.post(
        "/mcp",
        input_stream=BytesIO(body),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert (response.status_code, json_of(response)["jsonrpc"]) == (status, "2.0")


def test_every_answer_carries_its_request_id(client: FlaskClient) -> None:
    response = post(client, "[]")

    assert json_of(response)["error"]["data"]["request_id"] == response.headers["request-id"]
    assert ask(client, "ping").headers["request-id"].startswith("req_")


def test_pages_through_the_tool_hold_every_model_once(make_app: MakeApp) -> None:
    client = client_of(make_app(numbered(7)))
    seen: list[str] = []
    arguments: dict[str, Any] = {"limit": 3}
    while True:
        page = call(client, "anthropic_model_list", arguments)["structuredContent"]
        seen += [model["id"] for model in page["data"]]
        if not page["has_more"]:
            break
        arguments["after_id"] = page["last_id"]

    assert seen == [f"m{place}" for place in range(7)]


def test_without_mcp_its_path_is_none_and_the_sdk_is_not_imported() -> None:
    script = (
        "import sys, tempfile, pathlib; from app import create_app; from config import Settings; "
        "app = create_app(Settings(api_keys=('k',), mcp_enabled=False)); "
        "answer = app.test_client().post('/mcp', headers={'x-api-key': 'k'}); "
        "print(answer.status_code, [name for name in ('mcp', 'pydantic', 'apispec') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "404 []"
