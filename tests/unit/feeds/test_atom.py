"""The feed of changes, as feed readers read it."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import feedparser
import pytest

from app.api.feeds.atom import ATOM, atom_feed
from app.api.feeds.queries import changes_atom
from app.catalog.records import CatalogEvent
from app.catalog.view import CatalogView
from app.catalog.visible_events import EventFilter, VisibleEvent
from tests.support.builders import NOW, listing, model, snapshot, view
from tests.unit.catalog.test_changes import EAST, LATER, following

OPEN = EventFilter()


def feed_of(body: bytes) -> Any:
    parsed = feedparser.parse(body)
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    return parsed


@pytest.fixture
def changed() -> CatalogView:
    before = snapshot(listing(EAST, model("a", name="A")))
    return view(following(before, listing(EAST, model("b", name="B & <C>"), model("c")), regions=(EAST,)))


def test_a_feed_reader_reads_every_event_the_newest_first(changed: CatalogView) -> None:
    feed = feed_of(changes_atom(changed, wanted=OPEN, limit=10))

    assert [it.title for it in feed.entries] == [
        "c is new in us-east-1",
        "B & <C> is new in us-east-1",
        "A is no longer listed",
    ]
    assert {it.published for it in feed.entries} == {it.updated for it in feed.entries} == {"2026-11-22T12:15:00Z"}
    assert [it.tags[0].term for it in feed.entries] == ["model.added", "model.added", "model.removed"]
    assert feed.entries[0].content[0].value.splitlines()[0] == "Model: c"
    assert (feed.feed.updated, feed.feed.author) == ("2026-11-22T12:15:00Z", "Bedrock model catalog")


def test_an_entry_has_one_id_in_every_answer_and_no_other_entry_has_it(changed: CatalogView) -> None:
    once, twice = (feed_of(changes_atom(changed, wanted=OPEN, limit=it)) for it in (10, 2))

    ids = [it.id for it in once.entries]
    assert ids[:2] == [it.id for it in twice.entries]
    assert len(set(ids)) == 3 and all(it.startswith("urn:uuid:") for it in ids)
    assert once.feed.id == twice.feed.id


def test_the_self_link_holds_the_filters_and_neither_host_nor_key(changed: CatalogView) -> None:
    plain = ElementTree.fromstring(changes_atom(changed, wanted=OPEN, limit=1))
    filtered = ElementTree.fromstring(
        changes_atom(changed, wanted=EventFilter(types=("model.added",), regions=("us-*",), models=("b&",)), limit=1)
    )

    def link(feed: ElementTree.Element) -> str:
        (found,) = feed.findall(f"{{{ATOM}}}link[@rel='self']")
        return found.attrib["href"]

    assert link(plain) == "changes.atom"
    assert link(filtered) == "changes.atom?type=model.added&region=us-%2A&model=b%26"


def test_a_feed_without_events_is_one_all_the_same() -> None:
    quiet = view(snapshot(listing(EAST, model("a"))))

    feed = feed_of(changes_atom(quiet, wanted=OPEN, limit=10))

    assert (feed.entries, feed.feed.updated) == ([], "2026-11-22T12:00:00Z")


@pytest.mark.parametrize("damage", [lambda text: text + "\x00\x0b\ufffe", lambda text: f"<script>{text}]]>&amp;"])
def test_no_name_breaks_the_feed(damage: Callable[[str], str]) -> None:
    event = CatalogEvent(id="1", at=LATER, type="model.removed", model_id=damage("a"), name=damage("A"))

    body = atom_feed([VisibleEvent(event=event, before={}, after=None)], updated_at=NOW, self_href="changes.atom")

    assert len(feed_of(body).entries) == 1


def test_every_element_that_the_standard_requires_is_there(changed: CatalogView) -> None:
    """RFC 4287, sections 4.1.1 and 4.1.2."""
    feed = ElementTree.fromstring(changes_atom(changed, wanted=OPEN, limit=10))

    def once(parent: ElementTree.Element, *names: str) -> bool:
        return all(len(parent.findall(f"{{{ATOM}}}{name}")) == 1 for name in names)

    assert feed.tag == f"{{{ATOM}}}feed"
    assert once(feed, "id", "title", "updated", "author")
    assert all(once(it, "id", "title", "updated", "content") for it in feed.findall(f"{{{ATOM}}}entry"))
