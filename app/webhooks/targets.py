"""The targets of `[[webhooks]]` in the operator's file."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from app.catalog.event_changes import EVENT_TYPES, RETIREMENT_NEAR, THRESHOLDS
from app.catalog.patterns import PatternSet
from app.catalog.records import CatalogEvent
from app.catalog.tables import InvalidValue, read_boolean, read_table, read_text, read_texts, read_word

SECTION = "webhooks"
KEYS = ("name", "url", "url_file", "secret_file", "types", "models", "within_days", "format", "allow_private")
SIGNED = "standard"
SLACK = "slack"
FORMATS = (SIGNED, SLACK)
SECRET_PREFIX = "whsec_"  # noqa: S105
# Standard Webhooks' own bounds: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
MAX_FILE_BYTES = 4096
MAX_TARGETS = 32

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL = re.compile(r"[\x21-\x7e]{1,2048}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place that events are sent to.

    The address and the secret are shown nowhere; `host` is. `revision` changes with the target's part of the file, its
    files, and the operator's file as a whole: what a target's answer switched off is on again then.
    """

    name: str
    host: str
    port: int
    path: str = field(repr=False)
    secret: bytes | None = field(default=None, repr=False)
    types: tuple[str, ...] = EVENT_TYPES
    models: PatternSet | None = field(default=None, repr=False)
    within_days: tuple[int, ...] = THRESHOLDS
    format: str = SIGNED
    allow_private: bool = False
    revision: str = field(default="", repr=False)

    def wants(self, event: CatalogEvent) -> bool:
        return (
            event.type in self.types
            and (self.models is None or self.models.matches(event.model_id.casefold()))
            and (event.type != RETIREMENT_NEAR or event.within_days in self.within_days)
        )


def read_webhooks(tables: object, base_dir: Path, *, file_digest: str = "") -> tuple[Target, ...]:
    """
    Args:
        tables: `[[webhooks]]` of the operator's file, as `tomllib` gives it.
        base_dir: what the paths of files are relative to: the operator's file's own folder.
        file_digest: of the whole operator's file, so that a target is on again after any change of it.

    Raises:
        InvalidValue: a key is unknown, a value is not allowed, or a file cannot be used.
    """
    if not isinstance(tables, list) or len(tables) > MAX_TARGETS:
        raise InvalidValue(SECTION, tables, f"at most {MAX_TARGETS} tables, each headed [[webhooks]]")
    targets: dict[str, Target] = {}
    for place, table in enumerate(tables):
        key = f"{SECTION}[{place}]"
        target = _read_target(key, read_table(key, table, KEYS), base_dir, file_digest)
        if target.name in targets:
            raise InvalidValue(f"{key}.name", target.name, "another name than that of every other target")
        targets[target.name] = target
    return tuple(targets.values())


def _read_target(key: str, table: Mapping[str, Any], base_dir: Path, file_digest: str) -> Target:
    format_ = read_word(f"{key}.format", table.get("format", SIGNED), FORMATS)
    url, parts = _read_url(key, table, base_dir)
    secret = _read_secret(key, table, base_dir)
    if secret is None and format_ == SIGNED:
        raise InvalidValue(f"{key}.secret_file", None, f'there, but where format = "{SLACK}"')
    name = read_text(f"{key}.name", table.get("name", parts.hostname))
    if not _NAME.fullmatch(name):
        raise InvalidValue(f"{key}.name", name, "at most 64 letters, digits and ._-, the first a letter or a digit")
    models = table.get("models")
    digest = hashlib.sha256(repr((sorted(table.items()), url, secret, file_digest)).encode())
    return Target(
        name=name,
        host=parts.hostname or "",
        port=parts.port or 443,
        path=f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
        secret=secret,
        types=_read_types(f"{key}.types", table.get("types", list(EVENT_TYPES))),
        models=None if models is None else _read_models(f"{key}.models", models),
        within_days=_read_thresholds(f"{key}.within_days", table.get("within_days", list(THRESHOLDS))),
        format=format_,
        allow_private=read_boolean(f"{key}.allow_private", table.get("allow_private", False)),
        revision=digest.hexdigest()[:32],
    )


def _read_url(key: str, table: Mapping[str, Any], base_dir: Path) -> tuple[str, SplitResult]:
    """The address, which no error shows: it may hold what is secret."""
    if ("url" in table) == ("url_file" in table):
        raise InvalidValue(key, sorted(table), "a table with either url or url_file")
    if "url" in table:
        name, url = f"{key}.url", read_text(f"{key}.url", table["url"])
    else:
        name, url = f"{key}.url_file", _read_file(f"{key}.url_file", table["url_file"], base_dir)
    allowed = "an https:// address without a user, a fragment, spaces and letters beyond ASCII"
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.scheme == "https" and (parts.port is None or parts.port > 0)
    except ValueError:
        is_valid = False
    if not is_valid or not _URL.fullmatch(url) or "@" in parts.netloc or "#" in url or "\\" in url:
        raise InvalidValue(name, _Hidden(), allowed)
    return url, parts


def _read_secret(key: str, table: Mapping[str, Any], base_dir: Path) -> bytes | None:
    if "secret_file" not in table:
        return None
    name = f"{key}.secret_file"
    text = _read_file(name, table["secret_file"], base_dir)
    encoded = text.removeprefix(SECRET_PREFIX)
    allowed = f"a file with {SECRET_PREFIX} and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64"
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise InvalidValue(name, _Hidden(), allowed) from None
    if encoded == text or not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise InvalidValue(name, _Hidden(), allowed)
    return secret


def _read_file(key: str, value: object, base_dir: Path) -> str:
    path = base_dir / read_text(key, value)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        decoded = text.decode().strip()
    except OSError as error:
        raise InvalidValue(key, value, f"a file that can be read ({error.strerror})") from None
    except ValueError:
        raise InvalidValue(key, value, "a file of text in UTF-8") from None
    if len(text) > MAX_FILE_BYTES or not decoded:
        raise InvalidValue(key, value, f"a file of 1 to {MAX_FILE_BYTES} bytes")
    return decoded


def _read_types(key: str, value: object) -> tuple[str, ...]:
    types = read_texts(key, value, "types of events")
    for it in types:
        if it not in EVENT_TYPES:
            raise InvalidValue(key, it, f"a list of {', '.join(EVENT_TYPES)}")
    if not types:
        raise InvalidValue(key, value, "a list of at least one type of event")
    return types


def _read_models(key: str, value: object) -> PatternSet:
    patterns = read_texts(key, value, "patterns of models' ids")
    if not patterns:
        raise InvalidValue(key, value, "a list of at least one pattern")
    return PatternSet(it.casefold() for it in patterns)


def _read_thresholds(key: str, value: object) -> tuple[int, ...]:
    allowed = f"a list of at least one of {', '.join(map(str, THRESHOLDS))}"
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InvalidValue(key, value, allowed)
    for it in value:
        # `type` and not `isinstance`: true is an int.
        if type(it) is not int or it not in THRESHOLDS:
            raise InvalidValue(key, it, allowed)
    return tuple(dict.fromkeys(value))


class _Hidden:
    """Stands for a value that is not to be shown."""

    def __repr__(self) -> str:
        return "(not shown)"
