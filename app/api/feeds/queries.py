"""The queries of feeds: functions of a catalog view and validated arguments."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from app.api.feeds.atom import atom_feed
from app.api.feeds.calendar import calendar_events, calendar_file
from app.catalog.retirements import Retirement, retirements
from app.catalog.view import CatalogView
from app.catalog.visible_events import EventFilter, EventPage, event_page, newest_events, visible_events

ATOM_NAME = "changes.atom"


def list_changes(view: CatalogView, *, wanted: EventFilter, limit: int, after: str | None = None) -> EventPage:
    """
    Raises:
        UnknownValue, InvalidEventId
    """
    return event_page(view, wanted, limit=limit, after=after)


def changes_atom(view: CatalogView, *, wanted: EventFilter, limit: int) -> bytes:
    """
    Raises:
        UnknownValue
    """
    lists = {"type": wanted.types, "region": wanted.regions, "model": wanted.models}
    query = urlencode([(name, word) for name, words in lists.items() for word in words])
    return atom_feed(
        newest_events(view, wanted, limit=limit),
        updated_at=view.snapshot.changed_at,
        self_href=f"{ATOM_NAME}?{query}" if query else ATOM_NAME,
    )


def list_retirements(view: CatalogView) -> Mapping[str, Sequence[Retirement]]:
    return {"retirements": retirements(view)}


def retirements_ics(view: CatalogView) -> bytes:
    history = tuple(visible_events(view, view.snapshot.state.events, EventFilter()))
    return calendar_file(calendar_events(retirements(view, include_retired=True), history))
