"""Short results for agents, who pay for each word: enough to choose by. One model in full is another tool's."""

from typing import Any

from marshmallow import Schema, fields, post_dump

from app.api.fields import SOMETIMES, Instant
from app.catalog.entries import LIFECYCLES, CatalogEntry


def _regions(entry: CatalogEntry) -> dict[str, Any]:
    return {"count": len(entry.regions), "groups": sorted({region.partition("-")[0] for region in entry.regions})}


def _profiles(entry: CatalogEntry) -> list[str]:
    """An id as far as the model's own does not give it; none of the account's own, whose ARN is its id."""
    if entry.account_row is not None:
        return []
    return [profile_id.removesuffix(f".{entry.model_id}") for profile_id in entry.inference_profiles]


class RegionCountSchema(Schema):
    count = fields.Integer()
    groups = fields.List(fields.String(), metadata={"description": "What the regions begin with: us, eu, ap ..."})


class BriefEntrySchema(Schema):
    """One CatalogEntry; what is not known is left out."""

    id = fields.String()
    display_name = fields.String(attribute="name")
    created_at = Instant()
    lifecycle = fields.String(metadata={"enum": list(LIFECYCLES)})
    retires_at = Instant(allow_none=True, metadata={SOMETIMES: True})
    max_input_tokens = fields.Integer(
        attribute="card.max_input_tokens", dump_default=None, allow_none=True, metadata={SOMETIMES: True}
    )
    regions = fields.Nested(RegionCountSchema)
    profiles = fields.List(
        fields.String(),
        metadata={
            "description": "Its inference profiles by geography: a profile's id is the geography, a dot and the "
            "model's id."
        },
    )

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        if attr == "regions":
            return _regions(obj)
        return _profiles(obj) if attr == "profiles" else super().get_attribute(obj, attr, default)

    @post_dump
    def leave_out_unknown(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


class BriefPageSchema(Schema):
    """One Page of entries."""

    data = fields.List(fields.Nested(BriefEntrySchema), attribute="entries")
    has_more = fields.Boolean()
    first_id = fields.String(allow_none=True)
    last_id = fields.String(allow_none=True)


class BriefResultSchema(Schema):
    """One SearchResult."""

    data = fields.List(fields.Nested(BriefEntrySchema), attribute="page.entries")
    total = fields.Integer(metadata={"description": "How many models match, on this page and all others."})
    has_more = fields.Boolean(attribute="page.has_more")
    first_id = fields.String(attribute="page.first_id", allow_none=True)
    last_id = fields.String(attribute="page.last_id", allow_none=True)
