"""The worker's side of asking about access: give the child a plan, and check what it answers."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from app.catalog.access import FORM, AccessAnswer, AccessPlan
from app.catalog.access_codec import decode_answer, encode_plan
from app.catalog.reading import Malformed
from app.server.child_process import EXIT_WITH_PARENT, PAST_DEADLINE, ChildProcessFailed, run_child
from config import Settings, child_environ

COMMAND = (sys.executable, "-m", "app.discovery.access_child", EXIT_WITH_PARENT)
CHILD = "the child that asks about access"
# What a call may take where AWS answers; a region that is slower is asked for the rest in the next run.
SECONDS_A_CALL = 0.5
MAX_LINE_BYTES = 1 << 16


def ask_access(
    settings: Settings,
    plan: AccessPlan,
    *,
    on_answer: Callable[[AccessAnswer], None],
    stopping: Callable[[], bool] = lambda: False,
    command: tuple[str, ...] = COMMAND,
) -> str | None:
    """Run the child to its end or to the deadline; never raises for what the child does.

    Where it ends early, the first call that has no answer has failed in each region, and the region is left alone.

    Args:
        on_answer: called with each answer as it comes, in this thread, which reads no further meanwhile.
        stopping: called every tenth of a second; True ends the run.

    Returns:
        Why the run ended early, for the operator; None where it did not.
    """
    calls = max((len(ids) for ids in plan.regions.values()), default=0) + 1
    deadline = time.monotonic() + calls * SECONDS_A_CALL + settings.refresh_timeout_s
    output = AnswerParser(plan, on_answer)
    try:
        environ = child_environ(settings, os.environ)
        given = encode_plan(plan)
        run_child(CHILD, command, environ, output.feed, deadline=deadline, stopping=stopping, given=given)
        output.end()
    except ChildProcessFailed as error:
        fault = str(error)
    else:
        return None
    if not stopping():
        code = "Timeout" if fault == PAST_DEADLINE else "DiscoveryFailed"
        for region, model_id in output.unanswered():
            on_answer(
                AccessAnswer(
                    region=region, model_id=model_id, at=datetime.now(UTC), code=code, detail=fault, ends_region=True
                )
            )
    return fault


class AnswerParser:
    """Turns the child's output, fed piece by piece, into answers, one to each call of the plan at most."""

    def __init__(self, plan: AccessPlan, on_answer: Callable[[AccessAnswer], None]) -> None:
        # In the child's order.
        form = [(plan.form_region, FORM)] if plan.form_region is not None else []
        self._open = dict.fromkeys(
            form + [(region, model_id) for region, ids in plan.regions.items() for model_id in ids]
        )
        self._on_answer = on_answer
        self._ended: set[str] = set()
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """
        Raises:
            ChildProcessFailed: this is no output of the child's.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise ChildProcessFailed(f"{CHILD} wrote a line of over {MAX_LINE_BYTES >> 10} KiB")
        for line in lines:
            try:
                answer = decode_answer(line)
                if (answer.region, answer.model_id) not in self._open:
                    raise Malformed(f"{answer.region!r}, {answer.model_id!r} was not expected")
            except Malformed as error:
                raise ChildProcessFailed(f"{CHILD} wrote a line that is no answer: {error}") from None
            del self._open[answer.region, answer.model_id]
            if answer.ends_region:
                self._ended.add(answer.region)
            self._on_answer(answer)

    def end(self) -> None:
        """
        Raises:
            ChildProcessFailed: calls are left that the child should have made.
        """
        if self.unanswered():
            raise ChildProcessFailed(f"{CHILD} ended before its plan did")

    def unanswered(self) -> list[tuple[str, str]]:
        """The first call of each region that has no answer and should have one."""
        first: dict[str, str] = {}
        for region, model_id in self._open:
            if region not in self._ended:
                first.setdefault(region, model_id)
        return list(first.items())
