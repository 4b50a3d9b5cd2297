"""The Anthropic Models API: its queries and its responses."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validates_schema

from app.api.fields import (
    MAX_ID_CHARS,
    Between,
    EnumList,
    Instant,
    Integer,
    ProfileRegions,
    StringList,
    Text,
    plain_query,
)
from app.catalog.records import ACTIVE, DEPRECATED, LIFECYCLES

MAX_LIMIT = 1000
LISTS = {"lifecycle": "lifecycle[]", "lifecycle[]": "lifecycle[]", "region": "region", "region[]": "region"}


class ListModelsQuerySchema(Schema):
    """`limit`, one cursor, `lifecycle[]` and our own `region`; unknown parameters are ignored."""

    class Meta:
        unknown = EXCLUDE

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
    region = StringList(
        attribute="regions",
        load_default=[],
        metadata={"description": "Models callable from one of these AWS regions; one that is not asked is an error."},
    )

    @pre_load
    def flatten(self, data: Any, **_: Any) -> dict[str, Any]:
        return plain_query(data, LISTS) if hasattr(data, "lists") else data

    @validates_schema
    def one_cursor(self, data: dict[str, Any], **_: Any) -> None:
        if "after_id" in data and "before_id" in data:
            raise ValidationError("Only one of after_id and before_id can be given", "before_id")


class BedrockExtensionSchema(Schema):
    """What Bedrock lists of a model beyond Anthropic's own keys."""

    provider = fields.String(allow_none=True)
    regions = fields.List(
        fields.String(), metadata={"description": "AWS regions that it is callable from, on demand or by a profile."}
    )
    input_modalities = fields.List(fields.String())
    output_modalities = fields.List(fields.String())
    response_streaming = fields.Boolean()
    inference_profiles = ProfileRegions()


class ModelInfoSchema(Schema):
    """One CatalogModel as Anthropic's ModelInfo; every key is always there."""

    type = fields.Constant("model", metadata={"type": "string", "enum": ["model"]})
    id = fields.String()
    display_name = fields.String(attribute="name")
    created_at = Instant()
    lifecycle = fields.String(metadata={"enum": list(LIFECYCLES)})
    deprecated_at = Instant(allow_none=True)
    retires_at = Instant(allow_none=True)
    line = fields.Constant(None, metadata={"type": "string"})
    max_input_tokens = fields.Constant(None, metadata={"type": "integer"})
    max_tokens = fields.Constant(None, metadata={"type": "integer"})
    capabilities = fields.Constant(None, metadata={"type": "object"})
    aws_bedrock = fields.Nested(BedrockExtensionSchema)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj if attr == "aws_bedrock" else super().get_attribute(obj, attr, default)


class ModelPageSchema(Schema):
    """One Page of models."""

    data = fields.List(fields.Nested(ModelInfoSchema), attribute="models")
    has_more = fields.Boolean()
    first_id = fields.String(allow_none=True)
    last_id = fields.String(allow_none=True)
