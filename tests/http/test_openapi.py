"""The description of the service: valid, complete, true of the running service, and read without any other host."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from app.api.openapi.document import describe
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, listing, model, snapshot
from tests.support.servers import PROJECT, running_service

VARIANTS: list[dict[str, Any]] = [
    {},
    {"extensions": False, "mcp_enabled": False},
    {"anthropic_prefix": "", "openai_prefix": ""},
    {"anthropic_prefix": "/a/b", "openai_prefix": "/openai", "auth_disabled": True},
]


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, told) for path, item in document["paths"].items() for method, told in item.items()]


@pytest.mark.parametrize("settings", VARIANTS)
def test_the_description_is_valid_however_the_service_is_configured(
    make_app: MakeApp, settings: dict[str, Any]
) -> None:
    validate(describe(make_app(**settings)))


@pytest.mark.parametrize("settings", VARIANTS)
def test_every_route_is_described_and_no_other(make_app: MakeApp, settings: dict[str, Any]) -> None:
    app = make_app(**settings)
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
        if not rule.endpoint.startswith("docs_pages.") and rule.endpoint != "pages.send_asset"
    }

    assert {(path, method) for path, method, _ in operations(describe(app))} == routes


@pytest.mark.parametrize("settings", VARIANTS)
def test_routes_without_a_key_are_the_public_ones(make_app: MakeApp, settings: dict[str, Any]) -> None:
    document = describe(make_app(**settings))

    public = {path for path, _, told in operations(document) if told.get("security") == []}
    assert public == {"/livez", "/readyz", "/openapi.json", "/", "/catalog"}


@pytest.mark.parametrize("settings", VARIANTS)
def test_all_has_an_example_that_is_true_of_its_schema(make_app: MakeApp, settings: dict[str, Any]) -> None:
    document = describe(make_app(**settings))

    def check(schema: dict[str, Any], value: object) -> None:
        whole = {"allOf": [schema], "components": document["components"]}
        Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)

    for header in document["components"]["headers"].values():
        check(header["schema"], header["example"])
    for path, _, told in operations(document):
        for parameter in told["parameters"]:
            check(parameter["schema"], parameter["example"])
        for status, response in told["responses"].items():
            assert set(response["headers"]) >= {"request-id", "x-request-id"}
            for content in response.get("content", {}).values():
                examples = (
                    [content["example"]]
                    if "example" in content
                    else [it["value"] for it in content["examples"].values()]
                )
                assert examples, (path, status)
                for example in examples:
                    check(content["schema"], example)


def test_the_description_needs_no_key_and_is_not_sent_twice(make_app: MakeApp) -> None:
    client = client_of(make_app(), key=None)
    answer = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["openapi"] == "3.1.0"
    assert (again.status_code, again.data) == (304, b"")


class References(HTMLParser):
    """The addresses that a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_pages_load_nothing_from_another_host(make_app: MakeApp) -> None:
    client = client_of(make_app(), key=None)
    page = client.get("/docs", headers={"Host": "evil.example"})
    assert page.headers["x-content-type-options"] == "nosniff"

    loaded = References(page.text).found
    assert loaded
    for address in loaded:
        assert address.startswith("/docs/")
        with client.get(address) as asset:
            assert asset.status_code == 200, address
    assert '"url": "/openapi.json"' in page.text
    assert '"validatorUrl": null' in page.text
    assert "evil.example" not in page.text
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/docs/nothing.js", "/docs/../app/auth/authentication.py", "/docs/%2e%2e/flask_swagger_ui.py"]
)
def test_the_pages_are_the_only_files_that_are_served(make_app: MakeApp, path: str) -> None:
    assert client_of(make_app(snapshot(listing("us-east-1", model())))).get(path).status_code == 404


def test_schemathesis_finds_nothing_wrong_with_the_whole_service(tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    with running_service(tmp_path, WEB_CONCURRENCY="2", ACCESS_LOG="false") as service:
        # From a file: it would not ask for the address of its document.
        document.write_text(service.get(f"/{document.name}").text)
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "schemathesis.cli",
                    "--config-file",
                    str(PROJECT / "tests/system/schemathesis.toml"),
                ),
                *("run", str(document), "--url", service.url, "--header", f"x-api-key: {KEY}", "--checks", "all"),
                *("--max-examples", "10", "--seed", "1", "--generation-database", "none", "--warnings", "off"),
            ],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        print(done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    count = len(operations(json.loads(document.read_text())))
    assert f"Tested: {count}\n" in done.stdout
    assert '"event": "request_failed"' not in service.log()
