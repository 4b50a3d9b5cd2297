"""The stand-in's operations on access: what each region answers of a model, and of Anthropic's form."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

# A body, and headers with the status among them, as moto has it.
Answer = tuple[bytes, dict[str, str]]
JSON = {"Content-Type": "application/json"}

OPERATION = "GetFoundationModelAvailability"
FORM_OPERATION = "GetUseCaseForModelAccess"


def availability(
    model_id: str,
    *,
    agreement: str = "AVAILABLE",
    authorization: str = "AUTHORIZED",
    entitlement: str = "AVAILABLE",
    region: str = "AVAILABLE",
) -> dict[str, Any]:
    """GetFoundationModelAvailability's answer, all positive."""
    return {
        "modelId": model_id,
        "agreementAvailability": {"status": agreement},
        "authorizationStatus": authorization,
        "entitlementAvailability": entitlement,
        "regionAvailability": region,
    }


@dataclass
class RegionAccess:
    """What a region answers; change any of it while the server runs.

    `answers` are those of models, all positive for others, `faults` one model's (the region's `faults["access"]` is
    every model's); `form` is Anthropic's, None where it was never sent. `asked` are the models, in order.
    """

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, str | None] = field(default_factory=dict)
    form: bytes | None = b'{"companyName": "Example"}'
    form_fault: str | None = None
    asked: list[str] = field(default_factory=list)


class AccessOperations:
    """The two operations, for moto's Bedrock."""

    standin: Any
    region: str

    def answer_access(self, operation: str, body: dict[str, Any] | None, fault: str | None) -> Answer:
        raise NotImplementedError

    def get_foundation_model_availability(self) -> Answer:
        model_id: str = self._get_param("modelId")  # type: ignore[attr-defined]
        known = self._access()
        known.asked.append(model_id)
        body = known.answers.get(model_id, availability(model_id))
        return self.answer_access(OPERATION, body, known.faults.get(model_id))

    def get_use_case_for_model_access(self) -> Answer:
        known = self._access()
        body = None if known.form is None else {"formData": base64.b64encode(known.form).decode()}
        return self.answer_access(FORM_OPERATION, body, known.form_fault)

    def _access(self) -> RegionAccess:
        region = self.standin.regions.get(self.region)
        return region.access if region is not None else RegionAccess()


def spoiled_access(body: dict[str, Any] | None, fault: str | None) -> Answer | None:
    """A good answer, or what a fault makes of it; None for one that is not there."""
    if fault == "html":
        return b"<html><body>Sign in to the hotel's network</body></html>", {"Content-Type": "text/html"}
    if fault == "empty":
        return b"{}", JSON
    if body is None:
        return None
    if fault == "mistyped":
        body = {name: [7] for name in body} | {"modelId": body.get("modelId", "")}
    if fault == "bare":
        body = {"modelId": body.get("modelId", "")}
    return json.dumps(body).encode(), JSON
