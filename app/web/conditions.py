"""What a request's headers say of the representation that it wants: encodings and conditions."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header, parse_date, parse_etags

GZIP = "gzip"
# A longer header is not remembered.
MAX_HEADER_CHARS_REMEMBERED = 256


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client prefers gzip to the plain bytes, or likes both as much."""
    if len(accept_encoding) > MAX_HEADER_CHARS_REMEMBERED:
        return _accepts_gzip.__wrapped__(accept_encoding)
    return _accepts_gzip(accept_encoding)


@lru_cache(maxsize=256)
def _accepts_gzip(accept_encoding: str) -> bool:
    accepted = parse_accept_header(accept_encoding, Accept)
    return accepted.quality(GZIP) > 0 and accepted.quality(GZIP) >= accepted.quality("identity")


def has_not_changed(environ: Mapping[str, Any], etag: str, changed_ts: float) -> bool:
    """Whether the client has the representation (RFC 9110, 13.2.2: a date counts where no entity tag is given)."""
    if_none_match = environ.get("HTTP_IF_NONE_MATCH")
    if if_none_match is not None:
        return etag_matches(if_none_match, etag)
    if_modified_since = environ.get("HTTP_IF_MODIFIED_SINCE")
    if if_modified_since is None:
        return False
    since = seconds_of(if_modified_since)
    return since is not None and changed_ts <= since


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header names an entity tag; the comparison is the weak one (RFC 9110, 13.1.2)."""
    return if_none_match == etag or parse_etags(if_none_match).contains_weak(etag.strip('"'))


def seconds_of(date: str) -> float | None:
    """An HTTP date as seconds since the epoch, None where it is none."""
    parsed = parse_date(date)
    return None if parsed is None else parsed.timestamp()
