"""The routes: a view validates, reads the snapshot once, and shapes."""

from collections.abc import Callable
from typing import TypeVar

from flask import current_app, g

from app.catalog.current import Catalog
from app.catalog.paging import UnknownCursor
from app.catalog.records import CatalogSnapshot
from app.catalog.selection import UnknownValue
from app.errors import ModelNotFound
from config import Settings

MadeT = TypeVar("MadeT")


def current_snapshot() -> CatalogSnapshot:
    """The one snapshot that this request is answered from.

    Raises:
        CatalogUnavailable: nothing to serve yet.
    """
    if "snapshot" not in g:
        catalog: Catalog = current_app.extensions["catalog"]
        g.snapshot = catalog.current()
    snapshot: CatalogSnapshot = g.snapshot
    return snapshot


def made_of_snapshot(make: Callable[[CatalogSnapshot], MadeT]) -> MadeT:
    """What a function makes of the current snapshot.

    Where the question names something unknown there, of the stored one: another worker may have told the client of it.

    Raises:
        CatalogUnavailable: nothing to serve yet.
        UnknownCursor, UnknownValue, ModelNotFound: of the function's, the second time.
    """
    try:
        return make(current_snapshot())
    except (UnknownCursor, UnknownValue, ModelNotFound):
        current_app.extensions["refresher"].reload_before_404()
        g.pop("snapshot", None)
        return make(current_snapshot())


def current_settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
