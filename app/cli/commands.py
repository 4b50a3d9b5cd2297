"""`flask catalog`: refresh and show the stored catalog from a terminal.

The commands need no API keys. Output goes to standard output, logs to standard error.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.table import Table

from app.api.anthropic.schemas import ModelInfoSchema
from app.api.status_schemas import CatalogReportSchema
from app.auth.key_format import InvalidKeySource
from app.auth.key_sources import names_of_local_keys
from app.catalog.aliases import AliasTargetGone
from app.catalog.entries import CatalogEntry, profile_ids
from app.catalog.records import EPOCH, PROJECT_PARTS, PartResult
from app.catalog.scope import ALL_VIEW, VIEWS, Scope
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import status_of
from app.catalog.view import CatalogView, ListFilter, UnknownValue
from app.cli.matrix import LEGEND, matrix, or_dash
from app.cli.project_lines import project_lines
from app.operator_file.reading import InvalidOperatorFile
from app.refresh.refresher import SettingsMismatch
from app.refresh.result import Refresh
from app.refresh.store import LeaseLost, LeaseTaken, StoreUnreachable
from app.services import current_services
from app.telemetry import logs

NOTHING_PUBLISHED = 1
SOME_FAILED = 3

PIPE_WIDTH = 400
# So wide is a line with 31 regions, the longest id and CARD_COLUMNS.
WIDTH_WITH_CARDS = 140
# Operators see what no dialect lists, too.
EVERYTHING = Scope(name="operator", include_provisioned=True)


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
    """Refresh all regions now; running workers, of a whole fleet too, load the result within two seconds.

    Exit status: 0 if every region answered, 3 if some failed, 1 if nothing was published or only to this host of a
    fleet.
    """
    refresher = current_services().refresher
    progress = Console(stderr=True)
    answered: set[str] = set()
    with progress.status("Waiting for the regions") as spinner:

        def on_result(result: PartResult) -> None:
            answered.add(result.region)
            spinner.update(f"{len(answered)} regions answered, last {result.region} ({result.part})")

        try:
            done = refresher.refresh_now(on_result, force=force)
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
    fleet = current_services().fleet
    if done.alone is not None:
        click.echo(f"Published on this host alone: {done.alone}", err=True)
        return NOTHING_PUBLISHED
    if fleet is not None:
        click.echo(f"Published to the fleet {current_services().settings.fleet}", err=True)
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
    if snapshot is None or not snapshot.models:
        sys.exit(1)


@catalog.command()
@click.argument("model_id", required=False)
@click.option(
    "--region", "regions", multiple=True, help="Show what is callable from this region or pattern; repeatable."
)
@click.option("--within", multiple=True, help="Show what is processed within this region or pattern alone; repeatable.")
@click.option("--view", "shown_view", type=click.Choice(VIEWS), help="Show models, ids that can be sent, or all.")
@click.option("--scope", "scope_name", help="Show what this scope of the operator's file sees.")
@click.option("--key-name", help="Show what the key of this name sees.")
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON.")
def show(
    model_id: str | None,
    regions: tuple[str, ...],
    within: tuple[str, ...],
    shown_view: str | None,
    scope_name: str | None,
    key_name: str | None,
    as_json: bool,
) -> None:
    """Show the stored catalog as models by regions, or one model or profile by its id or ARN."""
    view = _view_of(scope_name, key_name)
    wanted = ListFilter(view=shown_view, regions=regions, within=within)
    try:
        if model_id is not None:
            _show_one(view, model_id, wanted, as_json=as_json)
            return
        entries = view.entry_list(wanted).entries
    except UnknownValue as error:
        allowed = ", ".join(error.allowed)
        raise click.BadParameter(f"not in this catalog, which has {allowed}", param_hint=f"--{error.field}") from None
    if as_json:
        click.echo(json.dumps(ModelInfoSchema(many=True).dump(entries), indent=2))
        return
    callable_from = {region for entry in entries for region in entry.regions}
    columns = [region for region in view.regions if not (regions or within) or region in callable_from]
    out = _out()
    out.print(matrix(entries, columns, with_cards=out.width >= WIDTH_WITH_CARDS))
    out.print(f"{len(entries)} entries, {len(columns)} regions; {LEGEND}; d deprecated, r retired")


def _show_one(view: CatalogView, name: str, wanted: ListFilter, *, as_json: bool) -> None:
    entry = _found(view, name)
    if entry is None:
        raise click.ClickException(f"no model, inference profile or ARN {name!r} is in the catalog")
    if wanted.regions or wanted.within:
        left = view.entry_list(replace(wanted, view=ALL_VIEW)).by_id.get(entry.id)
        if left is None:
            places = ", ".join((*wanted.regions, *(f"within {place}" for place in wanted.within)))
            raise click.ClickException(f"{name!r} is not callable from {places}")
        entry = left
    described = ModelInfoSchema().dump(entry)
    if as_json:
        click.echo(json.dumps(described, indent=2))
    else:
        _print_entry(described)


def _view_of(scope_name: str | None = None, key_name: str | None = None) -> CatalogView:
    """The stored catalog as a scope or a key sees it, or whole, with what the operator's file states."""
    services = current_services()
    try:
        services.operator_file.load()
    except InvalidOperatorFile as error:
        if scope_name is not None or key_name is not None:
            raise click.ClickException(str(error)) from None
        click.echo(f"Without the operator's file: {error}", err=True)
    snapshot = _stored()
    if snapshot is None:
        raise click.ClickException("no catalog is stored; `flask catalog refresh` makes one")
    policy = services.catalog.published.policy
    scope: Scope | None = EVERYTHING
    if scope_name is not None and key_name is not None:
        raise click.UsageError("--scope and --key-name exclude each other")
    if scope_name is not None:
        scope = policy.scopes.get(scope_name)
    elif key_name is not None:
        scope = policy.by_key_name[key_name]
    if scope is None:
        names = ", ".join(it.name for it in (*policy.scopes.named, policy.scopes.default) if it.name)
        raise click.BadParameter(f"not in the operator's file, which has {names or 'none'}", param_hint="--scope")
    return CatalogView(snapshot, scope, policy.aliases)


