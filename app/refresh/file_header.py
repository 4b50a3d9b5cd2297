"""The header line of the stored file: `{"kind", "format", "readable_from", "version", "n", "bytes", "sha256"}`."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from app.refresh.formats import FORMAT, READABLE_FROM
from app.refresh.store import Version

KIND = "bedrock-model-catalog"
MAX_HEADER_BYTES = 1024
# What an entry of a Redis stream may be called; 2**63 ms are more than the time there is.
MAX_VERSION = 2**63


class Damaged(Exception):
    """Bytes that are not what a save writes; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first line says of the bytes after it; `version` is None in files of before there was one."""

    format: int
    readable_from: int
    version: Version | None
    fields: dict[str, Any]


def header_line(data: bytes, *, version: Version) -> bytes:
    header = {
        "kind": KIND,
        "format": FORMAT,
        "readable_from": READABLE_FROM,
        "version": version.ms,
        "n": version.n,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return json.dumps(header).encode() + b"\n"


def read_header(line: bytes) -> Header:
    """
    Args:
        line: without its end, and at least the beginning of it.

    Raises:
        Damaged: it is no header of any format.
    """
    try:
        fields = json.loads(line[:MAX_HEADER_BYTES])
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("kind") != KIND:
        raise Damaged("it is not a stored catalog")
    format = _integer(fields, "format", None)
    version = Version(_integer(fields, "version", -1), _integer(fields, "n", 0))
    if max(version) > MAX_VERSION or version.n < 0:
        raise Damaged(f"its header has the version {version}")
    return Header(
        format=format,
        readable_from=_integer(fields, "readable_from", format),
        version=None if version.ms < 0 else version,
        fields=fields,
    )


def check_payload(header: Header, data: bytes) -> None:
    """
    Raises:
        Damaged: the bytes are not those that the header was written for.
    """
    if header.fields.get("bytes") != len(data):
        raise Damaged(f"it is {len(data)} bytes long and should be {header.fields.get('bytes')!r}")
    if header.fields.get("sha256") != hashlib.sha256(data).hexdigest():
        raise Damaged("its checksum does not match")


def _integer(fields: dict[str, Any], name: str, default: int | None) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Damaged(f"its header has {name} {value!r}")
    return value
