"""Reads the keys that AWS keeps through the child, from a serving worker."""

import os
import sys
import time
from collections.abc import Callable

from app.auth.key_format import InvalidKeySource
from app.auth.key_sources import aws_sources_of
from app.catalog.reading import Malformed, Reader, parsed
from app.server.child_process import END_WITH_PARENT, ChildFault, run_child
from config import Settings, child_environ

COMMAND = (sys.executable, "-m", "app.auth.aws_child", END_WITH_PARENT)
CHILD = "the child that reads keys"
# A worker serves no request before its first reading, and nginx waits 10 s for a response.
TIMEOUT_S = 8.0
# AWS's own limits are 8 KiB for a parameter and 64 KiB for a secret.
MAX_OUTPUT_BYTES = 1 << 20
NO_RESULT = f"{CHILD} ended without a result for it"


def read_aws_sources(
    settings: Settings, *, stopping: Callable[[], bool], command: tuple[str, ...] = COMMAND
) -> dict[str, str | InvalidKeySource]:
    """Read the AWS sources in a child; never raises for what the child does.

    Returns:
        For each source that is configured, its document, or why there is none.
    """
    sources = aws_sources_of(settings)
    written = bytearray()

    def feed(data: bytes) -> None:
        written.extend(data)
        if len(written) > MAX_OUTPUT_BYTES:
            raise ChildFault(f"{CHILD} wrote over {MAX_OUTPUT_BYTES >> 20} MiB")

    fault = NO_RESULT
    environ = child_environ(settings, os.environ) | sources
    try:
        run_child(CHILD, command, environ, feed, deadline=time.monotonic() + TIMEOUT_S, stopping=stopping)
    except ChildFault as error:
        fault = str(error)
    read: dict[str, str | InvalidKeySource] = {}
    for line in bytes(written).splitlines():
        try:
            source, document = _read_line(line)
        except Malformed as error:
            fault = f"{CHILD} wrote a line that is no source: {error}"
            break
        read[source] = document
    return {source: read.get(source, InvalidKeySource(fault)) for source in sources}


def _read_line(line: bytes) -> tuple[str, str | InvalidKeySource]:
    row = Reader(parsed(line))
    code = row.get("code").maybe(Reader.string)
    if code is None:
        return row.get("source").string(), row.get("document").string()
    detail = row.get("detail").value
    return row.get("source").string(), InvalidKeySource(f"{code}: {detail}".removesuffix(": "))
