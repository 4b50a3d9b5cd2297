"""API-key authentication for every route that is not marked public."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from app.auth.key_format import BLANKS
from app.auth.key_ring import KeyRing

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthResult:
    """What a request's keys came to.

    `key_name` is what the log calls the key that opened, and `own_name` its name, None for one that has none.
    """

    admitted: bool
    key_given: bool
    key_name: str | None = None
    own_name: str | None = None


# AUTH_DISABLED, and the service's own requests.
ANONYMOUS = AuthResult(admitted=True, key_given=False)
INVALID = AuthResult(admitted=False, key_given=True)
MISSING = AuthResult(admitted=False, key_given=False)


@lru_cache(maxsize=1024)
def _admitted(key_name: str, is_own: bool) -> AuthResult:
    own_name = key_name if is_own else None
    return AuthResult(admitted=True, key_given=True, key_name=key_name, own_name=own_name)


def public(view: View) -> View:
    """Mark a view that answers without a key."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def presented_keys(environ: Mapping[str, Any]) -> list[str]:
    """The keys in a request's headers: `x-api-key`, and `Authorization` with the scheme Bearer in any case.

    Of an `x-api-key` that is sent more than once, the first counts: WSGI servers join the values with commas, and nginx
    hands on the first alone (up to 1.22) or joins them, too. A value with a comma may also be one key. A repeated
    `Authorization` opens nothing; nginx refuses it.
    """
    keys = []
    if key := environ.get("HTTP_X_API_KEY", "").strip(BLANKS):
        keys.append(key)
        if "," in key:
            keys.append(key.partition(",")[0].rstrip(BLANKS))
    if authorization := environ.get("HTTP_AUTHORIZATION"):
        scheme, _, token = authorization.strip(BLANKS).partition(" ")
        if scheme.lower() == "bearer" and (token := token.strip(BLANKS)):
            keys.append(token)
    return keys


def authenticate(environ: Mapping[str, Any], key_ring: KeyRing) -> AuthResult:
    presented = presented_keys(environ)
    if not presented:
        return MISSING
    return _authenticate(presented, key_ring)


def authenticate_in_query(
    presented: Sequence[str], key_ring: KeyRing, *, is_allowed: Callable[[str | None], bool]
) -> AuthResult:
    """What keys in a feed's address came to. A good key that may not stand there is no more than a wrong one.

    Args:
        is_allowed: whether a key of this name of its own, None for one without, may stand in an address.
    """
    auth = _authenticate(presented, key_ring)
    return auth if auth.admitted and is_allowed(auth.own_name) else INVALID


def _authenticate(presented: Sequence[str], key_ring: KeyRing) -> AuthResult:
    name = key_ring.name_of(presented)
    return INVALID if name is None else _admitted(name, name in key_ring.own_names)
