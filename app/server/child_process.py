"""A short-lived child process whose output is read until a deadline: what imports boto3 runs in one.

A serving worker would be 20 to 40 MiB larger with it for ever, slow while it parses, and could not end a thread that
hangs.
"""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.telemetry.redaction import redacted

PROJECT = Path(__file__).parent.parent.parent

READ_BYTES = 1 << 18
STDERR_BYTES_KEPT = 4096
PAST_DEADLINE = "no answer before the deadline"
# How often the parent looks whether it was asked to stop.
POLL_S = 0.1
# Between the closing of its pipes and its end a child needs some milliseconds.
EXIT_POLL_S = 0.01


# The argument that a child is started with.
EXIT_WITH_PARENT = "--exit-with-parent"


class ChildProcessFailed(Exception):
    """Why a child's run ended early; for the operator."""


def run_child(
    name: str,
    command: tuple[str, ...],
    environ: Mapping[str, str],
    feed: Callable[[bytes], None],
    *,
    deadline: float,
    stopping: Callable[[], bool],
    given: bytes = b"",
) -> None:
    """Run a child to its end; when this returns or raises, it and all that it started are dead and waited for.

    Args:
        name: what a fault calls the child.
        feed: takes what the child writes, as it comes; what it raises ends the run.
        deadline: on the monotonic clock.
        stopping: asked every tenth of a second; True ends the run.
        given: what is written to its standard input, which stays open.

    Raises:
        ChildProcessFailed: the deadline came, the parent is stopping, or the child failed or could not be started.
    """
    try:
        with _child(command, environ) as child:
            _exchange(name, child, given, feed, deadline, stopping)
    except OSError as error:
        raise ChildProcessFailed(f"{name} could not be run: {error.strerror or type(error).__name__}") from None


@contextmanager
def _child(command: tuple[str, ...], environ: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The running child.

    It has a session of its own, so that a terminal's interrupt reaches the parent alone, and a standard input that
    ends with this process, however that dies.
    """
    child = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=dict(environ),
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


def _exchange(
    name: str,
    child: "subprocess.Popen[bytes]",
    given: bytes,
    feed: Callable[[bytes], None],
    deadline: float,
    stopping: Callable[[], bool],
) -> None:
    """Write what is given, and read until the child has closed both pipes and ended."""

    def check_time() -> None:
        if stopping():
            raise ChildProcessFailed("the service is stopping")
        if time.monotonic() > deadline:
            raise ChildProcessFailed(PAST_DEADLINE)

    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    left = memoryview(given)
    complaint = b""
    with selectors.DefaultSelector() as selector:
        for pipe in (child.stdout, child.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
        if left:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            check_time()
            for key, _ in selector.select(POLL_S):
                if key.fileobj is child.stdin:
                    left = _written(key.fd, left)
                    if not left:
                        selector.unregister(key.fileobj)
                    continue
                data = os.read(key.fd, READ_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fd == child.stdout.fileno():
                    feed(data)
                else:
                    complaint = (complaint + data)[-STDERR_BYTES_KEPT:]
    # Looked at and left a zombie: its number must stay its own until its process group is killed.
    while (status := os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is None:
        check_time()
        time.sleep(EXIT_POLL_S)
    if status.si_status != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        exited = status.si_code == os.CLD_EXITED
        end = f"ended with status {status.si_status}" if exited else f"was ended by {_signal(status.si_status)}"
        raise ChildProcessFailed(f"{name} {end}: {redacted(last) or 'no message'}")


def _written(descriptor: int, left: memoryview) -> memoryview:
    """Write what a pipe takes; what is left, none where the child reads no more."""
    try:
        return left[os.write(descriptor, left) :]
    except BrokenPipeError:
        return left[:0]


def _signal(number: int) -> str:
    """`SIGKILL`, as from a kernel that is out of memory; real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_with_parent() -> None:
    """In the child: end as soon as the parent does, however that dies, if the arguments ask for it.

    The parent holds the other end of standard input, and writes there what the child has read before it calls this.
    """

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    if EXIT_WITH_PARENT in sys.argv[1:]:
        threading.Thread(target=wait, daemon=True).start()
