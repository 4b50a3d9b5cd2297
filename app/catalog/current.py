"""The holder of the current snapshot: the only thing in the catalog that changes."""

import threading
from collections import OrderedDict

from app.catalog.aliases import AliasStatus, statuses
from app.catalog.policy import Policy
from app.catalog.scope import EVERYTHING, Scope
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import unavailable_reason
from app.catalog.view import CatalogView

# A view with its lists is about 0.4 MiB with today's models, and made in 4 ms: see bench-scopes.
MAX_VIEWS = 16


class CatalogUnavailable(LookupError):
    """There is nothing to serve yet; `reason` is for clients."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Published:
    """A snapshot, the policy that it is shown by, and the views of the two, one a scope, evicted by use."""

    __slots__ = ("_alias_statuses", "_lock", "_views", "policy", "snapshot")

    def __init__(self, snapshot: CatalogSnapshot | None, policy: Policy) -> None:
        self.snapshot = snapshot
        self.policy = policy
        self._views: OrderedDict[Scope, CatalogView] = OrderedDict()
        self._lock = threading.Lock()
        self._alias_statuses: tuple[AliasStatus, ...] | None = None

    def view(self, scope: Scope) -> CatalogView:
        """What a scope of the policy sees.

        Raises:
            CatalogUnavailable: there is no snapshot, or it has no model.
        """
        if self.snapshot is None or not self.snapshot.models:
            raise CatalogUnavailable(unavailable_reason(self.snapshot))
        with self._lock:
            if (view := self._views.get(scope)) is not None:
                self._views.move_to_end(scope)
                return view
        made = CatalogView(self.snapshot, scope, self.policy.aliases)
        with self._lock:
            # Another thread may have made it meanwhile.
            view = self._views.setdefault(scope, made)
            while len(self._views) > MAX_VIEWS:
                self._views.popitem(last=False)
        return view

    def alias_statuses(self) -> tuple[AliasStatus, ...]:
        """What each alias stands for among all that there is; none while there is nothing to serve."""
        if self._alias_statuses is None:
            aliases = self.policy.aliases
            if not aliases or self.snapshot is None or not self.snapshot.models:
                return ()
            # Not among the views that are kept: what an operator asks takes no caller's place.
            view = CatalogView(self.snapshot, EVERYTHING, aliases)
            self._alias_statuses = statuses(aliases, view.resolved, view.find_base)
        return self._alias_statuses

    def holds(self, view: CatalogView) -> bool:
        """Whether the view is one of these, and not evicted or of an overtaken snapshot or policy."""
        return self._views.get(view.scope) is view


class Catalog:
    """Publishing is one assignment of an immutable snapshot and policy, so readers take no lock."""

    def __init__(self, snapshot: CatalogSnapshot | None = None) -> None:
        self._publishing = threading.Lock()
        self.published = Published(snapshot, Policy.of())

    def publish(self, snapshot: CatalogSnapshot | None) -> None:
        with self._publishing:
            self.published = Published(snapshot, self.published.policy)

    def put_in_force(self, policy: Policy) -> None:
        """Show the snapshot by another policy; one that states the same changes nothing."""
        with self._publishing:
            if not policy.states_same(self.published.policy):
                self.published = Published(self.published.snapshot, policy)

    @property
    def latest(self) -> CatalogSnapshot | None:
        """The last published snapshot, which may know of nothing but failures."""
        return self.published.snapshot

    def current(self) -> CatalogSnapshot:
        """The snapshot to serve.

        Raises:
            CatalogUnavailable: there is none, or it has no model.
        """
        snapshot = self.published.snapshot
        if snapshot is None or not snapshot.models:
            raise CatalogUnavailable(unavailable_reason(snapshot))
        return snapshot

    def view(self, scope: Scope) -> CatalogView:
        """The snapshot to serve as a scope sees it; one view a scope is kept.

        Raises:
            CatalogUnavailable
        """
        return self.published.view(scope)
