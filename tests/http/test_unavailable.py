"""Until there is a catalog: why there is none, in words that a client may know."""

from datetime import timedelta
from typing import Any

import pytest

from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import MODELS, PROFILES, PartResult
from app.catalog.snapshot import CatalogSnapshot
from tests.conftest import MakeApp, client_of, json_of
from tests.http.test_mcp import call
from tests.support.builders import NOW, failure, failures, listing, model, profile

SECRETS = ("123456789012", "assumed-role", "Operator")
DETAIL = f"User: arn:aws:sts::{SECRETS[0]}:{SECRETS[1]}/{SECRETS[2]} is not authorized"
EAST, WEST, ASIA = REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")


def after(*results: PartResult, regions: tuple[str, ...] = REGIONS, is_complete: bool = True) -> CatalogSnapshot:
    return next_snapshot(
        None,
        results,
        source="aws",
        regions=regions,
        at=NOW,
        max_stale=timedelta(days=1),
        is_complete=is_complete,
    )


DENIED = [it for region in REGIONS for it in failures(region, detail=DETAIL)]
CASES: dict[str, tuple[CatalogSnapshot | None, str]] = {
    "nothing was tried yet": (None, "no region has answered yet"),
    "every region denied": (after(*DENIED), "no region has answered yet: AccessDeniedException in 3 of 3 regions"),
    "one region of two": (
        after(*failures(EAST), regions=(EAST, WEST), is_complete=False),
        "no region has answered yet: AccessDeniedException in 1 of 2 regions",
    ),
    "several reasons": (
        after(*failures(EAST), *failures(WEST, "Timeout"), *failures(ASIA, "Timeout")),
        "no region has answered yet: AccessDeniedException in 1 of 3 regions, Timeout in 2 of 3 regions",
    ),
    "only profiles answered": (
        after(
            *(it for region in REGIONS for it in listing(region, profile(f"us.{region}", "a"), without=(MODELS,))),
            *(failure(region, detail=DETAIL) for region in REGIONS),
        ),
        "no region has answered yet: AccessDeniedException in 3 of 3 regions",
    ),
    "an empty first answer": (
        after(*(it for region in REGIONS for it in listing(region))),
        "no model in 3 of 3 regions",
    ),
    "an empty first answer, and no permission for profiles": (
        after(*listing(EAST, without=(PROFILES,)), failure(EAST, PROFILES, detail=DETAIL), regions=(EAST,)),
        "no model in 1 of 1 regions",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", ["/anthropic/v1/models", "/anthropic/v1/models/a", "/search_models?query=x"])
def test_anthropics_503_says_why_and_when_to_try_again(make_app: MakeApp, case: str, path: str) -> None:
    catalog, reason = CASES[case]
    answer = client_of(make_app(catalog)).get(path)

    assert answer.status_code == 503
    assert json_of(answer)["error"] == {
        "type": "overloaded_error",
        "message": f"The model catalog is not loaded yet ({reason}); try again in a few seconds",
    }
    assert int(answer.headers["retry-after"]) > 0
    assert "etag" not in answer.headers and "cache-control" not in answer.headers


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models?region=eu-*", "/v1/models/a"])
def test_openais_503_says_why_and_when_to_try_again(make_app: MakeApp, case: str, path: str) -> None:
    catalog, reason = CASES[case]
    answer = client_of(make_app(catalog)).get(path)

    assert answer.status_code == 503
    assert json_of(answer)["error"] == {
        "message": f"The model catalog is not loaded yet ({reason}); try again in a few seconds",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["search_models", "anthropic_model_list"])
def test_a_tool_says_why(make_app: MakeApp, case: str, name: str) -> None:
    catalog, reason = CASES[case]
    result = call(client_of(make_app(catalog)), name, {})

    assert result["isError"] is True
    assert reason in result["content"][0]["text"]


@pytest.mark.parametrize("case", CASES)
def test_no_answer_has_more_than_codes_and_counts(make_app: MakeApp, case: str) -> None:
    client = client_of(make_app(CASES[case][0]))
    texts = [client.get(path).text for path in ("/anthropic/v1/models", "/v1/models", "/search_models", "/readyz")]

    assert not [secret for secret in SECRETS for text in texts if secret in text]


@pytest.mark.parametrize("case", CASES)
def test_readiness_is_unavailable_without_a_model(make_app: MakeApp, case: str) -> None:
    answer = client_of(make_app(CASES[case][0]), key=None).get("/readyz")

    assert (answer.status_code, json_of(answer)["status"]) == (503, "unavailable")


def test_one_model_of_one_region_is_served_whatever_the_others_do(make_app: MakeApp) -> None:
    catalog = after(*listing(EAST, model("a")), *failures(WEST), is_complete=False)
    client = client_of(make_app(catalog, clock=lambda: NOW))

    assert [it["id"] for it in json_of(client.get("/v1/models"))["data"]] == ["a"]
    body = json_of(client.get("/readyz"))
    assert body["status"] == "ready"
    states: dict[str, Any] = {region["region"]: region["state"] for region in body["regions"]}
    assert states == {EAST: "fresh", WEST: "missing", ASIA: "missing"}


def test_a_region_without_its_profiles_is_partial_and_names_the_action_that_is_missing(make_app: MakeApp) -> None:
    denied = failure(EAST, PROFILES, action="bedrock:ListInferenceProfiles", detail=DETAIL)
    catalog = after(*listing(EAST, model("a"), without=(PROFILES,)), denied, regions=(EAST,))
    client = client_of(make_app(catalog, clock=lambda: NOW))
    answer = client.get("/readyz")

    [region] = json_of(answer)["regions"]
    parts = {part["part"]: part for part in region["parts"]}
    assert (answer.status_code, region["state"]) == (200, "partial")
    assert (parts["models"]["state"], parts["profiles"]["state"]) == ("fresh", "missing")
    assert parts["profiles"]["failure"]["action"] == "bedrock:ListInferenceProfiles"
    assert "assumed-role" not in answer.text
    assert client.get("/v1/models").status_code == 200
