"""The Atom feed of changes (RFC 4287).

Built with the standard library: a feed is a dozen elements, and the package for it (feedgen) would bring lxml.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from app.catalog.event_changes import rfc3339
from app.catalog.event_text import lines_of, title_of
from app.catalog.visible_events import VisibleEvent

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"
# Ours, made once: ids have to be the same on every host and for ever.
NAMESPACE = UUID("6ff0ba8b-9b2b-4d28-94d2-2a3a1c3f8d0e")
TITLE = "Amazon Bedrock models: what changed"
# What XML 1.0 cannot hold, not even escaped; AWS's names are not ours to trust.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

register_namespace("", ATOM)


def atom_feed(events: Sequence[VisibleEvent], *, updated_at: datetime, self_href: str) -> bytes:
    """
    Args:
        events: the newest first.
        updated_at: when the feed last changed, where it has no event.
        self_href: relative to the feed's own address, so that it holds neither a host nor a key.
    """
    feed = Element(f"{{{ATOM}}}feed")
    _text(feed, "id", uuid5(NAMESPACE, "changes").urn)
    _text(feed, "title", TITLE)
    _text(feed, "updated", rfc3339(events[0].event.at if events else updated_at) or "")
    _text(SubElement(feed, f"{{{ATOM}}}author"), "name", "Bedrock model catalog")
    SubElement(feed, f"{{{ATOM}}}link", rel="self", type=MEDIA_TYPE, href=self_href)
    for seen in events:
        _entry(feed, seen)
    body: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _entry(feed: Element, seen: VisibleEvent) -> None:
    event = seen.event
    at = rfc3339(event.at) or ""
    entry = SubElement(feed, f"{{{ATOM}}}entry")
    # Also unlike those of another service with events of the same moment.
    _text(entry, "id", uuid5(NAMESPACE, f"{event.id} {event.type} {event.model_id}").urn)
    _text(entry, "title", title_of(seen))
    _text(entry, "published", at)
    _text(entry, "updated", at)
    SubElement(entry, f"{{{ATOM}}}category", term=event.type)
    _text(entry, "content", "\n".join(lines_of(seen)), type="text")


def _text(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, f"{{{ATOM}}}{name}", attributes).text = FORBIDDEN.sub("�", text)
