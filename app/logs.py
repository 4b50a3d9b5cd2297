"""How the service logs: structlog through the standard library's logging, one event a line on standard error."""

import logging
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

import structlog

log = structlog.get_logger("app")

JSON = "json"
FORMATS = (JSON, "console")
LEVELS = ("debug", "info", "warning", "error")
STANDARD_ERROR = 2

# What every line has, whoever wrote it: the service through structlog, or a library through logging.
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


def configure(log_format: str, level: str) -> None:
    """Send all that is logged in this process to standard error.

    Args:
        log_format: one of FORMATS.
        level: one of LEVELS, the least that is logged.
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
    root.setLevel(level.upper())


def formatter(log_format: str) -> logging.Formatter:
    """What makes a line of a record, for handlers that are not ours, too."""
    renderer: Any = structlog.processors.JSONRenderer()
    if log_format != JSON:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def write_line(line: str) -> None:
    """Write one finished line past logging, at once and whole; a line that cannot be written is lost.

    Like logging, it never lets a full disk or a closed pipe fail the request that is told of.
    """
    with suppress(OSError):
        os.write(STANDARD_ERROR, line.encode("ascii", "backslashreplace"))
