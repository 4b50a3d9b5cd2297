"""The outermost WSGI layer: what every request has in common, and answers that are already made.

A view's answer of status 200 that is made of the path, the query, the settings and the catalog alone (`cacheable`) is
kept as it was given, until the catalog says something else. So whoever asks the same again gets what the view
would answer, and an answer that was kept and one that was not go out the same way.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from wsgiref.util import setup_testing_defaults

from flask import Flask, Response, g, request
from werkzeug.http import http_date
from werkzeug.wsgi import ClosingIterator

from app.auth.authentication import ACCESS, EVERYBODY, check_access
from app.catalog.current import Catalog
from app.catalog.records import CatalogSnapshot
from app.catalog.status import age
from app.telemetry.access_log import UNMATCHED, finish_request
from app.web.proxies import is_trusted
from app.web.request_ids import OPENAI_HEADER, REQUEST_ID, REQUEST_ID_HEADER, new_request_id, request_id_of
from app.web.response_cache import (
    Answers,
    FinishedAnswer,
    Header,
    Question,
    accepts_gzip,
    finished,
    names_etag,
    seconds_of,
)
from config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

View = TypeVar("View", bound=Callable[..., Any])

# Keys of the WSGI environ: the route that answered, and the snapshot that a cacheable answer was made of.
ROUTE = "model_catalog.route"
MADE_OF = "model_catalog.made_of"

# nginx keeps an answer for the rest of the second (X-Accel-Expires), and for one more while it asks again; longer only
# while nobody answers. It reads no Cache-Control behind X-Accel-Expires, so this one comes before it, and the one that
# is for the client after it.
FOR_NGINX = ("Cache-Control", "stale-while-revalidate=1, stale-if-error=3600")


def cacheable(view: View) -> View:
    """Mark a view whose answers depend on the path, the query, the settings and `current_snapshot()` alone."""
    view.is_cacheable = True  # type: ignore[attr-defined]
    return view


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """All answers made of one catalog, and the headers that one refresh of it gives them."""

    snapshot: CatalogSnapshot
    answers: Answers
    fresh_at: datetime
    changed_ts: float
    headers: tuple[Header, ...]
    cache_control: Header

    def is_of(self, other: CatalogSnapshot) -> bool:
        """Whether views answer the same of the other snapshot: its models are equal, and all else that they read."""
        mine = self.snapshot
        return (
            mine.models is other.models
            and mine.departed_at == other.departed_at
            and mine.state.regions == other.state.regions
        )


class Front:
    """Wraps Flask's own WSGI application, `inside`; `extensions` are the Flask application's."""

    def __init__(self, inside: "WSGIApplication", extensions: Mapping[str, Any]) -> None:
        self.inside = inside
        self._extensions = extensions
        self._settings: Settings = extensions["settings"]
        self._catalog: Catalog = extensions["catalog"]
        self._edition: Edition | None = None
        # The same catalog may have looked otherwise before: another version or other settings made its pages.
        self._started_at: datetime = extensions["clock"]()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began = time.perf_counter()
        environ[REQUEST_ID] = request_id_of(environ, self._settings.trusted_proxies)
        access = environ[ACCESS] = check_access(environ, self._settings, self._extensions["keys"])
        if access.admitted and _may_be_kept(environ):
            snapshot = self._catalog.latest
            if snapshot is not None:
                edition = self._edition_of(snapshot)
                answer = edition.answers.find(_question(environ))
                if answer is not None:
                    return self._send(environ, start_response, edition, answer, began)
        return self._ask(environ, start_response, began)

    def _ask(self, environ: "WSGIEnvironment", start_response: "StartResponse", began: float) -> Iterable[bytes]:
        """Let the view answer."""
        # A cacheable answer to HEAD is made of its whole body, too.
        asked = environ | {"REQUEST_METHOD": "GET"} if environ["REQUEST_METHOD"] == "HEAD" else environ
        asked[ROUTE] = UNMATCHED
        try:
            status, headers, exc_info, body = self._ask_inside(asked)
        except BaseException:
            _finish(environ, asked[ROUTE], 500, began, 0)
            raise
        if MADE_OF not in asked:
            length = dict(headers).get("Content-Length", "0") if asked is environ else "0"
            _finish(environ, asked[ROUTE], int(status[:3]), began, int(length))
            start_response(status, [*headers, *_ids(environ)], exc_info)
            return body if asked is environ else ClosingIterator((), [body.close])  # type: ignore[attr-defined]
        edition, answer = self._finished(asked, headers, body)
        return self._send(environ, start_response, edition, answer, began)

    def _ask_inside(self, environ: "WSGIEnvironment") -> tuple[str, list[Header], Any, Iterable[bytes]]:
        said: list[Any] = []

        def take(status: str, headers: list[Header], exc_info: Any = None) -> Callable[[bytes], object]:
            said[:] = status, headers, exc_info
            return lambda data: None

        body = self.inside(environ, take)
        status, headers, exc_info = said
        return status, headers, exc_info, body

    def _finished(
        self, asked: "WSGIEnvironment", headers: list[Header], body: Iterable[bytes]
    ) -> tuple[Edition, FinishedAnswer]:
        """Finish a cacheable view's answer, and offer it to be kept."""
        with closing(body):  # type: ignore[type-var]
            answer = finished(asked[ROUTE], headers, b"".join(body))
        edition = self._edition_of(asked[MADE_OF])
        if _may_be_kept(asked):
            edition.answers.offer(_question(asked), answer)
        return edition, answer

    def make_ahead(self) -> None:
        """After a change of the catalog, make the answers anew that were asked for most lately.

        So their next askers only pick them up. To be called in the background, as often as one likes.
        """
        snapshot = self._catalog.latest
        if snapshot is None or self._edition is None:
            return
        for path, query in self._edition_of(snapshot).answers.take_expected():
            asked = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, ACCESS: EVERYBODY}
            setup_testing_defaults(asked)  # All else that WSGI has a request say.
            asked[REQUEST_ID] = new_request_id()
            _, headers, _, body = self._ask_inside(asked)
            if MADE_OF in asked:
                self._finished(asked, headers, body)
            else:
                body.close()  # type: ignore[attr-defined]

    def _send(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        edition: Edition,
        answer: FinishedAnswer,
        began: float,
    ) -> Iterable[bytes]:
        it = answer.plain
        if answer.zipped is not None and accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
            it = answer.zipped
        now: datetime = self._extensions["clock"]()
        varying = [("Age", str(age(edition.fresh_at, now))), *_ids(environ)]
        if is_trusted(environ.get("REMOTE_ADDR", ""), self._settings.trusted_proxies):
            varying += (FOR_NGINX, ("X-Accel-Expires", f"@{int(now.timestamp())}"))
        varying.append(edition.cache_control)
        if _has_not_changed(environ, it.etag, edition.changed_ts):
            _finish(environ, answer.route, 304, began, 0)
            start_response("304 NOT MODIFIED", [*it.headers_304, *edition.headers, *varying])
            return ()
        body = () if environ["REQUEST_METHOD"] == "HEAD" else it.body
        _finish(environ, answer.route, 200, began, len(it.body[0]) if body else 0)
        start_response("200 OK", [*it.headers, *edition.headers, *varying])
        return body

    def _edition_of(self, snapshot: CatalogSnapshot) -> Edition:
        current = self._edition
        if current is not None and current.snapshot is snapshot:
            return current
        is_latest = snapshot is self._catalog.latest
        if current is not None and current.is_of(snapshot):
            answers = current.answers
        elif current is not None:
            answers = current.answers.successor()
        else:
            answers = Answers()
        edition = self._new_edition(snapshot, answers)
        if is_latest:  # What a change overtook is sent, and takes no place.
            self._edition = edition
        return edition

    def _new_edition(self, snapshot: CatalogSnapshot, answers: Answers) -> Edition:
        state = snapshot.state
        fresh_at = state.refreshed_at or state.attempted_at
        changed_at = max(snapshot.changed_at, self._started_at).replace(microsecond=0)
        # Caches take Age off max-age: what is left is the time to the next refresh.
        fresh_s = max(0, int((state.attempted_at - fresh_at).total_seconds())) + self._settings.refresh_s
        headers = (
            ("Last-Modified", http_date(changed_at)),
            # A browser that has an answer to one key must ask again with another one.
            ("Vary", "Accept-Encoding, Authorization, X-Api-Key"),
        )
        return Edition(
            snapshot=snapshot,
            answers=answers,
            fresh_at=fresh_at,
            changed_ts=changed_at.timestamp(),
            headers=headers,
            cache_control=("Cache-Control", f"private, max-age={fresh_s}"),
        )


