"""The worker's side of discovery: start the child, read its lines until the deadline, then end it."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.catalog.codec import KnownRows, decode_result
from app.catalog.reading import Malformed, Reader, parsed
from app.catalog.records import PartFailure, PartResult
from app.server.child_process import EXIT_WITH_PARENT, PAST_DEADLINE, ChildProcessFailed, run_child
from config import ALL_REGIONS, Settings, child_environ, requested_parts

COMMAND = (sys.executable, "-m", "app.discovery", EXIT_WITH_PARENT)
CHILD = "the discovery child"

# A region with 10,000 models is 4 MB; a child that writes more than these is not ours any longer.
MAX_LINE_BYTES = 64 << 20
MAX_BYTES = 256 << 20
NO_RESULT = f"{CHILD} ended without a result for this part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """What one run of the child brought: the regions that it set out for, and a result for each part of each of them.

    `fault` says why the run ended early, None where it did not; it is for the operator.
    """

    regions: tuple[str, ...]
    results: tuple[PartResult, ...]
    fault: str | None = None


def discover(
    settings: Settings,
    *,
    known_regions: tuple[str, ...] = (),
    command: tuple[str, ...] = COMMAND,
    stopping: Callable[[], bool] = lambda: False,
    on_result: Callable[[PartResult], None] = lambda result: None,
) -> Visits:
    """Run the child to its end or to the deadline; never raises for what the child does.

    Args:
        known_regions: those that count as failed where the child dies before it names the ones that it visits.
        stopping: called every tenth of a second; True ends the run.
        on_result: called with each part's result as it comes, in this thread, which reads no further meanwhile.
    """
    deadline = time.monotonic() + settings.refresh_timeout_s
    output = OutputParser(requested_parts(settings), on_result)
    fault = None
    try:
        environ = child_environ(settings, os.environ)
        run_child(CHILD, command, environ, output.feed, deadline=deadline, stopping=stopping)
        output.end()
    except ChildProcessFailed as error:
        fault = str(error)
    regions = output.regions or (known_regions if settings.regions == (ALL_REGIONS,) else settings.regions)
    code = "Timeout" if fault == PAST_DEADLINE else "DiscoveryFailed"
    for region in regions:
        for part in requested_parts(settings):
            if (region, part) not in output.results:
                failed_at = datetime.now(UTC)
                output.take(
                    PartFailure(region=region, part=part, failed_at=failed_at, code=code, detail=fault or NO_RESULT)
                )
    return Visits(regions=regions, results=tuple(output.results.values()), fault=fault)


class OutputParser:
    """Turns the child's output, fed piece by piece, into results: a first line with the regions, then a line a part."""

    def __init__(self, parts: tuple[str, ...], on_result: Callable[[PartResult], None]) -> None:
        self.regions: tuple[str, ...] | None = None
        self.results: dict[tuple[str, str], PartResult] = {}
        self._parts = parts
        self._on_result = on_result
        self._known_rows: KnownRows = {}
        self._rest = bytearray()
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """
        Raises:
            ChildProcessFailed: this is no output of the child's.
        """
        self._rest += data
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise ChildProcessFailed(f"{CHILD} wrote over {MAX_BYTES >> 20} MiB")
        if b"\n" not in data:
            if len(self._rest) > MAX_LINE_BYTES:
                raise ChildProcessFailed(f"{CHILD} wrote a line of over {MAX_LINE_BYTES >> 20} MiB")
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            try:
                self._parse(line)
            except Malformed as error:
                raise ChildProcessFailed(f"{CHILD} wrote a line that is no result: {error}") from None

    def _parse(self, line: bytes) -> None:
        if self.regions is None:
            self.regions = Reader(parsed(line)).get("regions").strings()
            return
        result = decode_result(line, self._known_rows)
        place = (result.region, result.part)
        if result.region not in self.regions or result.part not in self._parts or place in self.results:
            raise Malformed(f"{result.region!r}, {result.part!r} was not expected")
        self.take(result)

    def take(self, result: PartResult) -> None:
        self.results[result.region, result.part] = result
        self._on_result(result)

    def end(self) -> None:
        """
        Raises:
            ChildProcessFailed: the output ends within a line.
        """
        if self._rest:
            raise ChildProcessFailed(f"{CHILD} stopped in the middle of a line")
