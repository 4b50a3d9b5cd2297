"""Parsers: each takes a variable's text and returns its value, or raises ValueError with what the value must be."""

import ipaddress
import re
from collections.abc import Callable

ALL_REGIONS = "all"
EVERY_ORIGIN = "*"
PROJECT = r"proj_[A-Za-z0-9_-]{1,59}"
REGION = r"[a-z]{2,}(-[a-z]+)+-\d+"
# First path segments that are the service's own; a prefix may not hide them.
RESERVED_SEGMENTS = frozenset(
    {"auth", "catalog", "changes", "changes.atom", "docs", "livez", "mcp", "metrics", "openapi.json", "readyz"}
    | {"retirements", "retirements.ics", "search_models"}
)


def text(value: str) -> str:
    return value.strip()


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value.strip()) or not minimum <= int(value) <= maximum:
            raise ValueError(f"an integer from {minimum} to {maximum}")
        return int(value)

    return parse


def boolean(value: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return words[value.strip().lower()]
    except KeyError:
        raise ValueError("true or false") from None


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.strip().lower() not in allowed:
            raise ValueError(f"{', '.join(allowed[:-1])} or {allowed[-1]}")
        return value.strip().lower()

    return parse


def some_of(*allowed: str, required: str) -> Callable[[str], tuple[str, ...]]:
    """Words in any order, which stand in the order of `allowed` in the result."""

    def parse(value: str) -> tuple[str, ...]:
        words = comma_separated(value.lower())
        if not words or not set(words) <= set(allowed):
            raise ValueError(f"one or more of {', '.join(allowed)}, comma-separated")
        if required not in words:
            raise ValueError(f"a list with {required} among its words")
        return tuple(word for word in allowed if word in words)

    return parse


def ordering_of(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """Words whose order counts."""

    def parse(value: str) -> tuple[str, ...]:
        words = [word.strip() for word in value.lower().split(",")]
        if len(set(words)) < len(words) or not set(words) <= set(allowed):
            raise ValueError(f"one or more of {', '.join(allowed)}, comma-separated, each at most once")
        return tuple(words)

    return parse


def comma_separated(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.strip() for item in value.split(",") if item.strip()))


def region(value: str) -> str:
    if not re.fullmatch(REGION, value.strip()):
        raise ValueError("a region name such as us-east-1")
    return value.strip()


def regions(value: str) -> tuple[str, ...]:
    names = comma_separated(value)
    if ALL_REGIONS in names and len(names) > 1:
        raise ValueError("either all, or region names without it")
    if not names or not all(name == ALL_REGIONS or re.fullmatch(REGION, name) for name in names):
        raise ValueError("comma-separated region names such as us-east-1,eu-west-1, or all")
    return names


def projects(value: str) -> tuple[str, ...]:
    """One project for every region, or `region=project` pairs, as they are written. (An ARN holds the account's id.)"""
    names = comma_separated(value)
    pairs = [name.partition("=") for name in names]
    chosen = [region for region, equals, _ in pairs if equals]
    if not names or not all(
        re.fullmatch(PROJECT, project if equals else region) and (not equals or re.fullmatch(REGION, region))
        for region, equals, project in pairs
    ):
        raise ValueError("a project's id such as proj_1a2b, or region=proj_1a2b pairs, comma-separated")
    if len(names) > 1 and len(set(chosen)) < len(names):
        raise ValueError("one project for all regions, or at most one a region")
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
        reserved = ", ".join(f"/{segment}" for segment in sorted(RESERVED_SEGMENTS))
        raise ValueError(f"a path that does not begin with one of the service's own: {reserved}")
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
