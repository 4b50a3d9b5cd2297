"""The stand-in for Bedrock with projects: what a region lists for one, its programs and its data-retention mode.

Faults are those of the other parts, by the part's name: `standin["us-east-1"].faults["project_models"] = "hang"`.
"""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.bedrock_standin import ACCOUNT, REFUSALS, BedrockStandin, Region, Row, _Handler, refusal_of

PARTS = {
    ("/foundation-models", True): ("project_models", "ListFoundationModels", "modelSummaries"),
    ("/inference-profiles", True): ("project_profiles", "ListInferenceProfiles", "inferenceProfileSummaries"),
    ("/trusted-access-programs", True): ("trusted_access_programs", "ListTrustedAccessPrograms", "programSummaries"),
    ("/data-retention", False): ("data_retention", "GetAccountDataRetention", ""),
}
UNKNOWN = "The provided project identifier is invalid or the project is archived."


def program_row(program_id: str, status: str) -> Row:
    """A program as ListTrustedAccessPrograms words it, with the account's id."""
    return {
        "programId": program_id,
        "name": program_id.title(),
        "description": "A program.",
        "providerName": "Stand-in",
        "detailsUrl": "https://example.com/program",
        "source": "account",
        "optIn": "inherit",
        "status": status,
        "resolvedFor": {"accountId": ACCOUNT},
        "updatedAt": "2026-11-20T10:00:00Z",
    }


@dataclass
class Project:
    """What a region answers for a project."""

    models: list[Row] = field(default_factory=list)
    profiles: list[Row] = field(default_factory=list)
    programs: list[Row] = field(default_factory=list)


class ProjectStandin(BedrockStandin):
    """`standin.projects["us-east-1", "proj_a"]` is that region's project; others are unknown there."""

    def __init__(self, regions: Iterable[str], **changes: Any) -> None:
        super().__init__(regions, **changes)
        self.RequestHandlerClass = _ProjectHandler
        self.projects: dict[tuple[str, str], Project] = {}
        self.data_retention = "aws_review"

    def __enter__(self) -> "ProjectStandin":
        super().__enter__()
        return self


class _ProjectHandler(_Handler):
    server: ProjectStandin

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        found = PARTS.get((url.path, "projectIdentifier" in query))
        if found is None:
            super().do_GET()
            return
        part, operation, key = found
        signed_for = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("Authorization", ""))
        name = signed_for[1] if signed_for else ""
        with self.server.count:
            self.server.calls[name, part] += 1
        region = self.server.regions.get(name, Region())
        time.sleep(region.latency_ms / 1000)
        status, code, body = self._answer(name, region, part, operation, key, query)
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
        self._send(region, part, status, {it: value for it, value in headers.items() if value}, body)

    def _answer(
        self, name: str, region: Region, part: str, operation: str, key: str, query: dict[str, str]
    ) -> tuple[int, str, bytes]:
        fault = region.fault_of(part)
        if fault in REFUSALS:
            status, code, message = refusal_of(fault, operation)
            return status, code, json.dumps({"message": message}).encode()
        if fault == "html":
            return 200, "", b"<html><body>Sign in to the hotel's network</body></html>"
        if part in region.bodies:
            return 200, "", region.bodies[part]
        if not key:
            body: dict[str, Any] = {"mode": self.server.data_retention, "updatedAt": "2026-11-20T10:00:00Z"}
            return 200, "", json.dumps(body).encode()
        project = self.server.projects.get((name, query["projectIdentifier"]))
        if project is None:
            return 400, "ValidationException", json.dumps({"message": UNKNOWN}).encode()
        listed = {"project_models": project.models, "project_profiles": project.profiles}.get(part, project.programs)
        rows: list[Row] = [] if fault == "empty" else [None, 7, {}, *listed] if fault == "mistyped" else listed
        if part == "project_models":
            return 200, "", json.dumps({key: rows}).encode()
        begin = int(query.get("nextToken", 0))
        # One a page, so that every listing of two shows its pages.
        body = {key: rows[begin : begin + 1]} | ({"nextToken": str(begin + 1)} if begin + 1 < len(rows) else {})
        return 200, "", json.dumps(body).encode()
