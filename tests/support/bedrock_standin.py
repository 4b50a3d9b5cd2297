"""Bedrock's control plane on loopback: moto with the listings that it lacks, over real HTTP, and able to fail.

Real boto3 clients reach it through `AWS_ENDPOINT_URL_BEDROCK`; the region is the one that they sign for. By hand:
`python -m tests.support.bedrock_standin --regions 31 --latency-ms 150 --port 9000 --fault eu-west-1=hang`; a fault of
one part alone is `--fault eu-west-1/profiles=denied`.
"""

import argparse
import json
import select
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.bedrock.responses import BedrockResponse
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.test import create_environ

from tests.support.access_standin import AccessOperations, RegionAccess, spoiled_access

Row = Any
# A body, and headers with the status among them, as moto has it.
Answer = tuple[bytes, dict[str, str]]

ACCOUNT = "112233445566"
ROLE = "PlatformCatalogReader"
APPLICATION_CALLS = "ListInferenceProfiles of type APPLICATION"

# Errors as AWS words them: with identities that are for the operator alone.
REFUSALS = {
    "missing": (404, "ResourceNotFoundException", "The resource you requested does not exist."),
    "invalid": (400, "ValidationException", "The provided model identifier is invalid."),
    "throttled": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "denied": (
        403,
        "AccessDeniedException",
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/i-0abc is not authorized to perform: "
        f"bedrock:{{operation}} because no identity-based policy of the role {ROLE} allows it",
    ),
    "unrecognized": (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid",
    ),
    "expired": (403, "ExpiredTokenException", "The security token included in the request is expired"),
    "error": (500, "InternalServerException", "The server has encountered an internal error."),
    # How a region says that it does not have a part at all.
    "unknown": (404, "UnknownOperationException", "The requested operation is not recognized by the service."),
    "nameless": (403, "AccessDeniedException", "Your account is not authorized to invoke this API operation."),
}
# Faults on the connection: no answer, an answer cut in half, a byte now and then, a reset.
BROKEN = ("hang", "half", "drip", "reset")
# Answers with status 200 that are not what they should be.
WRONG = ("html", "empty", "bare", "mistyped", "huge")
FAULTS = (*REFUSALS, *BROKEN, *WRONG)

HUGE_ROWS = 10_000
DRIP_S = 0.2
POLL_S = 0.02


def model_row(model_id: str, **changes: Any) -> Row:
    """An active text model that is callable on demand, as ListFoundationModels words it."""
    return {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}",
        "modelId": model_id,
        "modelName": model_id.title(),
        "providerName": "Stand-in",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE", "startOfLifeTime": "2026-02-17T00:00:00Z"},
    } | changes


