"""Model search: which models each filter finds, and the same over HTTP."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.catalog.paging import UnknownCursor
from app.catalog.records import INFERENCE_PROFILE, CatalogSnapshot
from app.catalog.search import ModelFilter, search
from app.catalog.selection import UnknownValue
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import day, listing, model, numbered, profile, snapshot

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


def ids(snapshot: CatalogSnapshot = WORLD, **wanted: Any) -> set[str]:
    return {found.id for found in search(snapshot, ModelFilter(**wanted), limit=100).page.models}


def test_without_a_filter_every_callable_model_that_is_not_retired_is_found() -> None:
    assert ids() == {"anthropic.claude-haiku-4-5", "amazon.nova-lite", "amazon.nova-canvas", "cohere.embed"}


def test_words_are_looked_for_in_names_too_and_providers_in_every_spelling() -> None:
    both = snapshot(
        listing("us-east-1", model("x.y1", name="Grüner Fuchs", provider="Acme"), model("x.y2", provider="ACME"))
    )

    assert ids(both, text="GRÜNER y1") == {"x.y1"}
    assert ids(both, providers=[" acme "]) == {"x.y1", "x.y2"}


def test_what_only_provisioned_throughput_can_call_is_found_where_the_catalog_includes_it() -> None:
    found = search(WORLD, ModelFilter(text="bought"), limit=1, include_provisioned=True)

    assert [model.id for model in found.page.models] == ["bought.ahead"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"providers": ["AMAZON"]}, {"amazon.nova-lite", "amazon.nova-canvas"}),
        ({"providers": ["cohere", "Anthropic"]}, {"cohere.embed", "anthropic.claude-haiku-4-5"}),
        ({"input_modalities": ["text", "Image"]}, {"amazon.nova-lite"}),
        ({"output_modalities": ["embedding"]}, {"cohere.embed"}),
        ({"output_modalities": ["EMBEDDING", "IMAGE"]}, set()),
        ({"regions": ["EU-West-1"]}, {"amazon.nova-lite", "cohere.embed"}),
        ({"regions": ["eu-west-1", "us-east-1"], "providers": ["cohere"]}, {"cohere.embed"}),
        ({"streaming": True}, {"anthropic.claude-haiku-4-5", "amazon.nova-lite"}),
        ({"streaming": False}, {"amazon.nova-canvas", "cohere.embed"}),
        ({"lifecycles": ["Retired"]}, {"amazon.titan-old"}),
        ({"lifecycles": ["deprecated"]}, {"cohere.embed"}),
        ({"lifecycles": [], "providers": ["Amazon"]}, {"amazon.titan-old", "amazon.nova-lite", "amazon.nova-canvas"}),
        ({"text": "NOVA"}, {"amazon.nova-lite", "amazon.nova-canvas"}),
        ({"text": "haiku Claude"}, {"anthropic.claude-haiku-4-5"}),
        ({"text": "amazon. Canvas"}, {"amazon.nova-canvas"}),
        ({"text": "  "}, {"anthropic.claude-haiku-4-5", "amazon.nova-lite", "amazon.nova-canvas", "cohere.embed"}),
        ({"providers": ["amazon"], "streaming": True, "regions": ["eu-west-1"]}, {"amazon.nova-lite"}),
        ({"providers": ["cohere"], "streaming": True}, set()),
    ],
)
def test_a_filter_finds(wanted: dict[str, Any], expected: set[str]) -> None:
    assert ids(**wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "field", "allowed"),
    [
        ({"providers": ["amazon", "acme"]}, "provider", ("Amazon", "Anthropic", "Cohere")),
        ({"input_modalities": ["SMELL"]}, "input_modalities", ("IMAGE", "TEXT", "VIDEO")),
        ({"output_modalities": ["VIDEO"]}, "output_modalities", ("EMBEDDING", "IMAGE", "TEXT")),
        ({"regions": ["mars-1"]}, "region", ("eu-west-1", "us-east-1")),
        ({"lifecycles": ["new"]}, "lifecycle", ("active", "deprecated", "retired")),
    ],
)
def test_an_unknown_value_tells_the_known_ones(wanted: dict[str, Any], field: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(UnknownValue) as raised:
        ids(**wanted)

    assert (raised.value.field, raised.value.allowed) == (field, allowed)


def test_pages_hold_each_match_once_and_each_tells_how_many_there_are() -> None:
    catalog = numbered(7)
    seen: list[str] = []
    after = None
    while True:
        found = search(catalog, ModelFilter(), limit=3, after_id=after)
        assert found.total == 7
        seen += [model.id for model in found.page.models]
        after = found.page.last_id
        if not found.page.has_more:
            break

    assert seen == [f"m{place}" for place in range(7)]


def test_a_cursor_that_was_never_listed_is_refused() -> None:
    with pytest.raises(UnknownCursor):
        search(WORLD, ModelFilter(), limit=3, after_id="never")


def test_a_cursor_may_be_a_model_that_the_filter_leaves_out() -> None:
    found = search(numbered(4), ModelFilter(text="m3"), limit=3, after_id="m1")

    assert [model.id for model in found.page.models] == ["m3"]


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
                "provider": "Amazon",
                "regions": ["eu-west-1", "us-east-1"],
                "input_modalities": ["TEXT", "IMAGE", "VIDEO"],
                "output_modalities": ["TEXT"],
                "streaming": True,
                "lifecycle": "active",
                "created_at": "2026-01-01T00:00:00Z",
                "deprecated_at": None,
                "retires_at": None,
                "inference_profiles": {"eu.amazon.nova-lite": ["eu-west-1"]},
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
        ("limit=101", "limit: Input should be less than or equal to 100"),
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
