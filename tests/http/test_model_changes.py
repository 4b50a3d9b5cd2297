"""The tool `model_changes`: what is new and what ends soon, in short."""

from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.catalog.aliases import Alias
from app.catalog.next_snapshot import next_snapshot
from app.catalog.policy import Policy
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.scopes import Scopes
from app.catalog.snapshot import CatalogSnapshot
from app.services import services_of
from tests.conftest import MakeApp, client_of
from tests.http.test_mcp import ERAS, call, tools
from tests.support.builders import NOW, listing, model, profile, snapshot

EAST, WEST = "us-east-1", "eu-west-1"
TOOL = "model_changes"


def following(before: CatalogSnapshot, *results: Any, days: float) -> CatalogSnapshot:
    at = NOW + timedelta(days=days)
    flat = [it for result in results for it in result]
    return next_snapshot(before, flat, source="aws", regions=(EAST, WEST), at=at, max_stale=timedelta(hours=24))


def ends(model_id: str, days: int | None) -> Any:
    end = None if days is None else NOW + timedelta(days=days)
    return model(model_id, lifecycle_status="LEGACY", legacy_at=NOW - timedelta(days=1), end_of_life_at=end)


def world() -> CatalogSnapshot:
    """`old` came 50 days ago, `new` today; `soon` ends in 10 days, `late` in 100, `partly` in one of two regions."""
    rows = ends("soon", 60), ends("late", 150), model("steady")
    partly = {EAST: ends("partly", 70), WEST: ends("partly", None)}
    first = snapshot(listing(EAST, *rows, partly[EAST]), listing(WEST, partly[WEST]))
    second = following(first, listing(EAST, *rows, partly[EAST], model("old")), listing(WEST, partly[WEST]), days=0.5)
    more = *rows, partly[EAST], model("old"), model("new", name="New One"), profile("us.new", {"new": [EAST]})
    return following(second, listing(EAST, *more), listing(WEST, partly[WEST]), days=50)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(world())


def answer(client: FlaskClient, **arguments: Any) -> dict[str, Any]:
    result = call(client, TOOL, arguments)
    assert result["isError"] is False, result
    jsonschema.validate(result["structuredContent"], tools(client)[TOOL]["outputSchema"])
    found: dict[str, Any] = result["structuredContent"]
    return found


def named(items: list[dict[str, Any]]) -> list[str]:
    return [it["model_id"] for it in items]


@pytest.mark.parametrize("era", ERAS)
def test_it_says_what_is_new_and_what_ends_next_first(client: FlaskClient, era: str) -> None:
    found = call(client, TOOL, {}, era=era)["structuredContent"]

    assert found["as_of"] == "2027-01-11T12:00:00Z"
    assert {
        "at": "2027-01-11T12:00:00Z",
        "type": "model.added",
        "model_id": "new",
        "summary": "New One is new in us-east-1",
    } in found["changes"]
    assert "old" not in named(found["changes"])
    assert [(it["model_id"], it["summary"]) for it in found["ending"]] == [
        ("soon", "soon retires in 10 days, on 2027-01-21"),
        ("partly", "partly ends in us-east-1 in 20 days, on 2027-01-31, and not yet elsewhere"),
    ]
    assert [it["retires_at"] for it in found["ending"]] == ["2027-01-21T12:00:00Z", None]
    assert (found["more_changes"], found["more_ending"]) == (False, False)


def test_days_choose_how_far_back_and_ahead(client: FlaskClient) -> None:
    assert "old" in named(answer(client, since_days=50)["changes"])
    assert named(answer(client, within_days=10)["ending"]) == ["soon"]
    assert named(answer(client, within_days=9)["ending"]) == []
    assert named(answer(client, within_days=100)["ending"]) == ["soon", "partly", "late"]


def test_the_newest_changes_stand_first_and_a_limit_says_that_there_are_more(client: FlaskClient) -> None:
    whole, short = answer(client, since_days=400, within_days=400), answer(client, since_days=400, limit=1)

    assert [it["at"] for it in whole["changes"]] == sorted((it["at"] for it in whole["changes"]), reverse=True)
    assert short["changes"] == whole["changes"][:1] and short["ending"] == whole["ending"][:1]
    assert (short["more_changes"], short["more_ending"]) == (True, True)


def test_models_and_regions_choose(client: FlaskClient) -> None:
    one = answer(client, model=["SO*"], since_days=400)
    west = answer(client, region="eu-*", since_days=400, within_days=400)
    east = answer(client, region=EAST, within_days=400)

    assert (set(named(one["changes"])), named(one["ending"])) == ({"soon"}, ["soon"])
    assert (west["changes"], west["ending"]) == ([], [])
    assert [(it["model_id"], it["retires_at"]) for it in east["ending"]][:2] == [
        ("soon", "2027-01-21T12:00:00Z"),
        ("partly", "2027-01-31T12:00:00Z"),
    ]


def in_force(app: Flask, scope: Scope, *aliases: Alias) -> FlaskClient:
    services_of(app).catalog.put_in_force(Policy.of(Scopes(default=scope), aliases=aliases))
    return client_of(app)


def test_what_a_key_may_not_see_is_not_there(app: Flask) -> None:
    client = in_force(app, Scope(models=EntryPatterns(("new", "partly")), regions=(WEST,)))
    found = answer(client, since_days=400, within_days=400)

    assert (found["changes"], found["ending"]) == ([], [])


def test_ids_are_written_as_the_scope_writes_them_and_either_spelling_is_found(app: Flask) -> None:
    client = in_force(app, Scope(id_format="bedrock/{id}"), Alias(name="fast", target="soon"))

    for spelled in ("soon", "bedrock/soon", "bedrock/so*"):
        [ending] = answer(client, model=spelled)["ending"]
        assert (ending["model_id"], ending["aliases"]) == ("bedrock/soon", ["fast"])
    assert set(named(answer(client)["changes"])) <= {"bedrock/new", "bedrock/soon", "bedrock/partly"}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"since_days": 0}, "since_days: Input should be greater than or equal to 1"),
    ({"since_days": 401}, "since_days: Input should be less than or equal to 400"),
    ({"within_days": "soon"}, "within_days: Input should be a valid integer"),
    ({"within_days": 731}, "within_days: Input should be less than or equal to 730"),
    ({"limit": 101}, "limit: Input should be less than or equal to 100"),
    ({"region": "mars-1"}, f"region: Input should be '{WEST}' or '{EAST}'"),
    ({"model": 5}, "model: Input should be a list of strings"),
    ({"type": "model.added"}, "type: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments_are_named(client: FlaskClient, arguments: dict[str, Any], message: str) -> None:
    result = call(client, TOOL, arguments)

    assert result["isError"] is True
    assert message in result["content"][0]["text"]


def test_the_answer_is_short_by_default(make_app: MakeApp) -> None:
    many = [model(f"maker{n % 7}.a-model-with-a-long-name-{n}-20260101-v1:0", name=f"Model {n}") for n in range(60)]
    after = following(snapshot(listing(EAST)), listing(EAST, *many), days=0.1)
    result = call(client_of(make_app(after)), TOOL, {})

    assert len(result["structuredContent"]["changes"]) == 20
    assert len(result["content"][0]["text"].encode()) < 6_000
