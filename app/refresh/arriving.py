"""Results of a refresh that is under way, published while there is nothing to lose, and once base parts are all in."""

import time
from collections.abc import Callable, Iterable

from app.catalog.records import BASE_PARTS, MODELS, PartListing, PartResult

# What arrives within so long of a result is published together with it.
GATHER_S = 0.7


class ArrivingResults:
    """Gathers results and publishes what has arrived so far, some moments after one did.

    Nothing is published before a region lists a model: until then there is nothing to serve.
    """

    def __init__(
        self,
        publish: Callable[[tuple[PartResult, ...]], None] | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        awaited: Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """
        Args:
            publish: takes all results so far; None where they are published together at the end.
            awaited: regions and base parts, without which nothing is published before the end; what arrives after them
                is published at the end. None where whatever arrives is published.
        """
        self._awaited = None if awaited is None else set(awaited)
        self._publish = publish
        self._monotonic = monotonic
        self._results: list[PartResult] = []
        self._due_at: float | None = None
        self._has_models = False

    def add(self, result: PartResult) -> None:
        self._results.append(result)
        self._has_models |= isinstance(result, PartListing) and result.part == MODELS and bool(result.rows)
        if self._awaited is not None:
            self._awaited.discard((result.region, result.part))
            if self._awaited or result.part not in BASE_PARTS:
                self.publish_if_due()
                return
        if self._due_at is None:
            self._due_at = self._monotonic() + GATHER_S
        self.publish_if_due()

    def publish_if_due(self) -> None:
        """To be called often, by the thread that adds."""
        if self._publish is None or self._due_at is None or not self._has_models or self._monotonic() < self._due_at:
            return
        self._due_at = None
        self._publish(tuple(self._results))
