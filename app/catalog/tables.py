"""Tables that people write or tools make, read with care: an error names the dotted key, the value and the rule."""

import json
import re
from collections.abc import Collection
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MAX_SHOWN = 80


class InvalidValue(ValueError):
    """A value that is not allowed; names its dotted key, shows it, and says what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        shown = "nothing" if value is MISSING else _shown(value)
        super().__init__(f"{key} must be {allowed}, got {shown}")
        self.key = key
        self.value = value
        self.allowed = allowed


class _Missing:
    """The value of a key that is not there."""


MISSING = _Missing()


# In ARNs; an operator's file is quoted in the log.
_ACCOUNT_ID = re.compile(r"(?<!\d)\d{12}(?!\d)")


def _shown(value: object) -> str:
    text = _ACCOUNT_ID.sub("[account id]", repr(value))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def dotted(key: str, name: object) -> str:
    """A key of a TOML table as it is written there, quoted where it has to be."""
    text = str(name)
    written = text if _BARE_KEY.fullmatch(text) else json.dumps(text, ensure_ascii=False)
    return f"{key}.{written}" if key else written


def read_table(key: str, value: object, known: Collection[str] | None = None) -> dict[str, Any]:
    """A table, without any key but the known ones."""
    if not isinstance(value, dict):
        raise InvalidValue(key, value, "a table")
    if known is not None:
        for name, inner in value.items():
            if name not in known:
                raise InvalidValue(dotted(key, name), inner, f"left out: the known keys are {', '.join(known)}")
    return value


def read_text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InvalidValue(key, value, "a text that is not empty and has no control characters")
    return value


def read_word(key: str, value: object, allowed: Collection[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidValue(key, value, f"one of {', '.join(allowed)}")
    return value


def read_boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(key, value, "true or false")
    return value


def read_integer(key: str, value: object, lowest: int, highest: int) -> int:
    # `type` and not `isinstance`: true is an int.
    if type(value) is not int or not lowest <= value <= highest:
        raise InvalidValue(key, value, f"an integer from {lowest} to {highest}")
    return value


def read_texts(key: str, value: object, things: str) -> tuple[str, ...]:
    """A list of texts without spaces around them, each once; `things` is what they are, in the plural."""
    if not isinstance(value, list):
        raise InvalidValue(key, value, f"a list of {things}")
    for item in value:
        if not isinstance(item, str) or not item.strip() or not item.isprintable():
            raise InvalidValue(key, item, f"a list of {things}, none of them empty or with control characters")
    return tuple(dict.fromkeys(item.strip() for item in value))
