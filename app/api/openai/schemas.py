"""The OpenAI Models API: its responses."""

from typing import Any

from marshmallow import Schema, fields

from app.api.entry_schemas import InvocationsSchema
from app.catalog.entries import CatalogEntry

UNKNOWN_OWNER = "unknown"


def _shutdown_date(entry: CatalogEntry) -> str | None:
    return entry.retires_at.date().isoformat() if entry.retires_at else None


class ModelSchema(Schema):
    """One CatalogEntry as OpenAI's Model."""

    id = fields.String()
    object = fields.Constant("model", metadata={"type": "string", "enum": ["model"]})
    created = fields.Function(
        lambda entry: int(entry.created_at.timestamp()),
        metadata={"type": "integer", "description": "Its release, in seconds since the Unix epoch; 0 if unknown."},
    )
    owned_by = fields.Function(lambda entry: entry.provider or UNKNOWN_OWNER, metadata={"type": "string"})
    shutdown_date = fields.Function(
        _shutdown_date,
        allow_none=True,
        metadata={"type": "string", "format": "date", "description": "When the model stops; null if that is not set."},
    )
    name = fields.String(metadata={"description": "What chat front ends show."})
    aws_bedrock = fields.Nested(InvocationsSchema)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj if attr == "aws_bedrock" else super().get_attribute(obj, attr, default)


class ModelListSchema(Schema):
    """All entries of a list; OpenAI's has no pages."""

    object = fields.Constant("list", metadata={"type": "string", "enum": ["list"]})
    data = fields.List(fields.Nested(ModelSchema), attribute="entries")
