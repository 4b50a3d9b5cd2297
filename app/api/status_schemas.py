"""The readiness answer. A failure's code is public, its text is not: AWS names roles and accounts there."""

from marshmallow import Schema, fields

from app.api.fields import Instant
from app.catalog.status import FRESH, MISSING, READY, STALE, UNAVAILABLE


class LivenessSchema(Schema):
    status = fields.Constant("ok", metadata={"type": "string", "enum": ["ok"]})


class RegionFailureSchema(Schema):
    code = fields.String()
    failed_at = Instant()


class FailureDetailSchema(RegionFailureSchema):
    """For the operator's terminal alone."""

    detail = fields.String()


class RegionStatusSchema(Schema):
    region = fields.String()
    state = fields.String(metadata={"enum": [FRESH, STALE, MISSING]})
    listed_at = Instant(allow_none=True)
    age_seconds = fields.Integer(attribute="age_s", allow_none=True)
    models = fields.Integer()
    inference_profiles = fields.Integer()
    skipped_rows = fields.Integer()
    completed_rows = fields.Integer()
    took_ms = fields.Integer(allow_none=True)
    failure = fields.Nested(RegionFailureSchema, allow_none=True)


class CatalogStatusSchema(Schema):
    status = fields.String(attribute="state", metadata={"enum": [READY, STALE, UNAVAILABLE]})
    source = fields.String(allow_none=True)
    models = fields.Integer()
    attempted_at = Instant(allow_none=True)
    refreshed_at = Instant(allow_none=True)
    age_seconds = fields.Integer(attribute="age_s", allow_none=True)
    regions = fields.List(fields.Nested(RegionStatusSchema))


class RegionReportSchema(RegionStatusSchema):
    failure = fields.Nested(FailureDetailSchema, allow_none=True)


class CatalogReportSchema(CatalogStatusSchema):
    """The same for the operator's terminal."""

    regions = fields.List(fields.Nested(RegionReportSchema))
