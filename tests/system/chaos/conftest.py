"""A short form of each by default, the long one with CHAOS_SCALE (`make chaos`); a run is repeated with CHAOS_SEED."""

import os
import random
from collections.abc import Callable

import pytest

SCALE = int(os.environ.get("CHAOS_SCALE", "1"))
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))

Note = Callable[..., None]
_figures: list[str] = []


@pytest.fixture
def chance() -> random.Random:
    return random.Random(SEED)


@pytest.fixture
def note() -> Note:
    """Write a row of the table of figures: what was done, how often, and what came of it."""

    def write(what: str, **numbers: object) -> None:
        columns = (f"{number} {name.replace('_', ' ')}" for name, number in numbers.items())
        _figures.append(f"{what}: {', '.join(columns)}")

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section(f"chaos, CHAOS_SEED={SEED} CHAOS_SCALE={SCALE}")
    for row in _figures:
        terminalreporter.line(row)
