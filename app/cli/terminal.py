"""What the commands share: the stored catalog as a scope sees it, and a terminal to print to."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console

from app.catalog.scope import EVERYTHING, Scope
from app.catalog.scopes import key_conflicts
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.view import CatalogView
from app.operator_file.reading import InvalidOperatorFile
from app.services import current_services

PIPE_WIDTH = 400

Command = TypeVar("Command", bound=Callable[..., Any])


def scope_options(command: Command) -> Command:
    """The options whose values `view_of` takes."""
    command = click.option("--key-name", help="Show what the key of this name sees.")(command)
    return click.option("--scope", "scope_name", help="Show what this scope of the operator's file sees.")(command)


def view_of(scope_name: str | None = None, key_name: str | None = None) -> CatalogView:
    """The stored catalog as a scope or a key sees it, or whole, with what the operator's file states."""
    services = current_services()
    load_operator_file(is_needed=scope_name is not None or key_name is not None)
    snapshot = stored_snapshot()
    if snapshot is None:
        raise click.ClickException("no catalog is stored; `flask catalog refresh` makes one")
    policy = services.catalog.published.policy
    scope: Scope | None = EVERYTHING
    if scope_name is not None and key_name is not None:
        raise click.UsageError("--scope and --key-name exclude each other")
    if scope_name is not None:
        scope = policy.scopes.get(scope_name)
    elif key_name is not None:
        for reason in key_conflicts([key_name], policy.scopes):
            click.echo(f"It sees nothing: {reason}", err=True)
        scope = policy.by_key_name[key_name]
    if scope is None:
        names = ", ".join(it.name for it in (*policy.scopes.named, policy.scopes.default) if it.name)
        raise click.BadParameter(f"not in the operator's file, which has {names or 'none'}", param_hint="--scope")
    return CatalogView(snapshot, scope, policy.aliases)


def load_operator_file(*, is_needed: bool = False) -> None:
    """Put the operator's file in force; a bad one is reported, and is an error where it is needed."""
    try:
        current_services().operator_file.load()
    except InvalidOperatorFile as error:
        if is_needed:
            raise click.ClickException(str(error)) from None
        click.echo(f"Without the operator's file: {error}", err=True)


def terminal() -> Console:
    """Standard output: as wide as the terminal; in a pipe, lines are not folded, so that ids can be searched for."""
    # AWS's error texts hold brackets and colons, which must not be read as markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def stored_snapshot() -> CatalogSnapshot | None:
    services = current_services()
    services.refresher.reload_if_changed()
    return services.catalog.latest
