"""The WSGI layer that answers from the cache of responses, or calls the application and keeps what may be kept.

A response may be kept that a `CatalogQuery` made: of a view of the catalog and of the arguments in the path and the
query string. Kept or not, it goes out the same way.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

from werkzeug.wsgi import ClosingIterator

from app.auth.authentication import ANONYMOUS
from app.catalog.current import Catalog, Published
from app.catalog.view import CatalogView
from app.telemetry.request_ids import new_request_id
from app.web.conditions import accepts_gzip, has_not_changed
from app.web.proxies import is_trusted
from app.web.request_context import CONTEXT, Headers, RequestContext, Write
from app.web.response_cache import CachedResponse, CacheGeneration, CacheKey, ResponseCache
from config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# nginx keeps a response for the rest of the second (X-Accel-Expires), and longer only while the application cannot be
# reached. It reads no Cache-Control behind X-Accel-Expires, so this one comes before it, and the one that is for the
# client after it.
FOR_NGINX = ("Cache-Control", "stale-if-error=3600")


class ResponseCacheMiddleware:
    """Wraps Flask's own WSGI application."""

    def __init__(
        self,
        inner: "WSGIApplication",
        *,
        settings: Settings,
        catalog: Catalog,
        clock: Callable[[], datetime],
    ) -> None:
        self.inner = inner
        self._settings = settings
        self._proxies = settings.trusted_proxies
        self._catalog = catalog
        self._clock = clock
        self._started_at = clock()
        self._generation: CacheGeneration | None = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        context: RequestContext = environ[CONTEXT]
        if context.auth.admitted and _is_cacheable(environ):
            published = self._catalog.published
            if published.snapshot is not None:
                generation = self._generation
                policy = published.policy
                if (
                    generation is None
                    or generation.snapshot is not published.snapshot
                    or generation.policy is not policy
                ):
                    generation = self._generation_of(published)
                # A key has one scope, and keys of the same scope the same responses.
                scope = policy.by_key_name[context.auth.own_name]
                cached = generation.cache.find((scope.name, environ["PATH_INFO"], environ.get("QUERY_STRING", "")))
                if cached is not None:
                    context.route = cached.route
                    return self._send(environ, start_response, generation, cached)
        return self._call_inner(environ, context, start_response)

    def _call_inner(
        self, environ: "WSGIEnvironment", context: RequestContext, start_response: "StartResponse"
    ) -> Iterable[bytes]:
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        # The entity tag in the response to a HEAD is made of the whole body, too.
        status, headers, exc_info, body = self._response_of(environ | {"REQUEST_METHOD": "GET"} if is_head else environ)
        if context.view is None or status[:3] != "200":
            start_response(status, headers, exc_info)
            return ClosingIterator((), [body.close]) if is_head else body  # type: ignore[attr-defined]
        generation, response = self._keep(environ, context, context.view, headers, body)
        return self._send(environ, start_response, generation, response)

    def _response_of(self, environ: "WSGIEnvironment") -> tuple[str, Headers, Any, Iterable[bytes]]:
        started: list[Any] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> Write:
            started[:] = status, headers, exc_info
            return lambda data: None

        body = self.inner(environ, start)
        status, headers, exc_info = started
        return status, headers, exc_info, body

    def _keep(
        self,
        environ: "WSGIEnvironment",
        context: RequestContext,
        view: CatalogView,
        headers: Headers,
        body: Iterable[bytes],
    ) -> tuple[CacheGeneration, CachedResponse]:
        """Finish a response and offer it to the cache, unless the view that it was made of is overtaken."""
        with closing(body):  # type: ignore[type-var]
            response = CachedResponse.of(context.route, headers, b"".join(body))
        published = self._catalog.published
        if not published.holds(view):
            return self._generation_of(Published(view.snapshot, published.policy)), response
        generation = self._generation_of(published)
        if _is_cacheable(environ):
            key = CacheKey(view.scope.name, environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
            generation.cache.put(key, response)
        return generation, response

    def warm(self) -> None:
        """After a change of the catalog, make the responses anew that were requested most lately.

        A job in the background calls it, as often as it likes.
        """
        published = self._catalog.published
        if published.snapshot is None or self._generation is None:
            return
        # Scope by scope, as few views are kept.
        for key in sorted(self._generation_of(published).cache.pop_hot_keys(), key=attrgetter("scope")):
            environ: WSGIEnvironment = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": key.path,
                "QUERY_STRING": key.query,
            }
            setup_testing_defaults(environ)  # All else that WSGI requires.
            context = environ[CONTEXT] = RequestContext(new_request_id(), ANONYMOUS, scope_name=key.scope)
            status, headers, _, body = self._response_of(environ)
            if context.view is not None and status[:3] == "200":
                self._keep(environ, context, context.view, headers, body)
            else:
                body.close()  # type: ignore[attr-defined]

    def _send(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        generation: CacheGeneration,
        response: CachedResponse,
    ) -> tuple[bytes, ...]:
        representation = response.plain
        if response.zipped is not None and accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
            representation = response.zipped
        now_ts = self._clock().timestamp()
        # The microsecond outweighs what floats round off; two datetimes subtracted take four times as long.
        age_s = max(0, int(now_ts - generation.fresh_ts + 1e-6))
        is_unchanged = has_not_changed(environ, representation.etag, generation.changed_ts)
        headers = [
            *(representation.headers_304 if is_unchanged else representation.headers),
            *generation.headers,
            ("Age", str(age_s)),
        ]
        if is_trusted(environ.get("REMOTE_ADDR", ""), self._proxies):
            headers += FOR_NGINX, ("X-Accel-Expires", f"@{int(now_ts)}")
        headers.append(generation.cache_control)
        start_response("304 NOT MODIFIED" if is_unchanged else "200 OK", headers)
        return () if is_unchanged or environ["REQUEST_METHOD"] == "HEAD" else representation.body

    def _generation_of(self, published: Published) -> CacheGeneration:
        current = self._generation
        snapshot, policy = published.snapshot, published.policy
        assert snapshot is not None
        if current is not None and current.snapshot is snapshot and current.policy is policy:
            return current
        is_latest = published is self._catalog.published
        started_at, refresh_s = self._started_at, self._settings.refresh_s
        if current is None:
            generation = CacheGeneration.of(
                snapshot, policy, ResponseCache(), started_at=started_at, refresh_s=refresh_s
            )
        else:
            generation = current.next_generation(snapshot, policy, started_at=started_at, refresh_s=refresh_s)
        if is_latest:  # The response of an overtaken view is sent, and takes no place.
            self._generation = generation
        return generation


def _is_cacheable(environ: Mapping[str, Any]) -> bool:
    """Whether nothing but path and query decides the response.

    A body may be too large, an Upgrade finds other routes, and the headers for a browser's page depend on its origin.
    """
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and environ.get("CONTENT_LENGTH", "") in ("", "0")
        and "HTTP_TRANSFER_ENCODING" not in environ
        and "HTTP_UPGRADE" not in environ
        and "HTTP_ORIGIN" not in environ
    )
