"""How keys are written.

An entry is `key`, `name:key`, `sha256:HEX` or `name:sha256:HEX`. The text before the first colon is always a name, so a
key that holds a colon itself needs one.
"""

import hashlib
import re
from dataclasses import dataclass

from app.catalog.reading import Malformed, parsed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DIGEST = "sha256"
HEX_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
# What is trimmed around entries and header values: all else, such as a no-break space, may be a part of a key.
BLANKS = " \t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: its SHA-256, and its name for the log; None where it has none."""

    name: str | None
    digest: bytes


class InvalidKeySource(ValueError):
    """A source that holds something that is no key, or cannot be read; says why, and never what it holds."""


def digest_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def parse_key(entry: str) -> Key:
    """
    Raises:
        InvalidKeySource: the entry is none of the forms.
    """
    name, colon, secret = (part.strip(BLANKS) for part in entry.partition(":"))
    if not colon or name == DIGEST:
        name, secret = "", entry
    elif not NAME.fullmatch(name) or name.lower() == DIGEST:
        raise InvalidKeySource(
            "the text before the first colon is the key's name, of up to 64 letters, digits, dots, dashes and "
            f"underscores and not {DIGEST}; a key that holds a colon needs one"
        )
    if not secret:
        raise InvalidKeySource("there is a name without a key")
    if not secret.startswith(f"{DIGEST}:"):
        return Key(name=name or None, digest=digest_of(secret.encode()))
    hex_digits = secret.removeprefix(f"{DIGEST}:")
    if not HEX_DIGEST.fullmatch(hex_digits):
        raise InvalidKeySource(f"{DIGEST}: is not followed by 64 hexadecimal digits")
    return Key(name=name or None, digest=bytes.fromhex(hex_digits))


def parse_lines(text: str) -> tuple[Key, ...]:
    """One entry a line; empty lines and those that begin with `#` count for nothing."""
    keys = []
    # Not splitlines(), which also divides a key at U+0085 or U+2028.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        entry = line.strip(BLANKS)
        if not entry or entry.startswith("#"):
            continue
        try:
            keys.append(parse_key(entry))
        except InvalidKeySource as error:
            raise InvalidKeySource(f"entry {number}: {error}") from None
    return tuple(keys)


def parse_document(text: str) -> tuple[Key, ...]:
    """What AWS keeps: a JSON object of keys by name, as Secrets Manager's console makes it, or entries.

    Entries stand one a line, or between commas, as a StringList has them.
    """
    try:
        named = parsed(text.encode())
    except Malformed:
        named = None
    if isinstance(named, list | str):
        raise InvalidKeySource("it is JSON, but no object of keys by name")
    if not isinstance(named, dict):
        return parse_lines(text.replace(",", "\n"))
    if not all(isinstance(value, str) for value in named.values()):
        raise InvalidKeySource("the JSON object has a value that is no string")
    if not all(NAME.fullmatch(name) for name in named):
        raise InvalidKeySource(
            "a key's name in the JSON object is none of up to 64 letters, digits, dots, dashes, underscores"
        )
    return tuple(parse_key(f"{name}:{value}") for name, value in named.items())
