"""The parent's side of discovery: start the child, read its lines until the deadline, then end it."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.catalog.codec import Known, decode_visit
from app.catalog.reading import Malformed, Reader, parsed
from app.catalog.records import RegionFailure, RegionListing
from app.redaction import redacted
from config import ALL_REGIONS, Settings, discovery_environ

PROJECT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "app.discovery", "--end-with-parent")

READ_BYTES = 1 << 18
# A region with 10,000 models is 4 MB; whoever writes more is not our child any longer.
LINE_BYTES_AT_MOST = 64 << 20
BYTES_AT_MOST = 256 << 20
STDERR_BYTES_KEPT = 4096
PAST_DEADLINE = "no answer before the deadline"
NOT_HEARD_OF = "the discovery child ended without a word on this region"
# How often the parent looks whether it was asked to stop.
POLL_S = 0.1
# Between the closing of its pipes and its end a child needs some milliseconds.
EXIT_POLL_S = 0.01

Visit = RegionListing | RegionFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """What one run of the child brought: all regions that it set out for, and a result for each that came in time.

    `fault` says why the run ended early, None where it did not; it is for the operator.
    """

    regions: tuple[str, ...]
    results: tuple[Visit, ...]
    fault: str | None = None


class _Fault(Exception):
    """Why the child's run cannot go on."""


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
        with _child(command, settings) as child:
            _read(child, said, deadline, stopping)
    except OSError as error:
        fault = f"the discovery child could not be run: {error.strerror or type(error).__name__}"
    except _Fault as error:
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
            raise _Fault(f"the discovery child wrote over {BYTES_AT_MOST >> 20} MiB")
        if b"\n" not in data:
            if len(self._rest) > LINE_BYTES_AT_MOST:
                raise _Fault(f"the discovery child wrote a line of over {LINE_BYTES_AT_MOST >> 20} MiB")
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            try:
                self._line(line)
            except Malformed as error:
                raise _Fault(f"the discovery child wrote a line that is no visit: {error}") from None

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
            raise _Fault("the discovery child stopped in the middle of a line")


@contextmanager
def _child(command: tuple[str, ...], settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The running child; on leaving, it and all that it started are dead and waited for.

    It has a session of its own, so that a terminal's interrupt reaches the parent alone, and a standard input that
    ends with this process, however that dies.
    """
    child = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=discovery_environ(settings, os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        # Not yet waited for, the child still holds its process group's number, alive or not.
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def _read(child: "subprocess.Popen[bytes]", said: _Said, deadline: float, stopping: Callable[[], bool]) -> None:
    """Read until the child has closed both pipes and ended.

    Raises:
        _Fault: the deadline came, the parent is stopping, or the child wrote garbage or failed.
    """

    def check_time() -> None:
        if stopping():
            raise _Fault("the service is stopping")
        if time.monotonic() > deadline:
            raise _Fault(PAST_DEADLINE)

    assert child.stdout is not None and child.stderr is not None
    complaint = b""
    with selectors.DefaultSelector() as selector:
        for pipe in (child.stdout, child.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            check_time()
            for key, _ in selector.select(POLL_S):
                data = os.read(key.fd, READ_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fd == child.stdout.fileno():
                    said.feed(data)
                else:
                    complaint = (complaint + data)[-STDERR_BYTES_KEPT:]
    said.end()
    # Looked at and left a zombie: its number must stay its own until its process group is killed.
    while (status := os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is None:
        check_time()
        time.sleep(EXIT_POLL_S)
    if status.si_status != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise _Fault(f"the discovery child ended with status {status.si_status}: {redacted(last) or 'it said nothing'}")
