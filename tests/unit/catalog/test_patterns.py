"""Patterns with `*`, as operators and clients write them."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog import patterns
from app.catalog.patterns import PatternSet, matches, matching


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("eu-west-1", "eu-west-1", True),
        ("eu-west-1", "eu-west-10", False),
        ("eu-west", "eu-west-1", False),
        ("eu-*", "eu-west-1", True),
        ("eu-*", "eusc-de-east-1", False),
        ("*-1", "eu-west-1", True),
        ("eu-*-1", "eu-west-1", True),
        ("eu-*-1", "eu-1", False),
        ("*west*", "eu-west-1", True),
        ("*", "", True),
        ("*", "anything", True),
        ("**", "anything", True),
        ("a*a", "a", False),
        ("a*ab*b", "aabb", True),
        ("", "", True),
        ("", "a", False),
        # Nothing but the star means anything.
        ("eu-west-?", "eu-west-1", False),
        ("[e]u-west-1", "eu-west-1", False),
    ],
)
def test_a_star_stands_for_any_text_and_the_whole_text_must_match(pattern: str, text: str, is_match: bool) -> None:
    assert matches(pattern, text) is is_match


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=8))
def test_a_pattern_matches_what_a_shell_would(pattern: str, text: str) -> None:
    assert matches(pattern, text) is fnmatch.fnmatchcase(text, pattern)


def test_words_are_matched_in_any_case_and_come_back_as_they_are_spelled() -> None:
    assert matching(["EU-*", "us-East-1"], ["eu-west-1", "US-EAST-1", "sa-east-1"]) == {"eu-west-1", "US-EAST-1"}
    assert matching([], ["eu-west-1"]) == frozenset()


def test_a_pattern_of_many_stars_is_no_search_without_end() -> None:
    assert not matches("*a" * 2000, "a" * 1999 + "b")


@given(st.lists(st.text(alphabet="ab*", max_size=5), max_size=5), st.text(alphabet="ab", max_size=5))
def test_many_patterns_match_what_one_of_them_does(patterns: list[str], text: str) -> None:
    assert PatternSet(patterns).matches(text) is any(matches(pattern, text) for pattern in patterns)


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [
        ("anthropic.*-v1:0", True),
        ("*claude*opus*", True),
        ("*v1:0", True),
        ("*v*", True),
        ("*ws*", False),
        ("a*z", False),
    ],
)
def test_any_pattern_is_found_among_a_thousand_others(pattern: str, is_match: bool) -> None:
    others = [
        f"{before}{number}{after}" for number in range(250) for before in ("x", "*x") for after in ("*", "*x", "")
    ]

    assert PatternSet([*others, pattern]).matches("anthropic.claude-opus-v1:0") is is_match


def test_a_thousand_patterns_are_not_tried_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is held against those alone that share a rare piece with it."""
    tried: list[str] = []

    def watched(pattern: str, text: str) -> bool:
        tried.append(pattern)
        return matches(pattern, text)

    monkeypatch.setattr(patterns, "matches", watched)
    many = PatternSet(f"*claude*-{number:04}-*" for number in range(1000))

    assert many.matches("anthropic.claude-opus-0123-v1:0")
    assert not many.matches("anthropic.claude-opus-4-5-v1:0")
    assert len(tried) < 5
