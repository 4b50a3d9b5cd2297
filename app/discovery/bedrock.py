"""Bedrock as a source: which regions there are, and a visit to each, part by part. The one importer of boto3 here."""

import json
import os
import re
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.parsers import ResponseParserError

from app.catalog.project_names import is_named_for, project_in
from app.catalog.reading import Malformed
from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    DATA_RETENTION,
    DEPLOYMENTS,
    IMPORTED,
    MANTLE,
    MARKETPLACE,
    MODELS,
    PROFILES,
    PROGRAMS,
    PROJECT_MODELS,
    PROJECT_PARTS,
    PROJECT_PROFILES,
    PROVISIONED,
    ROUTERS,
    PartFailure,
    PartListing,
    PartResult,
)
from app.discovery.connections import Connections
from app.discovery.mantle import InvalidToken, Mantle, MantleRefused, NotAsked
from app.discovery.rows import NO_ROWS, read_rows
from app.telemetry.redaction import redacted
from config import ALL_REGIONS, Settings, partition_of, requested_parts

# A region a thread, its calls one after the other on one connection: quicker and cheaper than all calls at once.
MAX_THREADS = 40
# Optional parts wait while so many calls are under way, or of base parts still to come; base parts never do.
MAX_CONNECTIONS = 40
# A part that takes longer no longer keeps the region's next one waiting.
PART_HEAD_START_S = 1.0
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15
MAX_ATTEMPTS = 3
PAGE_SIZE = 1000
# Far above any account's quota: an optional part that never ends takes no memory and no time from the others.
MAX_OPTIONAL_ROWS = 20_000
# The share of a refresh's time in which there must be credentials.
CREDENTIALS_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The operation that lists a part, and the member of its response that holds the rows.

    `is_of_project` has it say which project it asks for. Where `has_one_row`, the member is that row's only value.
    """

    operation: str
    rows: str
    arguments: dict[str, str] = field(default_factory=dict)
    is_of_project: bool = False
    has_one_row: bool = False


CALLS = {
    MODELS: Call(operation="list_foundation_models", rows="modelSummaries"),
    PROFILES: Call(
        operation="list_inference_profiles",
        rows="inferenceProfileSummaries",
        arguments={"typeEquals": "SYSTEM_DEFINED"},
    ),
    APPLICATION_PROFILES: Call(
        operation="list_inference_profiles", rows="inferenceProfileSummaries", arguments={"typeEquals": "APPLICATION"}
    ),
    PROVISIONED: Call(operation="list_provisioned_model_throughputs", rows="provisionedModelSummaries"),
    DEPLOYMENTS: Call(operation="list_custom_model_deployments", rows="modelDeploymentSummaries"),
    IMPORTED: Call(operation="list_imported_models", rows="modelSummaries"),
    MARKETPLACE: Call(operation="list_marketplace_model_endpoints", rows="marketplaceModelEndpoints"),
    ROUTERS: Call(operation="list_prompt_routers", rows="promptRouterSummaries"),
}
CALLS |= {
    PROJECT_MODELS: replace(CALLS[MODELS], is_of_project=True),
    PROJECT_PROFILES: replace(CALLS[PROFILES], is_of_project=True),
    DATA_RETENTION: Call(operation="get_account_data_retention", rows="mode", has_one_row=True),
    PROGRAMS: Call(operation="list_trusted_access_programs", rows="programSummaries", is_of_project=True),
}
# Taken off an answer before botocore parses it: what holds rows, and a date that nothing here reads.
UNPARSED = {call.rows for call in CALLS.values()} | {"updatedAt"}
# What Bedrock answers for a project that is archived or that the region does not know.
UNKNOWN_PROJECT = ("ValidationException", "ResourceNotFoundException")


class NoBedrockRegions(Exception):
    """The SDK knows no region of a partition that has Bedrock."""


class CredentialsFailed(Exception):
    """There are no credentials, for the reason that is its cause."""


class CredentialsTimeout(Exception):
    """The service or program that gives the credentials does not answer."""


# Ways in which a visit fails that are no bug of ours.
EXPECTED_ERRORS = (BotoCoreError, ResponseParserError, Malformed, CredentialsTimeout, InvalidToken, OSError)


class BedrockSource:
    """The regions to visit, in order of preference, and the visits to all of them."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            BotoCoreError: the SDK's own configuration (an unknown profile, say) hides which regions `all` stands for.
            NoBedrockRegions: there is nothing to visit.
        """
        self._settings = settings
        # Base parts begin first: in Python a sort keeps the order of what is equal.
        self._parts = sorted(requested_parts(settings), key=lambda part: part not in BASE_PARTS)
        self._config = Config(
            connect_timeout=min(CONNECT_TIMEOUT_S, settings.refresh_timeout_s),
            read_timeout=min(READ_TIMEOUT_S, settings.refresh_timeout_s),
            retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
            max_pool_connections=len(self._parts),
            tcp_keepalive=True,
        )
        self._making_client = threading.Lock()
        self.regions = settings.regions
        if settings.regions == (ALL_REGIONS,):
            partition = partition_of(settings.aws_region)
            self.regions = tuple(self._session.get_available_regions("bedrock", partition_name=partition))
            if not self.regions:
                raise NoBedrockRegions(f"AWS_BEDROCK_REGIONS=all: the SDK knows none in the partition {partition}")

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(botocore_session=self._sdk, region_name=self._settings.aws_region or None)

    @cached_property
    def _sdk(self) -> botocore.session.Session:
        return botocore.session.get_session()

    def _mantle(self, credentials: "Future[None]") -> Mantle:
        def resolved() -> ReadOnlyCredentials:
            self._check(credentials)
            found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            return found.get_frozen_credentials()

        settings = self._settings
        with self._making_client:  # Source: botocore's client.py and endpoint.py, for its own clients.
            bundle = self._sdk.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        return Mantle(
            resolved,
            connect_timeout_s=min(CONNECT_TIMEOUT_S, settings.refresh_timeout_s),
            read_timeout_s=min(READ_TIMEOUT_S, settings.refresh_timeout_s),
            regions=() if ALL_REGIONS in settings.mantle_regions else settings.mantle_regions,
            endpoint=settings.mantle_endpoint,
            token_file=settings.mantle_token_file,
            verify=bundle or True,
        )

    def visit_all(self, write: Callable[[PartResult], None]) -> None:
        """Visit all regions at once; `write` is called with each result as it comes, from several threads.

        Credentials are found once, before: left to themselves, the clients would look in turn, and wait each.
        """
        # Not waited for at the end: what it waits for may never answer.
        credentials = ThreadPoolExecutor(1).submit(self._resolve_credentials)
        wait([credentials], self._settings.refresh_timeout_s * CREDENTIALS_SHARE)
        base_calls = len(self.regions) * len(set(self._parts) & set(BASE_PARTS))
        connections = Connections(MAX_CONNECTIONS, base_calls=base_calls)
        with ThreadPoolExecutor(min(MAX_THREADS, len(self.regions))) as pool:
            for visit in [pool.submit(self._visit, region, credentials, connections, write) for region in self.regions]:
                visit.result()

    def client(self, region: str) -> Any:
        """A client, made when its visit begins, so that the first regions are called while the others' are made."""
        with self._making_client:  # A session is not safe for more than one thread.
            client = self._session.client("bedrock", region_name=region, config=self._config)
        client.meta.events.register("before-parse.bedrock.*", take_rows)
        return client

    def _visit(
        self,
        region: str,
        credentials: "Future[None]",
        connections: Connections,
        write: Callable[[PartResult], None],
    ) -> None:
        @cache
        def client() -> Any:
            self._check(credentials)
            return self.client(region)

        def visit(part: str) -> None:
            with connections.open(is_base=part in BASE_PARTS):
                if part == MANTLE:
                    mantle = partial(self._mantle, credentials)
                    result = visit_part(mantle, region, part, ask=lambda it, _: it.list_models(region))
                else:
                    result = visit_part(client, region, part, self._settings.projects)
            write(result)

        threads = []
        for part in self._parts:
            threads.append(threading.Thread(target=visit, args=(part,), daemon=True))
            threads[-1].start()
            threads[-1].join(PART_HEAD_START_S)
        for thread in threads:
            thread.join()

    def _check(self, credentials: "Future[None]") -> None:
        """
        Raises:
            CredentialsFailed
        """
        limit_s = self._settings.refresh_timeout_s * CREDENTIALS_SHARE
        error = credentials.exception() if credentials.done() else CredentialsTimeout(f"none within {limit_s:g} s")
        if error is not None:
            raise CredentialsFailed from error

    def _resolve_credentials(self) -> None:
        """
        Raises:
            NoCredentialsError: there are none.
            Exception: whatever stands in the way of those that are configured.
        """
        if os.environ.get("AWS_BEARER_TOKEN_BEDROCK"):
            return  # Bedrock then takes no others.
        credentials = self._session.get_credentials()
        if credentials is None and os.environ.get("AWS_SECRET_ACCESS_KEY"):
            raise PartialCredentialsError(provider="env", cred_var="AWS_ACCESS_KEY_ID")
        if credentials is None:
            raise NoCredentialsError
        credentials.get_frozen_credentials()


