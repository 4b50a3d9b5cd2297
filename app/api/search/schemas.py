"""Model search: its query and its response, the same over HTTP and as a tool."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, post_load, pre_load

from app.api.fields import (
    MAX_ID_CHARS,
    MAX_QUERY_CHARS,
    Between,
    Boolean,
    Instant,
    Integer,
    ProfileRegions,
    StringList,
    Text,
    plain_query,
)
from app.catalog.records import ACTIVE, DEPRECATED, LIFECYCLES
from app.catalog.search import ModelFilter

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
FILTERS = ("provider", "input_modalities", "output_modalities", "region", "lifecycle")
LISTS = {spelling: name for name in FILTERS for spelling in (name, f"{name}[]")}


class SearchQuerySchema(Schema):
    """The filters, which become one `wanted`, and the page."""

    class Meta:
        unknown = EXCLUDE

    query = Text(
        max_chars=MAX_QUERY_CHARS,
        attribute="text",
        metadata={"description": "Words that must all be in the model's id or name, in any case: `claude haiku`."},
    )
    provider = StringList(
        attribute="providers",
        metadata={"description": "Makers, as Bedrock names them, in any case: one of them made the model."},
    )
    input_modalities = StringList(
        metadata={"description": "What the model must take, all of them: TEXT, IMAGE and others, in any case."}
    )
    output_modalities = StringList(
        metadata={"description": "What the model must give, all of them: TEXT, IMAGE, EMBEDDING and others."}
    )
    region = StringList(
        attribute="regions",
        metadata={"description": "AWS regions, such as us-east-1: the model is callable from one of them."},
    )
    streaming = Boolean(metadata={"description": "Whether the model must be able, or unable, to stream its response."})
    lifecycle = StringList(
        LIFECYCLES,
        attribute="lifecycles",
        load_default=[ACTIVE, DEPRECATED],
        metadata={"description": "The model is in one of these lifecycle stages."},
    )
    limit = Integer(
        validate=Between(1, MAX_LIMIT),
        load_default=DEFAULT_LIMIT,
        metadata={"description": f"The most models in one answer, 1 to {MAX_LIMIT}."},
    )
    after_id = Text(
        max_chars=MAX_ID_CHARS,
        metadata={"description": "The page after the model with this id: the `last_id` of the page before."},
    )

    @pre_load
    def flatten(self, data: Any, **_: Any) -> dict[str, Any]:
        return plain_query(data, LISTS) if hasattr(data, "lists") else data

    @post_load
    def gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        page: dict[str, Any] = {name: data.pop(name) for name in ("limit", "after_id") if name in data}
        return page | {"wanted": ModelFilter(**data)}


class FoundModelSchema(Schema):
    """One CatalogModel with what choosing a model takes; every key is always there."""

    id = fields.String(
        metadata={
            "description": "Calls the model in those of its regions that no inference profile names; in the others "
            "a profile's id does."
        }
    )
    name = fields.String()
    provider = fields.String(allow_none=True)
    regions = fields.List(fields.String(), metadata={"description": "AWS regions that it is callable from."})
    input_modalities = fields.List(fields.String())
    output_modalities = fields.List(fields.String())
    streaming = fields.Boolean(attribute="response_streaming")
    lifecycle = fields.String(metadata={"enum": list(LIFECYCLES)})
    created_at = Instant(metadata={"description": "Its release; the Unix epoch where Bedrock does not tell."})
    deprecated_at = Instant(allow_none=True)
    retires_at = Instant(allow_none=True)
    inference_profiles = ProfileRegions()


class SearchResultSchema(Schema):
    """One SearchResult."""

    data = fields.List(fields.Nested(FoundModelSchema), attribute="page.models")
    total = fields.Integer(metadata={"description": "How many models match, on this page and all others."})
    has_more = fields.Boolean(attribute="page.has_more")
    first_id = fields.String(attribute="page.first_id", allow_none=True)
    last_id = fields.String(attribute="page.last_id", allow_none=True)