def profile_row(profile_id: str, *model_ids: str, **changes: Any) -> Row:
    """An active profile of the system, as ListInferenceProfiles words it."""
    return {
        "inferenceProfileName": profile_id.title(),
        "inferenceProfileArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/{profile_id}",
        "inferenceProfileId": profile_id,
        "models": [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{it}"} for it in model_ids],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    } | changes


def application_profile_row(name: str, *model_arns: str, region: str = "us-east-1", **changes: Any) -> Row:
    """An active profile of the account's own, as ListInferenceProfiles words it: its id is opaque."""
    profile_id = f"{zlib.crc32(name.encode()):012x}"
    return {
        "inferenceProfileName": name,
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{ACCOUNT}:application-inference-profile/{profile_id}",
        "inferenceProfileId": profile_id,
        "models": [{"modelArn": arn} for arn in model_arns],
        "status": "ACTIVE",
        "type": "APPLICATION",
    } | changes


# (what the ARN of one is, the keys of its ARN and its name, its other members)
ACCOUNT_ROWS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "provisioned": (
        "bedrock:{}:provisioned-model",
        "provisionedModelArn",
        "provisionedModelName",
        {
            "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/maker.common-0-v1:0",
            "desiredModelArn": "arn:aws:bedrock:us-east-1::foundation-model/maker.common-0-v1:0",
            "foundationModelArn": "arn:aws:bedrock:us-east-1::foundation-model/maker.common-0-v1:0",
            "modelUnits": 1,
            "desiredModelUnits": 1,
            "status": "InService",
            "creationTime": "2026-03-01T00:00:00Z",
            "lastModifiedTime": "2026-03-02T00:00:00Z",
            "commitmentExpirationTime": "2027-03-01T00:00:00Z",
        },
    ),
    "deployments": (
        "bedrock:{}:custom-model-deployment",
        "customModelDeploymentArn",
        "customModelDeploymentName",
        {
            "modelArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model/maker.common-0-v1:0/abcdefghijkl",
            "status": "Active",
            "createdAt": "2026-03-01T00:00:00Z",
        },
    ),
    "imported": (
        "bedrock:{}:imported-model",
        "modelArn",
        "modelName",
        {"creationTime": "2026-03-01T00:00:00Z", "instructSupported": True, "modelArchitecture": "llama"},
    ),
    "marketplace": (
        "sagemaker:{}:endpoint",
        "endpointArn",
        "",
        {
            "modelSourceIdentifier": "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/m/1.0",
            "status": "REGISTERED",
            "createdAt": "2026-03-01T00:00:00Z",
            "updatedAt": "2026-03-02T00:00:00Z",
        },
    ),
    "routers": (
        "bedrock:{}:prompt-router",
        "promptRouterArn",
        "promptRouterName",
        {
            "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/maker.common-0-v1:0"}],
            "fallbackModel": {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/maker.common-0-v1:0"},
            "routingCriteria": {"responseQualityDifference": 10.0},
            "status": "AVAILABLE",
            "type": "custom",
        },
    ),
}


def account_row(part: str, name: str, *, region: str = "us-east-1", **changes: Any) -> Row:
    """Something callable that the account made, as the list of its part words it."""
    arn, id_key, name_key, members = ACCOUNT_ROWS[part]
    row_id = name if part == "marketplace" else f"{zlib.crc32(name.encode()):012x}"
    row = {id_key: f"arn:aws:{arn.format(f'{region}:{ACCOUNT}')}/{row_id}", **members}
    return row | ({name_key: name} if name_key else {}) | changes


@dataclass
class Region:
    """What a region lists and how it answers; change any of it while the server runs.

    `fault` and `body` are of all parts, `faults` and `bodies` of one; a body is sent in place of the listing, with
    `status`.
    """

    models: list[Row] = field(default_factory=list)
    profiles: list[Row] = field(default_factory=list)
    application_profiles: list[Row] = field(default_factory=list)
    provisioned: list[Row] = field(default_factory=list)
    deployments: list[Row] = field(default_factory=list)
    imported: list[Row] = field(default_factory=list)
    marketplace: list[Row] = field(default_factory=list)
    routers: list[Row] = field(default_factory=list)
    latency_ms: int = 0
    fault: str | None = None
    faults: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    bodies: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    access: RegionAccess = field(default_factory=RegionAccess)
    in_flight: int = 0
    most_in_flight: int = 0

    def fault_of(self, part: str) -> str | None:
        return self.faults.get(part, self.fault)


def sample_region(name: str, models: int = 5) -> Region:
    """Models that every region has, each with its profile, and one that it has alone and on demand."""
    common = [model_row(f"maker.common-{number}-v1:0") for number in range(models - 1)]
    return Region(
        models=[*common, model_row(f"maker.only-{name}-v1:0")],
        profiles=[profile_row(f"global.{row['modelId']}", row["modelId"]) for row in common],
    )


