"""Cached responses: bytes and headers that a request picks up, and the bounded cache of them."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from werkzeug.http import http_date

from app.catalog.next_snapshot import next_attempt_at
from app.catalog.policy import Policy
from app.catalog.snapshot import CatalogSnapshot
from app.web.conditions import GZIP

Header = tuple[str, str]

# The full list of 90 KB is 3.7 KB with it, in 0.7 ms. Brotli makes it 3.1 KB in 6 ms: not worth another C extension.
GZIP_LEVEL = 6
# Under about one network packet compression saves nothing.
MIN_GZIP_BYTES = 1400
# So many responses are made anew when the catalog changes, before their next request: a few milliseconds each.
MAX_HOT_KEYS = 64


class CacheKey(NamedTuple):
    """All that a cached response depends on beside the snapshot: a path as WSGI gives it, and the raw query string."""

    scope: str
    path: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """One encoding of a response; `headers` are those of a 200, `headers_304` those of the same response's 304."""

    etag: str
    body: tuple[bytes]
    headers: tuple[Header, ...]
    headers_304: tuple[Header, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResponse:
    """A response of status 200; `zipped` is None where compressing it brings nothing."""

    route: str
    plain: Representation
    zipped: Representation | None
    size: int

    @staticmethod
    def of(route: str, headers: Iterable[Header], body: bytes) -> "CachedResponse":
        """
        Args:
            headers: those that are the same for every request; Content-Length is set anew.
        """
        static = [(name, value) for name, value in headers if name.lower() != "content-length"]
        digest = hashlib.sha256(body).hexdigest()[:32]
        zipped = gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= MIN_GZIP_BYTES else body
        return CachedResponse(
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


class ResponseCache:
    """Bounded LRU cache; a response is admitted on the second request for it.

    So requests that come once, of which a client can make up as many as it likes, cost no memory and evict nothing.
    """

    def __init__(
        self,
        *,
        seen: "OrderedDict[int, None] | None" = None,
        hot_keys: Iterable[CacheKey] = (),
        max_responses: int = 1024,
        max_bytes: int = 24 << 20,
        max_key_chars: int = 512,
        lock: "threading.Lock | None" = None,
    ) -> None:
        self._kept: OrderedDict[CacheKey, CachedResponse] = OrderedDict()
        self._bytes = 0
        # The hashes of the keys that were requested.
        self._seen: OrderedDict[int, None] = OrderedDict() if seen is None else seen
        self._hot_keys = tuple(hot_keys)
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._max_key_chars = max_key_chars
        self._lock = lock or threading.Lock()

    def emptied(self) -> "ResponseCache":
        """An empty cache for another catalog, which admits at once what this one was asked."""
        return ResponseCache(
            seen=self._seen,
            hot_keys=list(dict.fromkeys((*self._hot_keys, *self._kept)))[-MAX_HOT_KEYS:],
            max_responses=self._max_responses,
            max_bytes=self._max_bytes,
            max_key_chars=self._max_key_chars,
            lock=self._lock,
        )

    def pop_hot_keys(self) -> list[CacheKey]:
        """The keys that are likely to be requested and have no response yet; each is returned once."""
        hot_keys, self._hot_keys = self._hot_keys, ()
        return [key for key in hot_keys if key not in self._kept]

    def find(self, key: CacheKey | tuple[str, str, str]) -> CachedResponse | None:
        """
        Args:
            key: a plain tuple is equal to a CacheKey, and made in a quarter of the time.
        """
        try:
            self._kept.move_to_end(key)  # type: ignore[arg-type]
            return self._kept[key]  # type: ignore[index]
        except KeyError:
            return None

    def put(self, key: CacheKey, response: CachedResponse) -> None:
        """Keep a response, if its key was requested before."""
        if len(key.path) + len(key.query) > self._max_key_chars or response.size > self._max_bytes // 4:
            return
        with self._lock:
            if hash(key) not in self._seen:
                self._seen[hash(key)] = None
                if len(self._seen) > 4 * self._max_responses:
                    self._seen.popitem(last=False)
                return
            self._seen.move_to_end(hash(key))
            before = self._kept.pop(key, None)
            self._kept[key] = response
            self._bytes += response.size - (before.size if before else 0)
            while len(self._kept) > self._max_responses or self._bytes > self._max_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].size


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheGeneration:
    """The responses made of one catalog and policy, and the headers that one refresh of it gives them."""

    snapshot: CatalogSnapshot
    policy: Policy
    cache: ResponseCache
    fresh_ts: float
    changed_ts: float
    headers: tuple[Header, ...]
    cache_control: Header

    @staticmethod
    def of(
        snapshot: CatalogSnapshot, policy: Policy, cache: ResponseCache, *, started_at: datetime, refresh_s: int
    ) -> "CacheGeneration":
        """
        Args:
            started_at: the service's start; an earlier version or other settings may have shown the catalog otherwise.
        """
        state = snapshot.state
        fresh_at = state.refreshed_at or state.attempted_at
        changes = [snapshot.changed_at, policy.changed_at or started_at, started_at]
        changes += [it.at for it in state.events[-1:]]
        changes += [] if snapshot.days_from is None else [snapshot.days_from]
        changed_at = max(changes).replace(microsecond=0)
        # Caches take Age off max-age: what is left is the time to the next attempt.
        last_at = state.retried_at or state.attempted_at
        next_at = next_attempt_at(state, interval=timedelta(seconds=refresh_s))
        fresh_s = sum(max(0, int(span.total_seconds())) for span in (last_at - fresh_at, next_at - last_at))
        return CacheGeneration(
            snapshot=snapshot,
            policy=policy,
            cache=cache,
            fresh_ts=fresh_at.timestamp(),
            changed_ts=changed_at.timestamp(),
            headers=(
                ("Last-Modified", http_date(changed_at)),
                # A browser that has a response to one key must send a new request with another one.
                ("Vary", "Accept-Encoding, Authorization, X-Api-Key"),
            ),
            cache_control=("Cache-Control", f"private, max-age={fresh_s}"),
        )

    def next_generation(
        self, snapshot: CatalogSnapshot, policy: Policy, *, started_at: datetime, refresh_s: int
    ) -> "CacheGeneration":
        """That of a later snapshot or policy, with the same responses where it says the same."""
        is_same = policy is self.policy and self.serves_same_content(snapshot)
        cache = self.cache if is_same else self.cache.emptied()
        return CacheGeneration.of(snapshot, policy, cache, started_at=started_at, refresh_s=refresh_s)

    def serves_same_content(self, other: CatalogSnapshot) -> bool:
        """Whether queries answer the same of the other snapshot: all that they read of it is equal."""
        mine = self.snapshot
        return (
            mine.models is other.models  # All other entries are used again together with these.
            and mine.profile_names is other.profile_names
            and mine.removed == other.removed
            and mine.state.regions == other.state.regions
            and mine.days_from == other.days_from
            and _which_events(mine) == _which_events(other)
        )


def _which_events(snapshot: CatalogSnapshot) -> tuple[str, ...]:
    """What distinguishes the events of two snapshots: an event never changes, and they leave in the order they came."""
    events = snapshot.state.events
    return (snapshot.state.forgotten_event_id, *(it.id for it in (*events[:1], *events[-1:])))
