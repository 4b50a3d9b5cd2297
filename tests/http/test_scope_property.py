"""For any catalog and scope, a key's answers are those of a service whose catalog holds only what the scope allows.

The other catalog is cut naively, as for the same property of the catalog itself, which also covers filters of regions
and destinations (tests/unit/catalog/test_scope_property.py). The scope is read from an operator's file.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app import create_app
from app.catalog.aliases import Alias
from app.catalog.current import Catalog
from app.catalog.policy import Policy
from app.catalog.records import RemovedModel
from app.catalog.scope import VIEWS, Scope
from app.catalog.scopes import Scopes
from app.operator_file.reading import read_operator_file
from app.services import services_of
from config import Settings
from tests.conftest import client_of, json_of
from tests.support.builders import NOW
from tests.unit.catalog.generated import REGIONS, WORLDS, World
from tests.unit.catalog.test_scope_property import ALIASES, GONE, NAMES, SCOPES, built, naive, tidy

ANTHROPIC, OPENAI, SEARCH = "/anthropic/v1/models", "/v1/models", "/search_models"
MCP_HEADERS = {"Accept": "application/json", "MCP-Protocol-Version": "2025-06-18"}
LIFECYCLES = "lifecycle=active,deprecated,retired"
MAX_PAGES = 50
Answers = dict[str, Any]


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flask, Flask]:
    """A service with keys of scopes, and one without."""

    def make(name: str) -> Flask:
        settings = Settings(
            api_keys=("team:secret", "other"), catalog_dir=tmp_path_factory.mktemp(name), access_log=False
        )
        return create_app(settings, catalog=Catalog(), clock=lambda: NOW)

    return make("scoped"), make("whole")


def operator_file(scope: Scope, aliases: list[Alias]) -> str:
    """The scope of the key `team`, and the aliases, as an operator writes them."""
    fields = {
        "keys": ["te*"],
        "models": None if scope.models is None else scope.models.patterns,
        "except": None if scope.excluded is None else scope.excluded.patterns,
        "regions": scope.regions,
        "within": scope.within,
        "list": scope.list_view,
        "default_limit": scope.default_limit,
        "id_format": scope.id_format,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value is not None]
    named = [
        f"{json.dumps(it.name)} = {{target = {json.dumps(it.target)}, listed = {json.dumps(it.is_listed)}"
        + (f", display_name = {json.dumps(it.display_name)}}}" if it.display_name else "}")
        for it in aliases
    ]
    return "\n".join(("[scopes.team]", *lines, "[aliases]", *named))


def get(client: FlaskClient, path: str) -> Any:
    """The status and the body, without what differs from request to request."""
    response = client.get(path)
    body = json_of(response)
    body.pop("request_id", None)
    for entry in (body, *body.get("data", ())):
        # The card of an account's own profile is left to other tests.
        facts = entry.get("aws_bedrock", entry)
        if facts.get("geography") == "application":
            facts.pop("card")
            for name in ("max_input_tokens", "max_tokens", "capabilities", "line"):
                entry.pop(name, None)
    return response.status_code, body


def walk(client: FlaskClient, path: str, cursor: str, begin: str | None) -> Iterator[Any]:
    """All pages from one end to the other, by the cursors that the pages give."""
    place = begin
    for _ in range(MAX_PAGES):
        status, body = get(client, path + (f"&{cursor}={place}" if place else ""))
        yield status, body
        place = body.get("last_id" if cursor == "after_id" else "first_id")
        if status != 200 or not body["has_more"]:
            return


def call(client: FlaskClient, tool: str, **arguments: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    result = json_of(client.post("/mcp", json=message, headers=MCP_HEADERS))["result"]
    return result if result.get("isError") else result["structuredContent"]


def answers(client: FlaskClient, view: str, limit: int, name: str) -> Answers:
    """What a client learns: each request with its answer."""
    listed = f"{ANTHROPIC}?{LIFECYCLES}&view={view}"
    plain = [ANTHROPIC, OPENAI, SEARCH, listed, f"{OPENAI}?view={view}", f"{SEARCH}?view={view}&query=a"]
    plain += [f"{prefix}/{it}" for prefix in (ANTHROPIC, OPENAI) for it in NAMES]
    plain += [f"{path}&limit={limit}&after_id={it}" for path in (listed, f"{SEARCH}?view={view}") for it in NAMES]
    found: Answers = {path: get(client, path) for path in (*plain, f"{listed}&limit={limit}&before_id={name}")}
    everything = get(client, f"{listed}&limit=1000")[1]["data"]
    last = everything[-1]["id"] if everything else None
    found["forward"] = list(walk(client, f"{listed}&limit={limit}", "after_id", None))
    found["backward"] = list(walk(client, f"{listed}&limit={limit}", "before_id", last))
    found["search, forward"] = list(walk(client, f"{SEARCH}?view={view}&limit={limit}", "after_id", None))
    found["tool search_models"] = call(client, "search_models", view=view, limit=limit)
    found["tool anthropic_model_list"] = call(client, "anthropic_model_list", view=view, after_id=name)
    found["tool anthropic_model_get"] = call(client, "anthropic_model_get", model_id=name)
    return found


@settings(max_examples=60)
@given(
    world=WORLDS.map(tidy),
    scope=st.builds(replace, SCOPES, default_limit=st.sampled_from([None, 1, 3])),
    view=st.sampled_from(VIEWS),
    limit=st.integers(1, 3),
    name=st.sampled_from(NAMES),
    gone=st.lists(GONE, max_size=2, unique_by=lambda it: it.id).map(tuple),
)
def test_a_keys_answers_are_those_of_a_service_whose_catalog_holds_only_what_its_scope_allows(
    apps: tuple[Flask, Flask],
    world: World,
    scope: Scope,
    view: str,
    limit: int,
    name: str,
    gone: tuple[RemovedModel, ...],
) -> None:
    scoped, whole = apps
    file = read_operator_file(operator_file(scope, ALIASES), as_of=NOW.date(), base=Scope())
    services_of(scoped).catalog.publish(built(world, REGIONS, gone))
    services_of(scoped).catalog.put_in_force(Policy.of(file.scopes, file.aliases))
    expected = naive(world, scope, gone)
    looks = Scope(list_view=scope.list_view, id_format=scope.id_format, default_limit=scope.default_limit)
    # A service without a model answers 503; a key that sees none gets empty lists.
    assume(expected.view.snapshot.models)
    services_of(whole).catalog.publish(expected.view.snapshot)
    services_of(whole).catalog.put_in_force(Policy.of(Scopes(default=looks), expected.aliases))

    theirs = answers(client_of(whole, "other"), view, limit, name)
    for _ in range(2):
        # The second time, some come from the cache; a key without a scope asks in between.
        client_of(scoped, "other").get(ANTHROPIC)
        mine = answers(client_of(scoped, "secret"), view, limit, name)

        assert mine == theirs
