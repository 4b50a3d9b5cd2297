"""The formats of the stored catalog: the one that this version writes, and how each that it reads is decoded.

An optional field needs no new format. A change that older readers cannot pass over does: `FORMAT` grows, the decoder of
the old one stays here, and `READABLE_FROM` says which reader is new enough for what is written.
"""

from collections.abc import Callable, Mapping

from app.catalog.codec import FORMAT as FORMAT
from app.catalog.codec import decode_format_1, decode_state
from app.catalog.records import CatalogState

READABLE_FROM = 2

# Each raises Malformed where the bytes are not of its format.
DECODERS: Mapping[int, Callable[[bytes], CatalogState]] = {1: decode_format_1, 2: decode_state}


def readable_as(format: int, readable_from: int) -> int | None:
    """The format to read a stored catalog as; None where this version cannot read it."""
    if format in DECODERS:
        return format
    return FORMAT if format > FORMAT >= readable_from else None
