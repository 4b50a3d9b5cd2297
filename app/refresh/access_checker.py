"""Asks AWS, model by model, whether the account may call it: a job of its own, on one worker at a time.

Answers stand in the stored catalog, so that the next run, in whichever process, goes on where the last one ended.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from app.catalog.access import FORM, AccessAnswer, AccessPlan, with_answers
from app.catalog.access_changes import add_answers
from app.catalog.access_plan import callable_regions, plan_access
from app.catalog.current import Catalog
from app.catalog.records import DEMO
from app.catalog.snapshot import CatalogSnapshot
from app.refresh.store import JobLease
from config import Settings

log = structlog.get_logger(__name__)

CHECK_S = 5.0
# What arrives within so long is stored and published together: each time costs a save, and a load in every worker.
GATHER_S = 2.0
# What could not be published, as while a refresh is under way, is tried again so soon.
PUBLISH_RETRY_S = 1.0


class AskAccess(Protocol):
    def __call__(
        self,
        settings: Settings,
        plan: AccessPlan,
        *,
        on_answer: Callable[[AccessAnswer], None],
        stopping: Callable[[], bool],
    ) -> str | None: ...


@dataclass(slots=True, kw_only=True)
class Answers:
    """Those that are not published yet, and when they are to be."""

    waiting: list[AccessAnswer] = field(default_factory=list)
    due_at: float | None = None


class AccessChecker:
    """The job `check_access` of a worker."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        ask: AskAccess,
        *,
        lease: Callable[[], AbstractContextManager[JobLease | None]],
        reload: Callable[[], object],
        amend: Callable[[Callable[[CatalogSnapshot], CatalogSnapshot]], bool],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            lease: the job's own, held while AWS is asked; None where another process has it.
            reload: loads the stored catalog if it changed.
            amend: publishes and stores what a function makes of the current catalog; False where that cannot be now.
        """
        self._settings = settings
        self._catalog = catalog
        self._ask = ask
        self._lease = lease
        self._reload = reload
        self._amend = amend
        self._clock = clock
        self._monotonic = monotonic
        self._stopping = stopping
        self._period = timedelta(seconds=settings.access_s)
        self._started_at = clock()
        self._answers = Answers()
        # The models last planned for, and the regions of each.
        self._regions_of: tuple[object, dict[str, tuple[str, ...]]] = (None, {})

    def check_s(self) -> float:
        """Seconds until the next look whether anything is due."""
        return CHECK_S

    def check_if_due(self) -> None:
        """Ask for what is due, if no other process does."""
        self._publish_if_due()
        if self._settings.source == DEMO or not self._plan():
            return
        with self._lease() as lease:
            if lease is None:
                return
            # The holder before may just have asked for all that was due here.
            self._reload()
            if plan := self._plan():
                self._run(plan, lease)

    def _plan(self) -> AccessPlan:
        snapshot = self._catalog.latest
        if snapshot is None or snapshot.state.access is None:
            return AccessPlan()
        if self._regions_of[0] is not snapshot.models:
            self._regions_of = snapshot.models, callable_regions(snapshot.models)
        access = with_answers(snapshot.state.access, self._answers.waiting, period=self._period)
        return plan_access(self._regions_of[1], access, at=self._clock(), period=self._period, since=self._started_at)

    def _run(self, plan: AccessPlan, lease: JobLease) -> None:
        began = self._monotonic()
        answered: list[AccessAnswer] = []

        def take(answer: AccessAnswer) -> None:
            self._note_denied(answer)
            answered.append(answer)
            self._answers.waiting.append(answer)
            if self._answers.due_at is None:
                self._answers.due_at = self._monotonic() + GATHER_S

        def stopping() -> bool:
            # Asked ten times a second, also while nothing arrives.
            self._publish_if_due()
            return self._stopping() or not lease.held()

        fault = self._ask(self._settings, plan, on_answer=take, stopping=stopping)
        if not self._stopping():
            self._publish()
            if fault is not None and not lease.held():
                fault = "another process took the job over"
        self._note_end(plan, answered, fault, duration_ms=round((self._monotonic() - began) * 1000))

    def _publish_if_due(self) -> None:
        if self._answers.due_at is not None and self._monotonic() >= self._answers.due_at:
            self._publish()

    def _publish(self) -> None:
        """Publish what waits; where a refresh holds the store, it waits on."""
        answers = self._answers.waiting
        if not answers:
            return

        def add(snapshot: CatalogSnapshot) -> CatalogSnapshot:
            return add_answers(snapshot, answers, period=self._period, at=self._clock())

        if self._amend(add):
            self._answers = Answers()
        else:
            self._answers.due_at = self._monotonic() + PUBLISH_RETRY_S

    def _note_denied(self, answer: AccessAnswer) -> None:
        """Log a missing permission once, however many regions and runs it is missing in."""
        snapshot = self._catalog.latest
        if not answer.action or snapshot is None or snapshot.state.access is None:
            return
        state = with_answers(snapshot.state.access, self._answers.waiting, period=self._period)
        known = [it for it in (state.form,) if it is not None] if answer.model_id == FORM else state.reports
        if any(it.failure == answer.code and it.asked_at >= self._started_at for it in known):
            return
        log.warning(
            "access_not_permitted",
            missing_permission=answer.action,
            region=answer.region,
            detail=answer.detail,
            consequence="the last answers stay; asked again after a restart, or in a day",
        )

    def _note_end(self, plan: AccessPlan, answered: list[AccessAnswer], fault: str | None, *, duration_ms: int) -> None:
        failures = Counter(it.code for it in answered if it.state is None)
        if self._stopping():
            return
        report = log.warning if fault or failures else log.info
        report(
            "access_check_failed" if fault or failures else "access_checked",
            models=sum(len(ids) for ids in plan.regions.values()),
            answered=len(answered) - failures.total(),
            failures=dict(failures),
            regions=len(plan.regions),
            duration_ms=duration_ms,
            fault=fault,
            unpublished=len(self._answers.waiting),
        )
