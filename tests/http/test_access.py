"""`aws_bedrock.access` and the filter `access=` in every dialect, and that neither is there while the part is off."""

import json
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.queries import queries_of
from app.catalog.access import (
    ACCESS_STATES,
    DENIED,
    FORM,
    GRANTED,
    NEVER_SENT,
    ON_FIRST_USE,
    Access,
    AccessAnswer,
    AccessReport,
    AccessState,
    RegionPause,
)
from app.catalog.access_changes import add_answers
from app.catalog.records import CatalogState
from app.catalog.scope import VIEWS
from app.catalog.search import ModelFilter
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from app.catalog.view import ListFilter
from app.services import services_of
from config import Settings
from tests.conftest import MakeApp, client_of, json_of
from tests.http.kinds import KINDS, OWN_ARN
from tests.support.builders import KEY, NOW, view

ANTHROPIC, OPENAI, SEARCH = LISTS = ("/anthropic/v1/models", "/v1/models", "/search_models")
ON = ("models", "profiles", "application_profiles", "access")
REASON = "agreementAvailability NOT_AVAILABLE"


def report(model_id: str, state: str, reason: str | None = None) -> AccessReport:
    return AccessReport(model_id=model_id, access=Access(state=state, reason=reason, checked_at=NOW))


ACCESS = AccessState(
    reports=(report("maker.both", GRANTED), report("maker.picture", ON_FIRST_USE, REASON)),
    form=report(FORM, NEVER_SENT),
    pauses=(
        RegionPause(
            region="us-east-1",
            failures=1,
            failed_at=NOW,
            until=NOW.replace(year=2099),
            code="AccessDeniedException",
            action="bedrock:GetFoundationModelAvailability",
        ),
    ),
)


def snapshot_with(access: AccessState | None) -> CatalogSnapshot:
    state: CatalogState = replace(KINDS.state, access=access)
    return build_snapshot(state, at=NOW)


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(snapshot_with(ACCESS), parts=ON))


@pytest.fixture
def plain(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(KINDS, parts=ON[:3]))


def rows(client: FlaskClient, path: str) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry.get("aws_bedrock", entry) for entry in json_of(client.get(path))["data"]}


@pytest.mark.parametrize("path", LISTS)
def test_every_entry_has_its_models_report_or_null(client: FlaskClient, path: str) -> None:
    found = rows(client, f"{path}?view=all")

    assert found["maker.both"]["access"] == {"state": "granted", "reason": None, "checked_at": "2026-11-22T12:00:00Z"}
    assert found["us.maker.both"]["access"] == found["maker.both"]["access"]
    assert found[OWN_ARN]["access"] == found["maker.both"]["access"]
    assert found["maker.unknown"]["access"] is None


def test_a_model_alone_has_it_too(client: FlaskClient) -> None:
    for path in ("/anthropic/v1/models", "/v1/models"):
        entry = json_of(client.get(f"{path}/us.maker.both"))

        assert entry["aws_bedrock"]["access"]["state"] == GRANTED


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("access=granted", {"maker.both"}),
        ("access[]=granted", {"maker.both"}),
        ("access=denied", set()),
        ("access=", None),
        ("access=denied,granted&region=us-*", {"maker.both"}),
    ],
)
def test_the_filter_keeps_the_states_that_are_named(
    client: FlaskClient, path: str, wanted: str, expected: set[str] | None
) -> None:
    found = set(rows(client, f"{path}?{wanted}"))

    assert found == (set(rows(client, path)) if expected is None else expected)


@pytest.mark.parametrize("path", LISTS)
def test_a_state_that_there_is_not_is_refused(client: FlaskClient, path: str) -> None:
    answer = client.get(f"{path}?access=maybe")

    assert answer.status_code == 400
    assert "'granted', 'on_first_use', 'pending', 'denied' or 'unknown'" in answer.text


def test_a_model_that_is_denied_is_listed_all_the_same(make_app: MakeApp) -> None:
    access = AccessState(reports=(report("maker.both", DENIED, "authorizationStatus NOT_AUTHORIZED"),))
    client = client_of(make_app(snapshot_with(access), parts=ON))

    assert "maker.both" in rows(client, ANTHROPIC)


@pytest.mark.parametrize("path", [f"{path}{query}" for path in LISTS for query in ("", "?view=all", "?region=us-*")])
def test_answers_differ_in_nothing_but_the_key(client: FlaskClient, plain: FlaskClient, path: str) -> None:
    with_key = json_of(client.get(path))
    for entry in with_key["data"]:
        del entry.get("aws_bedrock", entry)["access"]

    assert json.dumps(with_key) == json.dumps(json_of(plain.get(path)))


