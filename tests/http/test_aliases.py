"""Aliases over HTTP and as tools: retrieved, listed, and gone."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.catalog.codec import encode_state
from app.refresh.file_store import file_store
from app.services import services_of
from tests.conftest import MakeApp, client_of, json_of
from tests.http.test_scopes import call
from tests.support.builders import listing, model, snapshot

FILE = """
[scopes.a]
keys = ["team-a"]
models = ["a.*", "gone"]

[aliases]
latest = "a.*"
gone = "b.model"
ours = "arn:aws:bedrock:us-east-1:112233445566:provisioned-model/x"
hidden = { target = "a.model", listed = false }
named = { target = "a.model", display_name = "Ours" }
"""


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Flask:
    file = tmp_path / "operator.toml"
    file.write_text(FILE)
    whole = snapshot(listing("us-east-1", model("a.model")))
    return make_app(whole, api_keys=("team-a:secret-a", "all:secret-o"), operator_file=str(file))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app, "secret-o")


@pytest.mark.parametrize("path", ["/anthropic/v1/models/", "/v1/models/"])
@pytest.mark.parametrize("name", ["latest", "hidden", "named"])
def test_an_alias_is_retrieved_as_its_target(client: FlaskClient, path: str, name: str) -> None:
    assert json_of(client.get(path + name))["id"] == "a.model"


@pytest.mark.parametrize("path", ["/anthropic/v1/models", "/v1/models", "/search_models"])
def test_lists_have_the_aliases_that_are_listed(client: FlaskClient, path: str) -> None:
    assert [entry["id"] for entry in json_of(client.get(path))["data"]] == ["a.model", "latest", "named"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/anthropic/v1/models/gone", "model: gone is an alias of b.model, which is not there"),
        ("/v1/models/gone", "The model `gone` is an alias of `b.model`, which does not exist"),
        ("/anthropic/v1/models/ours", "model: ours is an alias of an ARN, which is not there"),
        ("/v1/models/ours", "The model `ours` is an alias of an ARN, which does not exist"),
    ],
)
def test_an_alias_whose_target_is_gone_is_a_404_that_names_both(client: FlaskClient, path: str, message: str) -> None:
    response = client.get(path)

    assert (response.status_code, json_of(response)["error"]["message"]) == (404, message)


def test_a_tool_names_an_alias_and_its_target_that_is_gone(client: FlaskClient) -> None:
    result: Any = call(client, "anthropic_model_get", model_id="gone")

    assert result["isError"]
    assert "gone is an alias of b.model" in result["content"][0]["text"]


def test_an_alias_is_a_cursor(client: FlaskClient) -> None:
    page = json_of(client.get("/anthropic/v1/models?after_id=latest"))

    assert [entry["id"] for entry in page["data"]] == ["named"]


def test_readiness_and_the_metrics_count_aliases_without_a_target(app: Flask, client: FlaskClient) -> None:
    ready = client_of(app, None).get("/readyz")

    assert (json_of(ready)["aliases_gone"], json_of(ready)["aliases_ambiguous"]) == (2, 0)
    assert "b.model" not in ready.text
    assert "model_catalog_aliases_gone 2.0" in client.get("/metrics").text


def test_a_target_that_another_worker_has_listed_is_found(app: Flask, client: FlaskClient) -> None:
    services = services_of(app)
    listed = listing("us-east-1", model("a.model"), model("b.model"))
    newer = snapshot(listed, configured_regions=("us-east-1",))
    store = file_store(services.settings)
    with store.lease() as lease:
        store.save(encode_state(newer.state), lease)

    assert json_of(client.get("/v1/models/gone"))["id"] == "b.model"
