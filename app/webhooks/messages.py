"""What is sent of an event: Standard Webhooks' payload, signed; or a text for Slack and what understands the same."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

from app.catalog.event_changes import changes_of, rfc3339
from app.catalog.event_text import lines_of, title_of
from app.catalog.records import CatalogEvent
from app.catalog.visible_events import VisibleEvent
from app.webhooks.targets import SLACK, Target

TEST = "test"
# Slack cuts a message off at 40,000 characters, and folds it long before.
MAX_SLACK_CHARS = 3000

Message = tuple[Mapping[str, str], bytes]


def event_message(target: Target, event: CatalogEvent, *, at: datetime) -> Message:
    """The headers and the body of an event.

    Args:
        at: when it is sent, which the signature covers.
    """
    before, after = changes_of(event)
    if target.format == SLACK:
        seen = VisibleEvent(event=event, before=before, after=after)
        return _slack(title_of(seen), "\n".join(lines_of(seen)))
    data = {"id": event.id, "model_id": event.model_id, "name": event.name, "before": before, "after": after}
    return _signed(target, event.id, event.type, data, event.at, at)


def probe_message(target: Target, *, at: datetime) -> Message:
    if target.format == SLACK:
        return _slack("A test of the model catalog's webhook", f"Target: {target.name}")
    message_id = f"{TEST}-{round(at.timestamp() * 1000):013d}"
    return _signed(target, message_id, TEST, {"id": message_id, "target": target.name}, at, at)


def _signed(
    target: Target, message_id: str, type_: str, data: Mapping[str, Any], happened_at: datetime, at: datetime
) -> Message:
    """
    Source:
        https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    payload = {"type": type_, "timestamp": rfc3339(happened_at), "data": data}
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=True)
    headers = {"Content-Type": "application/json", "webhook-id": message_id}
    if target.secret is not None:
        headers["webhook-timestamp"] = str(int(at.timestamp()))
        headers["webhook-signature"] = Webhook(target.secret).sign(message_id, at, body)
    return headers, body.encode("ascii")


def _slack(title: str, text: str) -> Message:
    """
    Source:
        https://docs.slack.dev/messaging/formatting-message-text: three characters are escaped, no others.
    """
    shown = f"*{_escaped(title)}*\n{_escaped(text)}"
    if len(shown) > MAX_SLACK_CHARS:
        shown = shown[:MAX_SLACK_CHARS].rpartition("\n")[0] + "\n..."
    return {"Content-Type": "application/json"}, json.dumps({"text": shown}).encode("ascii")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
