"""What feeds are asked with, and their JSON."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, post_load

from app.api.arguments import ArgumentsSchema
from app.api.fields import MAX_WORD_CHARS, Between, EnumList, Instant, Integer, StringList, Text
from app.catalog.entries import LIFECYCLES
from app.catalog.event_changes import EVENT_TYPES
from app.catalog.visible_events import EventFilter

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100


# Of a model that ends.
HINT = "The newest active model of the same line. AWS names no successor: check it first."


class ModelsAndRegionsArguments(ArgumentsSchema):
    """Of which models and regions; gathered with what a subclass adds of it into one EventFilter, `wanted`."""

    region = StringList(
        attribute="regions",
        metadata={"description": "AWS regions, names or patterns such as eu-*. What is shown is of these alone."},
    )
    model = StringList(
        attribute="models",
        metadata={"description": "Models' ids, or patterns such as anthropic.*, in any case."},
    )

    @post_load
    def gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        names = ("types", "models", "regions")
        return {
            **{name: value for name, value in data.items() if name not in names},
            "wanted": EventFilter(**{name: tuple(data.get(name, ())) for name in names}),
        }


class EventArguments(ModelsAndRegionsArguments):
    """Which events."""

    LISTS: ClassVar[tuple[str, ...]] = ("type", "region", "model")

    type = EnumList(EVENT_TYPES, attribute="types", metadata={"description": "Events of one of these types."})
    limit = Integer(
        validate=Between(1, MAX_LIMIT),
        load_default=DEFAULT_LIMIT,
        metadata={"description": f"The most events in one answer, 1 to {MAX_LIMIT}."},
    )


class ListChangesArguments(EventArguments):
    after = Text(
        max_chars=MAX_WORD_CHARS,
        metadata={"description": "The events after the one with this id: the `last_id` of the page before."},
    )


class RetirementArguments(ArgumentsSchema):
    """None, so far."""


class ChangeSchema(Schema):
    """One VisibleEvent."""

    id = fields.String(attribute="event.id", metadata={"description": "Sorts as it grows: the same on every host."})
    at = Instant(attribute="event.at", metadata={"description": "The refresh that noticed the change."})
    type = fields.String(attribute="event.type", metadata={"enum": list(EVENT_TYPES)})
    model_id = fields.String(attribute="event.model_id")
    before = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        metadata={"description": "What held and no longer does; null for a model that was added."},
    )
    after = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        metadata={"description": "What holds and did not; null for a model that was removed."},
    )


class ChangePageSchema(Schema):
    """One EventPage: the newest last, so that a poller goes on at `last_id`."""

    data = fields.List(fields.Nested(ChangeSchema), attribute="events")
    has_more = fields.Boolean()
    first_id = fields.String(allow_none=True)
    last_id = fields.String(allow_none=True)
    oldest_id = fields.String(allow_none=True, metadata={"description": "The oldest event that is kept."})
    truncated = fields.Boolean(
        attribute="is_truncated",
        metadata={"description": "Whether events after `after` are no longer kept: read the lists anew."},
    )


class RegionDatesSchema(Schema):
    """One RegionDates."""

    regions = fields.List(fields.String())
    legacy_at = Instant(allow_none=True)
    extended_access_at = Instant(allow_none=True)
    end_of_life_at = Instant(allow_none=True)


class ReplacementHintSchema(Schema):
    """A hint, and what it is taken from."""

    model_id = fields.String()
    reason = fields.String()


class RetirementSchema(Schema):
    """One Retirement."""

    model_id = fields.String()
    name = fields.String()
    provider = fields.String(allow_none=True)
    lifecycle = fields.String(metadata={"enum": list(LIFECYCLES)})
    legacy_at = Instant(allow_none=True, metadata={"description": "The earliest of any region."})
    extended_access_at = Instant(
        allow_none=True, metadata={"description": "The end of public extended access, the earliest of any region."}
    )
    retires_at = Instant(
        allow_none=True, metadata={"description": "When it has ended in all regions; null while one has no end for it."}
    )
    days_left = fields.Integer(allow_none=True)
    regions = fields.List(fields.Nested(RegionDatesSchema), attribute="dates")
    aliases = fields.List(fields.String(), metadata={"description": "The operator's names that stand for it."})
    replacement_hint = fields.Method(
        "hint",
        metadata={"description": HINT},
    )

    def hint(self, retirement: Any) -> dict[str, str] | None:
        if retirement.replacement_hint is None:
            return None
        return {"model_id": retirement.replacement_hint, "reason": "newest active model of the same line"}


class RetirementListSchema(Schema):
    data = fields.List(fields.Nested(RetirementSchema), attribute="retirements")
