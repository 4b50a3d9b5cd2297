"""Checks of the operator's file against what is known beside it: the names of the keys, and the catalog."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from app.catalog.aliases import taken_names
from app.catalog.scope import Scope
from app.catalog.scopes import key_conflicts
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.tables import dotted
from app.operator_file.reading import InvalidOperatorFile, OperatorFile, read_operator_file
from app.operator_file.reloader import decode, read_content
from app.webhooks.targets import Target


def reasons_against(
    file: OperatorFile, *, key_names: Iterable[str | None], snapshot: CatalogSnapshot | None
) -> tuple[str, ...]:
    """Why a file that is well formed cannot be used.

    Args:
        key_names: of the keys in force, None for a key without a name of its own.
        snapshot: None where no catalog is known.
    """
    taken = () if snapshot is None else taken_names(file.aliases, snapshot)
    return (
        *key_conflicts(key_names, file.scopes),
        *(f"{dotted('aliases', name)} must be named otherwise, as it is an id of the catalog" for name in taken),
    )


def read_checked(
    text: str,
    as_of: date,
    *,
    base: Scope,
    key_names: Iterable[str | None],
    snapshot: CatalogSnapshot | None = None,
    base_dir: Path = Path(),
    webhooks: tuple[Target, ...] | None = None,
) -> OperatorFile:
    """Read the file, as `read_operator_file` does, and check it against what is known.

    Raises:
        InvalidOperatorFile: it cannot be used; says all that `reasons_against` found.
    """
    file = read_operator_file(text, as_of=as_of, base=base, base_dir=base_dir, webhooks=webhooks)
    if reasons := reasons_against(file, key_names=key_names, snapshot=snapshot):
        raise InvalidOperatorFile("; ".join(reasons))
    return file


def check_operator_file(
    path: Path, *, base: Scope, key_names: Iterable[str | None] = (), snapshot: CatalogSnapshot | None = None
) -> tuple[str, ...]:
    """What `flask catalog check` prints: why the file cannot be used; nothing where it can."""
    try:
        content = read_content(path)
        file = read_operator_file(decode(content.data), as_of=content.as_of, base=base, base_dir=path.parent)
    except InvalidOperatorFile as error:
        return (str(error),)
    return reasons_against(file, key_names=key_names, snapshot=snapshot)
