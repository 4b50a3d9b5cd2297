"""The child that asks about access: `python -m app.discovery.access_child` takes a plan and writes a line an answer.

The plan is one JSON line on standard input (app/catalog/access_codec.py), settings come from the environment. Only
reading operations are called. With `--exit-with-parent` it ends with its standard input.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.catalog.access import DENIED_CODES, FORM, NEVER_SENT, SENT, AccessAnswer, AccessPlan, access_of
from app.catalog.access_codec import decode_plan, encode_answer
from app.catalog.reading import Malformed
from app.discovery.bedrock import CONNECT_TIMEOUT_S, MAX_THREADS, READ_TIMEOUT_S, failure_of
from app.discovery.tls import share_tls_context
from app.server.child_process import exit_with_parent
from config import Settings, read_settings

NICENESS = 10
# AWS publishes no limit of these calls, and throttles the control plane: two a second a region.
CALL_INTERVAL_S = 0.5
# So many failures in a row are the region's: a permission may be denied for one model, and a server err once.
MAX_FAILURES_IN_A_ROW = 2
THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")
NOT_FOUND = "ResourceNotFoundException"


@dataclass(slots=True, kw_only=True)
class RegionRun:
    """The calls to one region, one after the other, at most two a second."""

    region: str
    client: Callable[[], Any]
    write: Callable[[AccessAnswer], None]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    next_at: float = 0.0
    failures_in_a_row: int = 0

    def ask_all(self, model_ids: Sequence[str], *, asks_form: bool) -> None:
        """Ask for each model, the form first, until the region is to be left alone."""
        for model_id in ([FORM] if asks_form else []) + list(model_ids):
            self._pause()
            answer = self._ask(model_id)
            self.write(answer)
            if answer.ends_region:
                return

    def _pause(self) -> None:
        now = self.monotonic()
        if now < self.next_at:
            self.sleep(self.next_at - now)
        self.next_at = max(now, self.next_at) + CALL_INTERVAL_S

    def _ask(self, model_id: str) -> AccessAnswer:
        began = time.monotonic()
        try:
            state, reason = ask_form(self.client()) if model_id == FORM else ask_model(self.client(), model_id)
        except Exception as error:  # noqa: BLE001 - the top of a call: each way to fail is this call's failure.
            failure = failure_of(error, region=self.region, part="access", began=began)
            counts, ends = weight_of(error)
            # Permission for the form says nothing of permission for models.
            self.failures_in_a_row += counts and model_id != FORM
            return AccessAnswer(
                region=self.region,
                model_id=model_id,
                at=failure.failed_at,
                code=failure.code,
                action=failure.action,
                detail=failure.detail,
                ends_region=ends or self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW,
            )
        self.failures_in_a_row = 0
        return AccessAnswer(region=self.region, model_id=model_id, at=datetime.now(UTC), state=state, reason=reason)


def ask_model(client: Any, model_id: str) -> tuple[str, str | None]:
    """
    Raises:
        Malformed: the answer is of another model, or of none.
    """
    answer = client.get_foundation_model_availability(modelId=model_id)
    if answer.get("modelId") != model_id:
        raise Malformed("modelId: expected the model that was asked for")
    return access_of(answer)


def ask_form(client: Any) -> tuple[str, str | None]:
    """Whether the account sent Anthropic's form; what stands in it is not read.

    Raises:
        Malformed: the answer holds no form.
    """
    try:
        answer = client.get_use_case_for_model_access()
    except ClientError as error:
        if error.response["Error"].get("Code") == NOT_FOUND:
            return NEVER_SENT, None
        raise
    if not answer.get("formData"):
        raise Malformed("formData: expected a form")
    return SENT, None


def weight_of(error: Exception) -> tuple[bool, bool]:
    """Whether a failure counts towards those in a row, and whether it ends the region's run by itself."""
    if isinstance(error, (BotoCoreError, OSError)):
        return True, True
    if not isinstance(error, ClientError):  # botocore's parsers raise anything over an answer that is not AWS's.
        return True, False
    if error.operation_name.startswith("AssumeRole"):
        return True, True
    code = str(error.response["Error"].get("Code"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLED or status == 429:
        return True, True
    if code in DENIED_CODES or status >= 500:
        return True, False
    # A model that the region does not know, or an id that it does not take, says nothing of the next one.
    return False, status not in (400, 404)


def ask_regions(settings: Settings, plan: AccessPlan, write: Callable[[AccessAnswer], None]) -> None:
    """Ask all regions of a plan at once; `write` is called with each answer as it comes, from several threads."""
    session = boto3.Session(region_name=settings.aws_region or None)
    config = Config(
        # Half of what the parent waits beyond the calls' own time, so that a region that hangs ends by itself.
        connect_timeout=min(CONNECT_TIMEOUT_S, settings.refresh_timeout_s / 2),
        read_timeout=min(READ_TIMEOUT_S, settings.refresh_timeout_s / 2),
        # A call that is tried again within itself would pass the limit.
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
    )
    making_client = threading.Lock()

    def client_maker(region: str) -> Callable[[], Any]:
        made: list[Any] = []

        def make() -> Any:
            if not made:
                with making_client:  # A session is not safe for more than one thread.
                    made.append(session.client("bedrock", region_name=region, config=config))
            return made[0]

        return make

    regions = {**({plan.form_region: ()} if plan.form_region is not None else {}), **plan.regions}
    with ThreadPoolExecutor(min(MAX_THREADS, len(regions))) as pool:
        runs = [
            pool.submit(
                RegionRun(region=region, client=client_maker(region), write=write).ask_all,
                model_ids,
                asks_form=region == plan.form_region,
            )
            for region, model_ids in regions.items()
        ]
        for run in runs:
            run.result()


def main() -> None:
    plan = decode_plan(sys.stdin.buffer.readline())
    exit_with_parent()
    with suppress(PermissionError):  # A sandbox may forbid it.
        os.nice(NICENESS)
    share_tls_context()
    writing = threading.Lock()

    def write(answer: AccessAnswer) -> None:
        with writing:
            sys.stdout.buffer.write(encode_answer(answer))
            sys.stdout.buffer.flush()

    if plan:
        ask_regions(read_settings(os.environ), plan, write)


if __name__ == "__main__":
    main()
    # All is written, and to take every object apart takes time.
    os._exit(0)
