"""The OpenAI Models API: its answers."""

from marshmallow import Schema, fields

from app.catalog.records import CatalogModel

UNKNOWN_OWNER = "unknown"


def _shutdown_date(model: CatalogModel) -> str | None:
    return model.retires_at.date().isoformat() if model.retires_at else None


class ModelSchema(Schema):
    """One CatalogModel as OpenAI's Model."""

    id = fields.String()
    object = fields.Constant("model", metadata={"type": "string", "enum": ["model"]})
    created = fields.Function(
        lambda model: int(model.created_at.timestamp()),
        metadata={"type": "integer", "description": "Its release, in seconds since the Unix epoch; 0 if unknown."},
    )
    owned_by = fields.Function(lambda model: model.provider or UNKNOWN_OWNER, metadata={"type": "string"})
    shutdown_date = fields.Function(
        _shutdown_date,
        allow_none=True,
        metadata={"type": "string", "format": "date", "description": "When the model stops; null if that is not set."},
    )


class ModelListSchema(Schema):
    """All models; OpenAI's list has no pages."""

    object = fields.Constant("list", metadata={"type": "string", "enum": ["list"]})
    data = fields.List(fields.Nested(ModelSchema), attribute="models")