class BedrockStandin(ThreadingHTTPServer):
    """`with BedrockStandin(["us-east-1"]) as standin:` serves `standin.url`.

    `standin.calls` counts by (region, operation), those for application profiles apart, as APPLICATION_CALLS;
    `standin["us-east-1"].fault = "hang"` breaks a region, `standin["us-east-1"].faults["profiles"] = "denied"` a part
    of it. A region that it does not have answers as one that is not opted in.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, regions: Iterable[str], *, port: int = 0, latency_ms: int = 0, models: int = 5) -> None:
        self.regions = {name: sample_region(name, models) for name in regions}
        for region in self.regions.values():
            region.latency_ms = latency_ms
        self.calls: Counter[tuple[str, str]] = Counter()
        self.count = threading.Lock()
        self.in_flight = self.most_in_flight = 0
        self.closing = threading.Event()
        # moto builds its table of operations at the first use, which forty threads at once make a matter of seconds.
        get_service_router("bedrock")
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __getitem__(self, name: str) -> Region:
        return self.regions[name]

    def __enter__(self) -> "BedrockStandin":
        threading.Thread(target=self.serve_forever, args=(POLL_S,), name="bedrock-standin", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """What a service needs to find it."""
        return {
            "CATALOG_SOURCE": "aws",
            "AWS_BEDROCK_REGIONS": ",".join(self.regions),
            "AWS_ENDPOINT_URL_BEDROCK": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    @property
    def listings(self) -> int:
        """How often any region has listed its models."""
        return sum(number for (_, operation), number in self.calls.items() if operation == "ListFoundationModels")

    def model_ids(self) -> set[str]:
        return {row["modelId"] for region in self.regions.values() for row in region.models}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class _Bedrock(AccessOperations, BedrockResponse):
    """moto's Bedrock with the listings' operations; the fault decides what a region's rows become."""

    def __init__(self, standin: BedrockStandin) -> None:
        super().__init__()
        self.standin = standin

    # The part that the call is for, once it was made.
    part = ""

    def list_foundation_models(self) -> Answer:
        return self._answer("ListFoundationModels", "modelSummaries", "models")

    def list_inference_profiles(self) -> Answer:
        part = "application_profiles" if self._get_param("type") == "APPLICATION" else "profiles"
        return self._answer("ListInferenceProfiles", "inferenceProfileSummaries", part)

    def answer_access(self, operation: str, body: dict[str, Any] | None, fault: str | None) -> Answer:
        self.part = "access"
        region = self.standin.regions.get(self.region)
        with self.standin.count:
            self.standin.calls[self.region, operation] += 1
        fault = fault or (region.fault_of("access") if region else "unrecognized")
        if fault in REFUSALS:
            return _refusal(fault, operation)
        return spoiled_access(body, fault) or _refusal("missing", operation)

    def list_provisioned_model_throughputs(self) -> Answer:
        return self._answer("ListProvisionedModelThroughputs", "provisionedModelSummaries", "provisioned")

    def list_custom_model_deployments(self) -> Answer:
        return self._answer("ListCustomModelDeployments", "modelDeploymentSummaries", "deployments")

    def list_imported_models(self) -> Answer:
        return self._answer("ListImportedModels", "modelSummaries", "imported")

    def list_marketplace_model_endpoints(self) -> Answer:
        return self._answer("ListMarketplaceModelEndpoints", "marketplaceModelEndpoints", "marketplace")

    def list_prompt_routers(self) -> Answer:
        return self._answer("ListPromptRouters", "promptRouterSummaries", "routers")

    def _answer(self, operation: str, key: str, part: str) -> Answer:
        self.part = part
        region = self.standin.regions.get(self.region)
        with self.standin.count:
            call = APPLICATION_CALLS if part == "application_profiles" else operation
            self.standin.calls[self.region, call] += 1
        fault = region.fault_of(part) if region else "unrecognized"
        if region is None or fault in REFUSALS:
            return _refusal(fault or "", operation)
        if fault == "html":
            return b"<html><body>Sign in to the hotel's network</body></html>", {"Content-Type": "text/html"}
        sent = region.bodies.get(part, region.body)
        if sent is not None:
            return sent, {"status": str(region.status), "Content-Type": "application/json"}
        rows = _spoiled(getattr(region, part), part, fault)
        body: dict[str, Any] = {key: rows}
        if part != "models":
            begin, size = int(self._get_param("nextToken") or 0), int(self._get_param("maxResults") or 100)
            body[key] = rows[begin : begin + size]
            if begin + size < len(rows):
                body["nextToken"] = str(begin + size)
        return json.dumps(body).encode(), {"Content-Type": "application/json"}


