"""Model search over HTTP."""

import pytest
from flask.testing import FlaskClient

from app.catalog.records import INFERENCE_PROFILE
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import day, listing, model, profile, snapshot

WORLD = snapshot(
    listing(
        "us-east-1",
        model("anthropic.claude-haiku-4-5", name="Claude Haiku 4.5", provider="Anthropic", response_streaming=True),
        model(
            "amazon.nova-lite",
            name="Nova Lite",
            provider="Amazon",
            input_modalities=("TEXT", "IMAGE", "VIDEO"),
            response_streaming=True,
        ),
        model("amazon.nova-canvas", name="Nova Canvas", provider="Amazon", output_modalities=("IMAGE",)),
        model("amazon.titan-old", provider="Amazon", lifecycle_status="LEGACY", end_of_life_at=day(1)),
        model("bought.ahead", provider="Nobody", inference_types=("PROVISIONED",)),
    ),
    listing(
        "eu-west-1",
        model("amazon.nova-lite", inference_types=(INFERENCE_PROFILE,)),
        model("cohere.embed", provider="Cohere", output_modalities=("EMBEDDING",), lifecycle_status="LEGACY"),
        profile("eu.amazon.nova-lite", "amazon.nova-lite"),
    ),
)


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(WORLD))


def test_a_found_model_says_all_that_calling_it_takes(client: FlaskClient) -> None:
    body = json_of(client.get("/search_models?query=nova%20lite"))

    assert body == {
        "data": [
            {
                "id": "amazon.nova-lite",
                "name": "Nova Lite",
                "kind": "model",
                "provider": "Amazon",
                "regions": ["eu-west-1", "us-east-1"],
                "on_demand_regions": ["us-east-1"],
                "invoke": {"eu-west-1": "eu.amazon.nova-lite", "us-east-1": "amazon.nova-lite"},
                "input_modalities": ["TEXT", "IMAGE", "VIDEO"],
                "output_modalities": ["TEXT"],
                "streaming": True,
                "lifecycle": "active",
                "created_at": "2026-01-01T00:00:00Z",
                "deprecated_at": None,
                "retires_at": None,
                "inference_profiles": {"eu.amazon.nova-lite": ["eu-west-1"]},
                "line": None,
                "max_input_tokens": None,
                "max_tokens": None,
                "capabilities": None,
                "card": None,
                "aliases": [],
            }
        ],
        "total": 1,
        "has_more": False,
        "first_id": "amazon.nova-lite",
        "last_id": "amazon.nova-lite",
    }


@pytest.mark.parametrize(
    "query",
    [
        "input_modalities=TEXT&input_modalities=IMAGE",
        "input_modalities%5B%5D=text&input_modalities%5B%5D=image",
        "input_modalities=text,image",
        "input_modalities=text&input_modalities[]=image&streaming=TRUE&lifecycle=ACTIVE&region=us-east-1&beta=true",
    ],
)
def test_a_query_string_writes_a_list_in_any_of_the_usual_ways(client: FlaskClient, query: str) -> None:
    body = json_of(client.get(f"/search_models?{query}"))

    assert [model["id"] for model in body["data"]] == ["amazon.nova-lite"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("provider=acme", "provider: Input should be 'Amazon', 'Anthropic' or 'Cohere'"),
        ("streaming=maybe", "streaming: Input should be 'true' or 'false'"),
        ("limit=1001", "limit: Input should be less than or equal to 1000"),
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("after_id=never", "after_id: No model with the id 'never' was listed"),
    ],
)
def test_a_bad_query_is_a_400_in_the_anthropic_envelope(client: FlaskClient, query: str, message: str) -> None:
    response = client.get(f"/search_models?{query}")

    assert response.status_code == 400
    assert json_of(response)["error"] == {"type": "invalid_request_error", "message": message}


def test_a_catalog_with_nothing_callable_says_so(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model("a", inference_types=())))))

    assert json_of(client.get("/search_models"))["total"] == 0
    assert json_of(client.get("/search_models?provider=x"))["error"]["message"] == (
        "provider: No model in this catalog has one"
    )


def test_search_asks_for_a_key(make_app: MakeApp) -> None:
    response = client_of(make_app(WORLD), key=None).get("/search_models")

    assert response.status_code == 401


def test_search_answers_503_until_there_is_a_catalog(make_app: MakeApp) -> None:
    response = client_of(make_app()).get("/search_models")

    assert (response.status_code, json_of(response)["error"]["type"]) == (503, "overloaded_error")
