"""Mantle in the answers: its keys, what they hold in each dialect, and that nothing is there while the part is off."""

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import MantleModel, PartResult
from app.discovery.demo import DemoSource
from config import Settings
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import NOW, day, listing, model, profile, snapshot
from tests.unit.cards.support import book

ANTHROPIC, OPENAI, SEARCH = "/anthropic/v1/models", "/v1/models", "/search_models"
ONLY = "maker.mantle-only"
KEYS = {"mantle", "endpoints", "data_retention"}
ROW = MantleModel(id=ONLY, created_at=day(3), data_retention_modes=("default", "provider_data_share"))
EAST = listing("us-east-1", model("maker.both"), profile("us.maker.both", "maker.both"), mantle=["maker.both", ROW])
WEST = listing("us-west-2", model("maker.runtime"), mantle=[ONLY])
CARD = {"input_modalities": ["TEXT", "IMAGE"], "output_modalities": ["TEXT"], "max_tokens": 5, "display_name": "Only"}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(snapshot(EAST, WEST)))


def entry(client: FlaskClient, entry_id: str) -> dict[str, Any]:
    own: dict[str, Any] = json_of(client.get(f"{OPENAI}/{entry_id}"))["aws_bedrock"]
    return own


def ids(client: FlaskClient, path: str) -> set[str]:
    return {it["id"] for it in json_of(client.get(path))["data"]}


def test_a_model_on_both_endpoints_says_so_beside_its_invocations(client: FlaskClient) -> None:
    own = entry(client, "maker.both")

    assert own["mantle"] == {"us-east-1": "maker.both"}
    assert own["invoke"] == {"us-east-1": "maker.both"}
    assert (own["endpoints"], own["data_retention"]) == (["bedrock-runtime", "bedrock-mantle"], None)


def test_a_model_on_mantle_alone_has_no_modalities_without_a_card(client: FlaskClient) -> None:
    whole = json_of(client.get(f"{OPENAI}/{ONLY}"))

    assert whole["created"] == day(3).timestamp()
    assert whole["aws_bedrock"] == {
        "kind": "model",
        "provider": None,
        "regions": [],
        "on_demand_regions": [],
        "invoke": {},
        "inference_profiles": {},
        "mantle": {"us-east-1": ONLY, "us-west-2": ONLY},
        "endpoints": ["bedrock-mantle"],
        "data_retention": {"allowed_modes": ["default", "provider_data_share"]},
        "input_modalities": None,
        "output_modalities": None,
        "response_streaming": None,
        "card": None,
        "aliases": [],
    }


def test_a_profile_has_its_endpoint_and_no_key_of_mantles(client: FlaskClient) -> None:
    own = entry(client, "us.maker.both")

    assert own["endpoints"] == ["bedrock-runtime"]
    assert KEYS & set(own) == {"endpoints"}


def test_a_model_on_mantle_alone_is_a_chat_model_where_a_card_says_so(make_app: MakeApp) -> None:
    without, with_card = (
        client_of(make_app(snapshot(EAST, WEST, cards=cards))) for cards in (book(), book(operator={ONLY: CARD}))
    )

    assert ONLY not in ids(without, ANTHROPIC)
    assert without.get(f"{ANTHROPIC}/{ONLY}").status_code == 404
    assert ONLY in ids(with_card, ANTHROPIC)
    found = json_of(with_card.get(f"{ANTHROPIC}/{ONLY}"))
    assert (found["display_name"], found["max_tokens"]) == ("Only", 5)
    assert found["description"] == "on Mantle in 2 regions"
    assert found["aws_bedrock"]["input_modalities"] == ["TEXT", "IMAGE"]
    assert found["aws_bedrock"]["card"]["sources"][0]["fields"] == [
        "display_name",
        "max_tokens",
        "input_modalities",
        "output_modalities",
    ]


def test_every_list_and_search_finds_it_by_region(client: FlaskClient) -> None:
    for path in (OPENAI, SEARCH):
        assert ids(client, path) == {"maker.both", "maker.runtime", ONLY}
        assert ids(client, f"{path}?region=us-west-2") == {"maker.runtime", ONLY}
        assert ids(client, f"{path}?within=us-*") == {"maker.both", "maker.runtime"}
        assert ids(client, f"{path}?view=profiles") == {"maker.both", "maker.runtime", "us.maker.both"}


def test_the_tools_answer_with_it(client: FlaskClient) -> None:
    call = {"name": "search_models", "arguments": {"query": "mantle-only", "detail": "full"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    answer = json_of(client.post("/mcp", json=body, headers={"Accept": "application/json, text/event-stream"}))
    [found] = answer["result"]["structuredContent"]["data"]

    assert (found["id"], found["endpoints"], found["input_modalities"]) == (ONLY, ["bedrock-mantle"], None)


def test_while_the_part_is_off_no_key_is_there_and_no_byte_differs(make_app: MakeApp) -> None:
    off = client_of(make_app(snapshot(listing("us-east-1", model("a")), listing("us-west-2", model("b")))))
    east = listing("us-east-1", model("a"), mantle=["a", ONLY])
    on = client_of(make_app(snapshot(east, listing("us-west-2", model("b")))))

    for path in (ANTHROPIC, OPENAI, SEARCH):
        entries = {it["id"]: it for it in json_of(on.get(path))["data"] if it["id"] != ONLY}
        for it in entries.values():
            for name in KEYS:
                del it.get("aws_bedrock", it)[name]
        assert [json.dumps(it) for it in json_of(off.get(path))["data"]] == [json.dumps(it) for it in entries.values()]


def test_the_demo_shows_mantle_without_an_account(make_app: MakeApp) -> None:
    settings = Settings(source="demo", regions=("all",), parts=("models", "profiles", "mantle"))
    demo, came = DemoSource(settings), list[PartResult]()
    demo.visit_all(came.append)
    state: dict[str, Any] = {"source": "demo", "regions": demo.regions, "parts": settings.parts, "at": NOW}
    shown = next_snapshot(None, came, max_stale=timedelta(days=1), **state)
    served = [it["aws_bedrock"] for it in json_of(client_of(make_app(shown)).get(OPENAI))["data"]]

    on_both, alone = (
        [it for it in served if it["endpoints"] == endpoints]
        for endpoints in (["bedrock-runtime", "bedrock-mantle"], ["bedrock-mantle"])
    )
    assert len(on_both) > 30 and len(alone) > 10
    assert all(it["mantle"] and not it["regions"] for it in alone)
