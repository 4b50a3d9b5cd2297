"""The architecture: which module may know of which, and what holds for every route, also for those to come."""

import ast
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import Field, fields
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.catalog.records import CatalogSnapshot, CatalogState
from config import ServerSettings, Settings
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, NOW, listing, model, snapshot
from tests.support.servers import PROJECT, service_environ

# The only paths that answer without a key.
PUBLIC = {"/livez", "/readyz", "/openapi.json", "/docs/", "/docs/index.css"}
# What stands in the place of a route's argument; for all others an id does.
ARGUMENTS = {"path": "index.css"}

# Who talks to AWS: the children that serving processes start, and nobody else.
MAY_IMPORT_BOTO = {"app.discovery.bedrock", "app.discovery.tls", "app.auth.aws_child"}
# Who imports those, inside the child alone.
CHILDREN = {"app.discovery.__main__", "app.auth.aws_child"}

# What refreshes the catalog; who serves it knows nothing of that.
REFRESHING = {
    "app.discovery.__main__",
    "app.discovery.bedrock",
    "app.discovery.parent",
    "app.refresh.store",
    "app.refresh.refresher",
    "app.cli",
    "app.discovery.demo",
}

# (module, function): a job's or a tool's top, where anything that goes wrong is logged with its traceback.
MAY_CATCH_ALL = {
    ("app.auth.aws_child", "read_source"),
    ("app.discovery.bedrock", "visit_part"),
    ("app.refresh.refresher", "_repeat"),
    ("app.auth.keys", "_repeat"),
    ("app.api.mcp.server", "_call"),
}


def module_name(file: Path) -> str:
    parts = file.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in (*PROJECT.glob("app/**/*.py"), *PROJECT.glob("config/**/*.py"))}
TREES = {name: ast.parse(file.read_text()) for name, file in FILES.items()}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative imports hide who knows of whom"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in FILES else node.module


IMPORTS = {name: set(imported(tree)) for name, tree in TREES.items()}


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def known_to(name: str) -> set[str]:
    """Our modules that a module imports, and those that these import; the wiring in `app` itself is not followed."""
    found: set[str] = set()
    todo = {name}
    while todo:
        new = {other for it in todo for other in IMPORTS[it] if other in FILES and other != "app"} - found
        found |= new
        todo = new
    return found


def test_the_catalog_imports_itself_and_the_standard_library_alone() -> None:
    for name in FILES:
        if is_in(name, "app.catalog"):
            others = {other for other in IMPORTS[name] if not is_in(other, "app.catalog")}
            assert {other.partition(".")[0] for other in others} <= sys.stdlib_module_names, name


def test_the_catalog_reads_no_clock() -> None:
    for name, tree in TREES.items():
        if is_in(name, "app.catalog"):
            called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not called & {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}, name


@pytest.mark.parametrize("package", ["app.api", "app.errors", "app.catalog"])
def test_who_serves_the_catalog_knows_nothing_of_its_refreshing(package: str) -> None:
    for name in FILES:
        if is_in(name, package):
            assert not known_to(name) & REFRESHING, name


def test_the_schemas_know_the_catalog_alone() -> None:
    for name in FILES:
        if is_in(name, "app.api") and name.endswith((".schemas", ".fields", "_schemas")):
            ours = {other for other in IMPORTS[name] if other.partition(".")[0] in ("app", "config")}
            assert all(is_in(other, "app.catalog") or is_in(other, "app.api.fields") for other in ours), name


def test_the_settings_know_nothing_of_the_application() -> None:
    assert not {other for name in FILES if is_in(name, "config") for other in IMPORTS[name] if is_in(other, "app")}


def test_boto3_is_imported_by_the_children_alone() -> None:
    importers = {
        name
        for name, others in IMPORTS.items()
        if any(other.partition(".")[0] in ("boto3", "botocore") for other in others)
    }

    assert importers <= MAY_IMPORT_BOTO
    assert not {name for name in FILES if name not in MAY_IMPORT_BOTO | CHILDREN and IMPORTS[name] & MAY_IMPORT_BOTO}
    assert not {name for name in FILES if name not in CHILDREN and IMPORTS[name] & CHILDREN}


def run_python(code: str, folder: Path) -> str:
    environ = service_environ(folder)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environ, check=True, capture_output=True, text=True
    ).stdout


def test_a_serving_process_carries_neither_boto3_nor_the_mcp_sdk_and_a_discovery_child_no_flask(tmp_path: Path) -> None:
    heavy = {"boto3", "botocore", "mcp", "flask", "marshmallow", "rich"}
    loaded = "import sys, {}; print(sorted(%r & set(sys.modules)))".replace("%r", f"set({sorted(heavy)})")

    assert not {"boto3", "botocore", "mcp"} & set(ast.literal_eval(run_python(loaded.format("wsgi"), tmp_path)))
    assert ast.literal_eval(run_python(loaded.format("app.discovery.__main__"), tmp_path)) == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not {file.stem for file in FILES.values()} & {"models", "utils", "util", "helpers", "services", "common"}


def handlers(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Every `except`, with the name of the function it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ExceptHandler):
            yield function, node
        yield from handlers(node, node.name if isinstance(node, ast.FunctionDef) else function)


def test_nothing_catches_everything_but_a_jobs_top_or_to_raise_it_again() -> None:
    for name, tree in TREES.items():
        for function, handler in handlers(tree):
            caught = ast.unparse(handler.type) if handler.type else "everything"
            last = handler.body[-1]
            raised_again = isinstance(last, ast.Raise) and last.exc is None
            if caught in ("everything", "Exception", "BaseException") and not raised_again:
                assert (name, function) in MAY_CATCH_ALL


def test_every_event_that_warns_stands_in_the_readme() -> None:
    calls = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    warned = {
        ast.literal_eval(call.args[0])
        for call in calls
        if ast.unparse(call.func) in ("log.warning", "log.error", "log.exception", "logs.log.warning") and call.args
    }
    readme = (PROJECT / "README.md").read_text()

    assert {"region_failed", "job_failed", "keys_not_read"} <= warned
    assert {event for event in warned if f"`{event}`" not in readme} == {"demo_catalog", "anthropic_routes_disabled"}


def test_every_library_that_is_imported_is_required_by_its_name() -> None:
    required = set(re.findall(r"^[a-z][a-z0-9-]*", (PROJECT / "requirements.in").read_text(), re.MULTILINE))
    names = {name.partition(".")[0] for tree in TREES.values() for name in imported(tree)}
    libraries = names - set(sys.stdlib_module_names) - {"app", "config", "_typeshed"}
    from_where = packages_distributions()

    assert {"boto3", "flask"} <= libraries
    assert {it for it in libraries if not {_distribution(name) for name in from_where[it]} & required} == set()


def _distribution(name: str) -> str:
    return name.lower().replace("_", "-")


# Every route.


def routes(app: Flask) -> list[tuple[str, str]]:
    """(method, path) of every route, with a value in the place of each argument."""
    found = []
    for rule in app.url_map.iter_rules():
        path = rule.build({name: ARGUMENTS.get(name, "a") for name in rule.arguments})
        assert path is not None
        found += [(method, path[1]) for method in sorted(rule.methods or ())]
    return found


def test_every_route_asks_for_a_key_or_is_one_of_the_public_ones(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing("us-east-1", model("a"))))
    stranger, guest = client_of(app, key=None), client_of(app, "wrong")

    for method, path in routes(app):
        expected = (200, 200) if path in PUBLIC else (401, 401)
        given = tuple(client.open(path, method=method, buffered=True).status_code for client in (stranger, guest))
        assert given == expected, f"{method} {path}"


def test_the_public_routes_are_there(app: Flask) -> None:
    assert {path for _, path in routes(app)} >= PUBLIC


