"""The visit to every region: the one importer of boto3 for Bedrock, run as a child process of its own.

`python -m app.discovery` reads its settings from the environment and writes one JSON line a region, as it comes, after
a first line that names the regions: `{"regions": [...]}`. With `--end-with-parent` it ends with its standard input.
"""

import gc
import json
import os
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, TypeVar

from app.catalog.codec import encode_visit
from app.catalog.reading import Malformed, Reader
from app.catalog.records import FoundationModel, InferenceProfile, RegionFailure, RegionListing
from app.server.child_process import end_with_parent
from app.server.cpu_affinity import pin_temporarily
from app.telemetry.redaction import redacted
from config import ALL_REGIONS, Settings, read_server_settings, read_settings

Visit = Callable[[], RegionListing | RegionFailure]
RowT = TypeVar("RowT")

# A region a thread, its calls one after the other on one connection: quicker and cheaper than all calls at once.
THREADS_AT_MOST = 40
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15
ATTEMPTS = 3
PROFILES_A_PAGE = 1000
NICENESS = 10


class MalformedAnswer(Exception):
    """An answer with status 200 that is no listing."""


class BedrockClients:
    """Makes the clients of `regions`, which are in order of preference, from one session.

    Each is made when its visit begins, so that the first regions are called while the others' clients are made; one
    after another, since a session is not safe for more.
    """

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            BotoCoreError: the SDK's own configuration is wrong (an unknown profile, say).
        """
        import boto3
        from botocore.config import Config

        self._session = boto3.Session()
        timeout_s = settings.refresh_timeout_s
        self._config = Config(
            connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
            read_timeout=min(READ_TIMEOUT_S, timeout_s),
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=1,
            tcp_keepalive=True,
        )
        self.regions = settings.regions
        if settings.regions == (ALL_REGIONS,):
            partition = self._session.get_partition_for_region(self._session.region_name or "us-east-1")
            self.regions = tuple(self._session.get_available_regions("bedrock", partition_name=partition))
        self._making = threading.Lock()

    def client(self, region: str) -> Any:
        with self._making:
            client = self._session.client("bedrock", region_name=region, config=self._config)
        client.meta.events.register("before-parse.bedrock.*", take_rows)
        return client

    def visit(self, region: str) -> RegionListing | RegionFailure:
        return visit_region(self.client(region))


def load_trust_once() -> None:
    """Let all connections of this process share one TLS context, which reads the CA bundle once.

    Left alone, urllib3 reads it anew for each connection: 36 ms of CPU a region. What is trusted stays the same; a
    second bundle (a proxy's, say) is read as well.
    """
    from botocore import httpsession

    loaded: set[tuple[Any, ...]] = set()
    lock = threading.Lock()

    class TrustingContext(ssl.SSLContext):
        def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
            with lock:
                if (cafile, capath, cadata) not in loaded:
                    super().load_verify_locations(cafile, capath, cadata)
                    loaded.add((cafile, capath, cadata))

    # botocore builds its contexts from these names, and has no setting for it.
    vars(httpsession).update(
        SSLContext=TrustingContext, create_urllib3_context=cache(httpsession.create_urllib3_context)
    )


def take_rows(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Take the rows off an answer before botocore parses it: there, one row of a wrong type loses the whole region.

    Raises:
        MalformedAnswer: the body is no JSON object. (botocore would take it for an empty listing.)
    """
    if response_dict["status_code"] != 200:
        return
    try:
        body = json.loads(response_dict["body"])
    except (ValueError, RecursionError):
        raise MalformedAnswer("the body is not JSON") from None
    if not isinstance(body, dict):
        raise MalformedAnswer("the body is not a JSON object")
    for key in ("modelSummaries", "inferenceProfileSummaries"):
        if key in body:
            customized_response_dict[key] = body.pop(key)
    response_dict["body"] = json.dumps(body).encode()


def visit_region(client: Any) -> RegionListing | RegionFailure:
    """Ask one region for its models and its inference profiles; what goes wrong there is a value.

    Source: Bedrock ListFoundationModels (one answer) and ListInferenceProfiles (paged).
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    region = str(client.meta.region_name)
    began = time.monotonic()
    try:
        models, profiles, bad = list_region(client)
    except ClientError as error:
        code, detail = str(error.response["Error"].get("Code")), str(error.response["Error"].get("Message", ""))
    except (BotoCoreError, ResponseParserError, MalformedAnswer, Malformed) as error:
        code, detail = type(error).__name__, str(error)
    else:
        return RegionListing(
            region=region,
            listed_at=now(),
            models=models,
            profiles=profiles,
            skipped_rows=len(bad),
            skipped_ids=tuple(row_id for row_id in bad if row_id),
            took_ms=_ms_since(began),
        )
    return RegionFailure(region=region, failed_at=now(), code=code, detail=redacted(detail), took_ms=_ms_since(began))


def list_region(client: Any) -> tuple[tuple[FoundationModel, ...], tuple[InferenceProfile, ...], list[str]]:
    """A region's models, its inference profiles, and the id of each malformed row that was skipped, "" for none."""
    models, bad = read_rows(client.list_foundation_models().get("modelSummaries"), read_model, "modelId")
    profiles: list[InferenceProfile] = []
    pages = client.get_paginator("list_inference_profiles").paginate(
        typeEquals="SYSTEM_DEFINED", PaginationConfig={"PageSize": PROFILES_A_PAGE}
    )
    for page in pages:
        rows, bad_here = read_rows(page.get("inferenceProfileSummaries"), read_profile, "inferenceProfileId")
        profiles += rows
        bad += bad_here
    return tuple(models), tuple(profiles), bad


def read_rows(rows: Any, read: Callable[[Reader], RowT], id_key: str) -> tuple[list[RowT], list[str]]:
    """The rows that can be read, once an id, and the ids of those that could not, "" where even that cannot.

    Raises:
        Malformed: there is no list of rows.
    """
    good: list[RowT] = []
    bad: list[str] = []
    for row in Reader(rows, "rows").each():
        try:
            good.append(read(row))
        except Malformed:
            bad.append(_id_of(row, id_key))
    return list({row.id: row for row in reversed(good)}.values())[::-1], bad  # type: ignore[attr-defined]


def _id_of(row: Reader, id_key: str) -> str:
    try:
        return row.get(id_key).string()
    except Malformed:
        return ""


def read_model(row: Reader) -> FoundationModel:
    """Source: Bedrock FoundationModelSummary; all but `modelId` may be missing."""
    lifecycle = row.get("modelLifecycle")
    said = lifecycle.get if lifecycle.value is not None else lambda key: Reader(None, key)
    return FoundationModel(
        id=row.get("modelId").string(),
        name=row.get("modelName").maybe(Reader.string),
        provider=row.get("providerName").maybe(Reader.string),
        input_modalities=row.get("inputModalities").maybe(Reader.strings),
        output_modalities=row.get("outputModalities").maybe(Reader.strings),
        response_streaming=row.get("responseStreamingSupported").maybe(Reader.boolean),
        inference_types=row.get("inferenceTypesSupported").maybe(Reader.strings),
        lifecycle_status=said("status").maybe(Reader.string),
        start_of_life_at=said("startOfLifeTime").maybe(Reader.instant),
        legacy_at=said("legacyTime").maybe(Reader.instant),
        extended_access_at=said("publicExtendedAccessTime").maybe(Reader.instant),
        end_of_life_at=said("endOfLifeTime").maybe(Reader.instant),
    )


def read_profile(row: Reader) -> InferenceProfile:
    """Source: Bedrock InferenceProfileSummary; a model's id stands behind the last part of its ARN."""
    arns = [item.get("modelArn").string() for item in row.get("models").each()]
    return InferenceProfile(
        id=row.get("inferenceProfileId").string(),
        status=row.get("status").maybe(Reader.string),
        model_ids=tuple(dict.fromkeys(arn.partition(":foundation-model/")[2] or arn for arn in arns)),
    )


def now() -> datetime:
    return datetime.now(UTC)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def visit_all(visits: Mapping[str, Visit]) -> Iterator[RegionListing | RegionFailure]:
    """Make all visits at once; each result as it comes."""
    with ThreadPoolExecutor(max_workers=min(THREADS_AT_MOST, max(1, len(visits)))) as pool:
        regions = {pool.submit(visit): region for region, visit in visits.items()}
        for done in as_completed(regions):
            bug = done.exception()
            if bug is None:
                yield done.result()
            else:
                traceback.print_exception(bug)
                yield RegionFailure(region=regions[done], failed_at=now(), code=type(bug).__name__)


def visits_of(settings: Settings) -> dict[str, Visit]:
    if settings.source == "demo":
        from app.discovery.demo import demo_visits

        return {visit.region: partial(_as_it_is, visit) for visit in demo_visits(settings.regions, at=now())}
    clients = BedrockClients(settings)
    return {region: partial(clients.visit, region) for region in clients.regions}


def _as_it_is(visit: RegionListing | RegionFailure) -> RegionListing | RegionFailure:
    return visit


def main() -> None:
    end_with_parent()
    # Clients wait for the workers; nobody waits for this.
    with suppress(PermissionError):  # A sandbox may forbid it.
        os.nice(NICENESS)
    # Looking for garbage costs a third of the CPU, and there is none: in a second or two all memory is given back.
    gc.disable()
    pin = pin_temporarily() if read_server_settings(os.environ).pinning else None
    settings = read_settings(os.environ)
    if settings.source == "aws":
        load_trust_once()
    visits = visits_of(settings)
    # Forty threads on several cores would pass the interpreter's lock around for as long again as they work.
    if pin is not None:
        pin()
    out = sys.stdout.buffer
    out.write(json.dumps({"regions": list(visits)}).encode() + b"\n")
    out.flush()
    for result in visit_all(visits):
        out.write(encode_visit(result))
        out.flush()


if __name__ == "__main__":
    main()
    # All is said. To take every object apart would be a tenth of the work.
    os._exit(0)