def _found(view: CatalogView, name: str) -> CatalogEntry | None:
    try:
        return view.find(name)
    except AliasTargetGone as error:
        raise click.ClickException(f"{name!r} is an alias of {error.alias.target!r}, which is not there") from None


@catalog.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> None:
    """Check an operator's file, by default that of CATALOG_CONFIG_FILE, against the keys here and the stored catalog.

    Exit status: 1 if it cannot be used.
    """
    services = current_services()
    _stored()
    try:
        reasons = services.operator_file.reasons_against(file, key_names=names_of_local_keys(services.settings))
    except (InvalidOperatorFile, InvalidKeySource) as error:
        raise click.ClickException(str(error)) from None
    for reason in reasons:
        click.echo(reason)
    if reasons:
        sys.exit(1)
    click.echo("ok")


@catalog.command()
@click.argument("model_id", required=False)
def cards(model_id: str | None) -> None:
    """Show which callable chat models lack limits, a name or a date, and what is disagreed on; or one model's card."""
    view = _view_of()
    if model_id is None:
        _show_gaps(view)
        return
    entry = _found(view, model_id)
    if entry is None:
        raise click.ClickException(f"no model, inference profile or ARN {model_id!r} is in the catalog")
    table = Table(box=None, pad_edge=False)
    for name in ("field", "value", "source", "as of"):
        table.add_column(name, overflow="fold")
    for it in entry.card.sources if entry.card is not None else ():
        for field in it.fields:
            table.add_row(field, str(getattr(entry.card, field)), it.source, it.as_of.isoformat())
    out = _out()
    out.print(table if table.row_count else f"no card states anything of {entry.id}")
    for line in _disagreements(view, entry):
        out.print(line)


def _show_gaps(view: CatalogView) -> None:
    chat_models = [it for it in view.models if it.is_text and it.invocations]
    out = _out()
    gaps = 0
    for entry in chat_models:
        card = entry.card
        lacks = {
            "limits": card is None or None in (card.max_input_tokens, card.max_tokens),
            "name": entry.name == entry.id,
            "date": entry.created_at == EPOCH,
        }
        missing = [name for name, is_missing in lacks.items() if is_missing]
        gaps += bool(missing)
        if missing:
            out.print(f"{entry.id} lacks {', '.join(missing)}")
        for line in _disagreements(view, entry):
            out.print(f"{entry.id} {line}")
    out.print(f"{len(chat_models)} callable chat models, {gaps} of them lack something")


def _disagreements(view: CatalogView, entry: CatalogEntry) -> Iterator[str]:
    profiles = profile_ids(entry.invocations or entry.former_invocations)
    for found in view.snapshot.cards.disagreements(entry.model_id, profiles):
        stated = "; ".join(f"{source} has {value} for {row}" for source, row, value in found.stated)
        yield f"{found.field}: {stated}; decided by {found.decided_by or 'none, so it is null'}"


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
    fleet = services.fleet.status() if services.fleet is not None else None
    if as_json:
        click.echo(json.dumps(report | ({"fleet": fleet.report()} if fleet else {}), indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("region", "part", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "age s", "ms"):
        table.add_column(name, justify="right")
    table.add_column("why", overflow="fold")
    for region in report["regions"]:
        for part in region["parts"]:
            table.add_row(
                region["region"],
                part["part"],
                part["state"],
                str(part["rows"]),
                or_dash(part["age_seconds"]),
                or_dash(part["duration_ms"]),
                _why(part),
            )
    out = _out()
    out.print(_headline(report))
    if report["orphan_profiles"]:
        out.print(f"{report['orphan_profiles']} profiles call no model that their region lists")
    for line in project_lines(status.projects):
        out.print(line)
    if fleet:
        out.print(str(fleet))
    if report["regions"]:
        out.print(table)


def _why(part: dict[str, Any]) -> str:
    if failure := part["failure"]:
        missing = f"{failure['action']} is not permitted. " if failure["action"] else ""
        return f"{failure['code']}: {missing}{failure['detail']}".removesuffix(": ")
    counts = {
        "rows without an id skipped": part["skipped_rows"],
        "values unread": part["unread_fields"],
        "rows filled in": part["backfilled_rows"],
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _headline(report: dict[str, Any]) -> str:
    if report["attempted_at"] is None:
        return "unavailable: no catalog is stored"
    failed = sum(
        1
        for region in report["regions"]
        if any(part["failure"] for part in region["parts"] if part["part"] not in PROJECT_PARTS)
    )
    return (
        f"{report['status']}: {report['models']} models from {len(report['regions'])} regions ({failed} failed), "
        f"refreshed {or_dash(report['age_seconds'])} s ago, source {report['source']}"
    )


def _print_entry(entry: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in (entry | entry.pop("aws_bedrock")).items():
        if isinstance(value, dict):
            for key, of_key in value.items():
                table.add_row(f"{name} {key}", ", ".join(of_key) if isinstance(of_key, list) else str(of_key))
        else:
            table.add_row(name, ", ".join(value) if isinstance(value, list) else or_dash(value))
    _out().print(table)
