"""One base URL with the real LiteLLM proxy and real clients: `make gateway-check`.

It prints a table for docs/clients.md, and exits with 1 if a line of it is not as expected. LiteLLM answers one model by
`mock_response`; what streams comes from the stub gateway behind it, since its mocked answers do not stream everywhere.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anthropic
import httpx2 as httpx
import openai

from tests.support.gateway_stub import PARTS, GatewayStub, running_gateway
from tests.support.nginx_server import running_nginx
from tests.support.servers import PROJECT, START_TIMEOUT_S, free_port, running_process, running_service

TOOLS = PROJECT / "var" / "gateway-check"
PYTHON_BIN = TOOLS / "venv" / "bin"
NODE_BIN = TOOLS / "npm" / "node_modules" / ".bin"

KEY = "sk-client"
GATEWAY_KEY = "sk-gateway"
MOCKED = "anthropic.claude-haiku-4-5-20251001-v1:0"
STREAMED = "anthropic.claude-opus-4-8"
# As LiteLLM may have it, and a scope with an `id_format` lists it.
PREFIXED = f"bedrock/{STREAMED}"
MOCK = "Hello from LiteLLM"
TEXT = "".join(PARTS)
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
CLIENT_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a client connects: nginx's URL, the base URL of Anthropic's clients, and the catalog under its own name."""

    url: str
    anthropic_url: str
    catalog_url: str
    home: Path


@dataclass(slots=True)
class Table:
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    failed: bool = False

    def add(self, client: str, tried: str, expected: str, run: Callable[[], str]) -> None:
        """Run one line of the table; what it gives must hold `expected`."""
        try:
            result = run()
        except (subprocess.SubprocessError, OSError, anthropic.APIError, openai.APIError) as error:
            result = f"{type(error).__name__}: {error}"
        is_good = expected in result
        self.failed |= not is_good
        self.rows.append((client, tried, expected if is_good else f"FAILED, wanted {expected!r}: {result[-600:]}"))
        print(f"| {' | '.join(self.rows[-1])} |", flush=True)


def litellm_config(stub: GatewayStub, master_key: str) -> str:
    """Models that LiteLLM answers itself, and models that it asks the stub for."""
    behind = {
        "model": f"hosted_vllm/{STREAMED}",
        "api_base": f"http://127.0.0.1:{stub.port}/v1",
        "api_key": "none",
        # Codex speaks /v1/responses alone, the stub does not.
        "use_chat_completions_api": True,
    }
    models = [
        {"model_name": MOCKED, "litellm_params": {"model": f"bedrock/{MOCKED}", "mock_response": MOCK}},
        *({"model_name": name, "litellm_params": behind} for name in (STREAMED, PREFIXED)),
    ]
    return json.dumps({"model_list": models, "general_settings": {"master_key": master_key}})


@contextmanager
def running_litellm(folder: Path, stub: GatewayStub, master_key: str) -> Iterator[int]:
    port = free_port()
    config = folder / f"litellm-{port}.yaml"
    config.write_text(litellm_config(stub, master_key))
    command = [str(PYTHON_BIN / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running_process(command, folder / "litellm.log", environ) as process:
        deadline = time.monotonic() + 4 * START_TIMEOUT_S
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / "litellm.log").read_text()) from None
            time.sleep(0.2)
        yield port


@contextmanager
def standing(
    folder: Path, litellm_port: int, changes: Mapping[str, Mapping[str, str]], at_root: bool, **settings: str
) -> Iterator[Place]:
    """The catalog and nginx before LiteLLM."""
    folder.mkdir()
    (folder / "home").mkdir()
    (folder / "nginx").mkdir()
    key_file = folder / "nginx" / "bedrock-model-catalog-gateway-key.conf"
    key_file.write_text(f'proxy_set_header Authorization "Bearer {GATEWAY_KEY}";\n')
    where = folder / "gunicorn.sock"
    with (
        running_service(folder, socket=where, **({"API_KEYS": f"me:{KEY}"} | settings)),  # type: ignore[arg-type]
        running_nginx(folder / "nginx", where, changes=changes, gateway_port=litellm_port) as nginx,
    ):
        yield Place(
            url=nginx.url,
            anthropic_url=nginx.url + ("" if at_root else "/anthropic"),
            catalog_url=f"http://localhost:{nginx.port}",
            home=folder / "home",
        )


