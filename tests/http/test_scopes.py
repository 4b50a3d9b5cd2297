"""What each key sees over HTTP, and that no answer to one key reaches another."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.key_format import parse_key
from app.catalog.current import MAX_VIEWS
from app.services import services_of
from config import ConfigError
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import listing, model, snapshot

WHOLE = snapshot(listing("us-east-1", *(model(it) for it in ("anthropic.a", "anthropic.b", "meta.c", "meta.d"))))
KEYS = ("team-a:secret-a", "team-b:secret-b", "other:secret-o", "nameless")
FILE = """
[scopes.a]
keys = ["team-a"]
models = ["anthropic.*"]

[scopes.b]
keys = ["team-b"]
models = ["meta.*"]
default_limit = 1
id_format = "bedrock/{id}"
"""
MCP_HEADERS = {"Accept": "application/json", "MCP-Protocol-Version": "2025-06-18"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "operator.toml"
    file.write_text(FILE)
    return file


@pytest.fixture
def app(make_app: MakeApp, file: Path) -> Flask:
    return make_app(WHOLE, api_keys=KEYS, operator_file=str(file))


@pytest.fixture
def a(app: Flask) -> FlaskClient:
    return client_of(app, "secret-a")


@pytest.fixture
def b(app: Flask) -> FlaskClient:
    return client_of(app, "secret-b")


def ids(client: FlaskClient, path: str) -> list[str]:
    return [entry["id"] for entry in json_of(client.get(path))["data"]]


def change(app: Flask, file: Path, text: str) -> None:
    """Change the file, and look at it as the job does."""
    file.write_text(text)
    services_of(app).operator_file.reload_if_changed()


def call(client: FlaskClient, tool: str, **arguments: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    return json_of(client.post("/mcp", json=message, headers=MCP_HEADERS))["result"]


@pytest.mark.parametrize("path", ["/anthropic/v1/models?limit=9", "/v1/models", "/search_models?limit=9"])
def test_no_key_gets_what_was_cached_for_another(app: Flask, a: FlaskClient, b: FlaskClient, path: str) -> None:
    for _ in range(3):
        assert ids(a, path) == ["anthropic.a", "anthropic.b"]
        assert ids(b, path) == ["bedrock/meta.c", "bedrock/meta.d"]
        assert len(ids(client_of(app, "secret-o"), path)) == 4
        assert len(ids(client_of(app, "nameless"), path)) == 4


def test_an_entity_tag_of_one_key_does_not_match_for_another(a: FlaskClient, b: FlaskClient) -> None:
    for client in (a, b, a, b):
        client.get("/v1/models")
    etag = a.get("/v1/models").headers["ETag"]

    assert a.get("/v1/models", headers={"If-None-Match": etag}).status_code == 304
    assert b.get("/v1/models", headers={"If-None-Match": etag}).status_code == 200


def test_keys_of_one_scope_share_a_response(make_app: MakeApp, file: Path) -> None:
    file.write_text('[scopes.a]\nkeys = ["team-*"]\nmodels = ["anthropic.*"]\n')
    app = make_app(WHOLE, api_keys=KEYS, operator_file=str(file))
    first, second = client_of(app, "secret-a"), client_of(app, "secret-b")
    first.get("/v1/models")
    first.get("/v1/models")

    cache = app.wsgi_app.inner._generation.cache  # type: ignore[attr-defined]
    second.get("/v1/models")

    assert [(key.scope, key.path) for key in cache._kept] == [("a", "/v1/models")]


def test_pages_of_many_scopes_are_evicted_by_use(make_app: MakeApp, file: Path) -> None:
    count = MAX_VIEWS + 4
    makers = ["anthropic" if number % 2 else "meta" for number in range(count)]
    scopes = [f'[scopes.s{n}]\nkeys = ["k{n}"]\nmodels = ["{maker}.*"]' for n, maker in enumerate(makers)]
    file.write_text("\n".join(scopes))
    app = make_app(WHOLE, api_keys=tuple(f"k{n}:secret-{n}" for n in range(count)), operator_file=str(file))
    clients = [client_of(app, f"secret-{n}") for n in range(count)]
    for maker, client in zip(makers * 3, clients * 3, strict=True):
        assert {it.partition(".")[0] for it in ids(client, "/v1/models")} == {maker}

    # An answer outlives the view that it was made of.
    cache = app.wsgi_app.inner._generation.cache  # type: ignore[attr-defined]
    assert len(cache._kept) == count
    assert len(services_of(app).catalog.published._views) <= MAX_VIEWS


def test_totals_count_what_the_key_sees(a: FlaskClient) -> None:
    assert json_of(a.get("/search_models"))["total"] == 2


@pytest.mark.parametrize(
    "path", ["/anthropic/v1/models?after_id=", "/anthropic/v1/models?before_id=", "/search_models?after_id="]
)
def test_a_hidden_model_is_no_cursor(a: FlaskClient, path: str) -> None:
    hidden, unknown = a.get(f"{path}meta.c"), a.get(f"{path}meta.z")

    assert hidden.status_code == unknown.status_code == 400
    assert json_of(hidden)["error"] == {**json_of(unknown)["error"], "message": json_of(hidden)["error"]["message"]}
    assert json_of(hidden)["error"]["message"].replace("meta.c", "meta.z") == json_of(unknown)["error"]["message"]


@pytest.mark.parametrize("path", ["/anthropic/v1/models/", "/v1/models/"])
def test_a_hidden_model_is_an_unknown_one(a: FlaskClient, path: str) -> None:
    hidden, unknown = a.get(f"{path}meta.c"), a.get(f"{path}meta.z")

    assert hidden.status_code == unknown.status_code == 404
    assert hidden.text.replace("meta.c", "meta.z").replace(hidden.headers["request-id"], "") == unknown.text.replace(
        unknown.headers["request-id"], ""
    )


def test_tools_see_what_the_key_sees(a: FlaskClient, b: FlaskClient) -> None:
    assert {it["id"] for it in call(a, "search_models")["structuredContent"]["data"]} == {"anthropic.a", "anthropic.b"}
    assert call(a, "search_models")["structuredContent"]["total"] == 2
    assert call(a, "anthropic_model_get", model_id="meta.c")["isError"]
    assert "meta.c" in str(call(b, "anthropic_model_get", model_id="meta.c")["structuredContent"])


def test_tools_keep_the_page_size_that_their_descriptions_name(b: FlaskClient) -> None:
    for tool in ("search_models", "anthropic_model_list"):
        assert len(call(b, tool)["structuredContent"]["data"]) == 2


def test_a_scope_has_its_own_page_size_and_spelling_of_ids(a: FlaskClient, b: FlaskClient) -> None:
    page = json_of(b.get("/anthropic/v1/models"))
    found = json_of(b.get("/search_models"))

    assert (page["first_id"], page["last_id"], page["has_more"]) == ("bedrock/meta.c", "bedrock/meta.c", True)
    assert (found["first_id"], found["total"], found["has_more"]) == ("bedrock/meta.c", 2, True)
    assert ids(b, "/search_models?limit=2") == ids(b, "/v1/models") == ["bedrock/meta.c", "bedrock/meta.d"]
    assert ids(b, "/anthropic/v1/models?after_id=bedrock/meta.c") == ["bedrock/meta.d"]
    assert ids(b, "/anthropic/v1/models?after_id=meta.c") == ["bedrock/meta.d"]
    assert json_of(b.get("/v1/models/bedrock/meta.c"))["id"] == "bedrock/meta.c"
    assert len(ids(a, "/anthropic/v1/models")) == 2


def test_the_default_scope_is_for_keys_that_no_scope_names(app: Flask, file: Path) -> None:
    change(app, file, f"{FILE}\n[scopes.default]\nmodels = ['meta.d']\n")

    assert ids(client_of(app, "secret-o"), "/v1/models") == ["meta.d"]
    assert ids(client_of(app, "nameless"), "/v1/models") == ["meta.d"]


def test_a_service_without_keys_has_the_default_scope(make_app: MakeApp, file: Path) -> None:
    file.write_text('[scopes.default]\nmodels = ["meta.d"]\n[scopes.all]\nkeys = ["*"]\n')

    app = make_app(WHOLE, api_keys=(), auth_disabled=True, operator_file=str(file))

    assert ids(client_of(app, None), "/v1/models") == ["meta.d"]


def test_readiness_and_the_metrics_see_everything(app: Flask, a: FlaskClient) -> None:
    assert json_of(client_of(app, None).get("/readyz"))["models"] == 4
    assert "model_catalog_models 4.0" in a.get("/metrics").text


def test_a_hundred_keys_of_five_scopes_have_five_sets_of_answers(make_app: MakeApp, file: Path) -> None:
    scopes = (f'[scopes.s{n}]\nkeys = ["k{n}-*"]\nexcept = ["no-{n}"]\n' for n in range(5))
    file.write_text("".join(scopes))
    keys = {f"secret-{n}-{it}": f"k{n}-{it}" for n in range(5) for it in range(20)}
    app = make_app(WHOLE, api_keys=tuple(f"{name}:{key}" for key, name in keys.items()), operator_file=str(file))
    for key in keys:
        assert len(ids(client_of(app, key), "/v1/models")) == 4

    cache = app.wsgi_app.inner._generation.cache  # type: ignore[attr-defined]
    assert sorted(key.scope for key in cache._kept) == [f"s{n}" for n in range(5)]


def test_of_two_valid_keys_that_of_x_api_key_decides(app: Flask, a: FlaskClient) -> None:
    response = a.get("/v1/models", headers={"Authorization": "Bearer secret-b"})

    assert [entry["id"] for entry in json_of(response)["data"]] == ["anthropic.a", "anthropic.b"]


def test_a_key_called_like_the_place_of_another_keeps_its_own_scope(make_app: MakeApp, file: Path) -> None:
    file.write_text('[scopes.a]\nkeys = ["key-1"]\nmodels = ["meta.d"]\n')

    app = make_app(WHOLE, api_keys=("nameless", "key-1:named"), operator_file=str(file))

    assert len(ids(client_of(app, "nameless"), "/v1/models")) == 4
    assert ids(client_of(app, "named"), "/v1/models") == ["meta.d"]


@pytest.mark.parametrize("dated_s", [10, 1_000_000])
def test_a_changed_scope_drops_what_was_cached_and_moves_last_modified(
    make_app: MakeApp, file: Path, dated_s: int
) -> None:
    now = [datetime.now(UTC)]
    later = now[0] + timedelta(seconds=10)
    app = make_app(WHOLE, api_keys=KEYS, operator_file=str(file), clock=lambda: now[0])
    a = client_of(app, "secret-a")
    for _ in range(3):
        before = a.get("/v1/models")
    now[0] = later
    file.write_text(FILE.replace('["anthropic.*"]', '["anthropic.b"]     '))
    os.utime(file, times=(0, later.timestamp() - 10 + dated_s))
    services_of(app).operator_file.reload_if_changed()

    after = a.get("/v1/models", headers={"If-Modified-Since": before.headers["Last-Modified"]})

    assert [entry["id"] for entry in json_of(after)["data"]] == ["anthropic.b"]
    assert after.last_modified == later.replace(microsecond=0)


def test_responses_made_before_they_are_requested_are_of_the_scope_that_wanted_them(
    app: Flask, a: FlaskClient, b: FlaskClient, file: Path
) -> None:
    for client in (a, b) * 3:
        client.get("/v1/models")
    change(app, file, FILE + '\n[aliases]\nnewest = "anthropic.*"\n')
    app.wsgi_app.inner.warm()  # type: ignore[attr-defined]

    assert len(app.wsgi_app.inner._generation.cache._kept) == 2  # type: ignore[attr-defined]
    assert ids(a, "/v1/models") == ["anthropic.a", "anthropic.b", "newest"]
    assert ids(b, "/v1/models") == ["bedrock/meta.c", "bedrock/meta.d"]


def test_a_bad_change_keeps_the_last_good_file(app: Flask, a: FlaskClient, file: Path) -> None:
    change(app, file, FILE + "\n[scopes.c]\nmodel = []\n")

    assert ids(a, "/v1/models") == ["anthropic.a", "anthropic.b"]


def test_a_key_that_two_scopes_name_is_no_start(make_app: MakeApp, file: Path) -> None:
    file.write_text(FILE + '\n[scopes.c]\nkeys = ["team-*"]\n')

    with pytest.raises(ConfigError, match=r"the key 'team-a' must be named by one scope, got scopes\.a, scopes\.c"):
        make_app(WHOLE, api_keys=KEYS, operator_file=str(file))


def test_a_key_that_two_scopes_come_to_name_sees_nothing(
    app: Flask, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    change(app, file, FILE + '\n[scopes.c]\nkeys = ["late-*"]\n[scopes.d]\nkeys = ["late-*"]\n')
    services = services_of(app)
    services.key_ring.publish([parse_key("late-1:secret-l")], is_complete=True)
    for _ in range(2):
        services.operator_file.reload_if_changed()

    assert ids(client_of(app, "secret-l"), "/v1/models") == []
    logged = "".join(capsys.readouterr())
    assert logged.count("key_in_several_scopes") == 1


def test_cards_of_the_file_are_joined_while_the_service_runs(app: Flask, a: FlaskClient, file: Path) -> None:
    change(app, file, FILE + '\n[cards."anthropic.a"]\ndisplay_name = "Our A"\n')

    assert json_of(a.get("/anthropic/v1/models/anthropic.a"))["display_name"] == "Our A"
