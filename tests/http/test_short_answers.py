"""Tools answer in short, since agents pay for each word; in full where that is wanted."""

import json
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient

from app.catalog.records import PartResult
from app.catalog.snapshot import CatalogSnapshot
from app.discovery.demo import DemoSource
from config import Settings
from tests.conftest import MakeApp, client_of, json_of
from tests.http.kinds import KINDS, OWN_ARN
from tests.http.test_mcp import ERAS, call, tools
from tests.support.builders import day, listing, model, profile, snapshot

LISTS = ("search_models", "anthropic_model_list")
VIEWS = ("models", "profiles", "all")
PATHS = {"search_models": "/search_models", "anthropic_model_list": "/anthropic/v1/models"}
MAX_BYTES = 6 * 1000
GROUPS = {"us": 4, "eu": 8, "ap": 11, "ca": 2, "sa": 1, "me": 2, "il": 1, "mx": 1, "af": 1}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(KINDS))


def long_ids() -> CatalogSnapshot:
    """Twenty-five models with ids and names as long as real ones, in every region, with as many profiles as any has."""
    regions = [f"{group}-central-{place}" for group, count in GROUPS.items() for place in range(1, count + 1)]
    ids = [f"anthropic.claude-3-5-sonnet-202410{place:02}-v2:0" for place in range(25)]
    rows = [
        model(it, name=f"Claude 3.5 Sonnet v{place}", provider="Anthropic", start_of_life_at=day(place))
        for place, it in enumerate(ids)
    ]
    profiles = [
        profile(f"{geography}.{it}", {it: regions[:9]}, name=f"{geography} Anthropic Claude 3.5 Sonnet v{place}")
        for place, it in enumerate(ids)
        for geography in ("us", "eu", "apac", "global")
    ]
    return snapshot(*(listing(region, *rows, *profiles) for region in regions))


def public_data() -> CatalogSnapshot:
    """What AWS offers, by the demo's package."""
    came: list[PartResult] = []
    DemoSource(Settings(source="demo", regions=("all",))).visit_all(came.append)
    by_region: dict[str, list[Any]] = {}
    for result in came:
        by_region.setdefault(result.region, []).append(result)
    return snapshot(*by_region.values())


WORLDS = {"long ids": long_ids(), "public data": public_data()}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", LISTS)
def test_twenty_entries_of_real_size_are_short(make_app: MakeApp, name: str, view: str, world: str) -> None:
    client = client_of(make_app(WORLDS[world]))
    arguments: dict[str, Any] = {"view": view, "limit": 20}
    sizes = []
    while True:
        result = call(client, name, arguments)
        text, body = result["content"][0]["text"], result["structuredContent"]
        assert json.loads(text) == body
        sizes.append(len(text.encode()))
        if not body["has_more"]:
            break
        assert len(body["data"]) == 20
        arguments["after_id"] = body["last_id"]

    assert max(sizes) < MAX_BYTES, sizes


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("detail", ["short", "full", None])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("extensions", [True, False])
@pytest.mark.parametrize("name", LISTS)
def test_an_answer_equals_its_text_and_matches_its_schema(
    make_app: MakeApp, name: str, extensions: bool, view: str, detail: str | None, era: str
) -> None:
    client = client_of(make_app(KINDS, extensions=extensions))
    lifecycle = ["active", "deprecated", "retired"]
    result = call(client, name, {"view": view, "detail": detail, "lifecycle": lifecycle}, era=era)

    body = result["structuredContent"]
    assert body["data"] and json.loads(result["content"][0]["text"]) == body
    jsonschema.Draft202012Validator(tools(client, era)[name]["outputSchema"]).validate(body)
    if detail == "full":
        query = f"view={view}&lifecycle={','.join(lifecycle)}"
        assert body == json_of(client.get(f"{PATHS[name]}?{query}"))


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("entry_id", ["maker.both", "us.maker.both", "global.maker.both", OWN_ARN, "maker.ended"])
def test_one_entry_is_whole_whatever_its_kind(client: FlaskClient, entry_id: str, era: str) -> None:
    result = call(client, "anthropic_model_get", {"model_id": entry_id}, era=era)

    body = result["structuredContent"]
    assert body == json_of(client.get(f"/anthropic/v1/models/{entry_id}")) == json.loads(result["content"][0]["text"])
    jsonschema.Draft202012Validator(tools(client, era)["anthropic_model_get"]["outputSchema"]).validate(body)


