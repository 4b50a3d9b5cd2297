"""Two services in one process: neither changes the other."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services import services_of
from tests.conftest import MakeApp, client_of
from tests.support.builders import listing, model, snapshot

CATALOG = snapshot(listing("us-east-1", model("a")))
FORWARDED = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_REQUEST_ID": "req_0123456789"}


@pytest.fixture
def first_and_second(make_app: MakeApp) -> tuple[Flask, Flask]:
    first = make_app(CATALOG, trusted_proxies=("192.0.2.7",), api_keys=("first",), extensions=False)
    second = make_app(CATALOG, trusted_proxies=(), api_keys=("second",), access_log=False, default_limit=7)
    return first, second


def test_the_second_changes_neither_the_trusted_proxies_nor_the_access_log_of_the_first(
    first_and_second: tuple[Flask, Flask], capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = first_and_second
    ids = [
        client_of(app, key).get("/v1/models", environ_overrides=FORWARDED).headers["request-id"]
        for app, key in ((first, "first"), (second, "second"))
    ]

    [line] = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["client"], line["request_id"]) == ("203.0.113.9", "req_0123456789")
    assert ids[0] == "req_0123456789" != ids[1]


def test_each_has_its_own_keys_responses_tools_and_description(first_and_second: tuple[Flask, Flask]) -> None:
    first, second = first_and_second

    def answers(client: FlaskClient) -> tuple[Any, ...]:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return (
            [client.get("/anthropic/v1/models").get_json() for _ in range(3)],
            client.get("/openapi.json").get_json(),
            client.post("/mcp", json=message, headers={"Accept": "application/json, text/event-stream"}).get_json(),
        )

    before = answers(client_of(first, "first"))
    other = answers(client_of(second, "second"))

    assert answers(client_of(first, "first")) == before
    assert all(mine != theirs for mine, theirs in zip(before, other, strict=True))
    assert client_of(first, "second").get("/v1/models").status_code == 401


def test_each_has_its_own_services(first_and_second: tuple[Flask, Flask]) -> None:
    one, other = map(services_of, first_and_second)

    assert one.catalog is not other.catalog
    assert one.key_ring is not other.key_ring
    assert one.refresher is not other.refresher
    assert one.scheduler is not other.scheduler
