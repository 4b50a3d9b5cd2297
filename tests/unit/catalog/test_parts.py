"""The table of parts, and what follows it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from app import pages
from app.catalog.codec import decode_result, decode_state, encode_result, encode_state
from app.catalog.next_snapshot import is_incomplete, never_listed, next_snapshot
from app.catalog.parts import OWN_PARTS, PARTS, STORED_TABLES
from app.catalog.records import BASE_PARTS, PROVISIONED, AccountModel, CatalogState, PartListing
from app.catalog.status import FRESH, MISSING, status_of
from tests.support.builders import NOW, failure, listing, model, profile, snapshot

ARN = "arn:aws:bedrock:us-east-1:112233445566:provisioned-model/abcdefghijkl"


def own() -> PartListing:
    row = AccountModel(id=ARN, name="Team", base_id="a", status="InService", created_at=NOW, profile_ids=("us.a",))
    return PartListing(region="us-east-1", part=PROVISIONED, listed_at=NOW, rows=(row,))


def state(*listings: PartListing) -> CatalogState:
    parts = (*BASE_PARTS, PROVISIONED)
    return CatalogState(
        source="aws", attempted_at=NOW, refreshed_at=NOW, regions=("us-east-1",), parts=parts, listings=listings
    )


def test_every_part_has_a_stored_table() -> None:
    assert {part.row_class for part in PARTS.values()} == set(STORED_TABLES)
    assert set(BASE_PARTS) <= set(PARTS)


def test_a_row_of_the_account_is_read_as_it_was_written() -> None:
    before = state(*listing("us-east-1", model("a"), profile("us.a", "a")), own())

    assert decode_state(encode_state(before)) == before
    assert decode_result(encode_result(own()), {}) == own()


def test_a_stored_catalog_without_the_accounts_models_has_no_table_of_them() -> None:
    assert b"account_models" not in encode_state(state(*listing("us-east-1", model("a"))))


@pytest.mark.parametrize("part", ["application_profiles", *OWN_PARTS])
def test_an_optional_part_that_was_never_listed_leaves_the_catalog_complete(part: str) -> None:
    after = next_snapshot(
        None,
        (*listing("us-east-1", model("a")), failure("us-east-1", part)),
        source="aws",
        regions=("us-east-1",),
        at=NOW,
        max_stale=timedelta(days=1),
        parts=(*BASE_PARTS, part),
    )

    assert (never_listed(after.state), is_incomplete(after.state), after.state.retries) == ((), False, 0)
    assert [it.part for it in after.state.failures] == [part]


def test_an_optional_part_alone_makes_no_catalog_fresh() -> None:
    after = next_snapshot(
        None,
        (*(failure("us-east-1", part) for part in BASE_PARTS), own()),
        source="aws",
        regions=("us-east-1",),
        at=NOW,
        max_stale=timedelta(days=1),
        parts=(*BASE_PARTS, PROVISIONED),
    )

    assert after.state.refreshed_at is None


def test_the_state_of_a_region_is_that_of_its_base_parts() -> None:
    denied = failure("us-east-1", PROVISIONED)
    base = listing("us-east-1", model("a"))
    found = status_of(snapshot(base, failures=(denied,)), at=NOW, refresh_s=900).regions[0]

    assert (found.state, found.failure) == (FRESH, None)
    assert [(it.part, it.state) for it in found.parts if it.failure] == [(PROVISIONED, MISSING)]


def test_the_page_has_a_word_for_every_part() -> None:
    texts = json.loads((Path(pages.__file__).parent / "texts.json").read_text())

    assert set(PARTS) <= set(texts["freshness"]["parts"])