ANSWERS = st.lists(
    st.builds(
        AccessAnswer,
        region=st.sampled_from(KINDS.state.regions),
        model_id=st.sampled_from([FORM, "maker.gone", *(it.id for it in KINDS.models)]),
        at=st.datetimes(timezones=st.just(UTC)),
        state=st.none() | st.sampled_from(ACCESS_STATES),
        reason=st.none() | st.text(),
        code=st.text(min_size=1),
        ends_region=st.booleans(),
    ),
    max_size=8,
)
PLAIN, WITH_ACCESS = queries_of(Settings(parts=ON[:3])), queries_of(Settings(parts=ON))


@settings(max_examples=60)
@given(answers=ANSWERS, listed=st.builds(ListFilter, view=st.none() | st.sampled_from(VIEWS)))
def test_whatever_is_answered_the_bytes_are_the_same_but_for_the_key(
    answers: list[AccessAnswer], listed: ListFilter
) -> None:
    changed = add_answers(snapshot_with(AccessState()), answers, period=timedelta(days=1), at=NOW)

    for name in ("list_models", "search_models"):
        arguments: dict[str, Any] = {"listed": listed}
        if name == "search_models":
            arguments |= {"wanted": ModelFilter(), "limit": 1000}
        with_key = getattr(WITH_ACCESS, name).answer(view(changed), arguments)
        for entry in with_key["data"]:
            del entry.get("aws_bedrock", entry)["access"]
        assert json.dumps(with_key) == json.dumps(getattr(PLAIN, name).answer(view(KINDS), arguments))


def test_while_the_part_is_off_there_is_neither_key_nor_filter(plain: FlaskClient) -> None:
    for path in LISTS:
        assert not any("access" in entry for entry in rows(plain, path).values())
        assert rows(plain, f"{path}?access=denied") == rows(plain, path)
    assert "on_first_use" not in plain.get("/openapi.json").text
    assert "on_first_use" not in json.dumps(tools(plain))


def test_while_the_part_is_on_the_description_has_both(client: FlaskClient) -> None:
    document = json_of(client.get("/openapi.json"))

    parameters = [it["name"] for it in document["paths"]["/v1/models"]["get"]["parameters"]]
    assert "access" in parameters
    assert "checked_at" in json.dumps(document["components"])


def tools(client: FlaskClient) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream"}
    return json_of(client.post("/mcp", json=message, headers=headers))["result"]["tools"]


def call(client: FlaskClient, name: str, **arguments: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {"Accept": "application/json, text/event-stream"}
    return json_of(client.post("/mcp", json=message, headers=headers))["result"]


@pytest.mark.parametrize("name", ["search_models", "anthropic_model_list"])
def test_the_tools_filter_by_access_and_show_it_in_full(client: FlaskClient, name: str) -> None:
    short = call(client, name, access="granted")["structuredContent"]["data"]
    full = call(client, name, access=["granted"], detail="full")["structuredContent"]["data"]

    assert [it["id"] for it in short] == [it["id"] for it in full] == ["maker.both"]
    assert full[0].get("aws_bedrock", full[0])["access"]["state"] == GRANTED
    assert call(client, name, access="maybe")["isError"]


def test_a_tool_without_the_part_knows_no_such_argument(plain: FlaskClient) -> None:
    assert call(plain, "search_models", access="granted")["isError"]


def test_readiness_says_nothing_of_the_account(client: FlaskClient) -> None:
    assert "access" not in json_of(client.get("/readyz"))


def test_the_operators_status_has_the_states_the_form_and_the_regions_that_are_left_alone(make_app: MakeApp) -> None:
    app = make_app(snapshot_with(ACCESS), parts=ON, api_keys=(KEY,), regions=KINDS.state.regions)
    assert services_of(app).catalog.latest is not None

    printed = app.test_cli_runner().invoke(args=["catalog", "status", "--json"]).output
    text = app.test_cli_runner().invoke(args=["catalog", "status"]).output

    status = json.loads(printed)["access"]
    assert status["models"] == {"granted": 1, "on_first_use": 1}
    assert status["not_asked"] >= 1
    assert status["anthropic_form"] == {
        "state": "never_sent",
        "checked_at": "2026-11-22T12:00:00Z",
        "failure": None,
    }
    assert [it["region"] for it in status["paused_regions"]] == ["us-east-1"]
    assert "access: 1 granted, 1 on_first_use" in text
    assert "Anthropic's form: never_sent" in text
    assert "us-east-1 until later: bedrock:GetFoundationModelAvailability is not permitted" in text


def test_the_status_says_nothing_of_access_while_the_part_is_off(make_app: MakeApp) -> None:
    app = make_app(KINDS)

    assert "access" not in json.loads(app.test_cli_runner().invoke(args=["catalog", "status", "--json"]).output)
    assert "access" not in app.test_cli_runner().invoke(args=["catalog", "status"]).output
