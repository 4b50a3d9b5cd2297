"""What the dialects share of an entry: how to call it, from where, and where it is processed."""

from typing import Any

from marshmallow import Schema, fields, post_dump

from app.api.fields import SOMETIMES, RegionMap
from app.catalog.entries import APPLICATION, INFERENCE_PROFILE, MODEL, RETIRED, CatalogEntry

KINDS = (MODEL, INFERENCE_PROFILE)
# The keys that entries of one kind alone have.
OF_KIND = {
    "inference_profiles": MODEL,
    "model_id": INFERENCE_PROFILE,
    "geography": INFERENCE_PROFILE,
    "destinations": INFERENCE_PROFILE,
}


def _list_of_texts() -> fields.List[Any]:
    return fields.List(fields.String())


class InvocationsSchema(Schema):
    """A CatalogEntry beyond the real APIs' own keys."""

    kind = fields.String(metadata={"enum": list(KINDS)})
    provider = fields.String(allow_none=True, metadata={"description": "The maker, as Bedrock names it."})
    regions = fields.List(
        fields.String(), metadata={"description": "AWS regions that it can be called from, by whichever id."}
    )
    on_demand_regions = fields.List(
        fields.String(), metadata={"description": "Those of the regions where the model's own id is callable."}
    )
    invoke = RegionMap(fields.String(), "The id to send in each region; a region whose id is not known is left out.")
    inference_profiles = RegionMap(
        _list_of_texts(),
        "Of a model: its inference profiles' ids, each with the regions to call it from.",
        sometimes=True,
    )
    model_id = fields.String(metadata={"description": "Of a profile: the model that it calls.", SOMETIMES: True})
    geography = fields.String(
        allow_none=True,
        metadata={
            "description": "Of a profile: global, us, eu ..., or application for the account's own.",
            SOMETIMES: True,
        },
    )
    destinations = RegionMap(
        _list_of_texts(),
        "Of a profile: the regions where a call is processed, by the region that it is sent to; `global` for any.",
        sometimes=True,
    )
    input_modalities = fields.List(fields.String())
    output_modalities = fields.List(fields.String())
    response_streaming = fields.Boolean(allow_none=True, metadata={"description": "Null where AWS does not tell."})

    @post_dump
    def keep_keys_of_kind(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if OF_KIND.get(name, data["kind"]) == data["kind"]}


def description_of(entry: CatalogEntry) -> str:
    """One short line for pickers, which have the name beside it."""
    if entry.geography == APPLICATION:
        return f"Application profile of {entry.model_id} in {', '.join(entry.regions) or 'no region'}"
    if entry.kind == INFERENCE_PROFILE:
        geography = f"{entry.geography.upper()} profile" if entry.geography else "Profile"
        return f"{geography} of {entry.model_id}"
    return ", ".join(filter(None, (entry.provider, _where(entry), _lifecycle(entry))))


def _where(entry: CatalogEntry) -> str:
    regions = entry.regions
    return "".join(regions) if len(regions) < 2 else f"{len(regions)} regions"


def _lifecycle(entry: CatalogEntry) -> str:
    if entry.retires_at is None:
        return ""
    return f"{'ended' if entry.lifecycle == RETIRED else 'ends'} {entry.retires_at.date().isoformat()}"