def test_building_the_app_starts_no_thread_opens_no_socket_and_runs_no_child(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("building the app has an effect")

    monkeypatch.setattr(threading.Thread, "start", forbidden)
    monkeypatch.setattr(socket.socket, "__init__", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)

    make_app(None)
    make_app(None, source="demo")

    assert list(tmp_path.iterdir()) == []


# Every error, in the dialect of its path.

LAYOUTS = [
    ("/anthropic", ""),
    ("", "/openai"),
    ("/a", "/b"),
    ("/api", "/api/openai"),
    ("/api/anthropic", "/api"),
    ("/x", "/x/v1"),
    ("/x/v1", "/x"),
    ("/api", "/api"),
    ("", ""),
]


def is_anthropic_error(answer: TestResponse) -> bool:
    body = answer.json
    return (
        isinstance(body, dict)
        and list(body) == ["type", "error", "request_id"]
        and body["type"] == "error"
        and list(body["error"]) == ["type", "message"]
        and body["request_id"] == answer.headers["request-id"]
    )


def is_openai_error(answer: TestResponse) -> bool:
    body = answer.json
    return isinstance(body, dict) and list(body) == ["error"] and list(body["error"]) == OPENAI_KEYS


OPENAI_KEYS = ["message", "type", "param", "code"]

BROKEN = CatalogSnapshot(
    state=CatalogState(source="aws", attempted_at=NOW, listings=(listing("us-east-1"),)),
    models=("not a model",),  # type: ignore[arg-type]
    changed_at=NOW,
)


@pytest.mark.parametrize(("anthropic", "openai"), LAYOUTS)
def test_every_error_is_in_the_dialect_of_its_path(make_app: MakeApp, anthropic: str, openai: str) -> None:
    changes = {"anthropic_prefix": anthropic, "openai_prefix": openai}
    app = make_app(snapshot(listing("us-east-1", model("a"))), **changes)
    stranger, client = client_of(app, key=None), client_of(app)
    broken, empty = client_of(make_app(BROKEN, **changes)), client_of(make_app(None, **changes))
    dialects = [(openai, is_openai_error)]
    dialects += [(anthropic, is_anthropic_error)] if anthropic != openai else []

    for prefix, in_the_dialect in dialects:
        errors = {
            401: stranger.get(f"{prefix}/v1/models"),
            404: client.get(f"{prefix}/v1/models/ghost"),
            405: client.post(f"{prefix}/v1/models"),
            413: client.post(f"{prefix}/v1/models", data=b"x" * ((1 << 20) + 1)),
            500: broken.get(f"{prefix}/v1/models"),
            503: empty.get(f"{prefix}/v1/models/a"),
        }
        errors_elsewhere = {
            401: stranger.get(f"{prefix}/v1/elsewhere"),
            404: client.get(f"{prefix}/v1/elsewhere"),
        }
        for told in (errors, errors_elsewhere):
            for status, answer in told.items():
                assert answer.status_code == status
                assert answer.mimetype == "application/json"
                assert in_the_dialect(answer), answer.text


def test_an_error_that_no_dialect_claims_is_anthropics(make_app: MakeApp) -> None:
    client = client_of(make_app(None, anthropic_prefix="/a", openai_prefix="/b"))

    for path in ("/", "/favicon.ico", "/c/v1/models", "/ab/v1/models"):
        assert is_anthropic_error(client.get(path)), path


def test_a_prefix_and_mcp_are_claimed_whole(make_app: MakeApp) -> None:
    app = make_app(None, openai_prefix="/openai")
    client, stranger = client_of(app), client_of(app, key=None)

    assert is_openai_error(client.get("/openai/typo"))
    for path in ("/mcp", "/mcp/"):
        assert stranger.post(path).get_json()["jsonrpc"] == "2.0"


def test_no_answer_holds_the_key_that_was_sent(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model("a")))))

    for method, path in routes(client.application):
        answer = client.open(path, method=method, buffered=True)
        assert KEY not in answer.text and KEY not in str(answer.headers), path


def test_every_setting_stands_in_the_readme_with_its_default_and_meaning() -> None:
    readme = (PROJECT / "README.md").read_text()

    missing = [row for row in map(readme_row, (*fields(Settings), *fields(ServerSettings))) if row not in readme]

    assert missing == []


def readme_row(setting: "Field[Any]") -> str:
    default = setting.default
    if isinstance(default, bool):
        default = str(default).lower()
    elif isinstance(default, tuple):
        default = ",".join(default)
    shown = f"`{default}`" if default not in ("", None) else ""
    return f"| `{setting.metadata['name']}` | {shown} | {setting.metadata['meaning']} |"
