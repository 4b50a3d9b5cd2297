"""The settings of the part `mantle`: where its endpoint is, and which regions are asked."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.parsers import ALL_REGIONS

ALLOWED_ENDPOINT = (
    "an https:// address without a path, such as https://mantle.example.com:8443, or an http:// one of this machine"
)


def endpoint_url(value: str) -> str:
    """The address that credentials are sent to, without a slash at its end.

    Raises:
        ValueError: what is allowed.
    """
    try:
        parts = urlsplit(value.strip())
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise ValueError(ALLOWED_ENDPOINT) from None
    is_host = re.fullmatch(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:]+", host) is not None
    is_allowed = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not is_host or not is_allowed or port == 0 or extra or not value.strip().isprintable():
        raise ValueError(ALLOWED_ENDPOINT)
    return f"{parts.scheme}://{parts.netloc}"


def regions_outside(chosen: tuple[str, ...], configured: tuple[str, ...]) -> tuple[str, ...]:
    """The chosen regions that are not configured; none while what `all` stands for is not known."""
    if ALL_REGIONS in (*chosen, *configured):
        return ()
    return tuple(it for it in chosen if it not in configured)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