def _refusal(fault: str, operation: str) -> Answer:
    status, code, message = refusal_of(fault, operation)
    headers = {"status": str(status), "Content-Type": "application/json", "x-amzn-ErrorType": code}
    return json.dumps({"message": message}).encode(), headers


def refusal_of(fault: str, operation: str) -> tuple[int, str, str]:
    """Status, code and message, as AWS words them for the operation."""
    status, code, message = REFUSALS[fault]
    return status, code, message.format(operation=operation)


def _spoiled(rows: list[Row], part: str, fault: str | None) -> list[Row]:
    if fault == "empty":
        return []
    if fault == "bare":
        account = [id_key for _, id_key, _, _ in ACCOUNT_ROWS.values()]
        required = ("modelId", "modelArn", "inferenceProfileId", "inferenceProfileArn", "models", *account)
        return [{name: row[name] for name in required if name in row} for row in rows]
    if fault == "mistyped":
        junk: list[Row] = [None, 7, "row", [], {}, {"modelId": 7, "inferenceProfileId": ["x"], "models": "none"}]
        return junk + [row | {"modelName": 7, "models": 7} if place % 2 else row for place, row in enumerate(rows)]
    if fault == "huge" and part == "models":
        return rows + [model_row(f"maker.huge-{number}-v1:0") for number in range(HUGE_ROWS)]
    return rows


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: BedrockStandin

    def do_GET(self) -> None:
        standin = self.server
        environ = create_environ(self.path, standin.url, headers=dict(self.headers))
        bedrock = _Bedrock(standin)
        bedrock.setup_class(Request(environ))
        region = standin.regions.get(bedrock.region) or Region()
        with standin.count:
            region.in_flight += 1
            region.most_in_flight = max(region.most_in_flight, region.in_flight)
            standin.in_flight += 1
            standin.most_in_flight = max(standin.most_in_flight, standin.in_flight)
        try:
            time.sleep(region.latency_ms / 1000)
            status, headers, body = bedrock.call_action()
            self._send(region, bedrock.part, status, headers, body)
        finally:
            with standin.count:
                region.in_flight -= 1
                standin.in_flight -= 1

    def _send(self, region: Region, part: str, status: int, headers: dict[str, str], body: bytes | str) -> None:
        body = body.encode() if isinstance(body, str) else body
        fault = region.fault_of(part)
        while region.fault_of(part) == "hang" and not self.server.closing.wait(POLL_S) and not self._is_gone():
            pass
        if fault in ("hang", "reset"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() in ("content-type", "x-amzn-errortype", "x-amzn-requestid"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "half":
            body = body[: len(body) // 2]
            self.close_connection = True
        if fault == "drip":
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                if region.fault_of(part) != "drip" or self.server.closing.wait(DRIP_S):
                    self.close_connection = True
                    return
        self.wfile.write(body)

    def _is_gone(self) -> bool:
        """Whether the client closed its end, so that a hang ends with it."""
        # Not recv alone: the connection has a timeout, for which that would wait.
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=31, help="how many of the regions that the SDK knows")
    parser.add_argument("--models", type=int, default=100, help="how many each of them lists")
    parser.add_argument("--latency-ms", type=int, default=0, help="before every answer")
    parser.add_argument("--port", type=int, default=0, help="0 for any")
    parser.add_argument("--fault", action="append", default=[], metavar="REGION[/PART]=FAULT", help=", ".join(FAULTS))
    chosen = parser.parse_args()
    names = ["us-east-1"] + [it for it in boto3.Session().get_available_regions("bedrock") if it != "us-east-1"]
    standin = BedrockStandin(
        names[: chosen.regions], port=chosen.port, latency_ms=chosen.latency_ms, models=chosen.models
    )
    for fault in chosen.fault:
        place, _, kind = fault.partition("=")
        region, _, part = place.partition("/")
        if part:
            standin[region].faults[part] = kind
        else:
            standin[region].fault = kind
    with standin:
        print("\n".join(f"export {name}={value}" for name, value in standin.environ.items()), flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