def _ids(environ: "WSGIEnvironment") -> tuple[Header, Header]:
    request_id = environ[REQUEST_ID]
    return (REQUEST_ID_HEADER, request_id), (OPENAI_HEADER, request_id)


def _finish(environ: "WSGIEnvironment", route: str, status: int, began: float, sent_bytes: int) -> None:
    finish_request(
        environ,
        route=route,
        status=status,
        took_s=time.perf_counter() - began,
        sent_bytes=sent_bytes,
        request_id=environ[REQUEST_ID],
    )


def _question(environ: "WSGIEnvironment") -> Question:
    return environ["PATH_INFO"], environ.get("QUERY_STRING", "")


def _may_be_kept(environ: "WSGIEnvironment") -> bool:
    """Whether nothing but path and query decides the answer.

    A body may be too large, an Upgrade finds other routes, and what a browser's page is told depends on its origin.
    """
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and environ.get("CONTENT_LENGTH", "") in ("", "0")
        and "HTTP_TRANSFER_ENCODING" not in environ
        and "HTTP_UPGRADE" not in environ
        and "HTTP_ORIGIN" not in environ
    )


def _has_not_changed(environ: "WSGIEnvironment", etag: str, changed_ts: float) -> bool:
    """Whether the client has the answer already (RFC 9110, 13.2.2: the date counts where no entity tag is given)."""
    if_none_match = environ.get("HTTP_IF_NONE_MATCH")
    if if_none_match is not None:
        return names_etag(if_none_match, etag)
    if_modified_since = environ.get("HTTP_IF_MODIFIED_SINCE")
    if if_modified_since is None:
        return False
    since = seconds_of(if_modified_since)
    return since is not None and changed_ts <= since


def init_app(app: Flask) -> Front:
    @app.after_request
    def note(response: Response) -> Response:
        """What the layer outside must know of the request that it cannot see."""
        environ = request.environ
        environ[ROUTE] = request.url_rule.rule if request.url_rule else UNMATCHED
        view = app.view_functions.get(request.endpoint) if request.endpoint else None
        if response.status_code == 200 and getattr(view, "is_cacheable", False):
            environ[MADE_OF] = g.snapshot
        return response

    app.wsgi_app = front = Front(app.wsgi_app, app.extensions)  # type: ignore[method-assign]
    return front
