"""Settings: each one's name, default, parser and meaning in one place; read once, checked at start."""

from config.parsers import ALL_REGIONS, EVERY_ORIGIN, RESERVED_SEGMENTS
from config.parts import ACCESS, PARTS, PROJECT_PARTS, listed_parts
from config.sdk import partition_of
from config.settings import (
    INVOCATION_KINDS,
    VIEWS,
    ConfigError,
    ServerSettings,
    Settings,
    child_environ,
    read_server_settings,
    read_settings,
    requested_parts,
    requested_projects,
)

__all__ = [
    "ACCESS",
    "ALL_REGIONS",
    "EVERY_ORIGIN",
    "INVOCATION_KINDS",
    "PARTS",
    "PROJECT_PARTS",
    "RESERVED_SEGMENTS",
    "VIEWS",
    "ConfigError",
    "ServerSettings",
    "Settings",
    "child_environ",
    "listed_parts",
    "partition_of",
    "read_server_settings",
    "read_settings",
    "requested_parts",
    "requested_projects",
]
