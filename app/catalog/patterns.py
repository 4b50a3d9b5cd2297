"""Patterns with `*` for any text, as operators and clients write them: no regular expressions, no surprises in time."""

from collections.abc import Iterable

ANY = "*"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches, in time proportional to it. Case counts: fold both where it is not to."""
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
    folded = PatternSet(pattern.casefold() for pattern in patterns)
    return frozenset(word for word in words if folded.matches(word.casefold()))


class PatternSet:
    """Many patterns at once: exact texts and plain beginnings, which most are, cost one look-up each length."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self._exact = frozenset(it for it in self.patterns if ANY not in it)
        self._beginnings = frozenset(it[:-1] for it in self.patterns if it.find(ANY) == len(it) - 1 and it)
        self._lengths = sorted({len(beginning) for beginning in self._beginnings})
        self._others = tuple(it for it in self.patterns if ANY in it and it[:-1] not in self._beginnings)

    def matches(self, text: str) -> bool:
        return (
            text in self._exact
            or any(text[:length] in self._beginnings for length in self._lengths)
            or any(matches(pattern, text) for pattern in self._others)
        )
