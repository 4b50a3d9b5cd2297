"""What is new and what ends soon, in short: the query of the tool `model_changes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from marshmallow import Schema, fields, post_load

from app.api.arguments import ArgumentsSchema
from app.api.catalog_query import CatalogQuery
from app.api.feeds.queries import spelled
from app.api.fields import Between, Instant, Integer, StringList
from app.catalog.changes import EVENTS_KEPT
from app.catalog.entries import LIFECYCLES
from app.catalog.event_changes import EVENT_TYPES
from app.catalog.event_text import ending_in_words, title_of
from app.catalog.patterns import PatternSet
from app.catalog.retirements import Retirement, ending_within, retirements
from app.catalog.scope import Scope
from app.catalog.view import CatalogView
from app.catalog.visible_events import EventFilter, VisibleEvent, visible_events

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
DEFAULT_SINCE_DAYS, MAX_SINCE_DAYS = 30, EVENTS_KEPT.days
DEFAULT_WITHIN_DAYS, MAX_WITHIN_DAYS = 90, 730


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An event in one line."""

    event: VisibleEvent
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A retirement in one line."""

    retirement: Retirement
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChanges:
    """What changed, the newest first, and what ends, the next first; each with whether the limit left some out."""

    as_of: datetime
    changes: Sequence[Change]
    more_changes: bool
    ending: Sequence[Ending]
    more_ending: bool


def model_changes(
    view: CatalogView, *, wanted: EventFilter, since_days: int, within_days: int, limit: int
) -> ModelChanges:
    """
    Raises:
        UnknownValue: a region that is not configured.
    """
    at = view.snapshot.at
    wanted = spelled(view, wanted)
    new = [it for it in reversed(view.snapshot.state.events) if at - it.at <= timedelta(days=since_days)]
    changes = tuple(islice(visible_events(view, new, wanted), limit + 1))
    models = PatternSet(it.casefold() for it in wanted.models)
    retiring = [
        it
        for it in retirements(view, regions=wanted.regions)
        if not wanted.models or models.matches(it.model_id.casefold())
    ]
    ending = ending_within(retiring, within_days, at=at)
    return ModelChanges(
        as_of=at,
        changes=[Change(event=it, summary=title_of(it)) for it in changes[:limit]],
        more_changes=len(changes) > limit,
        ending=[Ending(retirement=it, summary=ending_in_words(it, at=at)) for it in ending[:limit]],
        more_ending=len(ending) > limit,
    )


class ModelChangesArguments(ArgumentsSchema):
    since_days = Integer(
        validate=Between(1, MAX_SINCE_DAYS),
        load_default=DEFAULT_SINCE_DAYS,
        metadata={"description": f"What changed in the last so many days, 1 to {MAX_SINCE_DAYS}."},
    )
    within_days = Integer(
        validate=Between(1, MAX_WITHIN_DAYS),
        load_default=DEFAULT_WITHIN_DAYS,
        metadata={"description": f"What ends in the next so many days, 1 to {MAX_WITHIN_DAYS}."},
    )
    model = StringList(metadata={"description": "Models' ids, or patterns such as anthropic.*, in any case."})
    region = StringList(
        metadata={"description": "AWS regions, names or patterns such as eu-*: only what changed or ends there."}
    )
    limit = Integer(
        validate=Between(1, MAX_LIMIT),
        load_default=DEFAULT_LIMIT,
        metadata={"description": f"The most changes, and the most models that end, 1 to {MAX_LIMIT}."},
    )

    @post_load
    def gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        wanted = EventFilter(models=tuple(data.pop("model", ())), regions=tuple(data.pop("region", ())))
        return data | {"wanted": wanted}


class BriefChangeSchema(Schema):
    """One Change."""

    at = Instant(attribute="event.event.at", metadata={"description": "When the change was noticed."})
    type = fields.String(attribute="event.event.type", metadata={"enum": list(EVENT_TYPES)})
    model_id = fields.String(attribute="event.event.model_id")
    summary = fields.String()


class EndingSchema(Schema):
    """One Ending."""

    model_id = fields.String(attribute="retirement.model_id")
    summary = fields.String()
    lifecycle = fields.String(attribute="retirement.lifecycle", metadata={"enum": list(LIFECYCLES)})
    retires_at = Instant(
        attribute="retirement.retires_at",
        allow_none=True,
        metadata={"description": "When it has ended in all regions; null while one has no end for it."},
    )
    aliases = fields.List(
        fields.String(),
        attribute="retirement.aliases",
        metadata={"description": "The operator's names that stand for it."},
    )
    replacement_hint = fields.String(
        attribute="retirement.replacement_hint",
        allow_none=True,
        metadata={"description": "The newest active model of the same line. AWS names no successor: check it first."},
    )


class ModelChangesSchema(Schema):
    """One ModelChanges."""

    as_of = Instant(metadata={"description": "What days are counted from."})
    changes = fields.List(fields.Nested(BriefChangeSchema), metadata={"description": "The newest first."})
    more_changes = fields.Boolean(metadata={"description": "Whether the limit left older ones out."})
    ending = fields.List(fields.Nested(EndingSchema), metadata={"description": "The next one to end first."})
    more_ending = fields.Boolean(metadata={"description": "Whether the limit left later ones out."})


def _with_wire_ids(body: dict[str, Any], scope: Scope) -> dict[str, Any]:
    for item in (*body["changes"], *body["ending"]):
        for name in ("model_id", "replacement_hint"):
            if item.get(name) is not None:
                item[name] = scope.wire_id(item[name])
    return body


MODEL_CHANGES = CatalogQuery(
    arguments=ModelChangesArguments(),
    run=model_changes,
    result=ModelChangesSchema(),
    write_ids=_with_wire_ids,
)
