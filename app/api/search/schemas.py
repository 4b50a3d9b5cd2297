"""Model search: its query and its response, the same over HTTP and as a tool."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, post_load

from app.api.arguments import ListArguments
from app.api.entry_schemas import InvocationsSchema, LimitsSchema
from app.api.fields import (
    MAX_ID_CHARS,
    MAX_QUERY_CHARS,
    Between,
    Boolean,
    EnumString,
    Instant,
    Integer,
    StringList,
    Text,
)
from app.catalog.entries import ACTIVE, DEPRECATED, LIFECYCLES
from app.catalog.search import CAPABILITIES, SORTS, ModelFilter

MAX_LIMIT = 1000
# Above any model's limit, and below what no number of a client's language holds.
MAX_TOKENS = 1_000_000_000


class SearchArguments(ListArguments):
    """The filters, which become one `wanted`, and the page."""

    LISTS: ClassVar[tuple[str, ...]] = (
        *ListArguments.LISTS,
        *("provider", "input_modalities", "output_modalities", "lifecycle", "capability"),
    )

    query = Text(
        max_chars=MAX_QUERY_CHARS,
        attribute="text",
        metadata={
            "description": "Words that must all be in the model's id or name, or in the id of one of its inference "
            "profiles, in any case: `claude haiku`."
        },
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
    streaming = Boolean(metadata={"description": "Whether the model must be able, or unable, to stream its response."})
    lifecycle = StringList(
        LIFECYCLES,
        attribute="lifecycles",
        load_default=[ACTIVE, DEPRECATED],
        metadata={"description": "The model is in one of these lifecycle stages."},
    )
    min_input_tokens = Integer(
        validate=Between(1, MAX_TOKENS),
        metadata={"description": "The model is known to take at least so many tokens."},
    )
    min_output_tokens = Integer(
        validate=Between(1, MAX_TOKENS),
        metadata={"description": "The model is known to give at least so many tokens."},
    )
    capability = StringList(
        CAPABILITIES,
        attribute="capabilities",
        metadata={
            "description": "What the model is known to be able to do, all of them: dotted names of Anthropic's tree, "
            "such as `thinking.types.adaptive`, and `tool_use`."
        },
    )
    sort = EnumString(
        tuple(SORTS),
        metadata={
            "description": "The newest first (`created`), the lowest list price first, or the longest input first "
            "(`context`); what is not known stands last."
        },
    )
    limit = Integer(
        validate=Between(1, MAX_LIMIT),
        metadata={"description": f"The most models in one answer, 1 to {MAX_LIMIT}."},
    )
    after_id = Text(
        max_chars=MAX_ID_CHARS,
        metadata={"description": "The page after the model with this id: the `last_id` of the page before."},
    )

    @post_load
    def gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data = super().gather(data)
        names = ("limit", "after_id", "listed", "sort")
        others: dict[str, Any] = {name: data.pop(name) for name in names if name in data}
        return others | {"wanted": ModelFilter(**data)}


class FoundModelSchema(LimitsSchema, InvocationsSchema):
    """One CatalogEntry with what choosing a model takes."""

    class Meta:
        exclude = ("response_streaming",)

    id = fields.String()
    name = fields.String()
    streaming = fields.Boolean(attribute="response_streaming", allow_none=True)
    lifecycle = fields.String(metadata={"enum": list(LIFECYCLES)})
    created_at = Instant(metadata={"description": "Its release; the Unix epoch where Bedrock does not state it."})
    deprecated_at = Instant(allow_none=True)
    retires_at = Instant(allow_none=True)


class SearchResultSchema(Schema):
    """One SearchResult."""

    data = fields.List(fields.Nested(FoundModelSchema), attribute="page.entries")
    total = fields.Integer(metadata={"description": "How many models match, on this page and all others."})
    has_more = fields.Boolean(attribute="page.has_more")
    first_id = fields.String(attribute="page.first_id", allow_none=True)
    last_id = fields.String(attribute="page.last_id", allow_none=True)
