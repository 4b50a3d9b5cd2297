"""The holder of the current snapshot: the only thing in the catalog that changes."""

from app.catalog.snapshot import CatalogSnapshot


class CatalogUnavailable(LookupError):
    """There is nothing to serve yet: no region has listed a model, and nothing was stored."""


class Catalog:
    """Publishing is one assignment of an immutable object, so readers take no lock."""

    def __init__(self, snapshot: CatalogSnapshot | None = None) -> None:
        self._snapshot = snapshot

    def publish(self, snapshot: CatalogSnapshot) -> None:
        self._snapshot = snapshot

    @property
    def latest(self) -> CatalogSnapshot | None:
        """The last published snapshot, which may know of nothing but failures."""
        return self._snapshot

    def current(self) -> CatalogSnapshot:
        """The snapshot to serve.

        Raises:
            CatalogUnavailable: there is none, or it has no model.
        """
        snapshot = self._snapshot
        if snapshot is None or not snapshot.models:
            raise CatalogUnavailable
        return snapshot
