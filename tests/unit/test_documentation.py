"""The guides say what the code does: settings, log events, alerts, commands and links."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import PROJECT
from tests.support.settings_table import GUIDE, with_table

DOCS = PROJECT / "docs"
README = PROJECT / "README.md"
OPERATIONS = DOCS / "operations.md"
GUIDES = [README, PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", PROJECT / "benchmarks" / "README.md"]
GUIDES += sorted(DOCS.glob("*.md"))
ALERTS = PROJECT / "deploy" / "prometheus" / "alerts.yml"
MAKEFILE = (PROJECT / "Makefile").read_text()

MAX_README_LINES, MAX_README_WORDS = 150, 1200

TREES = [
    ast.parse(file.read_text())
    for file in (*PROJECT.glob("app/**/*.py"), *PROJECT.glob("config/**/*.py"), PROJECT / "gunicorn.conf.py")
]
WARNING_METHODS = ("warning", "error", "exception", "critical")
# gunicorn's logger takes sentences, not names of events.
EVENT = re.compile(r"[a-z]+(_[a-z0-9]+)+")


def headings(file: Path) -> list[str]:
    """Every heading of a guide, without its marks."""
    text = re.sub(r"^```.*?^```$", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    return {anchor(heading) for heading in headings(file)}


def section(file: Path, heading: str) -> str:
    """A guide's text under a heading of the second level."""
    parts = re.split(r"^## (.+)$", file.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def warned_events() -> Iterator[str]:
    """Every event that is logged at the level warning or above, where its name stands in the call."""
    for tree in TREES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                logger = ast.unparse(node.func.value)
                if node.func.attr in WARNING_METHODS and logger.rpartition(".")[2] in ("log", "_log"):
                    names = (str(name.value) for name in ast.walk(node.args[0]) if isinstance(name, ast.Constant))
                    yield from filter(EVENT.fullmatch, names)


def constants() -> set[object]:
    return {node.value for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def alerts() -> dict[str, str]:
    """Each alert's rule as text, by the alert's name."""
    parts = re.split(r"^ *- alert: (\w+)$", ALERTS.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_setting_stands_in_the_configuration_guide_with_its_default_and_meaning() -> None:
    assert with_table(GUIDE.read_text()) == GUIDE.read_text(), "`make docs` writes the table"


def test_every_event_that_warns_has_a_heading_in_the_operations_guide() -> None:
    warned = set(warned_events())

    assert {"region_failed", "job_failed"} <= warned
    assert warned - anchors(OPERATIONS) == set()


def test_the_operations_guide_has_no_heading_of_an_event_that_is_gone() -> None:
    events = re.findall(r"^### `(.+)`$", section(OPERATIONS, "Log events"), re.MULTILINE)

    assert set(events) - constants() == set()


def test_every_alert_links_to_its_heading_in_the_operations_guide() -> None:
    links = {name: re.findall(r"^ *runbook: (.+)$", rule, re.MULTILINE) for name, rule in alerts().items()}

    assert links == {name: [f"docs/operations.md#{anchor(name)}"] for name in links}
    assert {anchor(name) for name in links} <= anchors(OPERATIONS)


def test_the_operations_guide_has_no_heading_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^### (.+)$", section(OPERATIONS, "Alerts"), re.MULTILINE)) == set(alerts())


def test_the_operations_guide_names_every_metric() -> None:
    declared = {
        ast.literal_eval(node.args[0])
        for tree in TREES
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Counter", "Gauge", "Histogram") and node.args
        # A `collections.Counter` counts something else.
        if isinstance(node.args[0], ast.Constant)
    }
    metrics = section(OPERATIONS, "Metrics")

    assert "http_requests" in declared
    assert {name for name in declared if f"`model_catalog_{name}" not in metrics} == set()


def test_the_readme_is_short() -> None:
    text = README.read_text()

    assert len(text.splitlines()) <= MAX_README_LINES
    assert len(text.split()) <= MAX_README_WORDS


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(PROJECT)))
def test_every_relative_link_leads_somewhere(guide: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", guide.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = guide.parent / path if path else guide
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(PROJECT)))
def test_every_file_that_a_guide_names_is_there(guide: Path) -> None:
    named = re.findall(r"`((?:app|config|deploy|docs|tests|benchmarks)/[\w./-]*\w)`", guide.read_text())
    # What a run makes.
    made = {"benchmarks/results"}

    assert [name for name in named if name not in made and not (PROJECT / name).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z -]*):", MAKEFILE, re.MULTILINE))
    targets = {target for names in targets for target in names.split()}
    text = "\n".join(guide.read_text() for guide in GUIDES) + re.sub("^# ", "", MAKEFILE, flags=re.MULTILINE)
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))

    assert {"run", "test-fast", "bench-start"} <= named
    assert named - targets == set()


def own_files() -> Iterator[Path]:
    """The project's own files, without those that .gitignore lists."""
    ignored = {line.strip("/*") for line in (PROJECT / ".gitignore").read_text().splitlines()} | {".git"}
    for folder, folders, files in os.walk(PROJECT):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        within = Path(folder).relative_to(PROJECT)
        folders[:] = [name for name in folders if name not in ignored and str(within / name) not in ignored]
        yield from (Path(folder, name) for name in files if name not in ignored and not name.endswith(".pyc"))


def test_no_file_names_a_package_index_or_a_folder_of_one_machine() -> None:
    # Where packages come from, and where a checkout lies, differs from machine to machine.
    index = r"^\s*(--(extra-)?index-url|--find-links|--trusted-host|registry\s*=\s*http)|\"resolved\":\s*\"http"
    folder = r"(^|[^\w.])/(home|Users|root|work|workspace)/\w"
    pattern = re.compile(f"{index}|{folder}", re.MULTILINE)
    wrong = [
        str(file.relative_to(PROJECT))
        for file in own_files()
        if file != Path(__file__) and pattern.search(file.read_text(errors="replace"))
    ]

    assert wrong == []
