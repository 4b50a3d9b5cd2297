"""The discovery child: `python -m app.discovery` visits every region and writes a JSON line a part, as it comes.

Settings come from the environment. The first line names the regions: `{"regions": [...]}`. With `--exit-with-parent`
it ends with its standard input.
"""

import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from app.catalog.codec import encode_result
from app.catalog.records import PartResult
from app.server.child_process import exit_with_parent
from app.server.cpu_affinity import pin_temporarily
from config import Settings, read_server_settings, read_settings

NICENESS = 10


class Source(Protocol):
    """Where listings come from."""

    regions: tuple[str, ...]

    def visit_all(self, write: Callable[[PartResult], None]) -> None:
        """Call `write` with the result of each part of each region, as it comes; from any thread."""


def source_of(settings: Settings) -> Source:
    """The configured source; what it needs is imported here, for the other one does without."""
    if settings.source == "demo":
        from app.discovery.demo import DemoSource

        return DemoSource(settings)
    from app.discovery.bedrock import BedrockSource
    from app.discovery.tls import share_tls_context

    share_tls_context()
    return BedrockSource(settings)


def main() -> None:
    writing = threading.Lock()

    def write(line: bytes) -> None:
        with writing:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    exit_with_parent()
    # Clients wait for the workers, and none for this.
    with suppress(PermissionError):  # A sandbox may forbid it.
        os.nice(NICENESS)
    # Looking for garbage costs a third of the CPU, and there is none: in a second or two all memory is given back.
    gc.disable()
    pin = pin_temporarily() if read_server_settings(os.environ).pinning else None
    source = source_of(read_settings(os.environ))
    # Forty threads on several cores would pass the interpreter's lock around for as long again as they work.
    if pin is not None:
        pin()
    write(json.dumps({"regions": source.regions}).encode() + b"\n")
    source.visit_all(lambda result: write(encode_result(result)))


if __name__ == "__main__":
    main()
    # All is written. To take every object apart would be a tenth of the work.
    os._exit(0)
