"""Finished answers: bytes and headers that a request only picks up, and the bounded store of them."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header, parse_date, parse_etags

Header = tuple[str, str]
# A path as WSGI gives it, and the raw query string.
Question = tuple[str, str]

# The full list of 90 KB is 3.7 KB with it, in 0.7 ms. Brotli makes it 3.1 KB in 6 ms: not worth another C extension.
GZIP = "gzip"
GZIP_LEVEL = 6
# Under about one network packet compression saves nothing.
GZIP_BYTES_AT_LEAST = 1400
# So many answers are made anew before they are asked for: a few milliseconds each, when the catalog changes.
AHEAD_AT_MOST = 64
# A header that is longer is nobody's, and is not remembered.
HEADER_CHARS_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """One encoding of an answer; `headers` are those of a 200, `headers_304` those of the same answer's 304."""

    etag: str
    body: tuple[bytes, ...]
    headers: tuple[Header, ...]
    headers_304: tuple[Header, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedAnswer:
    """What a view answered with status 200; `zipped` is None where compressing it brings nothing."""

    route: str
    plain: Representation
    zipped: Representation | None
    size: int


def finished(route: str, headers: Iterable[Header], body: bytes) -> FinishedAnswer:
    """
    Args:
        headers: the view's own that are the same for every request; Content-Length is set anew.
    """
    static = [(name, value) for name, value in headers if name.lower() != "content-length"]
    digest = hashlib.sha256(body).hexdigest()[:32]
    zipped = gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= GZIP_BYTES_AT_LEAST else body
    return FinishedAnswer(
        route=route,
        plain=_representation(f'"{digest}"', static, body),
        zipped=_representation(f'"{digest}-{GZIP}"', [*static, ("Content-Encoding", GZIP)], zipped)
        if len(zipped) < len(body)
        else None,
        size=len(body) + len(zipped),
    )


def _representation(etag: str, headers: list[Header], body: bytes) -> Representation:
    return Representation(
        etag=etag,
        body=(body,),
        headers=(*headers, ("Content-Length", str(len(body))), ("ETag", etag)),
        headers_304=(*(header for header in headers if not header[0].lower().startswith("content-")), ("ETag", etag)),
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client would have gzip at least as much as the plain bytes."""
    if len(accept_encoding) > HEADER_CHARS_REMEMBERED:
        return _accepts_gzip.__wrapped__(accept_encoding)
    return _accepts_gzip(accept_encoding)


@lru_cache(maxsize=256)
def _accepts_gzip(accept_encoding: str) -> bool:
    accepted = parse_accept_header(accept_encoding, Accept)
    return accepted.quality(GZIP) > 0 and accepted.quality(GZIP) >= accepted.quality("identity")


def names_etag(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header names an entity tag; the comparison is the weak one (RFC 9110, 13.1.2)."""
    return if_none_match == etag or parse_etags(if_none_match).contains_weak(etag.strip('"'))


def seconds_of(date: str) -> float | None:
    """An HTTP date as seconds since the epoch, None where it is none."""
    parsed = parse_date(date)
    return None if parsed is None else parsed.timestamp()


class Answers:
    """A bounded store. It keeps what was asked for twice, and lets go of what was longest not asked for.

    So questions that are asked once, of which a client can make up as many as it likes, cost no memory and drive
    nothing out.
    """

    def __init__(
        self,
        *,
        asked: "OrderedDict[int, None] | None" = None,
        expected: Iterable[Question] = (),
        at_most: int = 1024,
        bytes_at_most: int = 32 << 20,
        question_chars_at_most: int = 512,
        lock: "threading.Lock | None" = None,
    ) -> None:
        self._kept: OrderedDict[Question, FinishedAnswer] = OrderedDict()
        self._bytes = 0
        self._asked: OrderedDict[int, None] = OrderedDict() if asked is None else asked
        self._expected = tuple(expected)
        self._at_most = at_most
        self._bytes_at_most = bytes_at_most
        self._question_chars_at_most = question_chars_at_most
        self._lock = lock or threading.Lock()

    def successor(self) -> "Answers":
        """An empty store for another catalog, that keeps at once what this one was asked for."""
        return Answers(
            asked=self._asked,
            expected=list(dict.fromkeys((*self._expected, *self._kept)))[-AHEAD_AT_MOST:],
            at_most=self._at_most,
            bytes_at_most=self._bytes_at_most,
            question_chars_at_most=self._question_chars_at_most,
            lock=self._lock,
        )

    def take_expected(self) -> list[Question]:
        """The questions that are likely to come and have no answer yet; each is told once."""
        expected, self._expected = self._expected, ()
        return [question for question in expected if question not in self._kept]

    def find(self, question: Question) -> FinishedAnswer | None:
        try:
            self._kept.move_to_end(question)
            return self._kept[question]
        except KeyError:
            return None

    def offer(self, question: Question, answer: FinishedAnswer) -> None:
        """Keep an answer, if its question was asked before."""
        if len(question[0]) + len(question[1]) > self._question_chars_at_most or answer.size > self._bytes_at_most // 4:
            return
        with self._lock:
            if hash(question) not in self._asked:
                self._asked[hash(question)] = None
                if len(self._asked) > 4 * self._at_most:
                    self._asked.popitem(last=False)
                return
            self._asked.move_to_end(hash(question))
            before = self._kept.pop(question, None)
            self._kept[question] = answer
            self._bytes += answer.size - (before.size if before else 0)
            while len(self._kept) > self._at_most or self._bytes > self._bytes_at_most:
                self._bytes -= self._kept.popitem(last=False)[1].size
