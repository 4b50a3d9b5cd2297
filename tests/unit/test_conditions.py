"""Encodings and conditions in a request's headers."""

import pytest

from app.web.conditions import accepts_gzip


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=0.8, identity;q=0.5", True),
        ("gzip;q=nonsense", False),
        ("gzip," * 100, True),
    ],
)
def test_gzip_is_sent_to_whom_it_suits(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected
