"""The official Python client against gunicorn with several workers, in each of its ways to speak."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.support.builders import KEY
from tests.support.servers import PROJECT, Service, running_service

MODES = ("auto", "2026-07-28", "legacy")
VERSIONS = {"auto": "2026-07-28", "2026-07-28": "2026-07-28", "legacy": "2025-11-25"}
TOOLS = ["search_models", "anthropic_model_list", "anthropic_model_get", "model_changes"]
MODEL = "amazon.nova-micro-v1:0"


@pytest.fixture(scope="module", params=[True, False], ids=["preload", "no preload"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("service")
    config = folder / "gunicorn.conf.py"
    config.write_text(f"{(PROJECT / 'gunicorn.conf.py').read_text()}\npreload_app = {request.param}\n")
    with running_service(folder, "-c", str(config), WEB_CONCURRENCY="3") as service:
        yield service


@asynccontextmanager
async def connected(service: Service, mode: Any, key: str = KEY) -> AsyncIterator[Client]:
    # No connection is kept, so that each request may meet another worker.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, limits=limits, timeout=10) as http,
        Client(streamable_http_client(f"{service.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", MODES)
def test_the_client_lists_and_calls_the_tools_whatever_worker_answers(service: Service, mode: str) -> None:
    async def session() -> None:
        async with connected(service, mode) as client:
            assert client.protocol_version == VERSIONS[mode]
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == TOOLS
            for _ in range(12):
                # The client itself checks what comes back against the tool's output schema.
                result = await client.call_tool("anthropic_model_get", {"model_id": MODEL})
                assert result.structured_content == json.loads(result.content[0].text)  # type: ignore[union-attr]
                assert result.structured_content == service.get(f"/anthropic/v1/models/{MODEL}").json()
            found = await client.call_tool("search_models", {"query": "nova micro", "region": ["us-east-1"]})
            assert [model["id"] for model in found.structured_content["data"]] == [MODEL]
            whole = service.get("/anthropic/v1/models?limit=5").json()
            page = await client.call_tool("anthropic_model_list", {"limit": 5, "detail": "full"})
            assert page.structured_content == whole
            short = await client.call_tool("anthropic_model_list", {"limit": 5, "after_id": None, "region": []})
            assert [it["id"] for it in short.structured_content["data"]] == [it["id"] for it in whole["data"]]
            assert len(short.content[0].text) < len(page.content[0].text) / 2  # type: ignore[union-attr]

    asyncio.run(session())


@pytest.mark.parametrize("mode", MODES)
def test_the_client_sees_why_a_call_failed(service: Service, mode: str) -> None:
    async def session() -> None:
        async with connected(service, mode) as client:
            result = await client.call_tool("anthropic_model_list", {"limit": 0})
            assert result.is_error
            assert "limit: Input should be greater" in result.content[0].text  # type: ignore[union-attr]
            with pytest.raises(MCPError, match="Unknown tool: nope"):
                await client.call_tool("nope", {})

    asyncio.run(session())


@pytest.mark.parametrize("mode", MODES)
def test_the_client_shows_why_a_key_is_refused(service: Service, mode: str) -> None:
    async def session() -> None:
        async with connected(service, mode, key="wrong") as client:
            await client.list_tools()

    with pytest.raises((MCPError, ExceptionGroup)) as raised:
        asyncio.run(session())

    assert "invalid x-api-key" in texts_of(raised.value)


def texts_of(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(texts_of(inner) for inner in error.exceptions)
    return str(error)
