"""The address of the store that the hosts of a fleet share."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

ALLOWED = (
    "redis:// or rediss:// (TLS), with a host and, as it needs them, a user and password, a port and a database: "
    "rediss://user:password@host:6379/0"
)
DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """The parts of `CATALOG_STORE`; as a text it has no secret."""

    tls: bool
    host: str
    port: int = DEFAULT_PORT
    database: int = 0
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}"


def store_url(value: str) -> StoreUrl:
    """
    Raises:
        ValueError: what is allowed; the value, which may hold a password, is in no message.
    """
    try:
        parts = urlsplit(value.strip())
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError(ALLOWED) from None
    database = parts.path.removeprefix("/") or "0"
    is_number = database.isascii() and database.isdecimal() and len(database) < 6
    extra = parts.query or parts.fragment
    if parts.scheme not in ("redis", "rediss") or not host or port == 0 or not is_number or extra:
        raise ValueError(ALLOWED)
    return StoreUrl(
        tls=parts.scheme == "rediss",
        host=host,
        port=DEFAULT_PORT if port is None else port,
        database=int(database),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def fleet_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value.strip()):
        raise ValueError("1 to 64 letters, digits, dots, dashes and underscores")
    return value.strip()
