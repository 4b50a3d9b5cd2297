"""Discovery's parent and its child process: whatever the child does is one failed refresh and leaves nothing behind."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from app.catalog.codec import encode_result
from app.catalog.records import (
    MODELS,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    PartFailure,
    PartListing,
    PartResult,
)
from app.discovery import parent
from app.discovery.parent import Visits, discover
from app.server.child_process import PAST_DEADLINE
from config import Settings
from tests.support.builders import NOW
from tests.support.servers import PROJECT, eventually

EAST, WEST = "us-east-1", "us-west-2"
REGIONS = f'{{"regions": ["{EAST}", "{WEST}"]}}\n'
SETTINGS = Settings(regions=(EAST, WEST), refresh_timeout_s=20)
IMPATIENT = Settings(regions=(EAST, WEST), refresh_timeout_s=1)


LINES = [
    encode_result(PartListing(region=EAST, part=part, listed_at=NOW, rows=(row,)))
    for part, row in ((MODELS, FoundationModel(id="a")), (PROFILES, InferenceProfile(id="us.a")))
]


def run(code: str, settings: Settings = SETTINGS, **arguments: object) -> Visits:
    """Discover with a child that runs the code; `out` is its standard output, `east` the lines of a whole region."""
    head = f"import os, signal, sys, time\nout = sys.stdout.buffer\nregions = {REGIONS.encode()!r}\n"
    head += f"models, profiles = {LINES!r}\neast = models + profiles\n"
    return discover(settings, command=(sys.executable, "-I", "-S", "-c", head + dedent(code)), **arguments)  # type: ignore[arg-type]


def codes(visits: Visits) -> dict[str, str]:
    """What became of each region, whose parts all came to the same."""
    found = {(it.region, it.code if isinstance(it, PartFailure) else "listed") for it in visits.results}
    assert len(visits.results) == 2 * len(visits.regions)
    return dict(found)


def children() -> list[int]:
    """The processes that this one has not waited for, zombies among them."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    def held() -> tuple[set[str], int, list[int]]:
        return set(os.listdir("/proc/self/fd")), threading.active_count(), children()

    before = held()
    yield

    assert held() == before


def test_all_that_the_child_writes_is_handed_over_as_it_comes() -> None:
    came: list[tuple[str, str]] = []
    visits = run("out.write(regions + east)", on_result=lambda result: came.append((result.region, result.part)))

    assert visits.regions == (EAST, WEST)
    assert [it.rows for it in visits.results if isinstance(it, PartListing)] == [
        (FoundationModel(id="a"),),
        (InferenceProfile(id="us.a"),),
    ]
    assert came == [(region, part) for region in (EAST, WEST) for part in (MODELS, PROFILES)]


def test_a_result_is_handed_over_before_the_child_ends() -> None:
    came: list[str] = []
    run(
        "out.write(regions + models); out.flush(); time.sleep(60)",
        stopping=lambda: came == [MODELS],
        on_result=lambda result: came.append(result.part),
    )

    assert came[0] == MODELS


def test_a_result_that_cannot_be_taken_ends_the_child_and_is_no_fault_of_its() -> None:
    """As where a refresh publishes what has arrived, and has lost its lease."""

    class Refused(Exception):
        pass

    def refuse(_: PartResult) -> None:
        raise Refused

    with pytest.raises(Refused):
        run("out.write(regions + models); out.flush(); time.sleep(60)", on_result=refuse)


def test_a_part_without_a_result_has_failed_and_the_other_is_kept() -> None:
    visits = run("out.write(regions + models)")
    came = {(it.region, it.part): it for it in visits.results}
    missing = came[EAST, PROFILES]

    assert visits.fault is None
    assert isinstance(came[EAST, MODELS], PartListing)
    assert isinstance(missing, PartFailure)
    assert (missing.code, missing.detail) == (
        "DiscoveryFailed",
        "the discovery child ended without a result for this part",
    )


BROKEN_CHILDREN = {
    "is killed": ("out.write(regions + east); out.flush(); os.kill(os.getpid(), 9)", "was ended by SIGKILL: "),
    "is killed without a name": (
        "out.write(regions + east); out.flush(); os.kill(os.getpid(), 35)",
        "was ended by signal 35",
    ),
    "fails": ("out.write(regions + east); out.flush(); sys.exit('arn:aws:iam::112233445566:role/x')", "[redacted]"),
    "writes half a line": ("out.write(regions + east + east[:50])", "in the middle of a line"),
    "writes garbage": ("out.write(regions + east + os.urandom(9999) + b'\\n')", "no result: not JSON"),
    "writes deep garbage": ("out.write(regions + east + b'[' * 99999 + b'\\n')", "no result: not JSON"),
    "writes what is no visit": ("out.write(regions + east + b'{}\\n')", "no result: listing"),
    "visits a part twice": ("out.write(regions + east + models)", "'us-east-1', 'models' was not expected"),
    "visits a part that is not configured": (
        "out.write(regions + east + profiles.replace(b'profiles', b'application_profiles'))",
        "'us-east-1', 'application_profiles' was not expected",
    ),
    "visits a region that it did not name": (
        "out.write(regions + east + models.replace(b'east', b'north'))",
        "'us-north-1', 'models' was not expected",
    ),
    "names its regions for ever": (
        "out.write(regions + east)\nwhile True: out.write(b'{\"regions\": []}\\n')",
        "no result",
    ),
    "floods with empty lines": ("out.write(regions + east)\nwhile True: out.write(b'\\n' * 99999)", "no result"),
    "floods without a newline": ("out.write(regions + east)\nwhile True: out.write(b'x' * 99999)", "over 1 MiB"),
}


