"""The operator's file as text, checked whole: an error names the dotted key, the value and what is allowed."""

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from app.catalog.aliases import Alias
from app.catalog.cards.reading import Layer, read_operator_cards
from app.catalog.patterns import ANY, PatternSet
from app.catalog.scope import ARN_PREFIX, PLAIN_ID, PROVIDER_PREFIX, VIEWS, EntryPatterns, Scope
from app.catalog.scopes import DEFAULT_SCOPE, Scopes
from app.catalog.tables import (
    InvalidValue,
    dotted,
    read_boolean,
    read_integer,
    read_table,
    read_text,
    read_texts,
    read_word,
)
from app.webhooks.targets import SECTION as WEBHOOKS
from app.webhooks.targets import Target
from app.webhooks.targets import read_webhooks as read_targets

MAX_LIMIT = 1000

SCOPE_KEYS = ("keys", "models", "except", "regions", "within", "list", "default_limit", "id_format", "feeds")
ALIAS_KEYS = ("target", "listed", "display_name")

_SCOPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOML_PLACE = re.compile(r"(?P<reason>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_AT_END = " (at end of document)"


class InvalidOperatorFile(ValueError):
    """The operator's file cannot be used; the text says why, in the operator's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorFile:
    """What the operator states: cards by model id, scopes, aliases, and where events are sent."""

    cards: Layer
    scopes: Scopes
    aliases: tuple[Alias, ...]
    webhooks: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingContext:
    """What sections are read with: the file's day, digest and folder, and the scope that the settings give to all.

    `webhooks` stands for that section where it is not to be read.
    """

    as_of: date
    base: Scope
    base_dir: Path
    file_digest: str
    webhooks: tuple[Target, ...] | None


def read_operator_file(
    text: str,
    *,
    as_of: date,
    base: Scope,
    base_dir: Path = Path(),
    webhooks: tuple[Target, ...] | None = None,
) -> OperatorFile:
    """Read and check the whole file.

    Args:
        as_of: the file's day, which its cards are of.
        base: what a scope has that a section leaves out, and what keys see that no scope names.
        base_dir: what the paths in the file are relative to.
        webhooks: taken as they are, and that section is not read, as it needs files that may be gone.

    Raises:
        InvalidOperatorFile: the first thing that is not allowed.
    """
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise InvalidOperatorFile("not TOML: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidOperatorFile(_syntax_error(str(error), text)) from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    context = ReadingContext(as_of=as_of, base=base, base_dir=base_dir, file_digest=digest, webhooks=webhooks)
    try:
        sections = read_table("", content, tuple(SECTIONS))
        return OperatorFile(
            **{name: read(sections.get(name, ABSENT.get(name, {})), context) for name, read in SECTIONS.items()}
        )
    except InvalidValue as error:
        raise InvalidOperatorFile(str(error)) from None


def _syntax_error(message: str, text: str) -> str:
    place = _TOML_PLACE.fullmatch(message)
    if place is None:
        return f"line {text.count(chr(10)) + 1}: not TOML: {message.removesuffix(_AT_END)}"
    return f"line {place['line']}, column {place['column']}: not TOML: {place['reason']}"


def read_cards(value: object, context: ReadingContext) -> Layer:
    return read_operator_cards(value, as_of=context.as_of)


def read_scopes(value: object, context: ReadingContext) -> Scopes:
    named: list[Scope] = []
    default = context.base
    for name, inner in read_table("scopes", value).items():
        key = dotted("scopes", name)
        if not _SCOPE_NAME.fullmatch(name):
            raise InvalidValue(key, name, "named with at most 64 letters, digits, - and _, the first no - or _")
        scope = _read_scope(key, name, inner, context.base)
        if name == DEFAULT_SCOPE:
            default = scope
        else:
            named.append(scope)
    return Scopes(named=tuple(named), default=default)


def _read_scope(key: str, name: str, value: object, base: Scope) -> Scope:
    known = [it for it in SCOPE_KEYS if not (it == "keys" and name == DEFAULT_SCOPE)]
    table = read_table(key, value, known)
    changes: dict[str, Any] = {}
    for word, inner in table.items():
        field, read = _SCOPE_FIELDS[word]
        changes[field] = read(f"{key}.{word}", inner)
    return replace(base, name=name, **changes)


def _read_key_names(key: str, value: object) -> PatternSet:
    return PatternSet(read_texts(key, value, "patterns of keys' names"))


def _read_entry_patterns(key: str, value: object) -> EntryPatterns:
    patterns = read_texts(key, value, "patterns of ids and aliases")
    for pattern in patterns:
        if pattern.casefold() in (PROVIDER_PREFIX, ARN_PREFIX):
            raise InvalidValue(key, pattern, f"a list of patterns, with something behind {pattern}")
    return EntryPatterns(patterns)


def _read_places(key: str, value: object) -> tuple[str, ...]:
    return read_texts(key, value, "patterns of regions")


def _read_view(key: str, value: object) -> str:
    return read_word(key, value, VIEWS)


def _read_limit(key: str, value: object) -> int:
    return read_integer(key, value, 1, MAX_LIMIT)


def _read_id_format(key: str, value: object) -> str:
    text = read_text(key, value)
    rest = text.replace(PLAIN_ID, "", 1)
    if PLAIN_ID not in text or not re.fullmatch(r"[^\s{}]*", rest):
        raise InvalidValue(key, value, f"a text with {PLAIN_ID} once, and without spaces and other braces")
    return text


# The key of a scope's table, the field of `Scope`, and how it is read.
_SCOPE_FIELDS: Mapping[str, tuple[str, Callable[[str, object], Any]]] = {
    "keys": ("keys", _read_key_names),
    "models": ("models", _read_entry_patterns),
    "except": ("excluded", _read_entry_patterns),
    "regions": ("regions", _read_places),
    "within": ("within", _read_places),
    "list": ("list_view", _read_view),
    "default_limit": ("default_limit", _read_limit),
    "id_format": ("id_format", _read_id_format),
    "feeds": ("feeds", read_boolean),
}


def read_aliases(value: object, context: ReadingContext) -> tuple[Alias, ...]:
    table = read_table("aliases", value)
    aliases = []
    for name, inner in table.items():
        key = dotted("aliases", name)
        if not re.fullmatch(r"[^\s*{}]{1,256}", name) or not name.isprintable() or name.startswith(ARN_PREFIX):
            raise InvalidValue(key, name, "named with at most 256 characters, without spaces, braces and *, and no ARN")
        alias = _read_alias(key, name, inner)
        if alias.target in table:
            raise InvalidValue(f"{key}.target", alias.target, "an id, an ARN or a pattern, and no other alias")
        aliases.append(alias)
    return tuple(aliases)


def _read_alias(key: str, name: str, value: object) -> Alias:
    if isinstance(value, str):
        return Alias(name=name, target=_read_target(key, value))
    if not isinstance(value, dict):
        raise InvalidValue(key, value, f"a target in quotes, or a table with {', '.join(ALIAS_KEYS)}")
    table = read_table(key, value, ALIAS_KEYS)
    if "target" not in table:
        raise InvalidValue(key, value, "a table with a target")
    return Alias(
        name=name,
        target=_read_target(f"{key}.target", table["target"]),
        is_listed=read_boolean(f"{key}.listed", table.get("listed", True)),
        display_name=read_text(f"{key}.display_name", table["display_name"]) if "display_name" in table else None,
    )


def _read_target(key: str, value: object) -> str:
    target = read_text(key, value).strip()
    if ANY in target and target.casefold().startswith((ARN_PREFIX, PROVIDER_PREFIX)):
        raise InvalidValue(key, value, "an id, an ARN, or a pattern of models' or profiles' ids")
    return target


def read_webhooks(value: object, context: ReadingContext) -> tuple[Target, ...]:
    if context.webhooks is not None:
        return context.webhooks
    return read_targets(value, context.base_dir, file_digest=context.file_digest)


# The sections of the file, which are the fields of `OperatorFile`, and how each is read: as an empty table, where it is
# left out and ABSENT has no other value.
SECTIONS: Mapping[str, Callable[[object, ReadingContext], Any]] = {
    "cards": read_cards,
    "scopes": read_scopes,
    "aliases": read_aliases,
    WEBHOOKS: read_webhooks,
}
ABSENT: Mapping[str, object] = {WEBHOOKS: []}
