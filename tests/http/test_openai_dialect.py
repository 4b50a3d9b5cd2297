"""The OpenAI Models API as its clients see it: byte for byte, and through the official SDK."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import openai
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.catalog.records import CatalogState
from app.catalog.snapshot import CatalogSnapshot
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, NOW, day, listing, model, numbered, profile, snapshot

LIST = "/v1/models"

SEVERAL = snapshot(
    listing(
        "us-east-1",
        model("chat", start_of_life_at=day(9), provider="Maker"),
        model("picture", start_of_life_at=day(8), output_modalities=("IMAGE",)),
        model("old", start_of_life_at=None, lifecycle_status="LEGACY", end_of_life_at=day(20)),
        model("reserved", start_of_life_at=day(6), inference_types=("PROVISIONED",)),
    ),
    listing("eu-west-1", model("european", start_of_life_at=day(5), inference_types=()), profile("eu.e", "european")),
)


@pytest.fixture
def several(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(SEVERAL))


def ids(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [model["id"] for model in answer.json["data"]]  # type: ignore[index]


def assert_error(
    answer: TestResponse, status: int, message: str, kind: str = "invalid_request_error", **changes: str
) -> None:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.json == {"error": {"message": message, "type": kind, "param": None, "code": None} | changes}
    assert answer.headers["x-request-id"] == answer.headers["request-id"]


def test_a_list_is_what_the_real_api_answers(make_app: MakeApp) -> None:
    end = NOW + timedelta(days=30)
    catalog = snapshot(
        listing(
            "us-east-1",
            model("a", provider="Maker", start_of_life_at=datetime(2026, 2, 17, 12, 0, 0, 999, UTC)),
            model("b", lifecycle_status="LEGACY", end_of_life_at=end, start_of_life_at=None),
        )
    )

    client = client_of(make_app(catalog))

    first = (
        '{"id":"a","object":"model","created":1771329600,"owned_by":"Maker","shutdown_date":null,"name":"a",'
        '"aws_bedrock":{"kind":"model","provider":"Maker","regions":["us-east-1"],"on_demand_regions":["us-east-1"],'
        '"invoke":{"us-east-1":"a"},"inference_profiles":{},"input_modalities":["TEXT"],"output_modalities":["TEXT"],'
        '"response_streaming":null,"card":null,"aliases":[]}}'
    )
    bare = '{"id":"b","object":"model","created":0,"owned_by":"unknown","shutdown_date":"2026-12-22"}'
    assert client.get(LIST).text.startswith(f'{{"object":"list","data":[{first},{bare[:-1]},"name":"b",')
    assert client_of(make_app(catalog, extensions=False)).get(f"{LIST}/b").text == f"{bare}\n"


def test_every_callable_model_of_any_modality_that_has_not_ended_is_listed_newest_first(several: FlaskClient) -> None:
    assert ids(several.get(LIST)) == ["chat", "picture", "european"]
    assert several.get(f"{LIST}/old").status_code == 200


def test_provisioned_only_models_are_listed_when_asked_for(make_app: MakeApp) -> None:
    client = client_of(make_app(SEVERAL, include_provisioned=True))

    assert ids(client.get(LIST)) == ["chat", "picture", "reserved", "european"]
    assert client.get(f"{LIST}/reserved").status_code == 200


def test_the_list_is_whole_whatever_is_asked_for(make_app: MakeApp) -> None:
    client = client_of(make_app(numbered(1200)))

    for query in ("", "?limit=1", "?limit=x", "?after=m5", "?after_id=ghost", "?user=u&client_version=1"):
        assert len(ids(client.get(LIST + query))) == 1200


@pytest.mark.parametrize(
    "name",
    ["european", "bedrock/european", "arn:aws:bedrock:eu-west-1::foundation-model%2Feuropean", "european%5B1m%5D"],
)
def test_a_model_is_retrieved_by_any_of_its_names(several: FlaskClient, name: str) -> None:
    assert several.get(f"{LIST}/{name}").json["id"] == "european"  # type: ignore[index]


def test_a_profile_is_retrieved_as_what_it_is(several: FlaskClient) -> None:
    entry = several.get(f"{LIST}/eu.e").json

    assert entry is not None and (entry["id"], entry["aws_bedrock"]["model_id"]) == ("eu.e", "european")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/responses/r/cancel"])
def test_inference_is_refused_with_where_it_belongs(several: FlaskClient, path: str) -> None:
    answer = several.post(path, json={"model": "chat"})

    assert answer.status_code == 404
    assert answer.json is not None and "this service lists models" in answer.json["error"]["message"]


@pytest.mark.parametrize("name", ["ghost", "reserved", "x" * 2048, "it's `quoted`"])
def test_an_unknown_model_is_named_in_the_answer(several: FlaskClient, name: str) -> None:
    assert_error(
        several.get(f"{LIST}/{name}"),
        404,
        f"The model `{name}` does not exist",
        param="model",
        code="model_not_found",
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({}, 401),
    ],
)
def test_a_key_opens_the_service_in_either_header(app: Flask, headers: dict[str, str], status: int) -> None:
    assert client_of(app, key=None).get(LIST, headers=headers).status_code == status


def test_a_wrong_key_has_a_code_and_none_has_not(app: Flask) -> None:
    wrong = client_of(app, "wrong").get(LIST)
    none = client_of(app, key=None).get(LIST)

    assert_error(wrong, 401, "Incorrect API key provided.", code="invalid_api_key")
    assert none.json is not None and none.json["error"]["message"].startswith("You didn't provide an API key.")
    assert none.json["error"]["code"] is None
    assert KEY not in wrong.text and "wrong" not in wrong.text


def test_an_unknown_route_is_not_found(several: FlaskClient) -> None:
    for path in ("/v1/embeddings", "/v1", "/v1/", "/v1//models"):
        assert_error(several.get(path), 404, "Not found")


def test_another_method_is_refused_with_those_that_are_allowed(several: FlaskClient) -> None:
    for method in ("POST", "DELETE"):
        answer = several.open(f"{LIST}/chat", method=method)

        assert_error(answer, 405, "Method Not Allowed")
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_body_over_a_mebibyte_is_refused(several: FlaskClient) -> None:
    assert_error(several.post(LIST, data=b"x" * ((1 << 20) + 1)), 413, "Request exceeds the maximum size")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/chat"])
def test_without_a_catalog_every_path_says_when_to_come_again(make_app: MakeApp, path: str) -> None:
    answer = client_of(make_app(None)).get(path)

    message = "The model catalog is not loaded yet (no region has answered yet); try again in a few seconds"
    assert_error(answer, 503, message, kind="server_error")
    assert int(answer.headers["retry-after"]) > 0


def test_a_fault_of_ours_tells_nothing_of_it(make_app: MakeApp) -> None:
    broken = CatalogSnapshot(
        state=CatalogState(source="aws", attempted_at=NOW, listings=listing("us-east-1")),
        at=NOW,
        models=("secret of ours",),  # type: ignore[arg-type]
        changed_at=NOW,
    )

    assert_error(client_of(make_app(broken)).get(LIST), 500, "Internal server error", kind="server_error")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/chat", f"{LIST}/ghost", "/v1/x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_request_id_is_on_every_answer(several: FlaskClient, path: str, method: str) -> None:
    answer = several.open(path, method=method)

    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["request-id"].startswith("req_")


def test_a_trailing_slash_is_the_same_path(several: FlaskClient) -> None:
    assert several.get(f"{LIST}/").json == several.get(LIST).json


def test_the_routes_stand_under_the_configured_prefix(make_app: MakeApp) -> None:
    client = client_of(make_app(numbered(1), openai_prefix="/openai"))

    assert ids(client.get("/openai/v1/models")) == ["m0"]
    assert client.get(LIST).status_code == 404
    assert client.get("/openai/v1/models/ghost").json["error"]["code"] == "model_not_found"  # type: ignore[index]


# The official SDK.


@pytest.fixture
def sdk(make_app: MakeApp) -> Iterator[openai.OpenAI]:
    with sdk_of(make_app(SEVERAL)) as client:
        yield client


def sdk_of(app: Flask, **changes: Any) -> openai.OpenAI:
    fields: dict[str, Any] = {"api_key": KEY, "base_url": "http://catalog.test/v1", "max_retries": 0}
    return openai.OpenAI(
        **(fields | changes),
        http_client=httpx.Client(transport=httpx.WSGITransport(app=app)),
        _strict_response_validation=True,
    )


def test_the_sdk_lists_and_retrieves(sdk: openai.OpenAI) -> None:
    listed = list(sdk.models.list())

    assert [found.id for found in listed] == ["chat", "picture", "european"]
    assert sdk.models.retrieve("chat") == listed[0]
    assert (listed[0].object, listed[0].created, listed[0].owned_by) == ("model", int(day(9).timestamp()), "Maker")
    assert [found.shutdown_date for found in listed] == [None, None, None]


def test_the_sdk_raises_what_each_error_is_to_it(sdk: openai.OpenAI, make_app: MakeApp) -> None:
    with pytest.raises(openai.NotFoundError) as not_found:
        sdk.models.retrieve("ghost")
    with pytest.raises(openai.AuthenticationError) as no_entry, sdk_of(make_app(None), api_key="wrong") as stranger:
        stranger.models.list()
    with pytest.raises(openai.InternalServerError) as early, sdk_of(make_app(None)) as first:
        first.models.list()

    assert (not_found.value.code, not_found.value.param) == ("model_not_found", "model")
    assert "The model `ghost` does not exist" in not_found.value.message
    assert no_entry.value.code == "invalid_api_key"
    assert early.value.status_code == 503
    for caught in (not_found, no_entry, early):
        assert str(caught.value.request_id).startswith("req_")
