"""The parent's side of discovery: start the child, read its lines until the deadline, then end it."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.catalog.codec import Known, decode_visit
from app.catalog.reading import Malformed, Reader, parsed
from app.catalog.records import RegionFailure, RegionListing
from app.server.child_process import EXIT_WITH_PARENT, PAST_DEADLINE, ChildProcessFailed, run_child
from config import ALL_REGIONS, Settings, child_environ

COMMAND = (sys.executable, "-m", "app.discovery", EXIT_WITH_PARENT)
CHILD = "the discovery child"

# A region with 10,000 models is 4 MB; whoever writes more is not our child any longer.
LINE_BYTES_AT_MOST = 64 << 20
BYTES_AT_MOST = 256 << 20
NOT_HEARD_OF = f"{CHILD} ended without a word on this region"

Visit = RegionListing | RegionFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """What one run of the child brought: all regions that it set out for, and a result for each that came in time.

    `fault` says why the run ended early, None where it did not; it is for the operator.
    """

    regions: tuple[str, ...]
    results: tuple[Visit, ...]
    fault: str | None = None


def discover(
    settings: Settings,
    *,
    known_regions: tuple[str, ...] = (),
    command: tuple[str, ...] = COMMAND,
    stopping: Callable[[], bool] = lambda: False,
    on_visit: Callable[[Visit], None] = lambda visit: None,
) -> Visits:
    """Run the child to its end or to the deadline; never raises for what the child does.

    Args:
        known_regions: those that count as failed where the child dies before it says which ones it visits.
        stopping: asked every tenth of a second; True ends the run.
        on_visit: told of each region's result, as it comes.
    """
    deadline = time.monotonic() + settings.refresh_timeout_s
    said = _Said(on_visit)
    fault = None
    try:
        environ = child_environ(settings, os.environ)
        run_child(CHILD, command, environ, said.feed, deadline=deadline, stopping=stopping)
        said.end()
    except ChildProcessFailed as error:
        fault = str(error)
    regions = said.regions or (known_regions if settings.regions == (ALL_REGIONS,) else settings.regions)
    code = "Timeout" if fault == PAST_DEADLINE else "DiscoveryFailed"
    for region in regions:
        if region not in said.results:
            detail = fault or NOT_HEARD_OF
            said.take(RegionFailure(region=region, failed_at=datetime.now(UTC), code=code, detail=detail))
    return Visits(regions=regions, results=tuple(said.results.values()), fault=fault)


class _Said:
    """What the child has said so far, line by line."""

    def __init__(self, on_visit: Callable[[Visit], None]) -> None:
        self.regions: tuple[str, ...] | None = None
        self.results: dict[str, Visit] = {}
        self._on_visit = on_visit
        self._known: Known = {}
        self._rest = bytearray()
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        self._rest += data
        self._bytes += len(data)
        if self._bytes > BYTES_AT_MOST:
            raise ChildProcessFailed(f"{CHILD} wrote over {BYTES_AT_MOST >> 20} MiB")
        if b"\n" not in data:
            if len(self._rest) > LINE_BYTES_AT_MOST:
                raise ChildProcessFailed(f"{CHILD} wrote a line of over {LINE_BYTES_AT_MOST >> 20} MiB")
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            try:
                self._line(line)
            except Malformed as error:
                raise ChildProcessFailed(f"{CHILD} wrote a line that is no visit: {error}") from None

    def _line(self, line: bytes) -> None:
        if self.regions is None:
            self.regions = Reader(parsed(line)).get("regions").strings()
            return
        visit = decode_visit(line, self._known)
        if visit.region not in self.regions or visit.region in self.results:
            raise Malformed(f"region: {visit.region!r} was not expected")
        self.take(visit)

    def take(self, visit: Visit) -> None:
        self.results[visit.region] = visit
        self._on_visit(visit)

    def end(self) -> None:
        if self._rest:
            raise ChildProcessFailed(f"{CHILD} stopped in the middle of a line")