def visit_part(
    client: Callable[[], Any],
    region: str,
    part: str,
    projects: Sequence[str] = (),
    ask: Callable[[Any, str], list[Any]] | None = None,
) -> PartResult:
    """Ask one region for one part; what goes wrong is a value.

    Args:
        projects: as AWS_BEDROCK_PROJECT names them.
        ask: gives the rows of a part; `list_rows` where it is None.
    """
    began = time.monotonic()
    project = project_in(projects, region) if part in PROJECT_PARTS else None
    is_offered = part not in PROJECT_PARTS or project is not None
    try:
        rows = ask(client(), part) if ask is not None else list_rows(client(), part, project) if is_offered else ()
        found = read_rows(rows, part)
    except Exception as error:  # noqa: BLE001 - the top of a visit: each way to fail is this part's failure.
        failure = failure_of(error, region=region, part=part, began=began)
        is_unknown = part in CALLS and CALLS[part].is_of_project and failure.code in UNKNOWN_PROJECT
        if is_unknown and is_named_for(projects, region):
            return replace(failure, detail=f"{project}: {failure.detail}")
        if not is_unknown and not is_not_offered(error, part):
            return failure
        found, is_offered = NO_ROWS, False
    return PartListing(
        region=region,
        part=part,
        listed_at=datetime.now(UTC),
        rows=found.rows,
        skipped_rows=found.skipped_rows,
        unread_fields=found.unread_fields,
        duration_ms=_ms_since(began),
        is_offered=is_offered,
    )


