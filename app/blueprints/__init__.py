"""The routes: a view validates, reads the snapshot once, and shapes."""

from flask import current_app

from app.catalog.current import Catalog
from app.catalog.records import CatalogSnapshot
from config import Settings


def current_snapshot() -> CatalogSnapshot:
    """
    Raises:
        CatalogUnavailable: nothing to serve yet.
    """
    catalog: Catalog = current_app.extensions["catalog"]
    return catalog.current()


def current_settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
