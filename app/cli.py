"""`flask catalog`: refresh and show the stored catalog from a terminal.

The commands need no API keys. Output goes to standard output, logs to standard error.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.table import Table

from app.api.anthropic.schemas import ModelInfoSchema
from app.api.status_schemas import CatalogReportSchema
from app.catalog.lookup import find_model
from app.catalog.records import ACTIVE, CatalogModel, CatalogSnapshot
from app.catalog.status import status_of
from app.catalog.view import CatalogView, Scope
from app.discovery.parent import Visit
from app.refresh.refresher import SettingsMismatch
from app.refresh.result import Refresh
from app.refresh.store import LeaseLost, LeaseTaken, StoreUnreachable
from app.services import current_services
from app.telemetry import logs

NOTHING_PUBLISHED = 1
SOME_FAILED = 3

PIPE_WIDTH = 400
# Operators see what no dialect lists, too.
EVERYTHING = Scope(name="operator", include_provisioned=True)

DIRECTIONS = {
    "northeast": "ne",
    "northwest": "nw",
    "southeast": "se",
    "southwest": "sw",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "central": "c",
}


@click.group(cls=AppGroup)
@with_appcontext
def catalog() -> None:
    """Refresh and show the stored model catalog."""
    settings = current_services().settings
    logs.configure("console", "error" if settings.log_level == "error" else "warning")


def init_app(app: Flask) -> None:
    app.cli.add_command(catalog)


@catalog.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--force", is_flag=True, help="Refresh although no service has these settings.")
def refresh(as_json: bool, force: bool) -> None:
    """Refresh all regions now; running workers load the result within two seconds.

    Exit status: 0 if every region answered, 3 if some failed, 1 if nothing was published.
    """
    refresher = current_services().refresher
    progress = Console(stderr=True)
    answered: list[str] = []
    with progress.status("Waiting for the regions") as spinner:

        def on_visit(visit: Visit) -> None:
            answered.append(visit.region)
            spinner.update(f"{len(answered)} regions answered, last {visit.region}")

        try:
            done = refresher.refresh_now(on_visit, force=force)
        except SettingsMismatch as stored:
            reason = f"the stored catalog is from {stored}, which this environment does not cover"
            sys.exit(_not_published(f"{reason}; --force adds a catalog of its own"))
        except (LeaseTaken, LeaseLost, StoreUnreachable) as error:
            sys.exit(_not_published(str(error)))
    if done is None:
        sys.exit(_not_published("stopped"))
    _print_status(done.snapshot, as_json=as_json)
    sys.exit(_exit_code(done))


def _exit_code(done: Refresh) -> int:
    if not done.stored:
        return _not_published("the catalog could not be stored, so no worker loads it")
    if not done.listed:
        return _not_published(done.fault or "no region answered")
    return SOME_FAILED if done.failed else 0


def _not_published(reason: str) -> int:
    click.echo(f"Nothing published: {reason}", err=True)
    return NOTHING_PUBLISHED


@catalog.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def status(as_json: bool) -> None:
    """Show the age of the stored catalog, and each region's state with its last error.

    Exit status: 1 if there is no catalog to serve.
    """
    snapshot = _stored()
    _print_status(snapshot, as_json=as_json)
    if snapshot is None or not snapshot.state.listings:
        sys.exit(1)


@catalog.command()
@click.argument("model_id", required=False)
@click.option("--region", "regions", multiple=True, help="Show only models callable from this region; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON.")
def show(model_id: str | None, regions: tuple[str, ...], as_json: bool) -> None:
    """Show the stored catalog as models by regions, or one model by its id, profile id or ARN."""
    snapshot = _stored()
    if snapshot is None:
        raise click.ClickException("no catalog is stored; `flask catalog refresh` makes one")
    unknown = set(regions) - set(snapshot.state.regions)
    if unknown:
        raise click.BadParameter(f"not in this catalog: {', '.join(sorted(unknown))}", param_hint="--region")
    models: Sequence[CatalogModel] = snapshot.models
    if model_id is not None:
        found = find_model(CatalogView(snapshot, EVERYTHING), model_id)
        if found is None:
            raise click.ClickException(f"no model, inference profile or ARN {model_id!r} is in the catalog")
        models = [found]
    if regions:
        models = [model for model in models if not set(regions).isdisjoint(model.regions)]
    if model_id is not None and not models:
        raise click.ClickException(f"{model_id!r} is not callable from {', '.join(regions)}")
    entries = ModelInfoSchema(many=True).dump(models)
    if as_json:
        click.echo(json.dumps(entries if model_id is None else entries[0], indent=2))
    elif model_id is not None:
        _print_model(entries[0])
    else:
        shown = regions or snapshot.state.regions
        out = _out()
        out.print(_matrix(models, shown))
        out.print(f"{len(models)} models, {len(shown)} regions; + callable there, d deprecated, r retired")


def _out() -> Console:
    """Standard output: as wide as the terminal; in a pipe, lines are not folded, so that ids can be searched for."""
    # AWS's error texts hold brackets and colons, which must not be read as markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def _stored() -> CatalogSnapshot | None:
    services = current_services()
    services.refresher.reload_if_changed()
    return services.catalog.latest


def _print_status(snapshot: CatalogSnapshot | None, *, as_json: bool) -> None:
    services = current_services()
    status = status_of(snapshot, at=services.clock(), refresh_s=services.settings.refresh_s)
    report: dict[str, Any] = CatalogReportSchema().dump(status)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("region", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("models", "profiles", "age s", "ms"):
        table.add_column(name, justify="right")
    table.add_column("why", overflow="fold")
    for region in report["regions"]:
        table.add_row(
            region["region"],
            region["state"],
            str(region["models"]),
            str(region["inference_profiles"]),
            _or_dash(region["age_seconds"]),
            _or_dash(region["took_ms"]),
            _why(region),
        )
    out = _out()
    out.print(_headline(report))
    if report["regions"]:
        out.print(table)


def _why(region: dict[str, Any]) -> str:
    if failure := region["failure"]:
        return f"{failure['code']}: {failure['detail']}".removesuffix(": ")
    counts = {"malformed rows skipped": region["skipped_rows"], "rows completed": region["completed_rows"]}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _headline(report: dict[str, Any]) -> str:
    if report["attempted_at"] is None:
        return "unavailable: no catalog is stored"
    failed = sum(1 for region in report["regions"] if region["failure"])
    return (
        f"{report['status']}: {report['models']} models from {len(report['regions'])} regions ({failed} failed), "
        f"refreshed {_or_dash(report['age_seconds'])} s ago, source {report['source']}"
    )


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _print_model(entry: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    extension = entry.pop("aws_bedrock")
    profiles = extension.pop("inference_profiles")
    for name, value in (entry | extension).items():
        table.add_row(name, ", ".join(value) if isinstance(value, list) else _or_dash(value))
    for name, callable_from in profiles.items():
        table.add_row(f"profile {name}", ", ".join(callable_from))
    _out().print(table)


def _matrix(models: Sequence[CatalogModel], regions: Sequence[str]) -> Table:
    """One character a region, with its code written downwards in the header: 31 regions fit beside an id."""
    codes = [_code(region) for region in regions]
    height = max((len(code) for code in codes), default=0)
    head = "\n".join("".join(code.rjust(height)[line] for code in codes) for line in range(height))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold", vertical="bottom")
    table.add_column("", no_wrap=True)
    table.add_column(head, no_wrap=True)
    for model in models:
        marks = "".join("+" if name in model.regions else "." for name in regions)
        table.add_row(model.id, "" if model.lifecycle == ACTIVE else model.lifecycle[0], marks)
    return table


def _code(region: str) -> str:
    """`ap-southeast-2` is `apse2`."""
    return "".join(DIRECTIONS.get(part, part[:2]) for part in region.split("-"))
