"""The child's output, read piece by piece."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.catalog.codec import encode_result
from app.catalog.records import MODELS, PROFILES, FoundationModel, PartFailure, PartListing, PartResult
from app.discovery.parent import OutputParser
from tests.support.builders import NOW

REGIONS = ("us-east-1", "eu-west-1")
RESULTS: list[PartResult] = [
    PartListing(region="eu-west-1", part=MODELS, listed_at=NOW, rows=(FoundationModel(id="é"),)),
    PartFailure(region="us-east-1", part=PROFILES, failed_at=NOW, code="AccessDeniedException", action="bedrock:X"),
    PartListing(region="us-east-1", part=MODELS, listed_at=NOW, rows=(FoundationModel(id="é"),)),
]
OUTPUT = b'{"regions": ["us-east-1", "eu-west-1"]}\n' + b"".join(map(encode_result, RESULTS))


@given(cuts=st.sets(st.integers(0, len(OUTPUT))))
def test_the_results_are_the_same_however_the_output_is_cut(cuts: set[int]) -> None:
    came: list[PartResult] = []
    output = OutputParser((MODELS, PROFILES), came.append)
    places = [0, *sorted(cuts), len(OUTPUT)]
    for begin, end in pairwise(places):
        output.feed(OUTPUT[begin:end])
    output.end()

    assert came == list(output.results.values()) == RESULTS
    assert output.regions == REGIONS


def test_equal_rows_of_several_regions_are_one_object() -> None:
    came: list[PartResult] = []
    OutputParser((MODELS, PROFILES), came.append).feed(OUTPUT)
    first, _, last = came

    assert isinstance(first, PartListing) and isinstance(last, PartListing)
    assert first.rows[0] is last.rows[0]
