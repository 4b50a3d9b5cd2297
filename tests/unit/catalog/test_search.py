"""Searching a list: what each filter finds, and how many in all."""

from typing import Any

import pytest

from app.catalog.paging import UnknownCursor
from app.catalog.scope import ALL_VIEW, PROFILES_VIEW
from app.catalog.search import ModelFilter, SearchResult, search
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.view import ListFilter, UnknownValue
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
        model("amazon.nova-lite", inference_types=("INFERENCE_PROFILE",)),
        model("cohere.embed", provider="Cohere", output_modalities=("EMBEDDING",), lifecycle_status="LEGACY"),
        profile("eu.amazon.nova-lite", {"amazon.nova-lite": ["eu-west-1"]}, name="EU Nova Lite"),
    ),
)


def searched(
    catalog: CatalogSnapshot = WORLD,
    listed: ListFilter | None = None,
    *,
    limit: int = 100,
    after_id: str | None = None,
    scope: dict[str, Any] | None = None,
    **wanted: Any,
) -> SearchResult:
    return search(
        view(catalog, **(scope or {})), ModelFilter(**wanted), listed or ListFilter(), limit=limit, after_id=after_id
    )


def ids(*arguments: Any, **wanted: Any) -> set[str]:
    return {found.id for found in searched(*arguments, **wanted).page.entries}


def test_without_a_filter_every_callable_model_that_is_not_retired_is_found() -> None:
    assert ids() == {"anthropic.claude-haiku-4-5", "amazon.nova-lite", "amazon.nova-canvas", "cohere.embed"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "NOVA"}, {"amazon.nova-lite", "amazon.nova-canvas"}),
        ({"text": "lite nova"}, {"amazon.nova-lite"}),
        ({"text": "haiku 4.5"}, {"anthropic.claude-haiku-4-5"}),
        ({"text": "eu.amazon"}, {"amazon.nova-lite"}),
        ({"text": "nothing"}, set()),
        ({"providers": ["amazon", "COHERE"]}, {"amazon.nova-lite", "amazon.nova-canvas", "cohere.embed"}),
        ({"input_modalities": ["image", "text"]}, {"amazon.nova-lite"}),
        ({"output_modalities": ["embedding"]}, {"cohere.embed"}),
        ({"streaming": True}, {"anthropic.claude-haiku-4-5", "amazon.nova-lite"}),
        ({"streaming": False}, set()),
        ({"lifecycles": ["deprecated"]}, {"cohere.embed"}),
        ({"lifecycles": ["Retired"]}, {"amazon.titan-old"}),
        (
            {"lifecycles": []},
            {
                "anthropic.claude-haiku-4-5",
                "amazon.nova-lite",
                "amazon.nova-canvas",
                "cohere.embed",
                "amazon.titan-old",
            },
        ),
        ({"text": "nova", "output_modalities": ["TEXT"]}, {"amazon.nova-lite"}),
    ],
)
def test_filters_combine_and_case_does_not_count(wanted: dict[str, Any], found: set[str]) -> None:
    assert ids(**wanted) == found


def test_words_are_looked_for_in_names_too_and_providers_in_every_spelling() -> None:
    both = snapshot(
        listing("us-east-1", model("x.y1", name="Grüner Fuchs", provider="Acme"), model("x.y2", provider="ACME"))
    )

    assert ids(both, text="GRÜNER y1") == {"x.y1"}
    assert ids(both, providers=[" acme "]) == {"x.y1", "x.y2"}


def test_profiles_are_found_by_their_ids_and_names_where_the_list_holds_them() -> None:
    assert ids(listed=ListFilter(view=PROFILES_VIEW), text="eu.amazon") == {"eu.amazon.nova-lite"}
    assert ids(listed=ListFilter(view=ALL_VIEW), text="eu.amazon") == {"eu.amazon.nova-lite", "amazon.nova-lite"}
    assert ids(listed=ListFilter(view=ALL_VIEW), text="eu nova") == {"eu.amazon.nova-lite", "amazon.nova-lite"}
    assert ids(listed=ListFilter(view=PROFILES_VIEW), text="EU Nova") == {"eu.amazon.nova-lite"}
    assert ids(scope={"list_view": PROFILES_VIEW}, text="eu.amazon") == {"eu.amazon.nova-lite"}


def test_a_search_is_of_the_list_that_region_and_within_leave() -> None:
    assert ids(listed=ListFilter(regions=("eu-*",)), text="amazon") == {"amazon.nova-lite"}
    assert ids(listed=ListFilter(within=("us-*",)), text="nova") == {"amazon.nova-lite", "amazon.nova-canvas"}
    assert ids(listed=ListFilter(regions=("us-*",)), text="eu.amazon") == set()
    assert ids(listed=ListFilter(regions=("eu-*",)), lifecycles=["deprecated"]) == {"cohere.embed"}


def test_what_only_provisioned_throughput_can_call_is_found_where_the_scope_includes_it() -> None:
    assert ids(text="bought") == set()
    assert ids(text="bought", scope={"include_provisioned": True}) == {"bought.ahead"}


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("provider", {"providers": ["Amazon", "Nope"]}, ("Amazon", "Anthropic", "Cohere")),
        ("input_modalities", {"input_modalities": ["SMELL"]}, ("IMAGE", "TEXT", "VIDEO")),
        ("output_modalities", {"output_modalities": ["VIDEO"]}, ("EMBEDDING", "IMAGE", "TEXT")),
        ("lifecycle", {"lifecycles": ["alive"]}, ("active", "deprecated", "retired")),
    ],
)
def test_a_value_that_nothing_has_is_refused_with_those_that_something_has(
    field: str, value: dict[str, Any], allowed: tuple[str, ...]
) -> None:
    with pytest.raises(UnknownValue) as caught:
        searched(**value)

    assert (caught.value.field, caught.value.allowed) == (field, allowed)


def test_a_page_of_a_search_says_how_many_match_in_all() -> None:
    first = searched(numbered(7), text="m", limit=3)
    rest = searched(numbered(7), text="m", limit=9, after_id=first.page.last_id)

    assert ([it.id for it in first.page.entries], first.page.has_more, first.total) == (["m0", "m1", "m2"], True, 7)
    assert ([it.id for it in rest.page.entries], rest.page.has_more, rest.total) == (["m3", "m4", "m5", "m6"], False, 7)


def test_a_cursor_may_be_an_entry_that_the_search_does_not_find() -> None:
    found = searched(numbered(4), text="m3", limit=3, after_id="m1")

    assert ([it.id for it in found.page.entries], found.total) == (["m3"], 1)


def test_a_cursor_that_was_never_listed_is_refused() -> None:
    with pytest.raises(UnknownCursor):
        searched(after_id="ghost")
