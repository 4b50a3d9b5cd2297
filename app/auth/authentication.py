"""Who may ask: everybody with a key, on every route but the public ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, request

from app.auth.aws_parent import fetch_keys
from app.auth.keys import KeyKeeper, KeyRing
from app.errors import AuthenticationError, KeysUnavailable
from app.server import runtime_dir as runtime_folder
from app.telemetry.access_log import KEY_NAME
from config import Settings

View = TypeVar("View", bound=Callable[..., Any])

# The key of the WSGI environ that holds a request's Access.
ACCESS = "model_catalog.access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What came of a request's keys, found out once."""

    admitted: bool
    key_given: bool


EVERYBODY = Access(admitted=True, key_given=False)
ADMITTED = Access(admitted=True, key_given=True)
WRONG_KEY = Access(admitted=False, key_given=True)
NO_KEY = Access(admitted=False, key_given=False)


def public(view: View) -> View:
    """Mark a view that answers without a key."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def presented_keys(environ: Mapping[str, Any]) -> list[str]:
    """The keys in a request's headers: `x-api-key`, and `Authorization` with the scheme Bearer in any case."""
    keys = []
    if key := environ.get("HTTP_X_API_KEY", "").strip():
        keys.append(key)
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        keys.append(token.strip())
    return keys


def check_access(environ: dict[str, Any], settings: Settings, keys: KeyRing) -> Access:
    """Look a request's keys up, and note the name of the one that opens."""
    if settings.auth_disabled:
        return EVERYBODY
    presented = presented_keys(environ)
    if not presented:
        return NO_KEY
    name = keys.name_of(presented)
    if name is None:
        return WRONG_KEY
    environ[KEY_NAME] = name
    return ADMITTED


def init_app(app: Flask, *, keys_required: bool = True) -> None:
    """
    Args:
        keys_required: False for an app that serves nothing: no source of keys is read, and no key opens it.

    Raises:
        ConfigError: a source of keys on this host cannot be read, or there is none although keys are asked for.
    """
    settings: Settings = app.extensions["settings"]
    keeper = KeyKeeper(settings, fetch_keys, memory=runtime_folder.folder(), required=keys_required)
    app.extensions["key_keeper"] = keeper
    app.extensions["keys"] = keeper.ring

    @app.before_request
    def require_key() -> None:
        view = app.view_functions.get(request.endpoint) if request.endpoint else None
        access: Access = request.environ[ACCESS]
        if access.admitted or getattr(view, "is_public", False):
            return
        keys: KeyRing = app.extensions["keys"]
        if access.key_given and not keys.is_complete:
            raise KeysUnavailable
        raise AuthenticationError(key_given=access.key_given)
