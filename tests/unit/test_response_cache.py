"""The bounded cache of responses."""

import random

from app.web.response_cache import CachedResponse, CacheKey, ResponseCache


def response_of(size: int) -> CachedResponse:
    return CachedResponse.of("/", [], bytes(random.Random(size).randbytes(size)))


def key(path: str, query: str = "", *, scope: str = "default") -> CacheKey:
    return CacheKey(scope, path, query)


def test_questions_seen_once_drive_nothing_out_and_are_not_kept() -> None:
    cache = ResponseCache(max_responses=4)
    for _ in range(2):
        cache.put(key("/hot", ""), response_of(10))
    for number in range(1000):
        cache.put(key("/", str(number)), response_of(10))

    assert cache.find(key("/hot", "")) is not None
    assert not any(cache.find(key("/", str(number))) for number in range(1000))
    assert len(cache._seen) <= 16


def test_the_answer_that_was_longest_not_seen_for_goes_first() -> None:
    cache = ResponseCache(max_responses=4)
    for number in range(100):
        for _ in range(2):
            cache.put(key("/", str(number)), response_of(10))
        cache.find(key("/", "0"))

    assert [number for number in range(100) if cache.find(key("/", str(number)))] == [0, 97, 98, 99]


def test_cached_responses_are_bounded_in_bytes() -> None:
    cache = ResponseCache(max_bytes=1000)
    for number in range(100):
        for _ in range(3):
            cache.put(key("/", str(number)), response_of(100))
    for _ in range(3):
        cache.put(key("/large", ""), response_of(300))

    assert sum(cache.find(key("/", str(number))) is not None for number in range(100)) == 5
    assert cache.find(key("/large", "")) is None


def test_a_very_long_key_is_not_kept() -> None:
    cache = ResponseCache()
    for _ in range(3):
        cache.put(key("/", "x" * 1000), response_of(10))

    assert cache.find(key("/", "x" * 1000)) is None


def test_a_response_of_one_scope_is_not_found_in_another() -> None:
    cache = ResponseCache()
    for _ in range(2):
        cache.put(key("/", scope="all"), response_of(10))

    assert cache.find(key("/", scope="all")) is not None
    assert cache.find(key("/", scope="team")) is None
