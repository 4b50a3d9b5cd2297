"""An argument that is null, an empty text or an empty list was left out: on every route and in every tool."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api.openapi.document import describe
from tests.conftest import json_of
from tests.http.kinds import KINDS
from tests.http.test_mcp import ERAS, TOOLS, call, tools

# What clients and agents fill in for what they do not use.
EMPTY: list[Any] = [None, "", []]
EMPTY_LISTS: list[Any] = [[""], [None], [None, ""]]
EMPTY_QUERIES = ["{}=", "{}", "{}=&{}=", "{}[]=", "{}[0]=&{}[1]=", "{}=,"]
# A comma in what is no list is a value.
SINGLE = {
    "limit",
    "after",
    "after_id",
    "before_id",
    "view",
    "query",
    "streaming",
    "sort",
    "min_input_tokens",
    "min_output_tokens",
}


@pytest.fixture
def app(make_app: Any) -> Flask:
    app: Flask = make_app(KINDS)
    return app


def query_arguments(app: Flask) -> Iterator[tuple[str, str]]:
    """Every path and name of an argument in a query string, as the service describes itself."""
    for path, item in describe(app)["paths"].items():
        for parameter in item.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query":
                yield path.replace("{model_id}", "maker.both"), parameter["name"]


def test_every_argument_of_every_route_may_be_empty(app: Flask, client: FlaskClient) -> None:
    seen = list(query_arguments(app))
    for path, name in seen:
        plain = client.get(path).data
        bare = name.removesuffix("[]")
        for form in EMPTY_QUERIES:
            if "," in form and name in SINGLE:
                continue
            query = form.replace("{}", bare)
            answer = client.get(f"{path}?{query}")
            assert (answer.status_code, answer.data) == (200, plain), (path, query)

    assert {name for _, name in seen} >= {"limit", "after_id", "before_id", "lifecycle[]", "view", "region", "within"}
    assert {name for path, name in seen if path == "/v1/models"} == {"view", "region", "within"}
    assert len(seen) == 7 + 3 + 15 + 5 + 4


def test_all_arguments_may_be_empty_at_once(app: Flask, client: FlaskClient) -> None:
    for path in {path for path, _ in query_arguments(app)}:
        query = "&".join(f"{name}=" for it, name in query_arguments(app) if it == path)

        assert client.get(f"{path}?{query}").data == client.get(path).data, path


@pytest.mark.parametrize("path", ["/anthropic/v1/models", "/v1/models", "/search_models"])
def test_an_empty_word_in_a_list_is_none(client: FlaskClient, path: str) -> None:
    assert json_of(client.get(f"{path}?region=,eu-west-1,&region=")) == json_of(client.get(f"{path}?region=eu-west-1"))


def test_a_blank_is_as_empty_as_no_text(app: Flask, client: FlaskClient) -> None:
    for path, name in query_arguments(app):
        assert client.get(f"{path}?{name}=%20").data == client.get(path).data, (path, name)
    for name in ("search_models", "anthropic_model_list"):
        plain = call(client, name, {})
        for argument in tools(client)[name]["inputSchema"]["properties"]:
            assert call(client, name, {argument: " "}) == plain, (name, argument)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", TOOLS)
def test_every_optional_argument_of_every_tool_may_be_empty(client: FlaskClient, name: str, era: str) -> None:
    schema = tools(client)[name]["inputSchema"]
    required = dict.fromkeys(schema.get("required", ()), "maker.both")
    plain = call(client, name, required, era=era)
    assert plain["isError"] is False
    for argument in schema["properties"].keys() - required.keys():
        is_list = "anyOf" in schema["properties"][argument]
        for empty in EMPTY + EMPTY_LISTS * is_list:
            assert call(client, name, required | {argument: empty}, era=era) == plain, (argument, empty)


def test_every_optional_argument_of_a_tool_may_be_empty_at_once(client: FlaskClient) -> None:
    for name in TOOLS:
        schema = tools(client)[name]["inputSchema"]
        required = dict.fromkeys(schema.get("required", ()), "maker.both")
        optional = schema["properties"].keys() - required.keys()
        plain = call(client, name, required)
        for empty in EMPTY:
            assert call(client, name, dict.fromkeys(optional, empty) | required) == plain, (name, empty)


def test_the_tools_have_the_arguments_that_are_tried_here(client: FlaskClient) -> None:
    optional = {
        name: set(tool["inputSchema"]["properties"]) - set(tool["inputSchema"].get("required", ()))
        for name, tool in tools(client).items()
    }

    assert optional == {
        "search_models": {
            *("query", "provider", "input_modalities", "output_modalities", "streaming", "lifecycle"),
            *("min_input_tokens", "min_output_tokens", "capability", "sort"),
            *("view", "region", "within", "limit", "after_id", "detail"),
        },
        "anthropic_model_list": {
            *("limit", "after_id", "before_id", "lifecycle", "view", "region", "within", "detail"),
        },
        "anthropic_model_get": set(),
        "model_changes": {"since_days", "within_days", "model", "region", "limit"},
    }


@pytest.mark.parametrize("empty", [None, "", "  ", [], {}])
def test_an_argument_that_is_required_may_not_be_empty(client: FlaskClient, empty: object) -> None:
    result = call(client, "anthropic_model_get", {"model_id": empty})

    assert result["isError"] is True
    assert "model_id: " in result["content"][0]["text"] or "not_found_error" in result["content"][0]["text"]


@pytest.mark.parametrize("value", [0, False, {}, [[]], ["us-east-1", {}]])
def test_a_value_of_the_wrong_type_is_not_an_empty_one(client: FlaskClient, value: object) -> None:
    result = call(client, "search_models", {"region": value})

    assert result["isError"] is True
    assert "region" in result["content"][0]["text"]


def test_false_and_zero_are_values(client: FlaskClient) -> None:
    assert "limit: " in call(client, "search_models", {"limit": 0})["content"][0]["text"]
    everything = call(client, "search_models", {})["structuredContent"]["total"]
    assert call(client, "search_models", {"streaming": False})["structuredContent"]["total"] < everything
    assert client.get("/search_models?limit=0").status_code == 400
