"""Refuses requests without a good key on every route that is not marked public."""

from flask import Flask, request

from app.auth.key_ring import KeyRing
from app.errors import AuthenticationError, KeysUnavailable
from app.web.request_context import context_of


def init_app(app: Flask, key_ring: KeyRing) -> None:
    @app.before_request
    def require_key() -> None:
        view = app.view_functions.get(request.endpoint) if request.endpoint else None
        auth = context_of(request.environ).auth
        if auth.admitted or getattr(view, "is_public", False):
            return
        if auth.key_given and not key_ring.is_complete:
            raise KeysUnavailable
        raise AuthenticationError(key_given=auth.key_given)
