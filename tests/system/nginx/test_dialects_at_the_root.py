"""Both dialects at the root: a request with `anthropic-version` gets Anthropic's shape of /v1/models."""

import time
from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from tests.support.builders import KEY
from tests.support.gateway_stub import GatewayStub, running_gateway
from tests.support.nginx_checks import assert_error, behind_nginx, raw
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import running_service
from tests.support.unix_app import Answer, UnixApp, storable

AT_THE_ROOT = {"http.conf": {"#root#": ""}}
VERSION = "2023-06-01"


@pytest.fixture(scope="module", params=["site.conf", "gateway.conf"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Nginx, UnixApp]]:
    with running_gateway(GatewayStub()) as gateway:
        port = gateway.port if request.param == "gateway.conf" else None
        with behind_nginx(tmp_path_factory.mktemp("root"), AT_THE_ROOT, gateway_port=port) as both:
            yield both


@pytest.fixture
def nginx(running: tuple[Nginx, UnixApp]) -> Nginx:
    return running[0]


@pytest.fixture
def app(running: tuple[Nginx, UnixApp]) -> UnixApp:
    app = running[1]
    app.answer = lambda asked: Answer()
    app.asked.clear()
    return app


@pytest.mark.parametrize(
    ("target", "anthropics"),
    [
        ("/v1/models", "/anthropic/v1/models"),
        ("/v1/models/", "/anthropic/v1/models/"),
        ("/v1/models?limit=1&after_id=a%2Fb", "/anthropic/v1/models?limit=1&after_id=a%2Fb"),
        ("/v1/models/a%2Fb//c", "/anthropic/v1/models/a%2Fb//c"),
        ("/anthropic/v1/models?limit=1", "/anthropic/v1/models?limit=1"),
        ("/search_models", "/search_models"),
    ],
)
def test_the_version_header_decides_the_dialect_of_the_lists_alone(
    nginx: Nginx, app: UnixApp, target: str, anthropics: str
) -> None:
    nginx.get(target)
    nginx.get(target, anthropic_version=VERSION)
    nginx.get(target, anthropic_version="0")

    assert [asked.target for asked in app.asked] == [target, anthropics, anthropics]


def test_the_cache_never_mixes_the_dialects(nginx: Nginx, app: UnixApp) -> None:
    app.answer = lambda asked: storable(asked.target.encode(), until=int(time.time()) + 60)
    versions: list[dict[str, str]] = [
        {},
        {"anthropic_version": VERSION},
        {},
        {"anthropic_version": "2026-10-21"},
        {"anthropic_version": ""},
    ]

    answers = [nginx.get("/v1/models?mixed", **headers) for headers in versions]

    openais, anthropics = "/v1/models?mixed", "/anthropic/v1/models?mixed"
    assert [answer.text for answer in answers] == [openais, anthropics, openais, anthropics, openais]
    assert len(app.asked) == 2
    assert {answer.headers["vary"] for answer in answers} == {"anthropic-version"}
    assert nginx.get("/anthropic/v1/models?mixed").text == anthropics


def test_nginxs_own_errors_are_in_the_dialect_too(nginx: Nginx, app: UnixApp) -> None:
    head = "POST /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1048577\r\n"

    assert_error(raw(nginx.port, f"{head}\r\n".encode()), 413, "openai")
    assert_error(raw(nginx.port, f"{head}anthropic-version: {VERSION}\r\n\r\n".encode()), 413)


def test_the_official_clients_list_and_infer_at_one_address(tmp_path: Path) -> None:
    where = tmp_path / "gunicorn.sock"
    with (
        running_service(tmp_path, socket=where),
        running_gateway(GatewayStub()) as gateway,
        running_nginx(tmp_path / "nginx", where, changes=AT_THE_ROOT, gateway_port=gateway.port) as nginx,
        anthropic.Anthropic(api_key=KEY, base_url=nginx.url, max_retries=0) as claude,
        openai.OpenAI(api_key=KEY, base_url=f"{nginx.url}/v1", max_retries=0) as gpt,
    ):
        listed = {model.id for model in claude.models.list(limit=1000)}
        message = claude.messages.create(
            model="anthropic.claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
        )
        completion = gpt.chat.completions.create(
            model="anthropic.claude-opus-4-8", messages=[{"role": "user", "content": "Hello"}]
        )
        shared = {model.id for model in gpt.models.list()}

    assert "anthropic.claude-opus-5" in listed <= shared
    assert [message.model, completion.model] == ["anthropic.claude-opus-4-8"] * 2
