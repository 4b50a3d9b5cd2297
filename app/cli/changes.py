"""`flask catalog changes` and `flask catalog retirements`: what AWS changed, and what will end."""

import json
import re
from datetime import timedelta
from typing import Any

import click
from flask.cli import with_appcontext
from rich.table import Table

from app.api.feeds.schemas import ChangeSchema, RetirementSchema
from app.catalog.changes import EVENTS_KEPT
from app.catalog.event_text import lines_of, title_of
from app.catalog.retirements import ending_within
from app.catalog.retirements import retirements as retirements_of
from app.catalog.visible_events import EventFilter, visible_events
from app.cli.matrix import or_dash
from app.cli.terminal import scope_options, terminal, view_of
from app.services import current_services

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
DURATION = re.compile(r"([0-9]{1,6})([hdw])")
MAX_WITHIN_DAYS = 3650


class Duration(click.ParamType[timedelta]):
    """Hours, days or weeks, as far back as events are kept."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = DURATION.fullmatch(value.strip().lower())
        duration = int(found[1]) * UNITS[found[2]] if found else timedelta()
        if not timedelta() < duration <= EVENTS_KEPT:
            most = f"{EVENTS_KEPT.days}d"
            self.fail(
                f"must be hours, days or weeks from 1h to {most}, such as 24h, 7d or 2w, got {value!r}", param, ctx
            )
        return duration


@click.command()
@click.option(
    "--since",
    type=Duration(),
    default="7d",
    show_default=True,
    help="How far back: hours, days or weeks (24h, 7d, 2w).",
)
@scope_options
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON.")
@with_appcontext
def changes(since: timedelta, scope_name: str | None, key_name: str | None, as_json: bool) -> None:
    """Show what AWS changed, the newest last."""
    view = view_of(scope_name, key_name)
    now = current_services().clock()
    recent = [it for it in view.snapshot.state.events if now - it.at <= since]
    found = list(visible_events(view, recent, EventFilter()))
    if as_json:
        click.echo(json.dumps(ChangeSchema(many=True).dump(found), indent=2))
        return
    out = terminal()
    for seen in found:
        out.print(f"{seen.event.at:%Y-%m-%d %H:%M}  {title_of(seen)}")
        for line in lines_of(seen):
            out.print(f"    {line}")
    out.print(f"{len(found)} changes since {now - since:%Y-%m-%d %H:%M} UTC")


@click.command()
@click.option(
    "--within-days",
    type=click.IntRange(1, MAX_WITHIN_DAYS),
    help="Show models that end in a region within so many days, and none without a date.",
)
@scope_options
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON.")
@with_appcontext
def retirements(within_days: int | None, scope_name: str | None, key_name: str | None, as_json: bool) -> None:
    """Show the models that end or are legacy, the next one to end first."""
    view = view_of(scope_name, key_name)
    found = retirements_of(view)
    if within_days is not None:
        found = ending_within(found, within_days, at=view.snapshot.at)
    described = RetirementSchema(many=True).dump(found)
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for name in ("lifecycle", "ends", "days", "ends by region", "aliases", "newest of its line"):
        table.add_column(name, overflow="fold", justify="right" if name == "days" else "left")
    for it in described:
        by_region = [f"{_day(dates['end_of_life_at'])} {', '.join(dates['regions'])}" for dates in it["regions"]]
        hint = it["replacement_hint"]
        table.add_row(
            it["model_id"],
            it["lifecycle"],
            _day(it["retires_at"]),
            str(or_dash(it["days_left"])),
            "; ".join(by_region) if len(by_region) > 1 else "",
            ", ".join(it["aliases"]),
            hint["model_id"] if hint else "",
        )
    out = terminal()
    if described:
        out.print(table)
    out.print(f"{len(described)} models end or are legacy")


def _day(instant: str | None) -> str:
    return "-" if instant is None else instant[:10]
