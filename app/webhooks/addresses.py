"""Which addresses a webhook may be sent to, and the one that a host's name leads to now."""

import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address

# Where clouds give credentials to any caller; never a target.
METADATA = frozenset(
    ip_address(it)
    for it in (
        "169.254.169.254",  # AWS, Google, Azure and others
        "fd00:ec2::254",  # AWS over IPv6
        "169.254.170.2",  # AWS ECS
        "169.254.170.23",  # AWS EKS
        "fd00:ec2::23",
        "fd20:ce::254",  # Google over IPv6
        "168.63.129.16",  # Azure's host
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
    )
)
# Where the last 32 bits are an IPv4 address that a gateway may translate to.
TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("::/96"))


class AddressRefused(Exception):
    """A host's name leads to no address that a webhook may be sent to."""


class HostUnknown(Exception):
    """A host's name leads nowhere just now."""


def refusal(address: IPAddress, *, allow_private: bool) -> str | None:
    """Why nothing may be sent to an address; None where something may."""
    for it in (address, *_embedded(address)):
        if it in METADATA:
            return "a metadata service's address"
        if it.is_multicast or it.is_unspecified or it == IPv4Address("255.255.255.255"):
            return "an address of no one host"
        if not allow_private and not it.is_global:
            return "a private or link-local address"
    return None


def _embedded(address: IPAddress) -> Iterable[IPv4Address]:
    """The IPv4 addresses that an IPv6 address can lead to."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(isinstance(it, IPv6Network) and address in it for it in TRANSLATED) and int(address) > 1:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


Resolve = Callable[[str, int, float], list[str]]


def resolve(host: str, port: int, timeout_s: float) -> list[str]:
    """The addresses of a host's name, in the system's order.

    Raises:
        HostUnknown: it has none, or the resolver does not answer in time.
    """
    found: list[str] = []
    failures: list[str] = []

    def ask() -> None:
        try:
            found.extend(str(it[4][0]) for it in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            failures.append(error.strerror or type(error).__name__)
        except UnicodeError:
            failures.append("not a host's name")

    # The system's resolver has no timeout of its own.
    thread = threading.Thread(target=ask, name="webhook-resolver", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if failures or not found:
        raise HostUnknown(failures[0] if failures else "no answer in time")
    return list(dict.fromkeys(found))


def checked_addresses(
    host: str, port: int, *, allow_private: bool, timeout_s: float, resolve: Resolve = resolve
) -> tuple[str, ...]:
    """The addresses that a connection may go to: to these very ones, as the name may lead elsewhere a moment later.

    Raises:
        HostUnknown
        AddressRefused: none of the name's addresses is allowed.
    """
    allowed, refused = [], ""
    for text in resolve(host, port, timeout_s):
        why = refusal(ip_address(text.partition("%")[0]), allow_private=allow_private)
        if why is None:
            allowed.append(text)
        else:
            refused = why
    if not allowed:
        raise AddressRefused(refused)
    return tuple(allowed)
