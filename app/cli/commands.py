"""`flask catalog`: refresh and show the stored catalog from a terminal.

The commands need no API keys. Output goes to standard output, logs to standard error.
"""

import json
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
from app.auth.key_sources import aws_sources_of, names_of_local_keys
from app.catalog.aliases import GONE, TAKEN, AliasTargetGone
from app.catalog.entries import CatalogEntry, profile_ids
from app.catalog.records import BASE_PARTS, EPOCH, PartResult
from app.catalog.scope import ALL_VIEW, VIEWS
from app.catalog.view import CatalogView, ListFilter, UnknownValue
from app.cli.access_lines import access_lines
from app.cli.card_table import card_table
from app.cli.changes import changes, retirements
from app.cli.matrix import LEGEND, matrix, or_dash
from app.cli.project_lines import project_lines
from app.cli.terminal import load_operator_file, scope_options, stored_snapshot, terminal, view_of
from app.cli.webhooks import report_of_webhooks, webhook_table, webhooks
from app.operator_file.reading import InvalidOperatorFile
from app.refresh.refresher import SettingsMismatch
from app.refresh.result import Refresh
from app.refresh.store import LeaseLost, LeaseTaken, StoreUnreachable
from app.services import current_services
from app.telemetry import logs

NOTHING_PUBLISHED = 1
SOME_FAILED = 3

# So wide is a line with 31 regions, the longest id and CARD_COLUMNS.
WIDTH_WITH_CARDS = 140


@click.group(cls=AppGroup)
@with_appcontext
def catalog() -> None:
    """Refresh and show the stored model catalog."""
    settings = current_services().settings
    logs.configure("console", "error" if settings.log_level == "error" else "warning")


def init_app(app: Flask) -> None:
    for command in (changes, retirements):
        catalog.add_command(command)
    app.cli.add_command(catalog)


catalog.add_command(webhooks)


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
    _print_status(as_json=as_json)
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
    """Show the age of the stored catalog, each region's state with its last error, aliases to look after, and how far
    webhooks have got.

    Exit status: 1 if there is no catalog to serve.
    """
    load_operator_file()
    snapshot = stored_snapshot()
    _print_status(as_json=as_json)
    if snapshot is None or not snapshot.models:
        sys.exit(1)


@catalog.command()
@click.argument("model_id", required=False)
@click.option(
    "--region", "regions", multiple=True, help="Show what is callable from this region or pattern; repeatable."
)
@click.option("--within", multiple=True, help="Show what is processed within this region or pattern alone; repeatable.")
@click.option("--view", "shown_view", type=click.Choice(VIEWS), help="Show models, ids that can be sent, or all.")
@scope_options
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
    view = view_of(scope_name, key_name)
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
    out = terminal()
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
    stored_snapshot()
    try:
        reasons = services.operator_file.reasons_against(file, key_names=names_of_local_keys(services.settings))
    except (InvalidOperatorFile, InvalidKeySource) as error:
        raise click.ClickException(str(error)) from None
    for reason in reasons:
        click.echo(reason)
    for source in aws_sources_of(services.settings):
        consequence = "one that two scopes name sees nothing, and is logged as key_in_several_scopes"
        click.echo(f"The keys of {source} are not read here: {consequence}", err=True)
    if reasons:
        sys.exit(1)
    click.echo("ok")


@catalog.command()
@click.argument("model_id", required=False)
def cards(model_id: str | None) -> None:
    """Show which callable chat models lack limits, a name or a date, and what is disagreed on; or one model's card."""
    view = view_of()
    if model_id is None:
        _show_gaps(view)
        return
    entry = _found(view, model_id)
    if entry is None:
        raise click.ClickException(f"no model, inference profile or ARN {model_id!r} is in the catalog")
    out = terminal()
    card = entry.card
    out.print(card_table(card) if card is not None and card.sources else f"no card states anything of {entry.id}")
    for line in _disagreements(view, entry):
        out.print(line)


def _show_gaps(view: CatalogView) -> None:
    chat_models = [it for it in view.models if it.is_text and it.invocations]
    out = terminal()
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


def _print_status(*, as_json: bool) -> None:
    services = current_services()
    status_now = services.status()
    report: dict[str, Any] = CatalogReportSchema().dump(status_now)
    fleet = services.fleet.status() if services.fleet is not None else None
    of_webhooks = report_of_webhooks() if services.operator_file.webhooks else None
    if as_json:
        more = ({"fleet": fleet.report()} if fleet else {}) | ({"webhooks": of_webhooks} if of_webhooks else {})
        click.echo(json.dumps(report | more, indent=2))
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
    out = terminal()
    out.print(_headline(report))
    if report["orphan_profiles"]:
        out.print(f"{report['orphan_profiles']} profiles call no model that their region lists")
    for alias in report["aliases"]:
        if reason := _alias_reason(alias):
            out.print(reason)
    for line in (*access_lines(status_now.access), *project_lines(status_now.projects)):
        out.print(line)
    if fleet:
        out.print(str(fleet))
    if report["regions"]:
        out.print(table)
    if of_webhooks:
        out.print(webhook_table(of_webhooks))
        if of_webhooks["problem"]:
            out.print(f"webhooks: nothing is sent: {of_webhooks['problem']}")


def _alias_reason(alias: dict[str, Any]) -> str:
    """What is wrong with an alias; nothing where it stands for one thing."""
    name, target = alias["name"], alias["target"]
    if alias["state"] == GONE:
        return f"alias {name}: its target {target} is not there"
    if alias["state"] == TAKEN:
        return f"alias {name}: its name is an id of the catalog, which wins"
    if alias["equally_new"]:
        others = ", ".join(alias["equally_new"])
        return f"alias {name}: {alias['target_id']} is the first of equal date that {target} matches; others: {others}"
    return ""


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
        if any(part["failure"] for part in region["parts"] if part["part"] in BASE_PARTS)
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
    terminal().print(table)
