"""Model search: which models each filter finds."""

from typing import Any

import pytest
from app.catalog.selection import UnknownValue

from app.catalog.paging import UnknownCursor
from app.catalog.records import INFERENCE_PROFILE, CatalogSnapshot
from app.catalog.search import ModelFilter, search
from tests.support.builders import day, listing, model, numbered, profile, snapshot, view

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
    return {found.id for found in search(view(snapshot), ModelFilter(**wanted), limit=100).page.models}


def test_without_a_filter_every_callable_model_that_is_not_retired_is_found() -> None:
    assert ids() == {"anthropic.claude-haiku-4-5", "amazon.nova-lite", "amazon.nova-canvas", "cohere.embed"}


def test_words_are_looked_for_in_names_too_and_providers_in_every_spelling() -> None:
    both = snapshot(
        listing("us-east-1", model("x.y1", name="Grüner Fuchs", provider="Acme"), model("x.y2", provider="ACME"))
    )

    assert ids(both, text="GRÜNER y1") == {"x.y1"}
    assert ids(both, providers=[" acme "]) == {"x.y1", "x.y2"}


def test_what_only_provisioned_throughput_can_call_is_found_where_the_catalog_includes_it() -> None:
    found = search(view(WORLD, include_provisioned=True), ModelFilter(text="bought"), limit=1)

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
        found = search(view(catalog), ModelFilter(), limit=3, after_id=after)
        assert found.total == 7
        seen += [model.id for model in found.page.models]
        after = found.page.last_id
        if not found.page.has_more:
            break

    assert seen == [f"m{place}" for place in range(7)]


def test_a_cursor_that_was_never_listed_is_refused() -> None:
    with pytest.raises(UnknownCursor):
        search(view(WORLD), ModelFilter(), limit=3, after_id="never")


def test_a_cursor_may_be_a_model_that_the_filter_leaves_out() -> None:
    found = search(view(numbered(4)), ModelFilter(text="m3"), limit=3, after_id="m1")

    assert [model.id for model in found.page.models] == ["m3"]