def test_a_short_entry_is_enough_to_choose_by(client: FlaskClient) -> None:
    found = call(client, "search_models", {"view": "all", "lifecycle": ["active", "retired"]})["structuredContent"]
    entries = {entry["id"]: entry for entry in found["data"]}
    shared = {"created_at": "2026-01-10T00:00:00Z", "lifecycle": "active"}

    assert entries["maker.both"] == shared | {
        "id": "maker.both",
        "display_name": "Both",
        "regions": {"count": 2, "groups": ["eu", "us"]},
        "profiles": ["eu", "global", "us"],
    }
    assert entries["eu.maker.both"] == shared | {
        "id": "eu.maker.both",
        "display_name": "EU Both",
        "regions": {"count": 1, "groups": ["eu"]},
        "profiles": ["eu"],
    }
    assert entries[OWN_ARN]["display_name"] == "Team A"
    assert entries["maker.ended"] == {
        "id": "maker.ended",
        "display_name": "maker.ended",
        "created_at": "2026-01-08T00:00:00Z",
        "lifecycle": "retired",
        "retires_at": "2026-01-11T00:00:00Z",
        "regions": {"count": 0, "groups": []},
        "profiles": [],
    }


def test_what_makes_a_profile_of_its_models_id_leads_back_to_it(make_app: MakeApp) -> None:
    client = client_of(make_app(WORLDS["public data"]))
    for entry in call(client, "search_models", {"limit": 1000})["structuredContent"]["data"]:
        for geography in entry["profiles"]:
            profile_id = f"{geography}.{entry['id']}"
            retrieved = json_of(client.get(f"/v1/models/{profile_id}"))
            assert (retrieved["id"], retrieved["aws_bedrock"]["model_id"]) == (profile_id, entry["id"])


def test_a_profile_that_is_not_built_of_its_models_id_is_named_whole(make_app: MakeApp) -> None:
    catalog = snapshot(listing("us-east-1", model("a"), profile("us.a", "a"), profile("other-name", "a")))
    [entry] = call(client_of(make_app(catalog)), "search_models", {})["structuredContent"]["data"]

    assert entry["profiles"] == ["other-name", "us"]


@pytest.mark.parametrize("name", LISTS)
def test_neither_form_of_an_entry_has_a_key_of_the_other(client: FlaskClient, name: str) -> None:
    schema = tools(client)[name]["outputSchema"]
    validator = jsonschema.Draft202012Validator(schema)
    for detail in ("short", "full"):
        body = call(client, name, {"detail": detail})["structuredContent"]
        assert validator.is_valid(body)
        body["data"][0]["made_up"] = 1
        assert not validator.is_valid(body)
        del body["data"][0]["made_up"], body["data"][0]["id"]
        assert not validator.is_valid(body)


@pytest.mark.parametrize("name", LISTS)
def test_short_is_the_default_and_the_schema_says_so(client: FlaskClient, name: str) -> None:
    detail = tools(client)[name]["inputSchema"]["properties"]["detail"]

    assert (detail["enum"], detail["default"]) == (["short", "full"], "short")
    assert call(client, name, {}) == call(client, name, {"detail": "short"})
    assert "detail" not in tools(client)["anthropic_model_get"]["inputSchema"]["properties"]


@pytest.mark.parametrize("detail", ["long", "Full", 1, True, {}, ["full"], ["short", "full"]])
@pytest.mark.parametrize("name", LISTS)
def test_another_detail_is_refused_with_what_there_is(client: FlaskClient, name: str, detail: object) -> None:
    result = call(client, name, {"detail": detail})

    assert result["isError"] is True
    assert "detail: Input should be 'short' or 'full'" in result["content"][0]["text"]


def test_no_tool_says_which_id_to_call_but_names_the_field_that_does(client: FlaskClient) -> None:
    described = {name: tool["description"] for name, tool in tools(client).items()}

    assert "invoke" in described["search_models"] and "invoke" in described["anthropic_model_get"]
    assert not any("on-demand" in text.lower() and "profile" in text.lower() for text in described.values())


def test_pages_in_short_hold_every_entry_once(client: FlaskClient) -> None:
    whole = [it["id"] for it in call(client, "search_models", {"view": "all"})["structuredContent"]["data"]]
    seen: list[str] = []
    arguments: dict[str, Any] = {"view": "all", "limit": 2}
    while True:
        page = call(client, "search_models", arguments)["structuredContent"]
        assert page["total"] == len(whole)
        seen += [entry["id"] for entry in page["data"]]
        if not page["has_more"]:
            break
        arguments["after_id"] = page["last_id"]

    assert seen == whole
