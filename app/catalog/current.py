"""The holder of the current snapshot: the only thing in the catalog that changes."""

from app.catalog.records import CatalogSnapshot


class CatalogUnavailable(LookupError):
    """No region has answered yet, and nothing was stored."""


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
            CatalogUnavailable: there is none, or no region has ever answered.
        """
        snapshot = self._snapshot
        if snapshot is None or not snapshot.state.listings:
            raise CatalogUnavailable
        return snapshot
