"""Patterns with `*` for any text, as operators and clients write them. Matched in linear time, in any case."""

from collections.abc import Iterable

ANY = "*"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches. Both are to be case-folded by the caller where case does not count."""
    first, *rest = pattern.split(ANY)
    if not rest:
        return pattern == text
    if not text.startswith(first):
        return False
    *middle, last = rest
    place = len(first)
    for piece in middle:
        place = text.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return len(text) - place >= len(last) and text.endswith(last)


def matching(patterns: Iterable[str], words: Iterable[str]) -> frozenset[str]:
    """The words that one of the patterns matches, in any case."""
    folded = [pattern.casefold() for pattern in patterns]
    return frozenset(word for word in words if any(matches(pattern, word.casefold()) for pattern in folded))
