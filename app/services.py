"""What one service consists of, built once by `create_app` and read by its requests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, current_app

from app.auth.key_refresher import KeyRefresher
from app.auth.key_ring import KeyRing
from app.catalog.current import Catalog
from app.catalog.policy import Policy
from app.catalog.scope import Scope
from app.catalog.status import CatalogStatus, status_of
from app.catalog.view import CatalogView
from app.operator_file.in_force import OperatorFileInForce
from app.refresh.fleet import FleetStore
from app.refresh.refresher import Refresher
from app.refresh.scheduler import JobScheduler
from app.webhooks.sender import WebhookSender
from config import Settings

# The only key of ours in Flask's extensions.
EXTENSION = "model_catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one service; `reload_before_404` loads what another worker may have stored a moment ago.

    `fleet` is None for a host that shares with no other.
    """

    settings: Settings
    clock: Callable[[], datetime]
    catalog: Catalog
    operator_file: OperatorFileInForce
    key_ring: KeyRing
    key_refresher: KeyRefresher
    refresher: Refresher
    reload_before_404: Callable[[], object]
    scheduler: JobScheduler
    webhooks: WebhookSender
    fleet: FleetStore | None = None

    def view(self, scope_in: Callable[[Policy], Scope]) -> CatalogView:
        """The current catalog as a caller sees it.

        Args:
            scope_in: the caller's scope by the policy in force.

        Raises:
            CatalogUnavailable: nothing to serve yet.
        """
        published = self.catalog.published
        return published.view(scope_in(published.policy))

    def status(self) -> CatalogStatus:
        """How fresh the published catalog is, and what the aliases stand for in it."""
        published = self.catalog.published
        return status_of(
            published.snapshot,
            at=self.clock(),
            refresh_s=self.settings.refresh_s,
            aliases=published.alias_statuses(),
        )

    def start(self) -> None:
        """Read the operator's file and the keys, restore the catalog, then run the jobs.

        Call it after the fork, before the first request.
        """
        self.operator_file.load_after_fork()
        self.key_refresher.refresh()
        self.refresher.reload_if_changed()
        self.scheduler.start()

    def stop(self) -> None:
        """End what is under way in the background, and its children with it."""
        self.key_refresher.stop()
        self.scheduler.stop()


def services_of(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services


def current_services() -> Services:
    """The services of the application that handles the current request or command."""
    return services_of(current_app)
