"""The parent's side of reading keys from AWS."""

import os
import sys
import time
from collections.abc import Callable

from app.auth.keys import PARAMETER, SECRET, BadKeys
from app.catalog.reading import Malformed, Reader, parsed
from app.server.child_process import EXIT_WITH_PARENT, ChildProcessFailed, run_child
from config import Settings, child_environ

COMMAND = (sys.executable, "-m", "app.auth.aws_child", EXIT_WITH_PARENT)
CHILD = "the child that reads keys"
# A worker answers nobody before its first reading, and nginx waits 10 s for an answer.
TIMEOUT_S = 8.0
# AWS's own limits are 8 KiB for a parameter and 64 KiB for a secret.
BYTES_AT_MOST = 1 << 20
NOT_HEARD_OF = f"{CHILD} ended without a word on it"


def fetch_keys(
    settings: Settings, *, stopping: Callable[[], bool], command: tuple[str, ...] = COMMAND
) -> dict[str, str | BadKeys]:
    """Ask AWS for its sources in a child; never raises for what the child does.

    Returns:
        For each source that is configured, its document, or why there is none.
    """
    names = {PARAMETER: settings.api_keys_ssm_parameter, SECRET: settings.api_keys_secret_id}
    wanted = {source: name for source, name in names.items() if name}
    written = bytearray()

    def feed(data: bytes) -> None:
        written.extend(data)
        if len(written) > BYTES_AT_MOST:
            raise ChildProcessFailed(f"{CHILD} wrote over {BYTES_AT_MOST >> 20} MiB")

    fault = NOT_HEARD_OF
    environ = child_environ(settings, os.environ) | wanted
    try:
        run_child(CHILD, command, environ, feed, deadline=time.monotonic() + TIMEOUT_S, stopping=stopping)
    except ChildProcessFailed as error:
        fault = str(error)
    read: dict[str, str | BadKeys] = {}
    for line in bytes(written).splitlines():
        try:
            source, document = _read_line(line)
        except Malformed as error:
            fault = f"{CHILD} wrote a line that is no source: {error}"
            break
        read[source] = document
    return {source: read.get(source, BadKeys(fault)) for source in wanted}


def _read_line(line: bytes) -> tuple[str, str | BadKeys]:
    said = Reader(parsed(line))
    code = said.get("code").maybe(Reader.string)
    if code is None:
        return said.get("source").string(), said.get("document").string()
    detail = said.get("detail").value
    return said.get("source").string(), BadKeys(f"{code}: {detail}".removesuffix(": "))
