"""`region` and `within` in every dialect: what is left of a list, what is shown of it, and what is refused."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import MakeApp, client_of, json_of
from tests.http.kinds import ACCOUNT, KINDS, OWN_ARN
from tests.support.builders import day, failures, listing, model, profile, snapshot

ANTHROPIC, OPENAI, SEARCH = LISTS = ("/anthropic/v1/models", "/v1/models", "/search_models")
REGIONS = "'ap-south-1', 'eu-west-1' or 'us-east-1'"
PLACES = "'ap-south-1', 'eu-central-1', 'eu-west-1', 'global', 'us-east-1' or 'us-west-2'"
TOO_LONG = "x" * 201


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(KINDS))


def rows(answer: TestResponse) -> dict[str, dict[str, Any]]:
    """What a list says beyond the real APIs' keys, by id, in its order."""
    return {entry["id"]: entry.get("aws_bedrock", entry) for entry in json_of(answer)["data"]}


EU = ["eu.maker.both", "global.maker.both"]
US = [OWN_ARN, "global.maker.both", "maker.both", "us.maker.both"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("region=us-east-1", ["maker.both"]),
        ("region=us-east-1&view=profiles", US),
        ("region=us-*&view=profiles", US),
        ("region=*-east-*&view=profiles", US),
        ("region=US-EAST-1&view=profiles", US),
        ("region=eu-*&view=profiles", [*EU, "maker.picture"]),
        ("region=eu-*&view=all", [*EU, "maker.both", "maker.picture"]),
        ("region[]=eu-*&region[]=us-*&view=profiles", sorted({*EU, *US, "maker.picture"})),
        ("region=ap-*,us-*", ["maker.both", "maker.unknown"]),
        ("region=ap-south-1&view=profiles", []),
        ("within=eu-*", ["maker.both", "maker.picture"]),
        ("within=eu-*&view=profiles", ["eu.maker.both", "maker.picture"]),
        # One destination of the profile is in eu-central-1.
        ("within=eu-west-1&view=profiles", ["maker.picture"]),
        ("within=eu-west-1,eu-central-1&view=profiles", ["eu.maker.both", "maker.picture"]),
        ("within=us-*&view=profiles", [OWN_ARN, "maker.both", "us.maker.both"]),
        (
            "within=us-*&within=eu-*&view=profiles",
            [OWN_ARN, "eu.maker.both", "maker.both", "us.maker.both", "maker.picture"],
        ),
        ("within=us-east-1&view=profiles", ["maker.both"]),
        # A worldwide profile's own region, which AWS names beside `global`, is no destination of its own.
        ("within=global&view=profiles", ["global.maker.both"]),
        ("within=global,us-east-1&view=profiles", ["global.maker.both", "maker.both"]),
        ("within=global,eu-*&view=profiles", ["eu.maker.both", "global.maker.both", "maker.picture"]),
        ("within=us-east-1,eu-west-1&view=profiles", ["maker.both", "maker.picture"]),
        ("within=GLOBAL,eu-*,us-*&view=profiles", sorted({*EU, *US, "maker.picture"})),
        ("within=*&view=profiles", sorted({*EU, *US, "maker.picture"})),
        # Where the destinations are not known, they may be anywhere.
        ("within=*&region=ap-south-1", []),
        ("region=us-east-1&within=eu-*", []),
        ("region=eu-west-1&within=us-*", []),
    ],
)  # fmt: skip
def test_a_list_holds_what_can_be_called_from_there_and_is_processed_there(
    client: FlaskClient, path: str, query: str, expected: list[str]
) -> None:
    listed = list(rows(client.get(f"{path}?{query}")))

    in_text = [it for it in expected if it != "maker.picture"] if path == ANTHROPIC else expected
    assert sorted(listed) == sorted(in_text)
    assert "maker.ended" not in listed


@pytest.mark.parametrize("path", LISTS)
def test_all_that_is_shown_is_of_what_is_left(client: FlaskClient, path: str) -> None:
    europe = rows(client.get(f"{path}?region=eu-*"))["maker.both"]
    streams = "streaming" if path == SEARCH else "response_streaming"

    assert europe["regions"] == ["eu-west-1"]
    assert europe["on_demand_regions"] == []
    assert europe["invoke"] == {"eu-west-1": "eu.maker.both"}
    assert europe["inference_profiles"] == {name: ["eu-west-1"] for name in ("eu.maker.both", "global.maker.both")}
    assert (europe["input_modalities"], europe[streams]) == (["TEXT"], False)


@pytest.mark.parametrize("path", LISTS)
def test_within_leaves_only_invocations_whose_destinations_all_match(client: FlaskClient, path: str) -> None:
    everything = rows(client.get(f"{path}?within=eu-*,us-*"))["maker.both"]
    worldwide = rows(client.get(f"{path}?view=profiles&within=global,us-east-1"))["global.maker.both"]
    from_there = rows(client.get(f"{path}?view=profiles&within=global&region=us-*"))["global.maker.both"]

    assert list(everything["inference_profiles"]) == ["eu.maker.both", "us.maker.both"]
    assert everything["invoke"] == {"eu-west-1": "eu.maker.both", "us-east-1": "maker.both"}
    assert list(worldwide["destinations"]) == ["eu-west-1", "us-east-1"]
    assert from_there["destinations"] == {"us-east-1": ["global", "us-east-1"]}


