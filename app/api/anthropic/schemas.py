"""The Anthropic Models API: its queries and its responses."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validates_schema

from app.api.arguments import ListArguments
from app.api.entry_schemas import InvocationsSchema, LimitsSchema, description_of
from app.api.fields import MAX_ID_CHARS, Between, EnumList, Instant, Integer, Text
from app.catalog.entries import ACTIVE, DEPRECATED, LIFECYCLES

MAX_LIMIT = 1000


class ListModelsArguments(ListArguments):
    """`limit`, one cursor, `lifecycle[]`, and our own filters."""

    LISTS: ClassVar[tuple[str, ...]] = (*ListArguments.LISTS, "lifecycle")

    limit = Integer(validate=Between(1, MAX_LIMIT), metadata={"description": "Number of models in a page, 1 to 1000."})
    after_id = Text(
        max_chars=MAX_ID_CHARS, metadata={"description": "The page immediately after the model with this id."}
    )
    before_id = Text(
        max_chars=MAX_ID_CHARS, metadata={"description": "The page immediately before the model with this id."}
    )
    lifecycle = EnumList(
        LIFECYCLES,
        data_key="lifecycle[]",
        attribute="lifecycles",
        load_default=[ACTIVE, DEPRECATED],
        metadata={"description": "Models in one of these lifecycle stages."},
    )

    @validates_schema
    def one_cursor(self, data: dict[str, Any], **_: Any) -> None:
        if "after_id" in data and "before_id" in data:
            raise ValidationError("Only one of after_id and before_id can be given", "before_id")


class LifecycleSchema(Schema):
    """The first keys of ModelInfo."""

    type = fields.Constant("model", metadata={"type": "string", "enum": ["model"]})
    id = fields.String()
    display_name = fields.String(attribute="name")
    created_at = Instant()
    lifecycle = fields.String(metadata={"enum": list(LIFECYCLES)})
    deprecated_at = Instant(allow_none=True)
    retires_at = Instant(allow_none=True)


class ModelInfoSchema(LimitsSchema, LifecycleSchema):
    """One CatalogEntry as Anthropic's ModelInfo; every key is always there, those of the last base first."""

    description = fields.Function(
        description_of, metadata={"type": "string", "description": "One short line for pickers."}
    )
    aws_bedrock = fields.Nested(InvocationsSchema)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj if attr == "aws_bedrock" else super().get_attribute(obj, attr, default)


class ModelPageSchema(Schema):
    """One Page of entries."""

    data = fields.List(fields.Nested(ModelInfoSchema), attribute="entries")
    has_more = fields.Boolean()
    first_id = fields.String(allow_none=True)
    last_id = fields.String(allow_none=True)