def list_rows(client: Any, part: str, project: str | None = None) -> list[Any]:
    """The rows of a part, of all pages, as they are.

    Raises:
        Malformed: an answer holds no list of rows.
        ClientError: Bedrock refuses.
    """
    call = CALLS[part]
    arguments = call.arguments
    if call.is_of_project and project is not None:
        arguments = arguments | {"projectIdentifier": project}
    if client.can_paginate(call.operation):
        paginator = client.get_paginator(call.operation)
        answers = paginator.paginate(**arguments, PaginationConfig={"PageSize": PAGE_SIZE})
    else:
        answers = [getattr(client, call.operation)(**arguments)]
    rows: list[Any] = []
    for answer in answers:
        listed = answer.get(call.rows)
        if call.has_one_row:
            listed = [{call.rows: listed}]
        if not isinstance(listed, list):
            raise Malformed(f"{call.rows}: expected a list, got {type(listed).__name__}")
        rows += listed
        if part not in BASE_PARTS and len(rows) > MAX_OPTIONAL_ROWS:
            raise Malformed(f"{call.rows}: more than {MAX_OPTIONAL_ROWS} rows")
    return rows


def take_rows(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Take the rows off an answer before botocore parses it: there, one row of a wrong type loses the whole part.

    Raises:
        Malformed: the body is no JSON object. (botocore would take it for an empty listing.)
    """
    if response_dict["status_code"] >= 300:
        return
    try:
        body = json.loads(response_dict["body"])
    except (ValueError, RecursionError):
        raise Malformed("the answer is not JSON") from None
    if not isinstance(body, dict):
        raise Malformed("the answer is not a JSON object")
    for key in UNPARSED & set(body):
        customized_response_dict[key] = body.pop(key)
    response_dict["body"] = json.dumps(body).encode()


def is_not_offered(error: Exception, part: str) -> bool:
    """Whether the region has no such part, which is none of it there and no failure.

    Where there is no provisioned throughput AWS denies access without the name of an action.
    """
    if isinstance(error, NotAsked):
        return True
    if part in BASE_PARTS or not isinstance(error, ClientError):
        return False
    code, text = error.response["Error"].get("Code"), str(error.response["Error"].get("Message", ""))
    is_nameless = part == PROVISIONED and code == "AccessDeniedException" and "bedrock:" not in text
    return code == "UnknownOperationException" or is_nameless


def failure_of(error: Exception, *, region: str, part: str, began: float) -> PartFailure:
    """The failure that an exception of a visit is.

    `code` is AWS's where it has the form of one, else the exception's name; `detail` is redacted, for the operator.
    """
    prefix = ""
    if isinstance(error, CredentialsFailed) and isinstance(error.__cause__, Exception):
        prefix, error = "credentials: ", error.__cause__
    code, detail, action = type(error).__name__, str(error), ""
    if isinstance(error, ClientError):
        detail = str(error.response["Error"].get("Message", ""))
        code_of_aws = str(error.response["Error"].get("Code"))
        if re.fullmatch(r"\w[\w.:-]{0,79}", code_of_aws):
            code = code_of_aws
        if code in ("AccessDeniedException", "AccessDenied"):
            operation = error.operation_name
            action = f"{'sts' if operation.startswith('AssumeRole') else 'bedrock'}:{operation}"
    elif isinstance(error, MantleRefused):
        code, action = error.code, error.action
    elif not isinstance(error, EXPECTED_ERRORS):
        traceback.print_exception(error)
    return PartFailure(
        region=region,
        part=part,
        failed_at=datetime.now(UTC),
        code=code,
        action=action,
        detail=redacted(prefix + " ".join(detail.split())),
        duration_ms=_ms_since(began),
    )


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
