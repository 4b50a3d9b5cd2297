"""Who may ask: everybody with a key, on every route but the public ones."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask, current_app, request

from app.errors import AuthenticationError
from config import ConfigError, Settings

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Mark a view that answers without a key."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


class KeyRing:
    """The keys that open the service, as digests."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    def admits(self, presented: Iterable[str]) -> bool:
        """Whether any of the header values is a key.

        Digests of equal length are compared in constant time, with every key, so the time tells nothing.
        """
        found = False
        for value in presented:
            # WSGI hands header bytes over as Latin-1.
            digest = _digest(value.encode("latin-1", "replace"))
            for known in self._digests:
                found |= hmac.compare_digest(digest, known)
        return found


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def read_keys(settings: Settings) -> tuple[str, ...]:
    """
    Raises:
        ConfigError: the file cannot be read, or there is no key although keys are asked for.
    """
    keys = list(settings.api_keys)
    if settings.api_keys_file:
        try:
            lines = Path(settings.api_keys_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"API_KEYS_FILE={settings.api_keys_file!r} cannot be read ({type(error).__name__}); "
                "allowed: a text file of keys, one a line"
            ) from None
        keys += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys and not settings.auth_disabled:
        raise ConfigError(
            "API_KEYS and API_KEYS_FILE name no key; allowed: at least one, or AUTH_DISABLED=true to let everybody in"
        )
    return tuple(keys)


def presented_keys(environ: Mapping[str, Any]) -> list[str]:
    """The keys in a request's headers: `x-api-key`, and `Authorization` with the scheme Bearer in any case."""
    keys = []
    if key := environ.get("HTTP_X_API_KEY", "").strip():
        keys.append(key)
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        keys.append(token.strip())
    return keys


def init_app(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    app.extensions["keys"] = KeyRing(read_keys(settings))

    @app.before_request
    def require_key() -> None:
        view = app.view_functions.get(request.endpoint) if request.endpoint else None
        if settings.auth_disabled or getattr(view, "is_public", False):
            return
        presented = presented_keys(request.environ)
        if not current_app.extensions["keys"].admits(presented):
            raise AuthenticationError(key_given=bool(presented))
