"""Patterns with `*` for any text, as operators and clients write them: no regular expressions, no surprises in time."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

ANY = "*"

# A piece of a text, as its characters, and all pieces of one length: `zip` makes them in a third of a slice's time.
Piece = tuple[str, ...]
WINDOWS: Mapping[int, Callable[[str], Iterable[Piece]]] = {
    1: lambda text: zip(text, strict=True),
    2: pairwise,
    3: lambda text: zip(text, text[1:], text[2:], strict=False),
}

_SEVERAL = re.compile(r"\*{2,}")


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
    """Many patterns at once, so that thousands of texts can be matched against thousands of patterns.

    Exact texts, beginnings (`a*`) and endings (`*a`), which most are, cost one look-up each. Any other pattern is tried
    where a text holds a short piece of it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        plain = {_SEVERAL.sub(ANY, it) for it in self.patterns}
        self._exact = frozenset(it for it in plain if ANY not in it)
        beginnings = {it for it in plain if it.find(ANY) == len(it) - 1 and it}
        endings = {it for it in plain if it.rfind(ANY) == 0} - beginnings
        self._beginnings = _shortest_beginnings(it[:-1] for it in beginnings)
        self._endings = _shortest_beginnings(it[:0:-1] for it in endings)
        self._by_piece = _by_piece(sorted(plain - self._exact - beginnings - endings))
        self._pieces = frozenset(self._by_piece)
        self._piece_lengths = sorted({len(it) for it in self._pieces})

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatternSet) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    def matches(self, text: str) -> bool:
        return (
            text in self._exact
            or _begins(text, self._beginnings)
            or (bool(self._endings) and _begins(text[::-1], self._endings))
            or (bool(self._by_piece) and self._matches_other(text))
        )

    def _matches_other(self, text: str) -> bool:
        for length in self._piece_lengths:
            for piece in self._pieces.intersection(WINDOWS[length](text)):
                for pattern in self._by_piece[piece]:
                    if matches(pattern, text):
                        return True
        return False


def _shortest_beginnings(beginnings: Iterable[str]) -> list[str]:
    """The beginnings, sorted, without those that begin with another one of them."""
    kept: list[str] = []
    for beginning in sorted(beginnings):
        if not kept or not beginning.startswith(kept[-1]):
            kept.append(beginning)
    return kept


def _begins(text: str, beginnings: list[str]) -> bool:
    """Whether the text begins with one of them: of those that sort before it, only the last one can be."""
    place = bisect_right(beginnings, text)
    return place > 0 and text.startswith(beginnings[place - 1])


def _by_piece(patterns: Sequence[str]) -> dict[Piece, list[str]]:
    """The patterns, each by one piece that a text must hold to match: the one that the fewest of the patterns have."""
    found = {pattern: _pieces_of(pattern) for pattern in patterns}
    counts = Counter(piece for pieces in found.values() for piece in pieces)
    chosen: dict[Piece, list[str]] = {}
    for pattern, pieces in found.items():
        chosen.setdefault(min(pieces, key=lambda piece: (counts[piece], piece)), []).append(pattern)
    return chosen


def _pieces_of(pattern: str) -> set[Piece]:
    literals = pattern.split(ANY)
    length = min(len(WINDOWS), max(map(len, literals)))
    return {piece for literal in literals for piece in WINDOWS[length](literal)}
