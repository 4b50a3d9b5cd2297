"""Reading the two packaged files: `generated.json`, which `make cards` makes, and `checked.toml`, kept by hand."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.catalog.cards.reading import (
    AMOUNTS,
    Fact,
    Layer,
    read_day,
    read_facts,
    read_limit,
    read_price,
)
from app.catalog.cards.records import FIELDS
from app.catalog.tables import MISSING, InvalidValue, dotted, read_boolean, read_table, read_text

GENERATED = "generated.json"
CHECKED = "checked.toml"

LITELLM = "litellm"
LANGCHAIN = "langchain-aws"
SOURCES = (LANGCHAIN, LITELLM)

# A row that prices a model in one region, as LiteLLM names it.
REGION_ROW = re.compile(r"bedrock/(?P<region>[a-z]{2,4}(?:-[a-z]+)+-[0-9]+)/(?P<id>[^/]+)")

_FACTS_HEADER = re.compile(r"\s*\[\[\s*facts\s*\]\]")


class DamagedCardFile(ValueError):
    """A packaged file that cannot be read; names the file and the line."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}, line {line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


# One package's row as JSON has it, checked: its values are read where a model is looked up, as most rows never are.
SourceRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """The Bedrock rows of one package, by model id or profile id; `regions` are prices by model id and region."""

    source: str
    as_of: date
    rows: Mapping[str, SourceRow]
    regions: Mapping[str, Mapping[str, Mapping[str, str]]]


def read_generated(data: bytes) -> dict[str, SourceTable]:
    """The tables of `generated.json`, by package.

    Raises:
        DamagedCardFile: the file is not as `make cards` writes it.
    """
    text = _decoded(GENERATED, data)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = f"not JSON: {getattr(error, 'msg', type(error).__name__)}"
        raise DamagedCardFile(GENERATED, getattr(error, "lineno", 1), reason) from None
    try:
        top = read_table("the file", content, ("sources", *SOURCES))
        described = read_table("sources", top.get("sources", MISSING))
        return {name: _source_table(name, described.get(name, MISSING), top.get(name, MISSING)) for name in SOURCES}
    except InvalidValue as error:
        raise DamagedCardFile(GENERATED, _json_line(text, error.key), str(error)) from None


def _source_table(name: str, described: object, rows: object) -> SourceTable:
    key = dotted("sources", name)
    about = read_table(key, described)
    version = read_text(f"{key}.version", about.get("version", MISSING))
    as_of = read_day(f"{key}.as_of", about.get("as_of", MISSING))
    found: dict[str, SourceRow] = {}
    regions: dict[str, dict[str, Mapping[str, str]]] = {}
    for row_id, row in read_table(name, rows).items():
        try:
            for field, value in read_table("", row, ROW_READERS).items():
                ROW_READERS[field](field, value)
        except InvalidValue as error:
            # Put together here, as hardly ever one of a thousand values fails.
            key = ".".join(filter(None, (dotted(name, row_id), error.key)))
            raise InvalidValue(key, error.value, error.allowed) from None
        regional = REGION_ROW.fullmatch(row_id) if "/" in row_id else None
        if regional is None:
            found[row_id] = row
        elif "prices" in row:
            regions.setdefault(regional["id"], {})[regional["region"]] = row["prices"]
    return SourceTable(source=f"{name} {version}", as_of=as_of, rows=found, regions=regions)


def check_amounts(key: str, value: object) -> None:
    for name, amount in read_table(key, value, AMOUNTS).items():
        read_price(name, amount)


# What a row of a package may state.
ROW_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "display_name": read_text,
    "released": read_day,
    "max_input_tokens": read_limit,
    "max_tokens": read_limit,
    "tool_use": read_boolean,
    "prices": check_amounts,
}


def read_checked(data: bytes) -> Layer:
    """The layer of `checked.toml`: `[[facts]]`, each with the model ids, the URL and the day that it was read.

    Raises:
        DamagedCardFile: the file is not TOML, or a fact is not allowed, has no source or is stated twice.
    """
    text = _decoded(CHECKED, data)
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise DamagedCardFile(CHECKED, line, f"not TOML: {error}") from None
    layer: dict[str, dict[str, Fact]] = {}
    groups: Any = content.get("facts")
    if not isinstance(groups, list) or list(content) != ["facts"]:
        raise DamagedCardFile(CHECKED, 1, f"the file must hold [[facts]] alone, got {', '.join(content) or 'nothing'}")
    for place, group in enumerate(groups):
        try:
            _read_group(group, layer)
        except InvalidValue as error:
            raise DamagedCardFile(CHECKED, _toml_line(text, place, error.key), str(error)) from None
    return layer


def _read_group(group: object, layer: dict[str, dict[str, Fact]]) -> None:
    table = read_table("facts", group, ("models", "source", "as_of", *FIELDS, "unset"))
    source = table.get("source", MISSING)
    if not isinstance(source, str) or not re.fullmatch(r"https://[^\s/]+/\S+", source):
        raise InvalidValue("facts.source", source, "the URL where the fact was read")
    as_of = read_day("facts.as_of", table.get("as_of", MISSING))
    models = table.get("models", MISSING)
    if not isinstance(models, list) or not models:
        raise InvalidValue("facts.models", models, "a list of model ids")
    facts = read_facts("facts", table, fields=FIELDS, source=source, as_of=as_of)
    for model_id in models:
        known = layer.setdefault(read_text("facts.models", model_id), {})
        for field, fact in facts.items():
            if field in known:
                raise InvalidValue(f"facts.{field}", model_id, "stated once for each model")
            known[field] = fact


def _decoded(file: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DamagedCardFile(file, data[: error.start].count(b"\n") + 1, "not UTF-8") from None


def _json_line(text: str, key: str) -> int:
    """The line of the row that a dotted key is in: rows have a line each, after the line that names their package."""
    package = next((name for name in (*SOURCES, "sources") if key.startswith(name)), "")
    lines = text.splitlines()
    start = next((place for place, line in enumerate(lines) if line.startswith(f'"{package}"')), 0)
    for place in range(start, len(lines)):
        row_id = re.match(r'\s*("(?:[^"\\]|\\.)+"): ', lines[place])
        if row_id and f"{key}.".startswith(f"{dotted(package, json.loads(row_id[1]))}."):
            return place + 1
    return start + 1


def _toml_line(text: str, place: int, key: str) -> int:
    """The line of a key of the group at a place, or of the group's header where the key is missing."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _FACTS_HEADER.match(line)]
    start = starts[place]
    end = starts[place + 1] if place + 1 < len(starts) else len(lines)
    wanted = key.removeprefix("facts.")
    # The deepest part of the key that has a line of its own: a tree's table leaves the first part to its header.
    while wanted:
        for name in (wanted, wanted.removeprefix("capabilities.")):
            for number in range(start, end):
                if re.match(rf"\s*\[?(facts\.)?{re.escape(name)}\b", lines[number]):
                    return number + 1
        wanted = wanted.rpartition(".")[0]
    return start + 1