@pytest.mark.parametrize("way", BROKEN_CHILDREN)
def test_a_child_that_breaks_is_a_fault_and_what_it_wrote_before_counts(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "MAX_LINE_BYTES", 1 << 20)
    code, fault = BROKEN_CHILDREN[way]
    visits = run(code)

    assert fault in (visits.fault or "")
    assert codes(visits) == {EAST: "listed", WEST: "DiscoveryFailed"}


def test_gigabytes_of_good_lines_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "MAX_BYTES", 1 << 20)
    visits = run("out.write(b'{\"regions\": [' + b'\"us-east-1\", ' * 99999 + b'\"us-west-2\"]}\\n')")

    assert visits.fault == "the discovery child wrote over 1 MiB"


def test_a_flood_of_complaints_stops_nothing() -> None:
    visits = run("for _ in range(200): sys.stderr.write('x' * 99999)\nout.write(regions + east)")

    assert visits.fault is None
    assert codes(visits)[EAST] == "listed"


HANGING_CHILDREN = {
    "hangs": "time.sleep(60)",
    "hangs deaf to SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
    "hangs with its pipes closed": "os.close(1); os.close(2); time.sleep(60)",
    "leaves a child of its own that holds the pipe": "os.fork() or time.sleep(60)",
    "drips": "while True: os.write(1, b' '); time.sleep(0.01)",
}


@pytest.mark.parametrize("way", HANGING_CHILDREN)
def test_a_child_that_does_not_end_is_ended_at_the_deadline(way: str) -> None:
    began = time.monotonic()
    visits = run(f"out.write(regions + east); out.flush()\n{HANGING_CHILDREN[way]}", IMPATIENT)

    assert visits.fault == PAST_DEADLINE
    assert codes(visits) == {EAST: "listed", WEST: "Timeout"}
    assert time.monotonic() - began < IMPATIENT.refresh_timeout_s + 1


def test_what_the_child_started_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    run(f"if os.fork() == 0: open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)", IMPATIENT)
    grandchild = int(pid.read_text())

    eventually(lambda: not is_running(grandchild))


def test_a_service_that_stops_does_not_wait_for_the_child() -> None:
    visits = run("out.write(regions); out.flush(); time.sleep(60)", stopping=lambda: True)

    assert visits.fault == "the service is stopping"


def test_a_child_that_cannot_be_started_is_a_fault() -> None:
    visits = discover(SETTINGS, command=("/nowhere/python",))

    assert visits.fault == "the discovery child could not be run: No such file or directory"
    assert codes(visits) == {EAST: "DiscoveryFailed", WEST: "DiscoveryFailed"}


@pytest.mark.parametrize("spare", range(8))
def test_too_few_file_descriptors_are_a_fault(spare: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken = []
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(spare):
            os.close(taken.pop())
        visits = discover(SETTINGS, command=("/bin/true",))
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert visits.fault == "the discovery child could not be run: Too many open files"


def test_too_little_memory_for_a_child_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(subprocess, "Popen", no_memory)
    visits = discover(SETTINGS)

    assert visits.fault == "the discovery child could not be run: Cannot allocate memory"


def test_all_regions_are_those_last_known_where_the_child_names_none() -> None:
    visits = discover(Settings(regions=("all",)), known_regions=(EAST, WEST), command=("/bin/false",))

    assert visits.regions == (EAST, WEST)
    assert codes(visits) == {EAST: "DiscoveryFailed", WEST: "DiscoveryFailed"}


def test_the_child_ends_when_its_parent_is_killed() -> None:
    hang = (
        "import time, app.discovery.__main__ as d; "
        "d.source_of = lambda _: print('up', flush=True) or time.sleep(60); d.main()"
    )
    starter = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import subprocess, sys, time\n"
            f"child = subprocess.Popen([sys.executable, '-c', {hang!r}, '--exit-with-parent'], stdin=-1, stdout=-1)\n"
            "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)",
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    with starter:
        assert starter.stdout is not None
        child = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)

    eventually(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_child_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "secret-1")
    monkeypatch.setenv("API_KEYS_FILE", "/run/secret-2")
    visits = run("sys.exit(' '.join(it for it in os.environ.values() if 'secret' in it) or 'no secret')")

    assert visits.fault == "the discovery child ended with status 1: no secret"
