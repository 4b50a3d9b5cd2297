"""What a request may cost is bounded: each text, list and message has a length."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import listing, model, snapshot

IDS = ("a", "/lead", "//two", "new\nline", "end\n", "t/", "c/d", "\u00e9")


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(snapshot(listing("us-east-1", *(model(name) for name in IDS)))))


def text_of(most: int) -> str:
    return f"String should have at most {most} characters"


OVER_A_LENGTH = [
    ("search_models", {"query": "a" * 257}, "query", text_of(256)),
    ("search_models", {"after_id": "a" * 2049}, "after_id", text_of(2048)),
    ("search_models", {"provider": ["a" * 201]}, "provider.0", text_of(200)),
    ("search_models", {"region": "a" * 201}, "region.0", text_of(200)),
    *(
        ("search_models", {name: ["a"] * 33}, name, "List should have at most 32 items after validation, not 33")
        for name in ("provider", "input_modalities", "output_modalities", "region", "lifecycle")
    ),
    ("anthropic_model_list", {"before_id": "a" * 2049}, "before_id", text_of(2048)),
    ("anthropic_model_list", {"region": ["a" * 201]}, "region.0", text_of(200)),
    ("anthropic_model_list", {"region": ["a"] * 33}, "region", "List should have at most 32 items"),
    ("anthropic_model_get", {"model_id": "a" * 2049}, "model_id", text_of(2048)),
]
ROUTES = {"search_models": "/search_models", "anthropic_model_list": "/anthropic/v1/models"}


@pytest.mark.parametrize(("tool", "arguments", "field", "reason"), OVER_A_LENGTH)
def test_a_tool_refuses_what_is_longer(
    client: FlaskClient, tool: str, arguments: dict[str, Any], field: str, reason: str
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    result = json_of(client.post("/mcp", json=call, headers={"Accept": "application/json, text/event-stream"}))[
        "result"
    ]

    assert result["isError"]
    assert f"{field}: {reason}" in result["content"][0]["text"]


@pytest.mark.parametrize(("tool", "arguments", "field", "reason"), [row for row in OVER_A_LENGTH if row[0] in ROUTES])
def test_a_route_refuses_what_is_longer(
    client: FlaskClient, tool: str, arguments: dict[str, Any], field: str, reason: str
) -> None:
    answer = client.get(ROUTES[tool], query_string=arguments)

    assert answer.status_code == 400
    assert json_of(answer)["error"]["message"].startswith(f"{field}: {reason}")


@pytest.mark.parametrize("prefix", ["/anthropic/v1/models", "/v1/models"])
def test_a_longer_id_in_a_path_is_refused(client: FlaskClient, prefix: str) -> None:
    statuses = [client.get(f"{prefix}/{'a' * length}").status_code for length in (2048, 2049)]

    assert statuses == [404, 400]


@pytest.mark.parametrize("prefix", ["/anthropic/v1/models", "/v1/models"])
def test_every_id_that_is_listed_can_be_retrieved(client: FlaskClient, prefix: str) -> None:
    listed = [row["id"] for row in json_of(client.get(f"{prefix}?limit=100"))["data"]]
    found = {name: json_of(client.get("/", environ_overrides={"PATH_INFO": path_of(prefix, name)})) for name in listed}

    assert sorted(listed) == sorted(IDS)
    assert {name: row.get("id") for name, row in found.items()} == {name: name for name in IDS}


def path_of(prefix: str, name: str) -> str:
    """As WSGI has it: the bytes of the path, without escapes, as Latin-1."""
    return f"{prefix}/{name}".encode().decode("latin-1")


def test_a_message_of_64_kib_is_taken_and_a_longer_one_is_not(client: FlaskClient) -> None:
    ping = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    sizes = (65_536, 65_537)
    answers = [client.post("/mcp", data=ping.ljust(size), content_type="application/json") for size in sizes]

    assert [answer.status_code for answer in answers] == [200, 413]
