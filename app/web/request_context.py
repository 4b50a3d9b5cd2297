"""The outermost WSGI layer: a request's id, authentication and access record, and the ids on its response."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from app.auth.authentication import ANONYMOUS, AuthResult, authenticate, authenticate_in_query
from app.auth.key_ring import KeyRing
from app.catalog.current import Catalog
from app.catalog.policy import Policy
from app.catalog.scope import Scope
from app.catalog.view import CatalogView
from app.telemetry.access_log import UNMATCHED, AccessLog
from app.telemetry.request_ids import OPENAI_REQUEST_ID_HEADER, REQUEST_ID, REQUEST_ID_HEADER, new_request_id
from app.web.feed_keys import FEED_PATHS, pop_keys
from app.web.proxies import client_address, is_trusted
from config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Named here, since the annotations of an inner function are made anew with it: 1.5 us a request.
Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]

# The only key of ours in the WSGI environ.
CONTEXT = "model_catalog.context"


@dataclass(slots=True)
class RequestContext:
    """What the layers of one request know of it.

    `route` is the URL rule, set when the request is routed; `view` is the catalog view that its response was made of,
    where nothing but that view and the validated arguments made it. `scope_name` is that of a request of the service's
    own; a client's scope is its key's.
    """

    request_id: str
    auth: AuthResult
    route: str = UNMATCHED
    view: CatalogView | None = None
    scope_name: str | None = None

    def scope_in(self, policy: Policy) -> Scope:
        if self.scope_name is not None:
            return policy.scope_named(self.scope_name)
        return policy.by_key_name[self.auth.own_name]


def context_of(environ: Mapping[str, Any]) -> RequestContext:
    context: RequestContext = environ[CONTEXT]
    return context


class RequestContextMiddleware:
    """Wraps the layers inside; what they answer is recorded and sent with the request's id."""

    def __init__(
        self,
        inner: "WSGIApplication",
        *,
        settings: Settings,
        catalog: Catalog,
        key_ring: KeyRing,
        access_log: AccessLog,
    ) -> None:
        self.inner = inner
        self._catalog = catalog
        self._proxies = settings.trusted_proxies
        self._auth_disabled = settings.auth_disabled
        self._key_ring = key_ring
        self._access_log = access_log

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began_s = time.perf_counter()
        given_id = environ.get("HTTP_X_REQUEST_ID")
        request_id = given_id if given_id and self._may_give(environ, given_id) else new_request_id()
        # Before all else, so that no other layer sees it.
        keys_in_query = pop_keys(environ) if environ["PATH_INFO"] in FEED_PATHS else ()
        auth = ANONYMOUS if self._auth_disabled else authenticate(environ, self._key_ring)
        if keys_in_query and not auth.admitted:
            auth = authenticate_in_query(keys_in_query, self._key_ring, is_allowed=self._reads_feeds)
        context = environ[CONTEXT] = RequestContext(request_id, auth)
        status = "500"
        headers: Headers = []

        def start(given_status: str, given_headers: Headers, exc_info: Any = None) -> Write:
            nonlocal status, headers
            status, headers = given_status, given_headers
            headers += (REQUEST_ID_HEADER, request_id), (OPENAI_REQUEST_ID_HEADER, request_id)
            return start_response(status, headers, exc_info)

        try:
            body = self.inner(environ, start)
        except BaseException:
            status, headers, body = "500", [], ()
            raise
        finally:
            # A finished response is a tuple of one part; of any other, its Content-Length is known.
            if type(body) is tuple:
                sent_bytes = len(body[0]) if body else 0
            else:
                sent_bytes = 0 if environ["REQUEST_METHOD"] == "HEAD" else int(dict(headers).get("Content-Length", "0"))
            access_log = self._access_log
            access_log.record_request(
                method=environ.get("REQUEST_METHOD", ""),
                route=context.route,
                status=200 if status == "200 OK" else int(status[:3]),
                duration_s=time.perf_counter() - began_s,
                sent_bytes=sent_bytes,
                request_id=request_id,
                client=client_address(environ, self._proxies) if access_log.is_enabled else "",
                key_name=auth.key_name,
            )
        return body

    def _reads_feeds(self, key_name: str | None) -> bool:
        return self._catalog.published.policy.by_key_name[key_name].feeds

    def _may_give(self, environ: Mapping[str, Any], given_id: str) -> bool:
        """Whether the id is of our form and a trusted proxy's, so that its log and ours agree."""
        return bool(REQUEST_ID.fullmatch(given_id)) and is_trusted(environ.get("REMOTE_ADDR", ""), self._proxies)


def init_app(app: Flask) -> None:
    @app.after_request
    def note_route(response: Response) -> Response:
        context_of(request.environ).route = request.url_rule.rule if request.url_rule else UNMATCHED
        return response
