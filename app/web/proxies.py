"""Which peers' forwarding headers are believed."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

UNIX = "unix"


def is_trusted(peer: str, proxies: tuple[str, ...]) -> bool:
    """Whether an address (empty: the peer of a unix socket) is one of the proxies."""
    if not peer:
        return UNIX in proxies
    return _is_in(peer, proxies)


@lru_cache(maxsize=1024)
def _is_in(peer: str, proxies: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(proxy) for proxy in proxies if proxy != UNIX)


def client_address(environ: Mapping[str, Any], proxies: tuple[str, ...]) -> str:
    """The last address that a trusted proxy vouches for; without one, the peer's."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    for hop in reversed(str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")):
        if not is_trusted(peer, proxies):
            break
        peer = hop.strip() or peer
    return peer
