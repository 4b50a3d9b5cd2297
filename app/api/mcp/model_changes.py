"""What is new and what ends soon, in short: the query of the tool `model_changes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from marshmallow import Schema, fields

from app.api.catalog_query import MODEL_IDS, CatalogQuery
from app.api.feeds.queries import spelled
from app.api.feeds.schemas import HINT, ModelsAndRegionsArguments
from app.api.fields import Between, Instant, Integer
from app.catalog.changes import EVENTS_KEPT
from app.catalog.entries import LIFECYCLES
from app.catalog.event_changes import EVENT_TYPES
from app.catalog.event_text import ending_in_words, title_of
from app.catalog.retirements import Retirement, ending_within, retirements
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
    ending = ending_within(retirements(view, regions=wanted.regions, models=wanted.models), within_days, at=at)
    return ModelChanges(
        as_of=at,
        changes=[Change(event=it, summary=title_of(it)) for it in changes[:limit]],
        more_changes=len(changes) > limit,
        ending=[Ending(retirement=it, summary=ending_in_words(it, at=at)) for it in ending[:limit]],
        more_ending=len(ending) > limit,
    )


class ModelChangesArguments(ModelsAndRegionsArguments):
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
    limit = Integer(
        validate=Between(1, MAX_LIMIT),
        load_default=DEFAULT_LIMIT,
        metadata={"description": f"The most changes, and the most models that end, 1 to {MAX_LIMIT}."},
    )


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
        metadata={"description": HINT},
    )


class ModelChangesSchema(Schema):
    """One ModelChanges."""

    as_of = Instant(metadata={"description": "What days are counted from."})
    changes = fields.List(fields.Nested(BriefChangeSchema), metadata={"description": "The newest first."})
    more_changes = fields.Boolean(metadata={"description": "Whether the limit left older ones out."})
    ending = fields.List(fields.Nested(EndingSchema), metadata={"description": "The next one to end first."})
    more_ending = fields.Boolean(metadata={"description": "Whether the limit left later ones out."})


MODEL_CHANGES = CatalogQuery(
    arguments=ModelChangesArguments(),
    run=model_changes,
    result=ModelChangesSchema(),
    wire_ids=MODEL_IDS,
)
