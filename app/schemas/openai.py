"""The OpenAI Models API: its answers."""

from typing import Any

from marshmallow import Schema, fields

from app.catalog.records import CatalogModel

UNKNOWN_OWNER = "unknown"


def _shutdown_date(model: CatalogModel) -> str | None:
    return model.retires_at.date().isoformat() if model.retires_at else None


class ModelSchema(Schema):
    """One CatalogModel as OpenAI's Model."""

    id = fields.String()
    object = fields.Constant("model")
    created = fields.Function(lambda model: int(model.created_at.timestamp()))
    owned_by = fields.Function(lambda model: model.provider or UNKNOWN_OWNER)
    shutdown_date = fields.Function(_shutdown_date)


class ModelListSchema(Schema):
    """All models; OpenAI's list has no pages."""

    object = fields.Constant("list")
    data = fields.Method("models")

    def models(self, models: Any) -> Any:
        return ModelSchema(many=True).dump(models)
