"""`flask catalog webhooks`: the targets of the operator's file, how far they have got, and a test event."""

import json
import sys
import time
from typing import Any

import click
from flask.cli import AppGroup
from rich.table import Table

from app.catalog.reading import plain_instant
from app.cli.matrix import or_dash
from app.cli.terminal import load_operator_file, stored_snapshot, terminal
from app.services import current_services
from app.webhooks.cursors import CursorsUnavailable
from app.webhooks.delivery import DELIVERED
from app.webhooks.sender import TargetStatus

MAX_SHOWN_CHARS = 500
COLUMNS = ("target", "host", "state", "cursor", "pending", "lag s", "last error")


@click.group(cls=AppGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the targets as JSON.")
@click.pass_context
def webhooks(context: click.Context, as_json: bool) -> None:
    """Show the targets of webhooks: how far each has got, and its last error.

    Exit status: 1 if that cannot be known.
    """
    if context.invoked_subcommand is not None:
        return
    load_operator_file(is_needed=True)
    stored_snapshot()
    report = report_of_webhooks()
    if as_json:
        click.echo(json.dumps(report, indent=2))
    elif report["targets"]:
        terminal().print(webhook_table(report))
    elif report["problem"] is None:
        click.echo("the operator's file has no webhooks")
    if report["problem"] is not None:
        click.echo(report["problem"], err=True)
        sys.exit(1)


@webhooks.command("test")
@click.argument("name")
def send_test(name: str) -> None:
    """Send one test event to a target, and print its answer.

    Exit status: 0 if the target answered with a status of 200 to 299, 1 otherwise.
    """
    services = current_services()
    load_operator_file(is_needed=True)
    began = time.monotonic()
    try:
        attempt = services.webhooks.send_probe(name)
    except KeyError:
        names = ", ".join(it.name for it in services.operator_file.webhooks)
        raise click.ClickException(f"no webhook is named {name!r}; there are: {names or 'none'}") from None
    duration_ms = round((time.monotonic() - began) * 1000)
    click.echo(f"{f'HTTP {attempt.status}' if attempt.status else attempt.error} in {duration_ms} ms")
    text = attempt.body.decode(errors="replace")[:MAX_SHOWN_CHARS]
    if text:
        # What a target answers may hold sequences that a terminal obeys.
        click.echo("".join(it if it.isprintable() or it == "\n" else "?" for it in text))
    if attempt.outcome != DELIVERED:
        sys.exit(1)


def report_of_webhooks() -> dict[str, Any]:
    """All targets, as JSON has them; `problem` says why how far they have got is not known."""
    services = current_services()
    try:
        return {"targets": [_plain(it) for it in services.webhooks.status()], "problem": None}
    except CursorsUnavailable as error:
        unknown = [{"name": it.name, "host": it.host} for it in services.operator_file.webhooks]
        return {"targets": unknown, "problem": str(error)}


def _plain(status: TargetStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "host": status.host,
        "is_switched_off": status.is_switched_off,
        "cursor": status.event_id,
        "pending": status.pending,
        "lag_seconds": status.lag_s,
        "delivered_at": plain_instant(status.delivered_at),
        "last_error": status.last_error,
        "next_attempt_at": plain_instant(status.next_attempt_at),
    }


def webhook_table(report: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for it in report["targets"]:
        is_off = it.get("is_switched_off")
        table.add_row(
            it["name"],
            it["host"],
            "unknown" if is_off is None else "off" if is_off else "on",
            *(or_dash(it.get(key)) for key in ("cursor", "pending", "lag_seconds", "last_error")),
        )
    return table
