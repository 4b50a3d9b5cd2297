"""The header line of the stored file: `{"kind", "format", "readable_from", "version", "bytes", "sha256"}`."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from app.refresh.formats import FORMAT, READABLE_FROM

KIND = "bedrock-model-catalog"
MAX_HEADER_BYTES = 1024


class Damaged(Exception):
    """Bytes that are not what a save writes; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first line says of the bytes after it; `version` is None in files of before there was one."""

    format: int
    readable_from: int
    version: int | None
    fields: dict[str, Any]


def header_line(data: bytes, *, version: int) -> bytes:
    header = {
        "kind": KIND,
        "format": FORMAT,
        "readable_from": READABLE_FROM,
        "version": version,
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
    version = _integer(fields, "version", -1)
    return Header(
        format=format,
        readable_from=_integer(fields, "readable_from", format),
        version=None if version < 0 else version,
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