# ---- Clients -------------------------------------------------------------------------------------------------------


def run(place: Place, *command: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """A command's output, of both streams."""
    own = {"PATH": os.environ["PATH"], "HOME": str(place.home), "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=cwd or place.home,
        env=own | dict(environ or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CLIENT_TIMEOUT_S,
    )
    return done.stdout


def version_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_TIMEOUT_S)
    found = re.search(r"\d+\.\d+\.\d+|\d+\.\d+", done.stdout)
    return found[0] if found else "?"


def package_version(package: str) -> str:
    content: dict[str, str] = json.loads((TOOLS / "npm" / "node_modules" / package / "package.json").read_text())
    return content["version"]


def python_sdks(table: Table, place: Place, variant: str, key: str = KEY, refusal: str = "401") -> None:
    claude = anthropic.Anthropic(base_url=place.anthropic_url, api_key=key, max_retries=0)
    gpt = openai.OpenAI(base_url=f"{place.url}/v1", api_key=key, max_retries=0)

    def anthropics() -> str:
        listed = [model.id for model in claude.models.list(limit=7)]
        message = claude.messages.create(model=MOCKED, max_tokens=9, messages=MESSAGES)
        with claude.messages.stream(model=STREAMED, max_tokens=9, messages=MESSAGES) as stream:
            streamed = "".join(stream.text_stream)
        return ", ".join(
            [
                "lists" if {MOCKED, STREAMED} <= set(listed) else "lists not",
                "retrieves" if claude.models.retrieve(MOCKED).id == MOCKED else "retrieves not",
                "is answered" if message.content[0].text == MOCK else "is not answered",  # type: ignore[union-attr]
                "streams" if streamed == TEXT else f"streams {streamed!r}",
            ]
        )

    def openais() -> str:
        completion = gpt.chat.completions.create(model=MOCKED, messages=MESSAGES)
        chunks = gpt.chat.completions.create(model=STREAMED, messages=MESSAGES, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return ", ".join(
            [
                "lists" if {MOCKED, STREAMED} <= {model.id for model in gpt.models.list()} else "lists not",
                "is answered" if completion.choices[0].message.content == MOCK else "is not answered",
                "streams" if streamed == TEXT else f"streams {streamed!r}",
            ]
        )

    def wrong_key() -> str:
        found = []
        wrong = anthropic.Anthropic(base_url=place.anthropic_url, api_key="wrong", max_retries=0)
        for attempt in (
            lambda: wrong.models.list(),
            lambda: wrong.messages.create(model=MOCKED, max_tokens=9, messages=MESSAGES),
        ):
            try:
                attempt()
                found.append("accepted")
            except anthropic.APIStatusError as error:
                found.append(str(error.status_code))
        return f"list {found[0]}, inference {found[1]}"

    table.add(
        f"anthropic (Python) {anthropic.__version__}", variant, "lists, retrieves, is answered, streams", anthropics
    )
    table.add(f"openai (Python) {openai.__version__}", variant, "lists, is answered, streams", openais)
    table.add("anthropic (Python), a wrong key", variant, f"list 401, inference {refusal}", wrong_key)


def javascript_sdks(table: Table, place: Place, variant: str) -> None:
    script = str(Path(__file__).with_name("clients.mjs"))
    client = (
        f"@anthropic-ai/sdk {package_version('@anthropic-ai/sdk')}, openai {package_version('openai')} (JavaScript)"
    )

    def both() -> str:
        output = run(place, "node", script, place.anthropic_url, f"{place.url}/v1", KEY, STREAMED, cwd=TOOLS / "npm")
        try:
            found = json.loads(output.splitlines()[-1])
        except (ValueError, IndexError):
            return output
        is_good = found["anthropic"][1] == found["openai"][1] == TEXT and found["refused"] == [401, 401]
        return "both list, stream, and show 401 for a wrong key" if is_good and found["openai"][0] > 20 else output

    table.add(client, variant, "both list, stream, and show 401 for a wrong key", both)


def claude_code(table: Table, place: Place, variant: str) -> None:
    claude = str(NODE_BIN / "claude")
    client = f"Claude Code {version_of(claude, '--version')}"
    environ = {
        "ANTHROPIC_BASE_URL": place.anthropic_url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CONFIG_DIR": str(place.home / ".claude"),
    }

    def ask(*arguments: str, **changes: str) -> str:
        return run(place, claude, "-p", "Hello", *arguments, environ=environ | changes)

    def discovered() -> str:
        cache = place.home / ".claude" / "cache" / "gateway-models.json"
        if not cache.exists():
            return "nothing discovered"
        models = json.loads(cache.read_text())["models"]
        ids = {model["id"] for model in models}
        strangers = [model_id for model_id in ids if not re.search("claude|anthropic", model_id)]
        return f"{'its picker has' if {MOCKED, STREAMED} <= ids and not strangers else 'lacks'} the Claude models"

    table.add(client, f"`claude -p --model`, {variant}", TEXT, lambda: ask("--model", STREAMED))
    table.add(client, f"model discovery, {variant}", "its picker has the Claude models", discovered)
    table.add(client, f"no model set, {variant}", "Invalid model name passed in model=claude-", ask)
    table.add(
        client,
        f"the three `ANTHROPIC_DEFAULT_*_MODEL`, {variant}",
        TEXT,
        lambda: ask(**{f"ANTHROPIC_DEFAULT_{line}_MODEL": STREAMED for line in ("OPUS", "SONNET", "HAIKU")}),
    )
    for name, key in (("good", KEY), ("bad", "wrong")):
        header = f"x-api-key: {key}"
        run(
            place,
            claude,
            "mcp",
            "add",
            "--transport",
            "http",
            name,
            f"{place.catalog_url}/mcp",
            "--header",
            header,
            environ=environ,
        )
    listed = run(place, claude, "mcp", "list", environ=environ)
    table.add(client, "`claude mcp list`", "Connected", lambda: re.findall(r"^good: .*$", listed, re.MULTILINE)[0])
    table.add(
        client,
        "`claude mcp list`, a wrong key",
        "Dynamic Client Registration rejected (HTTP 401)",
        lambda: re.findall(r"^bad: .*$", listed, re.MULTILINE)[0],
    )


def llm(table: Table, place: Place, variant: str) -> None:
    command = str(PYTHON_BIN / "llm")
    folder = place.home / "llm"
    folder.mkdir()
    (folder / "extra-openai-models.yaml").write_text(
        json.dumps(
            [{"model_id": "opus", "model_name": STREAMED, "api_base": f"{place.url}/v1", "api_key_name": "bedrock"}]
        )
    )
    run(place, command, "keys", "set", "bedrock", "--value", KEY, environ={"LLM_USER_PATH": str(folder)})
    ask = lambda: run(place, command, "-m", "opus", "Hello", environ={"LLM_USER_PATH": str(folder)})  # noqa: E731
    table.add(f"llm {version_of(command, '--version')}", variant, TEXT, ask)


def opencode(table: Table, place: Place, variant: str) -> None:
    command = str(NODE_BIN / "opencode")
    folder = place.home / "opencode"
    folder.mkdir()
    options = {"baseURL": f"{place.url}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Gateway", "options": options, "models": {STREAMED: {}}}
    (folder / "opencode.json").write_text(json.dumps({"provider": {"gateway": provider}}))
    ask = lambda: run(place, command, "run", "-m", f"gateway/{STREAMED}", "Hello", cwd=folder)  # noqa: E731
    table.add(f"opencode {version_of(command, '--version')}", variant, TEXT, ask)


def codex(table: Table, place: Place, variant: str) -> None:
    command = str(NODE_BIN / "codex")
    folder = place.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'model = "{STREAMED}"\nmodel_provider = "gateway"\n[model_providers.gateway]\nname = "Gateway"\n'
        f'base_url = "{place.url}/v1"\nenv_key = "GATEWAY_KEY"\nwire_api = "responses"\n'
    )
    ask = lambda: run(place, command, "exec", "--skip-git-repo-check", "Hello", environ={"GATEWAY_KEY": KEY})  # noqa: E731
    table.add(f"codex {version_of(command, '--version')}", variant, TEXT, ask)


def with_a_scope(table: Table, place: Place) -> None:
    """A key of a scope with `id_format`: what a client lists is what it can send."""
    claude = anthropic.Anthropic(base_url=place.anthropic_url, api_key=KEY, max_retries=0)
    gpt = openai.OpenAI(base_url=f"{place.url}/v1", api_key=KEY, max_retries=0)
    command = str(NODE_BIN / "claude")
    environ = {
        "ANTHROPIC_BASE_URL": place.anthropic_url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CONFIG_DIR": str(place.home / ".claude"),
    }

    def sdks() -> str:
        found = [[model.id for model in claude.models.list()], [model.id for model in gpt.models.list()]]
        message = claude.messages.create(model=found[0][0], max_tokens=9, messages=MESSAGES)
        completion = gpt.chat.completions.create(model=found[1][0], messages=MESSAGES)
        return f"{found} {message.content[0].text} {completion.choices[0].message.content}"  # type: ignore[union-attr]

    def claude_code() -> str:
        output = run(place, command, "-p", "Hello", "--model", PREFIXED, environ=environ)
        cache = place.home / ".claude" / "cache" / "gateway-models.json"
        models = json.loads(cache.read_text())["models"] if cache.exists() else []
        return f"{[model['id'] for model in models]} {output}"

    scope = 'a scope of one model with `id_format = "bedrock/{id}"`'
    table.add("anthropic, openai (Python)", scope, f"{[[PREFIXED]] * 2} {TEXT} {TEXT}", sdks)
    table.add(f"Claude Code {version_of(command, '--version')}", scope, f"{[PREFIXED]} {TEXT}", claude_code)


def main() -> int:
    table = Table()
    print(f"LiteLLM {version_of(str(PYTHON_BIN / 'litellm'), '--version')}, nginx, {time.strftime('%Y-%m-%d')}")
    print("| client | tried | result |\n|---|---|---|")
    with (
        TemporaryDirectory() as name,
        running_gateway(GatewayStub(region="eu-west-1")) as stub,
        running_litellm(Path(name), stub, KEY) as with_the_clients_key,
        running_litellm(Path(name), stub, GATEWAY_KEY) as with_its_own_key,
    ):
        folder = Path(name)
        with standing(folder / "prefix", with_the_clients_key, {}, at_root=False) as place:
            variant = "`/anthropic` and `/v1`"
            # LiteLLM without a database answers 400 to a wrong key.
            python_sdks(table, place, f"{variant}, the same keys in both", refusal="400")
            javascript_sdks(table, place, variant)
            claude_code(table, place, variant)
            llm(table, place, variant)
            opencode(table, place, variant)
            codex(table, place, variant)
        (folder / "operator.toml").write_text(
            f'[scopes.team]\nkeys = ["me"]\nmodels = ["{STREAMED}"]\nid_format = "bedrock/{{id}}"\n'
        )
        scope = {"CATALOG_CONFIG_FILE": str(folder / "operator.toml")}
        with standing(folder / "scope", with_the_clients_key, {}, at_root=False, **scope) as place:
            with_a_scope(table, place)
        at_root = {"http.conf": {"#root#": ""}}
        with standing(folder / "root", with_the_clients_key, at_root, at_root=True) as place:
            python_sdks(table, place, "both dialects at the root", refusal="400")
            javascript_sdks(table, place, "both dialects at the root")
            claude_code(table, place, "both dialects at the root")
        ways = {"gateway.conf": {"#keys-2#": ""}}
        with standing(folder / "keys-2", with_its_own_key, ways, at_root=False) as place:
            python_sdks(table, place, "the catalog's keys for both")
        ways = {"gateway.conf": {"#keys-3#": ""}}
        opened = {"API_KEYS": "", "AUTH_DISABLED": "true"}
        with standing(folder / "keys-3", with_the_clients_key, ways, at_root=False, **opened) as place:
            python_sdks(table, place, "the gateway's keys for both", refusal="400")
        if table.failed:
            shutil.copy(folder / "litellm.log", TOOLS / "litellm.log")
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main())
