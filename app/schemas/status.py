"""The readiness answer. A failure's code is public, its text is not: AWS names roles and accounts there."""

from marshmallow import Schema, fields

from app.schemas.fields import Instant


class RegionFailureSchema(Schema):
    code = fields.String()
    failed_at = Instant()


class FailureDetailSchema(RegionFailureSchema):
    """For the operator's terminal alone."""

    detail = fields.String()


class RegionStatusSchema(Schema):
    region = fields.String()
    state = fields.String()
    listed_at = Instant()
    age_seconds = fields.Integer(attribute="age_s")
    models = fields.Integer()
    inference_profiles = fields.Integer()
    skipped_rows = fields.Integer()
    completed_rows = fields.Integer()
    took_ms = fields.Integer()
    failure = fields.Nested(RegionFailureSchema)


class CatalogStatusSchema(Schema):
    status = fields.String(attribute="state")
    source = fields.String()
    models = fields.Integer()
    attempted_at = Instant()
    refreshed_at = Instant()
    age_seconds = fields.Integer(attribute="age_s")
    regions = fields.List(fields.Nested(RegionStatusSchema))


class RegionReportSchema(RegionStatusSchema):
    failure = fields.Nested(FailureDetailSchema)


class CatalogReportSchema(CatalogStatusSchema):
    """The same for the operator's terminal."""

    regions = fields.List(fields.Nested(RegionReportSchema))
