"""The architecture: which room may import which, and what holds for every file."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.servers import PROJECT, service_environ

# The rooms from the ground up, each with those that it may import beside itself; never upwards, and lazily neither.
GROUND = {"config", "app.atomic_file", "app.catalog", "app.errors", "app.telemetry", "app.server"}
BELOW_SERVICES = GROUND | {"app.auth", "app.discovery", "app.operator_file", "app.refresh", "app.webhooks"}
ROOMS: dict[str, set[str]] = {
    "config": set(),
    "app.catalog": set(),
    "app.atomic_file": set(),
    "app.errors": set(),
    "app.telemetry": {"config", "app.catalog"},
    "app.server": {"config", "app.telemetry"},
    "app.discovery": {"config", "app.catalog", "app.telemetry", "app.server"},
    "app.refresh": {"config", "app.catalog", "app.telemetry", "app.discovery.parent"},
    "app.webhooks": {"config", "app.atomic_file", "app.catalog", "app.telemetry", "app.refresh.store"},
    # What a target of webhooks is; nothing that sends.
    "app.operator_file": {"app.atomic_file", "app.catalog", "app.telemetry", "app.webhooks.targets"},
    "app.auth": GROUND,
    "app.services": BELOW_SERVICES,
    "app.web": {"config", "app.catalog", "app.errors", "app.telemetry", "app.auth", "app.services"},
    "app.api": GROUND | {"app.auth", "app.services", "app.web"},
    "app.pages": {"config", "app.auth", "app.services", "app.web"},
    "app.cli": BELOW_SERVICES | {"app.services", "app.web", "app.api"},
    # create_app.
    "app": BELOW_SERVICES | {"app.services", "app.web", "app.api", "app.pages", "app.cli"},
}
# What a room may import of others than the standard library; any library where it is not named here.
LIBRARIES: dict[str, set[str]] = {it: set() for it in ("config", "app.catalog", "app.errors", "app.atomic_file")}

# What imports boto3, and the children that serving processes start, in which alone that is imported.
MAY_IMPORT_BOTO = {f"app.discovery.{it}" for it in ("access_child", "bedrock", "mantle", "tls")}
MAY_IMPORT_BOTO |= {"app.auth.aws_child"}
CHILDREN = {"app.discovery.__main__", "app.discovery.access_child", "app.auth.aws_child"}
EMPTY_OF_IMPORTS = ("app", "app.discovery", "app.auth")

# (module, function): a job's or a tool's top, where anything that goes wrong is logged with its traceback.
MAY_CATCH_ALL = {
    ("app.auth.aws_child", "read_source"),
    ("app.discovery.access_child", "_ask"),
    ("app.discovery.bedrock", "visit_part"),
    ("app.refresh.scheduler", "run_logged"),
    ("app.api.mcp.server", "_call"),
}

MAX_LINES = 400
# Words that style.md replaces, and how many may be left of all together: some are the right ones.
REPLACED_WORDS = re.compile(r"\b(tells?|telling|told|said|whoever|nobody|somebody|everybody|anybody)\b", re.IGNORECASE)


def module_name(file: Path) -> str:
    parts = file.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in (*PROJECT.glob("app/**/*.py"), *PROJECT.glob("config/**/*.py"))}
TREES = {name: ast.parse(file.read_text()) for name, file in FILES.items()}
MODULE = re.compile(r"(app|config)(\.\w+)+")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top, inside a function, or by its name in a text (`-m`, importlib)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative imports hide what imports what"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                # The version stands in the package's own file, which any import of a room runs.
                if inner != "app.__version__":
                    yield inner if inner in FILES else node.module
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
            name = node.value
            while name and name not in FILES:
                name = name.rpartition(".")[0]
            if name:
                yield name


IMPORTS = {name: set(imported(tree)) for name, tree in TREES.items()}


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def room_of(module: str) -> str:
    """The room that a module stands in; `app` itself is none but for its own file."""
    [room] = [room for room in ROOMS if module == room or (room != "app" and is_in(module, room))]
    return room


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_that_it_may(room: str) -> None:
    wrong = {
        (name, other)
        for name in FILES
        if room_of(name) == room
        for other in IMPORTS[name]
        if other.partition(".")[0] in ("app", "config") and room_of(other) != room
        if not any(is_in(other, allowed) for allowed in ROOMS[room])
    }

    assert wrong == set()


def test_a_lazy_import_and_a_module_in_a_text_count_as_imports() -> None:
    tree = ast.parse('def f():\n    from app.web import cors\n    run("-m", "app.auth.aws_child")\n    "app.nowhere.x"')

    assert set(imported(tree)) == {"app.web.cors", "app.auth.aws_child", "app"}


def test_the_table_has_no_arrow_upwards() -> None:
    places = {room: place for place, room in enumerate(ROOMS)}
    arrows = [(room, room_of(other)) for room, others in ROOMS.items() for other in others]

    assert [arrow for arrow in arrows if places[arrow[1]] >= places[arrow[0]]] == []


@pytest.mark.parametrize("room", LIBRARIES)
def test_the_ground_needs_the_standard_library_alone(room: str) -> None:
    others = {other.partition(".")[0] for name in FILES if room_of(name) == room for other in IMPORTS[name]}

    assert others - {"app", "config"} - sys.stdlib_module_names <= LIBRARIES[room]


def test_the_catalog_reads_no_clock() -> None:
    for name, tree in TREES.items():
        if is_in(name, "app.catalog"):
            called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not called & {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}, name


def reached_from(name: str) -> set[str]:
    """A module, and all of ours that it imports, directly or not."""
    found: set[str] = set()
    todo = {name}
    while todo:
        found |= todo
        todo = {other for module in todo for other in IMPORTS[module] if other in FILES} - found
    return found


def test_queries_and_all_that_they_import_know_of_no_request() -> None:
    for name in reached_from("app.api.queries"):
        libraries = {other.partition(".")[0] for other in IMPORTS[name]}
        assert not libraries & {"flask", "werkzeug", "gunicorn"}, name


def test_a_view_of_a_query_is_all_that_makes_a_response_cacheable() -> None:
    """The response cache keeps what has a catalog view in its context; nothing else writes one there."""
    writers = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and target.attr == "view"
    }

    assert writers == {"app.api.query_view"}


@pytest.mark.parametrize("package", EMPTY_OF_IMPORTS)
def test_a_package_that_a_child_runs_from_imports_nothing(package: str) -> None:
    imports = {ast.unparse(node) for node in TREES[package].body if isinstance(node, ast.Import | ast.ImportFrom)}

    assert imports <= {"from typing import TYPE_CHECKING"}


def test_boto3_is_imported_by_the_children_alone() -> None:
    importers = {
        name
        for name, others in IMPORTS.items()
        if any(other.partition(".")[0] in ("boto3", "botocore") for other in others)
    }
    # A child's name in a text, which starts it, is no import.
    by_import = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        if set(imported(node)) & (MAY_IMPORT_BOTO | CHILDREN)
    }

    assert importers <= MAY_IMPORT_BOTO
    assert by_import <= MAY_IMPORT_BOTO | CHILDREN


def test_no_file_is_longer_than_400_lines() -> None:
    lines = {name: len(file.read_text().splitlines()) for name, file in FILES.items()}

    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_the_words_that_the_style_replaces_are_gone() -> None:
    found = {name: words for name, file in FILES.items() if (words := REPLACED_WORDS.findall(file.read_text()))}

    assert found == {}


def run_python(code: str, folder: Path) -> str:
    environ = service_environ(folder)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environ, check=True, capture_output=True, text=True
    ).stdout


def test_a_serving_process_carries_neither_boto3_nor_the_mcp_sdk_and_a_discovery_child_no_flask(tmp_path: Path) -> None:
    heavy = {"boto3", "botocore", "redis", "mcp", "flask", "marshmallow", "rich"}
    loaded = "import sys, {}; print(sorted(%r & set(sys.modules)))".replace("%r", f"set({sorted(heavy)})")

    assert not {"boto3", "botocore", "redis", "mcp"} & set(
        ast.literal_eval(run_python(loaded.format("wsgi"), tmp_path))
    )
    assert ast.literal_eval(run_python(loaded.format("app.discovery.__main__"), tmp_path)) == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not {file.stem for file in FILES.values()} & {"models", "utils", "util", "helpers", "common"}


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


def test_every_library_that_is_imported_is_required_by_its_name() -> None:
    required = set(re.findall(r"^[a-z][a-z0-9-]*", (PROJECT / "requirements.in").read_text(), re.MULTILINE))
    names = {name.partition(".")[0] for tree in TREES.values() for name in imported(tree)}
    libraries = names - set(sys.stdlib_module_names) - {"app", "config", "_typeshed"}
    from_where = packages_distributions()

    assert {"boto3", "flask"} <= libraries
    assert {it for it in libraries if not {_distribution(name) for name in from_where[it]} & required} == set()


def _distribution(name: str) -> str:
    return name.lower().replace("_", "-")
