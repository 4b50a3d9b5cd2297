"""The holder of the current snapshot: the only thing in the catalog that changes."""

from app.catalog.records import CatalogSnapshot
from app.catalog.view import CatalogView, Scope


class CatalogUnavailable(LookupError):
    """No region has answered yet, and nothing was stored."""


class Catalog:
    """Publishing is one assignment of an immutable object, so readers take no lock."""

    def __init__(self, snapshot: CatalogSnapshot | None = None) -> None:
        self.publish(snapshot)

    def publish(self, snapshot: CatalogSnapshot | None) -> None:
        self._snapshot = snapshot
        self._views: dict[Scope, CatalogView] = {}

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

    def view(self, scope: Scope) -> CatalogView:
        """The snapshot to serve as a scope sees it; one view a scope is kept.

        Raises:
            CatalogUnavailable
        """
        snapshot = self.current()
        view = self._views.get(scope)
        # A reader may put a view of an overtaken snapshot here after a publication.
        if view is None or view.snapshot is not snapshot:
            view = self._views[scope] = CatalogView(snapshot, scope)
        return view
