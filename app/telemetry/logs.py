"""Logging: structlog through the standard library's logging, one event a line on standard error."""

import logging
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import Any, TextIO

import structlog

log = structlog.get_logger("app")

JSON, CONSOLE = FORMATS = ("json", "console")
STANDARD_ERROR = 2

FLUSH_EVERY_S = 0.2
# What a pipe takes whole, so that no other worker's lines get in between (POSIX's PIPE_BUF on Linux).
WRITE_BYTES = 4096
# More than a worker can make in that time; while the log is not read, the oldest go.
MAX_LINES = 100_000

# On every line, the service's (through structlog) and a library's (through logging).
SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # A traceback without the frames' variables: a request's key may be one of them.
    structlog.processors.format_exc_info,
]


class _StandardError(logging.StreamHandler[TextIO]):
    """Standard error as it is when a line is written."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        pass


def format_of(setting: str | None) -> str:
    """The format that LOG_FORMAT sets; without it, console at a terminal, else JSON."""
    return setting or (CONSOLE if sys.stderr.isatty() else JSON)


def configure(log_format: str | None, level: str) -> None:
    """Send all that is logged in this process to standard error.

    Args:
        log_format: one of FORMATS; None chooses, see `format_of`.
        level: of `logging`, in lower case; the lowest that the service logs. Libraries log from `warning` on, or in
            `debug`.
    """
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _StandardError):
            root.removeHandler(handler)
    handler = _StandardError()
    handler.setFormatter(formatter(log_format))
    root.addHandler(handler)
    logging.getLogger("app").setLevel(level.upper())
    # Libraries log every request that they make, at the level info.
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())) if level != "debug" else logging.DEBUG)


def formatter(log_format: str | None) -> logging.Formatter:
    """The formatter of a record's line, for other handlers, too."""
    renderer: Any = structlog.processors.JSONRenderer()
    if format_of(log_format) == CONSOLE:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


class LineWriter:
    """Writes finished lines past logging; as in logging, a full disk or closed pipe fails no request.

    Each write releases the interpreter lock, and another thread takes it: under load that costs a request more than
    making its line. So, once started, a thread writes the lines of a fifth of a second together.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Write one line, with its end, whole; at once where the thread does not run. It is lost if it cannot be."""
        self._lines.append(line)
        if self._thread is None:
            self.flush()

    def flush(self) -> None:
        part: list[str] = []
        size = 0
        while True:
            try:
                line = self._lines.popleft()
            except IndexError:  # Written, by this thread or by another one.
                break
            if part and size + len(line) > WRITE_BYTES:
                _write("".join(part))
                part, size = [], 0
            part.append(line)
            size += len(line)
        if part:
            _write("".join(part))

    def start(self) -> None:
        """Call it after the fork."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._repeat, name="log-lines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None
        self.flush()

    def _repeat(self) -> None:
        while not self._stopping.wait(FLUSH_EVERY_S):
            self.flush()


def _write(text: str) -> None:
    with suppress(OSError):
        os.write(STANDARD_ERROR, text.encode("ascii", "backslashreplace"))


lines = LineWriter()
