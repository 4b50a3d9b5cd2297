"""An operator's file with a webhook, its secret, and how a receiver checks what it was sent."""

import base64
import json
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from tests.support.webhook_receiver import Received, Receiver

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
SECRET_PATH = "/hooks/T0-not-to-be-shown"


def write_operator_file(folder: Path, receiver: Receiver, more: str = "") -> Path:
    """A signed target `ops` on loopback, whose whole address is in a file."""
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "address").write_text(f"https://localhost:{receiver.port}{SECRET_PATH}\n")
    file = folder / "operator.toml"
    target = '[[webhooks]]\nname = "ops"\nurl_file = "address"\nsecret_file = "secret"\nallow_private = true\n'
    file.write_text(target + more)
    return file


def payload_of(received: Received) -> dict[str, Any]:
    """What a receiver makes of a request, once its signature is right."""
    Webhook(SECRET).verify(received.body, received.headers)
    payload: dict[str, Any] = json.loads(received.body)
    return payload
