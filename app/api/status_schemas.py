"""The readiness answer. A failure's code is public, its text is not: AWS names roles and accounts there."""

from typing import Any

from marshmallow import Schema, fields, post_dump

from app.api.fields import Instant
from app.catalog.aliases import GONE, RESOLVED, TAKEN
from app.catalog.status import FRESH, MISSING, PARTIAL, READY, STALE, UNAVAILABLE


class LivenessSchema(Schema):
    status = fields.Constant("ok", metadata={"type": "string", "enum": ["ok"]})


class PartFailureSchema(Schema):
    code = fields.String(metadata={"description": "AWS's error code, or the SDK's name of what went wrong."})
    action = fields.Function(
        lambda failure: failure.action or None,
        allow_none=True,
        metadata={"type": "string", "description": "The IAM action that is missing."},
    )
    failed_at = Instant()


class FailureDetailSchema(PartFailureSchema):
    """For the operator's terminal alone."""

    detail = fields.String()


class PartStatusSchema(Schema):
    part = fields.String()
    state = fields.String(metadata={"enum": [FRESH, STALE, MISSING]})
    listed_at = Instant(allow_none=True)
    age_seconds = fields.Integer(attribute="age_s", allow_none=True)
    rows = fields.Integer()
    skipped_rows = fields.Integer(metadata={"description": "Rows without a readable id."})
    unread_fields = fields.Integer(metadata={"description": "Values that could not be read and count as left out."})
    backfilled_rows = fields.Integer(metadata={"description": "Rows that left out what they had before."})
    duration_ms = fields.Integer(allow_none=True)
    failure = fields.Nested(PartFailureSchema, allow_none=True)


class RegionStatusSchema(Schema):
    region = fields.String()
    state = fields.String(metadata={"enum": [FRESH, PARTIAL, STALE, MISSING]})
    age_seconds = fields.Integer(attribute="age_s", allow_none=True)
    models = fields.Integer()
    inference_profiles = fields.Integer()
    parts = fields.List(fields.Nested(PartStatusSchema))


class CatalogStatusSchema(Schema):
    status = fields.String(attribute="state", metadata={"enum": [READY, STALE, UNAVAILABLE]})
    source = fields.String(allow_none=True)
    models = fields.Integer()
    orphan_profiles = fields.Integer(metadata={"description": "Profiles whose models their region does not list."})
    aliases_gone = fields.Integer(metadata={"description": "The operator's aliases whose target is not there."})
    aliases_ambiguous = fields.Integer(
        metadata={"description": "The operator's aliases that stand for one of several models of the same date."}
    )
    attempted_at = Instant(allow_none=True)
    refreshed_at = Instant(allow_none=True)
    age_seconds = fields.Integer(attribute="age_s", allow_none=True)
    regions = fields.List(fields.Nested(RegionStatusSchema))


class PartReportSchema(PartStatusSchema):
    failure = fields.Nested(FailureDetailSchema, allow_none=True)


class RegionReportSchema(RegionStatusSchema):
    parts = fields.List(fields.Nested(PartReportSchema))


class AliasStatusSchema(Schema):
    name = fields.String()
    target = fields.String()
    state = fields.String(metadata={"enum": [RESOLVED, GONE, TAKEN]})
    target_id = fields.String(allow_none=True)
    equally_new = fields.List(fields.String())


class FormSchema(Schema):
    """Whether the account sent Anthropic's form; `failure` is the code of the last call, where that failed."""

    state = fields.String(attribute="access.state")
    checked_at = Instant(attribute="access.checked_at")
    failure = fields.Function(lambda report: report.failure or None)


class RegionPauseSchema(Schema):
    region = fields.String()
    code = fields.String()
    action = fields.Function(lambda pause: pause.action or None)
    until = Instant()


class AccessStatusSchema(Schema):
    models = fields.Dict(keys=fields.String(), values=fields.Integer())
    not_asked = fields.Integer()
    anthropic_form = fields.Nested(FormSchema, attribute="form", allow_none=True)
    paused_regions = fields.List(fields.Nested(RegionPauseSchema), attribute="pauses")


class ProjectStatusSchema(Schema):
    region = fields.String()
    project = fields.String()
    data_retention = fields.String(allow_none=True)
    programs = fields.Dict(keys=fields.String(), values=fields.String(allow_none=True))


class CatalogReportSchema(CatalogStatusSchema):
    """The same for the operator's terminal; `access` and `projects` stand there while they are on."""

    regions = fields.List(fields.Nested(RegionReportSchema))
    aliases = fields.List(fields.Nested(AliasStatusSchema))
    access = fields.Nested(AccessStatusSchema)
    projects = fields.List(fields.Nested(ProjectStatusSchema), allow_none=True)

    @post_dump
    def leave_out_what_is_off(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if name not in ("access", "projects") or value is not None}
