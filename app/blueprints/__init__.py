"""The routes: a view validates, reads the snapshot once, and shapes."""

from flask import current_app, g

from app.catalog.current import Catalog
from app.catalog.records import CatalogSnapshot
from config import Settings


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


def newest_snapshot() -> CatalogSnapshot:
    """The same, once the stored catalog was looked at: another worker may have told the client of a newer one.

    Raises:
        CatalogUnavailable: nothing to serve yet.
    """
    current_app.extensions["refresher"].follow()
    g.pop("snapshot", None)
    return current_snapshot()


def current_settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
