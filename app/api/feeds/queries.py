"""The queries of feeds: functions of a catalog view and validated arguments, and what validates and shapes each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from app.api.catalog_query import MODEL_IDS, CatalogQuery, FileQuery
from app.api.feeds import atom, calendar
from app.api.feeds.schemas import (
    ChangePageSchema,
    EventArguments,
    ListChangesArguments,
    RetirementArguments,
    RetirementListSchema,
)
from app.catalog.retirements import Retirement, retirements
from app.catalog.view import CatalogView
from app.catalog.visible_events import EventFilter, EventPage, event_page, newest_events, visible_events

ATOM_NAME = "changes.atom"


def list_changes(view: CatalogView, *, wanted: EventFilter, limit: int, after: str | None = None) -> EventPage:
    """
    Raises:
        UnknownValue, InvalidEventId
    """
    return event_page(view, spelled(view, wanted), limit=limit, after=after)


def changes_atom(view: CatalogView, *, wanted: EventFilter, limit: int) -> bytes:
    """
    Raises:
        UnknownValue
    """
    lists = {"type": wanted.types, "region": wanted.regions, "model": wanted.models}
    given = [(name, word) for name, words in lists.items() for word in words]
    return atom.atom_feed(
        newest_events(view, spelled(view, wanted), limit=limit),
        updated_at=view.snapshot.changed_at,
        self_href=f"{ATOM_NAME}?{urlencode(given)}" if given else ATOM_NAME,
        wire_id=view.scope.wire_id,
    )


def list_retirements(view: CatalogView) -> Mapping[str, Sequence[Retirement]]:
    return {"retirements": retirements(view)}


def retirements_ics(view: CatalogView) -> bytes:
    history = tuple(visible_events(view, view.snapshot.state.events, EventFilter()))
    ends = retirements(view, include_retired=True)
    return calendar.calendar_file(calendar.calendar_events(ends, history, wire_id=view.scope.wire_id))


def spelled(view: CatalogView, wanted: EventFilter) -> EventFilter:
    """The filter with the ids that a caller's own spelling of them may mean."""
    return replace(wanted, models=tuple(it for model in wanted.models for it in view.scope.spellings(model)))


LIST_CHANGES = CatalogQuery(
    arguments=ListChangesArguments(), run=list_changes, result=ChangePageSchema(), wire_ids=MODEL_IDS
)
CHANGES_FEED = FileQuery(arguments=EventArguments(), run=changes_atom, media_type=atom.MEDIA_TYPE)
LIST_RETIREMENTS = CatalogQuery(
    arguments=RetirementArguments(),
    run=list_retirements,
    result=RetirementListSchema(),
    wire_ids=MODEL_IDS,
)
RETIREMENTS_CALENDAR = FileQuery(arguments=RetirementArguments(), run=retirements_ics, media_type=calendar.MEDIA_TYPE)
