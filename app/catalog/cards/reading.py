"""Reading cards that may be wrong: an error names the key, the value and what is allowed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.catalog.cards.records import (
    FIELDS,
    IMAGE_INPUT,
    LINES,
    NULLABLE_PATHS,
    OPERATOR,
    SUPPORT_PATHS,
    Capabilities,
    Prices,
)
from app.catalog.tables import (
    MISSING,
    InvalidValue,
    dotted,
    read_boolean,
    read_integer,
    read_table,
    read_text,
    read_word,
)

OPERATOR_FIELDS = tuple(field for field in FIELDS if field != "released")
AMOUNTS = ("input", "output", "cache_read", "cache_write")

# Ten times the largest window of any model today; a number beyond it is a slip of the pen.
MAX_TOKENS = 100_000_000

_CANONICAL_PRICE = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{0,11}[1-9])?")
_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?")
_MODALITY = re.compile(r"[A-Z][A-Z_]{0,39}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One field as a source states it; a `value` of None takes away what the layers below state."""

    value: Any
    source: str
    as_of: date


# Facts by id and field.
Layer = Mapping[str, Mapping[str, Fact]]


def read_limit(key: str, value: object) -> int:
    # `type` and not `isinstance`: true is an int. Checked here, as the packaged files hold a thousand of them.
    if type(value) is int and 1 <= value <= MAX_TOKENS:
        return value
    return read_integer(key, value, 1, MAX_TOKENS)


def read_line(key: str, value: object) -> str:
    return read_word(key, value, LINES)


def read_day(key: str, value: object) -> date:
    """A day alone: a TOML date, or text as YYYY-MM-DD."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise InvalidValue(key, value, "a day, such as 2026-11-25")


def read_price(key: str, value: object) -> str:
    """A plain decimal, without leading and trailing zeros."""
    if isinstance(value, str):
        if _CANONICAL_PRICE.fullmatch(value):
            return value
        if _PRICE.fullmatch(value):
            return plain_decimal(Decimal(value))
    raise InvalidValue(key, value, 'a decimal in quotes, in USD per million tokens, such as "3.30"')


def plain_decimal(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros."""
    return format(value.normalize(), "f")


def read_modalities(key: str, value: object) -> tuple[str, ...]:
    """Words as Bedrock writes them; which ones there are is for Bedrock to say."""
    if isinstance(value, list) and value and all(isinstance(it, str) and _MODALITY.fullmatch(it) for it in value):
        return tuple(dict.fromkeys(value))
    raise InvalidValue(key, value, 'a list of modalities in capital letters, such as ["TEXT", "IMAGE"]')


def read_prices(key: str, value: object) -> Prices:
    table = read_table(key, value, (*AMOUNTS, "regions"))
    amounts = _read_amounts(key, {name: inner for name, inner in table.items() if name != "regions"})
    regions = []
    for region, inner in sorted(read_table(dotted(key, "regions"), table.get("regions", {})).items()):
        region_key = dotted(dotted(key, "regions"), region)
        if not _REGION.fullmatch(region):
            raise InvalidValue(region_key, region, "named after a region, such as eu-west-1")
        regions.append((region, Prices(**_read_amounts(region_key, read_table(region_key, inner, AMOUNTS)))))
    if not amounts and not regions:
        raise InvalidValue(key, value, f"a table with at least one of {', '.join(AMOUNTS)}, regions")
    return Prices(**amounts, regions=tuple(regions))


def _read_amounts(key: str, table: Mapping[str, object]) -> dict[str, Any]:
    return {name: read_price(f"{key}.{name}", inner) for name, inner in table.items()}


def read_capabilities(key: str, value: object) -> Capabilities:
    """A whole tree in the Anthropic dialect's shape.

    A leaf that the dialect lets be null may be left out (TOML has no null), and so may `image_input`, which then is
    Bedrock's own modality. Without any other leaf the tree is refused, as a client takes a tree for whole.
    """
    supported: set[str] = set()
    unknown: set[str] = set()
    _read_node(key, value, "", supported, unknown)
    return Capabilities(supported=frozenset(supported), unknown=frozenset(unknown))


def _tree_keys() -> dict[str, tuple[str, ...]]:
    """The keys of every table of the tree, by the table's path."""
    keys: dict[str, dict[str, None]] = {}
    for path in SUPPORT_PATHS:
        parts = path.split(".")
        for depth, name in enumerate(parts):
            keys.setdefault(".".join(parts[:depth]), {})[name] = None
        keys.setdefault(path, {})["supported"] = None
    return {path: tuple(names) for path, names in keys.items()}


_TREE_KEYS = _tree_keys()
_MAY_BE_LEFT_OUT = NULLABLE_PATHS | {IMAGE_INPUT}


def _read_node(key: str, node: object, path: str, supported: set[str], unknown: set[str]) -> None:
    if not isinstance(node, dict):
        raise InvalidValue(key, node, "a table, as a capability tree is whole or left out")
    table = read_table(key, node, _TREE_KEYS[path])
    for name in _TREE_KEYS[path]:
        inner = table.get(name, MISSING)
        child = f"{path}.{name}" if path else name
        if name != "supported":
            if inner is MISSING and child in _MAY_BE_LEFT_OUT:
                unknown.add(child)
            else:
                _read_node(f"{key}.{name}", inner, child, supported, unknown)
        elif not isinstance(inner, bool):
            raise InvalidValue(f"{key}.supported", inner, "true or false, as a capability tree is whole or left out")
        elif inner:
            supported.add(path)


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "display_name": read_text,
    "line": read_line,
    "max_input_tokens": read_limit,
    "max_tokens": read_limit,
    "capabilities": read_capabilities,
    "tool_use": read_boolean,
    "prices": read_prices,
    "input_modalities": read_modalities,
    "output_modalities": read_modalities,
    "released": read_day,
}


def read_facts(
    key: str, table: Mapping[str, object], *, fields: tuple[str, ...], source: str, as_of: date
) -> dict[str, Fact]:
    """The facts of one table of known keys: a value for each field, and None for each that `unset` names."""
    facts = {
        field: Fact(value=READERS[field](dotted(key, field), table[field]), source=source, as_of=as_of)
        for field in fields
        if field in table
    }
    unset_key = dotted(key, "unset")
    unset = table.get("unset", [])
    if not isinstance(unset, list):
        raise InvalidValue(unset_key, unset, f"a list of {', '.join(fields)}")
    for name in unset:
        if name not in fields:
            raise InvalidValue(unset_key, name, f"a list of {', '.join(fields)}")
        if name in table:
            raise InvalidValue(unset_key, name, f"without {name}, as the table gives it a value")
        facts[name] = Fact(value=None, source=source, as_of=as_of)
    return facts


def read_operator_cards(value: object, *, as_of: date) -> Layer:
    """The layer that `[cards]` of the operator's file states.

    Args:
        value: the table as `tomllib` gives it, by model id.
        as_of: the file's day.

    Raises:
        InvalidValue: a key is unknown or a value is not allowed.
    """
    layer: dict[str, dict[str, Fact]] = {}
    for model_id, inner in read_table("cards", value).items():
        key = dotted("cards", model_id)
        if not model_id.strip():
            raise InvalidValue(key, model_id, "named after a model id")
        table = read_table(key, inner, (*OPERATOR_FIELDS, "unset"))
        layer[model_id] = read_facts(key, table, fields=OPERATOR_FIELDS, source=OPERATOR, as_of=as_of)
    return layer
