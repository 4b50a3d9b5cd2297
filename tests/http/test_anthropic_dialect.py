"""The Anthropic Models API as its clients see it: byte for byte, and through the official SDK."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import anthropic
import httpx2 as httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.catalog.records import INFERENCE_PROFILE, MODELS, CatalogState, PartFailure, RemovedModel
from app.catalog.snapshot import CatalogSnapshot
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, NOW, day, listing, model, numbered, profile, snapshot

LIST = "/anthropic/v1/models"
REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")

SEVERAL = snapshot(
    listing(
        "us-east-1",
        model("active", start_of_life_at=day(9)),
        model("deprecated", start_of_life_at=day(8), lifecycle_status="LEGACY"),
        model("retired", start_of_life_at=day(7), lifecycle_status="LEGACY", end_of_life_at=day(20)),
        model("picture", output_modalities=("IMAGE",)),
        model("reserved", start_of_life_at=day(6), inference_types=("PROVISIONED",)),
    ),
    listing("eu-west-1", model("european", start_of_life_at=day(5), inference_types=()), profile("eu.e", "european")),
    failures=(PartFailure(region="sa-east-1", part=MODELS, failed_at=NOW, code="Timeout"),),
)


@pytest.fixture
def several(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(SEVERAL))


@pytest.fixture
def seven(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(numbered(7)))


def ids(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [model["id"] for model in answer.json["data"]]  # type: ignore[index]


def assert_error(answer: TestResponse, status: int, kind: str, message: str) -> None:
    request_id = answer.headers["request-id"]
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.json == {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


# The bodies.


def test_a_page_is_what_the_real_api_answers_and_one_object_more(make_app: MakeApp) -> None:
    full = listing(
        "us-east-1",
        model(
            "maker.a-v1:0",
            name="Model A",
            provider="Maker",
            input_modalities=("TEXT", "IMAGE"),
            response_streaming=True,
            inference_types=(INFERENCE_PROFILE,),
            lifecycle_status="LEGACY",
            start_of_life_at=day(3),
            legacy_at=day(4),
            end_of_life_at=NOW + timedelta(days=400),
        ),
        profile("us.maker.a-v1:0", {"maker.a-v1:0": ("us-east-1", "us-west-2")}),
    )
    client = client_of(make_app(snapshot(full, listing("us-west-2", profile("us.maker.other", "other")))))

    answer = client.get(LIST)

    assert answer.text == (
        '{"data":[{"type":"model","id":"maker.a-v1:0","display_name":"Model A","created_at":"2026-01-04T00:00:00Z",'
        '"lifecycle":"deprecated","deprecated_at":"2026-01-05T00:00:00Z","retires_at":"2027-12-27T12:00:00Z",'
        '"line":null,"max_input_tokens":null,"max_tokens":null,"capabilities":null,'
        '"description":"Maker, us-east-1, ends 2027-12-27",'
        '"aws_bedrock":{"kind":"model","provider":"Maker","regions":["us-east-1"],"on_demand_regions":[],'
        '"invoke":{"us-east-1":"us.maker.a-v1:0"},"inference_profiles":{"us.maker.a-v1:0":["us-east-1"]},'
        '"input_modalities":["TEXT","IMAGE"],"output_modalities":["TEXT"],"response_streaming":true,"card":null,"aliases":[]}}],'
        '"has_more":false,"first_id":"maker.a-v1:0","last_id":"maker.a-v1:0"}\n'
    )
    assert answer.mimetype == "application/json"
    assert client.get(f"{LIST}/maker.a-v1:0").json == answer.json["data"][0]  # type: ignore[index]


def test_a_model_that_bedrock_says_nothing_of_has_every_key_and_a_name(make_app: MakeApp) -> None:
    bare = model("a", start_of_life_at=None, lifecycle_status=None)
    client = client_of(make_app(snapshot(listing("us-east-1", bare)), extensions=False))

    assert client.get(f"{LIST}/a").json == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "capabilities": None,
    }


def test_without_extensions_a_page_is_the_bare_dialect_and_regions_still_narrow_it(make_app: MakeApp) -> None:
    client = client_of(make_app(SEVERAL, extensions=False))

    answer = client.get(f"{LIST}?region=eu-west-1")

    assert ids(answer) == ["european"]
    assert "aws_bedrock" not in answer.text


def test_an_empty_page_is_whole(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model("picture", output_modalities=("IMAGE",))))))

    assert client.get(LIST).json == {"data": [], "has_more": False, "first_id": None, "last_id": None}


# What is listed.


def test_active_and_deprecated_chat_models_are_listed_newest_first(several: FlaskClient) -> None:
    assert ids(several.get(LIST)) == ["active", "deprecated", "european"]


def test_provisioned_only_models_are_listed_when_asked_for(make_app: MakeApp) -> None:
    client = client_of(make_app(SEVERAL, include_provisioned=True))

    assert ids(client.get(LIST)) == ["active", "deprecated", "reserved", "european"]
    assert client.get(f"{LIST}/reserved").json["aws_bedrock"]["regions"] == []  # type: ignore[index]


@pytest.mark.parametrize("model_id", ["reserved", "picture"])
def test_what_is_not_listed_cannot_be_retrieved(several: FlaskClient, model_id: str) -> None:
    assert_error(several.get(f"{LIST}/{model_id}"), 404, "not_found_error", f"model: {model_id}")


def test_a_retired_model_can_be_retrieved(several: FlaskClient) -> None:
    assert several.get(f"{LIST}/retired").json["lifecycle"] == "retired"  # type: ignore[index]


@pytest.mark.parametrize(
    "query",
    [
        "lifecycle%5B%5D=active&lifecycle%5B%5D=retired",
        "lifecycle[]=active&lifecycle[]=retired",
        "lifecycle%5B0%5D=active&lifecycle%5B1%5D=retired",
        "lifecycle=active&lifecycle=retired",
        "lifecycle=active%2Cretired",
        "lifecycle=active,retired",
        "lifecycle[]=retired,active",
        "lifecycle[]=active&lifecycle=retired",
        "lifecycle=active&lifecycle=retired&lifecycle=active",
    ],
)
def test_an_array_may_be_written_in_every_way_that_clients_do(several: FlaskClient, query: str) -> None:
    assert ids(several.get(f"{LIST}?{query}")) == ["active", "retired", "european"]


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("region=eu-west-1", ["european"]),
        ("region=us-east-1", ["active", "deprecated"]),
        ("region=us-east-1&region=eu-west-1", ["active", "deprecated", "european"]),
        ("region=us-east-1,eu-west-1", ["active", "deprecated", "european"]),
        ("region[]=eu-west-1", ["european"]),
        ("region=EU-West-1, us-east-1", ["active", "deprecated", "european"]),
        # Configured, and nothing is known of it: an empty list is the truth.
        ("region=sa-east-1", []),
        ("region=eu-west-1&lifecycle=deprecated", []),
    ],
)
def test_a_region_narrows_the_list_to_what_is_callable_from_it(
    several: FlaskClient, query: str, listed: list[str]
) -> None:
    assert ids(several.get(f"{LIST}?{query}")) == listed


# Pages.


def test_a_page_has_twenty_models_where_the_client_names_no_limit(make_app: MakeApp) -> None:
    assert len(ids(client_of(make_app(numbered(30))).get(LIST))) == 20
    assert len(ids(client_of(make_app(numbered(30), default_limit=3)).get(LIST))) == 3


@pytest.mark.parametrize("limit", ["3", "03", "%2B3", "+3", "%203"])
def test_a_limit_is_an_integer(seven: FlaskClient, limit: str) -> None:
    assert ids(seven.get(f"{LIST}?limit={limit}")) == ["m0", "m1", "m2"]


def test_of_a_repeated_limit_the_last_one_counts(seven: FlaskClient) -> None:
    assert ids(seven.get(f"{LIST}?limit=5&limit=1")) == ["m0"]


@pytest.mark.parametrize(
    ("query", "listed", "has_more"),
    [
        ("limit=3", ["m0", "m1", "m2"], True),
        ("limit=3&after_id=m2", ["m3", "m4", "m5"], True),
        ("limit=3&after_id=m5", ["m6"], False),
        ("limit=3&before_id=m6", ["m3", "m4", "m5"], True),
        ("limit=3&before_id=m3", ["m0", "m1", "m2"], False),
        ("limit=1000", [f"m{place}" for place in range(7)], False),
        ("after_id=m6", [], False),
        ("before_id=m0", [], False),
    ],
)
def test_a_page_is_next_to_its_cursor(seven: FlaskClient, query: str, listed: list[str], has_more: bool) -> None:
    answer = seven.get(f"{LIST}?{query}")

    assert ids(answer) == listed
    assert answer.json is not None and answer.json["has_more"] is has_more
    assert answer.json["first_id"] == (listed[0] if listed else None)
    assert answer.json["last_id"] == (listed[-1] if listed else None)


def test_a_cursor_whose_model_left_still_works(make_app: MakeApp) -> None:
    left = RemovedModel(id="gone", created_at=day(2), removed_at=NOW)
    rows = [model(f"m{number}", start_of_life_at=day(number)) for number in range(5)]
    client = client_of(make_app(snapshot(listing("us-east-1", *rows), removed=(left,))))

    assert ids(client.get(f"{LIST}?after_id=gone")) == ["m2", "m1", "m0"]
    assert ids(client.get(f"{LIST}?before_id=gone")) == ["m4", "m3"]


def test_a_cursor_may_be_a_model_that_the_filter_leaves_out(several: FlaskClient) -> None:
    assert ids(several.get(f"{LIST}?after_id=active&lifecycle=deprecated")) == ["deprecated"]
    assert ids(several.get(f"{LIST}?after_id=retired")) == ["european"]


NOT_A_NUMBER = "Input should be a valid integer, unable to parse string as an integer"
NOT_A_STAGE = "Input should be 'active', 'deprecated' or 'retired'"
NOT_A_REGION = "Input should be 'eu-west-1', 'sa-east-1' or 'us-east-1'"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=-1", "limit: Input should be greater than or equal to 1"),
        ("limit=1001", "limit: Input should be less than or equal to 1000"),
        ("limit=999999999999999999999999", "limit: Input should be less than or equal to 1000"),
        ("limit=1.5", f"limit: {NOT_A_NUMBER}"),
        ("limit=1e2", f"limit: {NOT_A_NUMBER}"),
        ("limit=1_0", f"limit: {NOT_A_NUMBER}"),
        ("limit=ten", f"limit: {NOT_A_NUMBER}"),
        ("limit=%D9%A3", f"limit: {NOT_A_NUMBER}"),
        ("limit=%00", f"limit: {NOT_A_NUMBER}"),
        ("limit=" + "9" * 5000, f"limit: {NOT_A_NUMBER}"),
        ("lifecycle[]=new", f"lifecycle[]: {NOT_A_STAGE}"),
        ("lifecycle=new", f"lifecycle[]: {NOT_A_STAGE}"),
        ("lifecycle[]=Active", f"lifecycle[]: {NOT_A_STAGE}"),
        ("lifecycle[0]=active&lifecycle[1]=new", f"lifecycle[]: {NOT_A_STAGE}"),
        (
            "lifecycle=active,retired,deprecated,active",
            "lifecycle[]: List should have at most 3 items after validation, not 4",
        ),
        ("region=mars-1", f"region: {NOT_A_REGION}"),
        ("region=us-east-1,mars-1", f"region: {NOT_A_REGION}"),
        ("after_id=active&before_id=active", "before_id: Only one of after_id and before_id can be given"),
        ("after_id=ghost", "after_id: No model with the id 'ghost' was listed"),
        ("before_id=ghost", "before_id: No model with the id 'ghost' was listed"),
        ("after_id=%00", "after_id: No model with the id '\x00' was listed"),
        ("after_id=it's", "after_id: No model with the id 'it's' was listed"),
        ("limit=0&lifecycle=new", "limit: Input should be greater than or equal to 1"),
    ],
)
def test_a_bad_parameter_is_refused_with_its_name_and_the_reason(
    several: FlaskClient, query: str, message: str
) -> None:
    assert_error(several.get(f"{LIST}?{query}"), 400, "invalid_request_error", message)


@pytest.mark.parametrize("query", ["after_id=%FF", "after_id=%ED%A0%80", "before_id=" + "x" * 7000])
def test_a_cursor_of_any_bytes_and_length_is_refused_like_any_unknown_one(several: FlaskClient, query: str) -> None:
    answer = several.get(f"{LIST}?{query}")

    assert answer.status_code == 400
    assert answer.json is not None and answer.json["error"]["type"] == "invalid_request_error"


def test_a_letter_that_was_not_escaped_reads_like_one_that_was(several: FlaskClient) -> None:
    raw = {"QUERY_STRING": "after_id=\u00e9".encode().decode("latin-1")}

    answer = several.get(LIST, environ_overrides=raw)

    assert_error(answer, 400, "invalid_request_error", "after_id: No model with the id '\u00e9' was listed")


@pytest.mark.parametrize(
    "query", ["beta=true", "user=u", "client_version=0.9", "LIMIT=0", "%FF=%FF", "=", "&&", "limits[]=x"]
)
def test_parameters_of_others_are_tolerated(several: FlaskClient, query: str) -> None:
    assert ids(several.get(f"{LIST}?{query}")) == ["active", "deprecated", "european"]
    assert several.get(f"{LIST}/active?{query}").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"anthropic-version": "2023-06-01"},
        {"anthropic-version": "2026-10-21"},
        {"anthropic-version": "tomorrow"},
        {"anthropic-beta": "models-2099-01-01,anything"},
        {"accept": "text/html"},
        {"content-type": "application/json"},
    ],
)
def test_no_version_and_no_beta_is_a_reason_to_refuse(several: FlaskClient, headers: dict[str, str]) -> None:
    assert several.get(LIST, headers=headers).status_code == 200


# Names of one model.


@pytest.mark.parametrize(
    "name",
    [
        "maker.a-v1:0",
        "maker.a-v1%3A0",
        "maker.a-v1:0%5B1m%5D",
        "maker.a-v1:0%5B1M%5D",
        "bedrock/maker.a-v1:0",
        "converse/maker.a-v1:0",
        "anthropic/maker.a-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/maker.a-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model%2Fmaker.a-v1:0",
    ],
)
def test_a_model_is_retrieved_by_any_of_its_names(make_app: MakeApp, name: str) -> None:
    catalog = snapshot(listing("us-east-1", model("maker.a-v1:0"), profile("us.maker.a-v1:0", "maker.a-v1:0")))

    answer = client_of(make_app(catalog)).get(f"{LIST}/{name}")

    assert answer.json is not None and answer.json["id"] == "maker.a-v1:0"


@pytest.mark.parametrize(
    "name",
    [
        "us.maker.a-v1:0",
        "bedrock/us.maker.a-v1:0",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.maker.a-v1%3A0",
        "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us.maker.a-v1:0%5B1m%5D",
    ],
)
def test_a_profile_is_retrieved_as_what_it_is(make_app: MakeApp, name: str) -> None:
    destinations = ("us-east-1", "us-west-2")
    row = profile("us.maker.a-v1:0", {"maker.a-v1:0": destinations}, name="US Model A")
    catalog = snapshot(listing("us-east-1", model("maker.a-v1:0", provider="Maker"), row))

    entry = client_of(make_app(catalog)).get(f"{LIST}/{name}").json

    assert entry is not None
    assert (entry["id"], entry["display_name"]) == ("us.maker.a-v1:0", "US Model A")
    assert entry["description"] == "US profile of maker.a-v1:0"
    assert entry["aws_bedrock"] == {
        "kind": "inference_profile",
        "provider": "Maker",
        "regions": ["us-east-1"],
        "on_demand_regions": [],
        "invoke": {"us-east-1": "us.maker.a-v1:0"},
        "model_id": "maker.a-v1:0",
        "geography": "us",
        "destinations": {"us-east-1": list(destinations)},
        "input_modalities": ["TEXT"],
        "output_modalities": ["TEXT"],
        "response_streaming": None,
        "card": None,
        "aliases": [],
    }


EUROPEAN = snapshot(
    listing(
        "eu-west-1",
        model("both", start_of_life_at=day(3)),
        model("by.profile", start_of_life_at=day(2), inference_types=(INFERENCE_PROFILE,)),
        model("only.here", start_of_life_at=day(1)),
        profile("eu.both", {"both": ("eu-west-1", "eu-west-3")}),
        profile("global.by.profile", {"by.profile": ("eu-west-1", "global")}),
    ),
    listing("us-east-1", model("both", start_of_life_at=day(3))),
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["both", "by.profile", "only.here"]),
        ("view=models", ["both", "by.profile", "only.here"]),
        ("view=profiles", ["both", "eu.both", "global.by.profile", "only.here"]),
        ("view=all", ["both", "eu.both", "by.profile", "global.by.profile", "only.here"]),
        ("view=profiles&region=us-*", ["both"]),
        ("region=US-EAST-1", ["both"]),
        ("region=us-east-1,eu-west-1&within=us-*", ["both"]),
        ("within=eu-*", ["both", "only.here"]),
        ("within=*", ["both", "by.profile", "only.here"]),
        ("view=profiles&within=eu-*", ["both", "eu.both", "only.here"]),
        ("view=all&within=global&within=eu-west-1", ["both", "by.profile", "global.by.profile", "only.here"]),
        ("view=&region=&within=&limit=&after_id=&before_id=&lifecycle[]=", ["both", "by.profile", "only.here"]),
    ],
)
def test_a_list_holds_what_view_region_and_within_leave(make_app: MakeApp, query: str, expected: list[str]) -> None:
    assert ids(client_of(make_app(EUROPEAN)).get(f"{LIST}?{query}")) == expected


def test_what_is_shown_of_an_entry_is_of_the_regions_that_are_left(make_app: MakeApp) -> None:
    [entry, *_] = client_of(make_app(EUROPEAN)).get(f"{LIST}?within=eu-*").json["data"]  # type: ignore[index]

    assert entry["aws_bedrock"]["regions"] == ["eu-west-1"]
    assert entry["aws_bedrock"]["invoke"] == {"eu-west-1": "both"}


def test_the_settings_choose_what_lists_hold_and_which_id_is_sent(make_app: MakeApp) -> None:
    client = client_of(make_app(EUROPEAN, list_view="profiles"))

    assert ids(client.get(LIST)) == ["both", "eu.both", "global.by.profile", "only.here"]
    assert ids(client.get(f"{LIST}?view=models")) == ["both", "by.profile", "only.here"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("view=x", "view: Input should be 'models', 'profiles' or 'all'"),
        ("region=mars-*", "region: Input should be 'eu-west-1' or 'us-east-1'"),
        ("within=mars-1", "within: Input should be 'eu-west-1', 'eu-west-3', 'global' or 'us-east-1'"),
        ("within=glob*", "within: Input should be 'eu-west-1', 'eu-west-3', 'global' or 'us-east-1'"),
    ],
)
def test_a_filter_that_nothing_matches_is_refused_with_what_there_is(
    make_app: MakeApp, query: str, message: str
) -> None:
    assert_error(client_of(make_app(EUROPEAN)).get(f"{LIST}?{query}"), 400, "invalid_request_error", message)


@pytest.mark.parametrize("path", ["/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens", "/v1/messages"])
def test_inference_is_refused_with_where_it_belongs(several: FlaskClient, path: str) -> None:
    answer = several.post(path, json={"model": "active"})

    assert answer.status_code == 400
    assert answer.json is not None and answer.json["error"]["type"] == "invalid_request_error"
    assert "this service lists models" in answer.json["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ghost", "ghost"),
        ("arn:aws:bedrock:us-east-1::foundation-model/ghost", "arn:aws:bedrock:us-east-1::foundation-model/ghost"),
        ("a%00b", "a\x00b"),
        ("%FF", "\ufffd"),
        ("%ED%A0%80", "\ufffd\ufffd\ufffd"),
        ("%22%3Cb%3E", '"<b>'),
        ("x" * 2048, "x" * 2048),
    ],
)
def test_an_unknown_model_is_named_in_the_answer(several: FlaskClient, name: str, told: str) -> None:
    assert_error(several.get(f"{LIST}/{name}"), 404, "not_found_error", f"model: {told}")


# Keys.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": KEY}, 200),
        ({"X-API-KEY": f" {KEY} "}, 200),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"authorization": f"BEARER   {KEY}"}, 200),
        ({"x-api-key": "wrong", "authorization": f"Bearer {KEY}"}, 200),
        ({"x-api-key": KEY, "authorization": "Bearer wrong"}, 200),
        ({"x-api-key": KEY, "authorization": "Basic dGVzdDp0ZXN0"}, 200),
        ({"x-api-key": "wrong"}, 401),
        ({"x-api-key": KEY.upper()}, 401),
        ({"x-api-key": KEY[:-1]}, 401),
        ({"x-api-key": f"{KEY},{KEY}"}, 200),
        ({"x-api-key": "wrong", "authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": KEY}, 401),
        ({"authorization": f"Bearer{KEY}"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "\xff\xfe"}, 401),
        ({"cookie": f"x-api-key={KEY}"}, 401),
        ({}, 401),
    ],
)
def test_either_header_opens_the_service_if_its_value_is_a_key(
    app: Flask, headers: dict[str, str], status: int
) -> None:
    assert client_of(app, key=None).get(LIST, headers=headers).status_code == status


def test_a_key_in_the_query_opens_nothing(app: Flask) -> None:
    assert client_of(app, key=None).get(f"{LIST}?x-api-key={KEY}&api_key={KEY}").status_code == 401


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}?limit=1", f"{LIST}?limit=x", f"{LIST}/a", f"{LIST}/ghost", "/anthropic/v1/x"]
)
@pytest.mark.parametrize(("key", "message"), [(None, "x-api-key header is required"), ("wrong", "invalid x-api-key")])
def test_without_a_key_every_path_answers_401_that_is_not_retried(
    app: Flask, path: str, key: str | None, message: str
) -> None:
    answer = client_of(app, key).get(path)

    assert_error(answer, 401, "authentication_error", message)
    assert answer.headers["x-should-retry"] == "false"


def test_a_key_of_any_letters_works(make_app: MakeApp) -> None:
    app = make_app(numbered(1), api_keys=("clé-ключ", KEY))

    # A client sends the UTF-8 bytes; WSGI hands header bytes over as Latin-1.
    sent = "clé-ключ".encode().decode("latin-1")

    assert client_of(app, sent).get(LIST).status_code == 200


def test_nobody_needs_a_key_where_keys_are_disabled(make_app: MakeApp) -> None:
    app = make_app(numbered(1), api_keys=(), auth_disabled=True)

    assert client_of(app, key=None).get(LIST).status_code == 200
    assert client_of(app, "any").get(LIST).status_code == 200


# Errors that no view raises.


def test_an_unknown_route_is_not_found(several: FlaskClient) -> None:
    for path in ("/anthropic/v1/messaging", "/anthropic/v1", "/anthropic", "/anthropic//v1/models", "/nowhere"):
        assert_error(several.get(path), 404, "not_found_error", "Not found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [LIST, f"{LIST}/active"])
def test_another_method_is_refused_with_those_that_are_allowed(several: FlaskClient, path: str, method: str) -> None:
    answer = several.open(path, method=method)

    assert_error(answer, 405, "invalid_request_error", "Method Not Allowed")
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_body_over_a_mebibyte_is_refused(several: FlaskClient) -> None:
    answer = several.post(LIST, data=b"x" * ((1 << 20) + 1))

    assert_error(answer, 413, "request_too_large", "Request exceeds the maximum size")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/active", f"{LIST}?after_id=ghost", f"{LIST}?region=mars-1"])
@pytest.mark.parametrize(
    "catalog",
    [
        None,
        snapshot(failures=(PartFailure(region="us-east-1", part=MODELS, failed_at=NOW, code="Timeout"),)),
    ],
)
def test_without_a_catalog_every_path_says_when_to_come_again(
    make_app: MakeApp, path: str, catalog: CatalogSnapshot | None
) -> None:
    answer = client_of(make_app(catalog)).get(path)

    reason = (
        "no region has answered yet" if catalog is None else "no region has answered yet: Timeout in 1 of 1 regions"
    )
    message = f"The model catalog is not loaded yet ({reason}); try again in a few seconds"
    assert_error(answer, 503, "overloaded_error", message)
    assert int(answer.headers["retry-after"]) > 0


def test_a_fault_of_ours_tells_nothing_of_it(make_app: MakeApp, capfd: pytest.CaptureFixture[str]) -> None:
    broken = CatalogSnapshot(
        state=CatalogState(source="aws", attempted_at=NOW, listings=listing("us-east-1")),
        at=NOW,
        models=("secret of ours",),  # type: ignore[arg-type]
        changed_at=NOW,
    )

    answer = client_of(make_app(broken)).get(LIST)

    assert_error(answer, 500, "api_error", "Internal server error")
    assert "AttributeError" in capfd.readouterr().err


# Ids, slashes, HEAD.


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}/active", f"{LIST}?limit=x", f"{LIST}/ghost", "/anthropic/v1/x", "/livez", "/readyz"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_request_id_is_on_every_answer_and_never_twice(several: FlaskClient, path: str, method: str) -> None:
    given = [several.open(path, method=method).headers["request-id"] for _ in range(2)]

    assert all(REQUEST_ID.fullmatch(request_id) for request_id in given)
    assert len(set(given)) == 2


def test_a_request_id_comes_from_the_proxy_and_from_nobody_else(make_app: MakeApp) -> None:
    client = client_of(make_app(numbered(1), trusted_proxies=("10.0.0.0/8",)))

    def told(peer: str, given: str) -> str:
        headers = {"x-request-id": given}
        return client.get(LIST, headers=headers, environ_overrides={"REMOTE_ADDR": peer}).headers["request-id"]

    assert told("10.1.2.3", "req_0123456789abcdef") == "req_0123456789abcdef"
    assert told("192.0.2.1", "req_0123456789abcdef") != "req_0123456789abcdef"
    for given in ("<script>", "req_0123456789abcdef<x>"):
        assert told("10.1.2.3", given) != given


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}?limit=1", f"{LIST}/active", f"{LIST}/ghost", f"{LIST}?limit=0", "/livez"]
)
def test_head_answers_like_get_without_the_body(several: FlaskClient, path: str) -> None:
    get, head = several.get(path), several.head(path)

    assert head.data == b""
    assert head.status_code == get.status_code
    assert {name: head.headers[name] for name in ("content-type", "content-length")} == {
        name: get.headers[name] for name in ("content-type", "content-length")
    }


def test_a_trailing_slash_is_the_same_path(several: FlaskClient) -> None:
    assert several.get(f"{LIST}/?limit=1").json == several.get(f"{LIST}?limit=1").json


@pytest.mark.parametrize(
    "path",
    [
        LIST,
        f"{LIST}/",
        f"{LIST}//",
        f"{LIST}//active",
        f"{LIST}/active/",
        "//anthropic/v1/models",
        "/anthropic//v1//models",
        "/anthropic/",
        "/anthropic",
        f"{LIST}/../models",
        "/",
        "",
    ],
)
def test_no_path_is_ever_redirected(several: FlaskClient, path: str) -> None:
    answer = several.get("/", environ_overrides={"PATH_INFO": path})

    assert answer.status_code in (200, 404)
    assert "location" not in answer.headers


# Prefixes.


def test_the_routes_stand_under_the_configured_prefix(make_app: MakeApp) -> None:
    client = client_of(make_app(numbered(1), anthropic_prefix="/a/b"))

    assert ids(client.get("/a/b/v1/models")) == ["m0"]
    assert client.get(LIST).status_code == 404


def test_the_routes_may_stand_at_the_root(make_app: MakeApp) -> None:
    client = client_of(make_app(numbered(1), anthropic_prefix="", openai_prefix="/openai"))

    assert ids(client.get("/v1/models")) == ["m0"]
    assert_error(client.get("/v1/models/ghost"), 404, "not_found_error", "model: ghost")


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_one_prefix_for_both_dialects_disables_this_one_with_a_warning(
    make_app: MakeApp, prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    client = client_of(make_app(numbered(1), anthropic_prefix=prefix, openai_prefix=prefix))

    answer = client.get(f"{prefix}/v1/models")

    assert answer.json is not None and answer.json["object"] == "list"
    assert client.get(LIST).status_code == 404
    assert "anthropic_routes_disabled" in capfd.readouterr().err


# The official SDK.


@pytest.fixture
def sdk(make_app: MakeApp) -> Iterator[anthropic.Anthropic]:
    with sdk_of(make_app(numbered(7))) as client:
        yield client


def sdk_of(app: Flask, **changes: Any) -> anthropic.Anthropic:
    fields: dict[str, Any] = {"api_key": KEY, "base_url": "http://catalog.test/anthropic", "max_retries": 0}
    return anthropic.Anthropic(
        **(fields | changes),
        http_client=httpx.Client(transport=httpx.WSGITransport(app=app)),
        _strict_response_validation=True,
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_the_sdk_pages_through_all_models_forward_and_backward(sdk: anthropic.Anthropic, limit: int) -> None:
    forward = [found.id for found in sdk.models.list(limit=limit)]
    backward = [[found.id for found in page.data] for page in sdk.models.list(limit=limit, before_id="m6").iter_pages()]

    assert forward == [f"m{place}" for place in range(7)]
    assert [model_id for page in reversed(backward) for model_id in page] == forward[:-1]


def test_the_sdk_reads_every_field_of_a_model(make_app: MakeApp) -> None:
    row = model("a", name="A", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=day(2))
    with sdk_of(make_app(snapshot(listing("us-east-1", row)))) as sdk:
        found = sdk.models.retrieve("a")
        [same] = sdk.models.list(lifecycle=["retired", "active"]).data

    assert found == same
    assert (found.type, found.id, found.display_name, found.created_at) == ("model", "a", "A", day(0))
    assert (found.lifecycle, found.deprecated_at, found.retires_at) == ("retired", day(1), day(2))
    assert (found.line, found.max_tokens, found.max_input_tokens, found.capabilities) == (None, None, None, None)
    assert found.model_extra is not None and found.model_extra["aws_bedrock"]["regions"] == []


def test_the_sdk_retrieves_by_arn(sdk: anthropic.Anthropic) -> None:
    assert sdk.models.retrieve("arn:aws:bedrock:us-east-1::foundation-model/m3").id == "m3"


def test_the_sdk_is_let_in_with_a_token_too(make_app: MakeApp) -> None:
    with sdk_of(make_app(numbered(1)), api_key=None, auth_token=KEY) as sdk:
        assert [found.id for found in sdk.models.list()] == ["m0"]


def test_the_sdk_finds_the_request_id_of_an_answer(sdk: anthropic.Anthropic) -> None:
    answer = sdk.models.with_raw_response.list(limit=1)

    assert REQUEST_ID.fullmatch(answer.headers["request-id"])
    assert sdk.models.retrieve("m0")._request_id is not None


def test_the_sdk_raises_what_each_error_is_to_it(sdk: anthropic.Anthropic, make_app: MakeApp) -> None:
    with pytest.raises(anthropic.NotFoundError) as not_found:
        sdk.models.retrieve("ghost")
    with pytest.raises(anthropic.BadRequestError) as bad:
        sdk.models.list(limit=1001)
    with pytest.raises(anthropic.AuthenticationError) as no_entry, sdk_of(make_app(None), api_key="wrong") as stranger:
        stranger.models.list(limit=1)
    with pytest.raises(anthropic.InternalServerError) as early, sdk_of(make_app(None)) as first:
        first.models.list()

    assert "model: ghost" in not_found.value.message
    assert "limit: Input should be less than or equal to 1000" in bad.value.message
    assert "invalid x-api-key" in no_entry.value.message
    assert early.value.status_code == 503
    for caught in (not_found, bad, no_entry, early):
        assert caught.value.request_id is not None
        assert isinstance(caught.value.body, dict) and caught.value.body["request_id"] == caught.value.request_id