def test_lifecycle_and_dates_are_of_the_regions_that_are_left(make_app: MakeApp) -> None:
    ended = model("a", lifecycle_status="LEGACY", start_of_life_at=day(2), end_of_life_at=day(10))
    client = client_of(
        make_app(
            snapshot(
                listing("us-east-1", model("a", start_of_life_at=day(5))),
                listing("eu-west-1", ended, model("b")),
                listing("ap-south-1", model("a", lifecycle_status="LEGACY", start_of_life_at=day(3))),
            )
        )
    )

    def shown(query: str) -> list[tuple[str, str, str | None]]:
        found = json_of(client.get(f"{ANTHROPIC}?{query}"))["data"]
        return [(it["lifecycle"], it["created_at"][:10], it["retires_at"]) for it in found if it["id"] == "a"]

    assert shown("region=us-east-1") == [("active", "2026-01-06", None)]
    assert shown("region=ap-south-1") == [("deprecated", "2026-01-04", None)]
    assert shown("region=eu-west-1") == []
    assert shown("region=eu-west-1&lifecycle=retired") == [("retired", "2026-01-03", "2026-01-11T00:00:00Z")]
    assert [it["id"] for it in json_of(client.get(f"{OPENAI}?region=eu-west-1"))["data"]] == ["b"]


def test_a_retrieved_entry_is_whole_whatever_filters_come_with_it(client: FlaskClient) -> None:
    for path in (ANTHROPIC, OPENAI):
        plain = json_of(client.get(f"{path}/maker.both"))
        assert json_of(client.get(f"{path}/maker.both?region=eu-west-1&within=eu-*&view=profiles")) == plain


def test_a_configured_region_that_never_answered_may_be_named(make_app: MakeApp) -> None:
    catalog = snapshot(listing("us-east-1", model("a")), failures=failures("sa-east-1"))
    client = client_of(make_app(catalog))

    for path in LISTS:
        assert rows(client.get(f"{path}?region=sa-east-1")) == {}
        assert rows(client.get(f"{path}?region=sa-*&within=sa-east-1")) == {}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "parameter", "reason"),
    [
        ("view=model", "view", "Input should be 'models', 'profiles' or 'all'"),
        ("view=Models", "view", "Input should be 'models', 'profiles' or 'all'"),
        ("view=models,profiles", "view", "Input should be 'models', 'profiles' or 'all'"),
        ("region=mars-1", "region", f"Input should be {REGIONS}"),
        ("region=mars-*", "region", f"Input should be {REGIONS}"),
        ("region=us-east-1,mars-*", "region", f"Input should be {REGIONS}"),
        # A destination is not a region to call from, and a pattern is no regular expression.
        ("region=us-west-2", "region", f"Input should be {REGIONS}"),
        ("region=global", "region", f"Input should be {REGIONS}"),
        ("region=us.east.1", "region", f"Input should be {REGIONS}"),
        ("region=us-east-%3F", "region", f"Input should be {REGIONS}"),
        ("within=mars-*", "within", f"Input should be {PLACES}"),
        ("within=eu-*,mars-1", "within", f"Input should be {PLACES}"),
        ("within=glob*", "within", f"Input should be {PLACES}"),
        (f"region={TOO_LONG}", "region.0", "String should have at most 200 characters"),
        (f"within=eu-*,{TOO_LONG}", "within.1", "String should have at most 200 characters"),
        ("region=" + ",".join(["us-*"] * 33), "region", "List should have at most 32 items after validation, not 33"),
    ],
)
def test_a_value_that_matches_nothing_is_refused_with_what_there_is(
    client: FlaskClient, path: str, query: str, parameter: str, reason: str
) -> None:
    answer = client.get(f"{path}?{query}")

    assert answer.status_code == 400
    error = json_of(answer)["error"]
    assert error["message"] == f"{parameter}: {reason}"
    assert error["type"] == "invalid_request_error"
    if path == OPENAI:
        assert (error["param"], error["code"]) == (parameter, None)


@pytest.mark.parametrize("path", LISTS)
def test_no_reason_names_an_account(client: FlaskClient, path: str) -> None:
    for query in ("view=x", "view=all&region=x", "view=all&within=x"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert ACCOUNT not in answer.text


@pytest.mark.parametrize("path", [ANTHROPIC, SEARCH])
def test_a_cursor_may_be_any_entry_that_the_filters_leave_out(client: FlaskClient, path: str) -> None:
    after = rows(client.get(f"{path}?view=models&after_id=us.maker.both"))

    assert "maker.both" not in after and "maker.unknown" in after
    assert list(rows(client.get(f"{path}?region=ap-south-1&after_id={OWN_ARN}"))) == ["maker.unknown"]


def test_a_client_that_makes_up_filters_gets_the_right_list_each_time(make_app: MakeApp) -> None:
    names = [f"eu-{letter}-{number}" for letter in ("west", "north", "south") for number in range(1, 15)]
    client = client_of(make_app(snapshot(*(listing(name, model(f"m.{name}")) for name in names))))

    for _ in range(2):
        for name in names:
            assert list(rows(client.get(f"{OPENAI}?region={name}"))) == [f"m.{name}"]
            assert list(rows(client.get(f"{OPENAI}?within={name}&view=profiles"))) == [f"m.{name}"]


def test_profiles_of_models_that_their_region_does_not_list_are_counted_and_call_nothing(make_app: MakeApp) -> None:
    orphan = profile("eu.a", {"a": ("eu-west-1",)})
    client = client_of(make_app(snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b"), orphan))))

    assert rows(client.get(f"{ANTHROPIC}?view=all"))["a"]["inference_profiles"] == {}
    assert rows(client.get(f"{ANTHROPIC}?region=eu-west-1&view=all")).keys() == {"b"}
    assert client.get(f"{ANTHROPIC}/eu.a").status_code == 404
    assert json_of(client.get("/readyz"))["orphan_profiles"] == 1
