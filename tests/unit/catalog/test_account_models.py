"""What the account made, as entries: what is read of them, who sees them, and that they change nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.entry_schemas import InvocationsSchema, description_of
from app.api.mcp.brief import BriefEntrySchema
from app.catalog.aliases import Alias
from app.catalog.entries import CatalogEntry
from app.catalog.next_snapshot import next_snapshot
from app.catalog.parts import OWN_PARTS
from app.catalog.records import (
    BASE_PARTS,
    DEPLOYMENTS,
    IMPORTED,
    MARKETPLACE,
    PROVISIONED,
    ROUTERS,
    AccountModel,
    PartListing,
    PartResult,
)
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.view import CatalogView, ListFilter
from app.discovery.rows import ID_KEYS, read_rows
from tests.support.bedrock_standin import ACCOUNT, account_row
from tests.support.builders import NOW, failure, listing, model, profile, snapshot, view

EAST, WEST = "us-east-1", "us-west-2"
BASE = "maker.common-0-v1:0"
MADE = datetime(2026, 3, 1, tzinfo=UTC)
ALL = ListFilter(view="all")


def part_listing(part: str, *rows: Any, region: str = EAST) -> PartListing:
    return PartListing(region=region, part=part, listed_at=NOW, rows=read_rows(rows, part).rows)


def world(*own: PartListing) -> CatalogSnapshot:
    return snapshot((*listing(EAST, model(BASE), profile("us.x", {BASE: [EAST, WEST]})), *own), listing(WEST))


def only(part: str, **changes: Any) -> CatalogEntry:
    (entry,) = world(part_listing(part, account_row(part, "team", **changes))).account_models
    return entry


def keys_of(entry: CatalogEntry) -> Any:
    return InvocationsSchema().dump(entry)


@pytest.mark.parametrize("part", [PROVISIONED, DEPLOYMENTS, ROUTERS])
def test_one_that_is_made_of_a_model_has_its_modalities_and_names_it(part: str) -> None:
    entry = only(part)

    assert (entry.name, entry.base_model_id, entry.is_text, entry.regions) == ("team", BASE, True, (EAST,))
    assert entry.id.startswith("arn:aws:bedrock:us-east-1:") and entry.invoke == {EAST: entry.id}


def test_an_imported_model_that_converses_is_a_chat_model_without_a_base() -> None:
    assert (only(IMPORTED).base_model_id, only(IMPORTED).is_text) == (None, True)
    assert not only(IMPORTED, instructSupported=False).is_text


def test_an_endpoint_of_the_marketplace_is_named_by_its_arn_and_has_no_base() -> None:
    entry = only(MARKETPLACE)

    assert (entry.id, entry.name) == (f"arn:aws:sagemaker:{EAST}:{ACCOUNT}:endpoint/team", "team")
    assert (entry.base_model_id, entry.input_modalities, entry.invoke) == (None, (), {EAST: entry.id})


def test_an_entry_of_the_account_has_its_own_keys_and_no_others() -> None:
    found = keys_of(only(PROVISIONED))

    assert (found["kind"], found["base_model_id"], found["status"]) == ("provisioned_model", BASE, "InService")
    assert (found["updated_at"], found["commitment_ends_at"]) == ("2026-03-02T00:00:00Z", "2027-03-01T00:00:00Z")
    assert only(PROVISIONED).created_at == MADE
    assert not {"inference_profiles", "model_id", "geography", "alias_of"} & set(found)
    assert not {"base_model_id", "status", "updated_at"} & set(keys_of(world().models[0]))


@pytest.mark.parametrize(
    ("part", "status", "is_offered"),
    [
        (PROVISIONED, "InService", True),
        (PROVISIONED, "Updating", True),
        (PROVISIONED, "Creating", False),
        (PROVISIONED, "Failed", False),
        (PROVISIONED, "Hibernating", False),
        (PROVISIONED, None, False),
        (DEPLOYMENTS, "Active", True),
        (DEPLOYMENTS, "Creating", False),
        (MARKETPLACE, "REGISTERED", True),
        (MARKETPLACE, "INCOMPATIBLE_ENDPOINT", False),
        (ROUTERS, "AVAILABLE", True),
        (ROUTERS, "PAUSED", False),
    ],
)
def test_its_status_is_shown_and_decides_whether_it_is_offered(part: str, status: str | None, is_offered: bool) -> None:
    entry = only(part, status=status)
    shown = CatalogView(world(part_listing(part, account_row(part, "team", status=status))), Scope()).entry_list(ALL)

    assert keys_of(entry)["status"] == status
    assert bool(entry.invoke) is is_offered and entry.regions == (EAST,)
    assert entry.id in shown.by_id


def test_it_stands_in_lists_of_all_alone() -> None:
    own = part_listing(PROVISIONED, account_row(PROVISIONED, "team"))
    lists = {name: view(world(own)).entry_list(ListFilter(view=name)).by_id for name in ("models", "profiles", "all")}

    assert [name for name, found in lists.items() if own.rows[0].id in found] == ["all"]


@pytest.mark.parametrize(
    ("patterns", "is_seen"),
    [
        (("arn:*:provisioned-model/*",), True),
        (("*",), False),
        (("maker.*",), False),
        (("arn:*:imported-model/*",), False),
    ],
)
def test_a_pattern_of_arns_in_a_scope_shows_it_in_every_list(patterns: tuple[str, ...], is_seen: bool) -> None:
    own = part_listing(PROVISIONED, account_row(PROVISIONED, "team"))
    seen = view(world(own), models=EntryPatterns(patterns))

    for name in ("models", "profiles", "all"):
        assert (own.rows[0].id in seen.entry_list(ListFilter(view=name)).by_id) is is_seen
    assert (seen.find(own.rows[0].id) is not None) is is_seen


def test_a_scope_that_excludes_the_base_model_excludes_what_is_made_of_it() -> None:
    own = part_listing(PROVISIONED, account_row(PROVISIONED, "team"))

    assert view(world(own), excluded=EntryPatterns((BASE,))).find(own.rows[0].id) is None


@pytest.mark.parametrize(("regions", "is_left"), [((EAST,), True), ((WEST,), False)])
def test_filters_of_regions_and_destinations_are_of_its_region(regions: tuple[str, ...], is_left: bool) -> None:
    own = part_listing(MARKETPLACE, account_row(MARKETPLACE, "team", status="odd"))

    for wanted in (ListFilter(view="all", regions=regions), ListFilter(view="all", within=regions)):
        assert (own.rows[0].id in view(world(own)).entry_list(wanted).by_id) is is_left


def test_a_router_that_falls_back_to_a_profile_is_processed_where_that_leads() -> None:
    arn = f"arn:aws:bedrock:{EAST}:{ACCOUNT}:inference-profile/us.x"
    entry = only(ROUTERS, models=[{"modelArn": arn}], fallbackModel={"modelArn": arn})
    of_account = f"arn:aws:bedrock:{EAST}:{ACCOUNT}:application-inference-profile/x"
    unknown = [
        only(ROUTERS, models=[{"modelArn": f"{arn}y"}]),
        only(ROUTERS, models=[{"modelArn": of_account}]),
        only(ROUTERS, fallbackModel={"modelArn": of_account}),
    ]

    assert (entry.base_model_id, entry.invocations[0].destinations) == (BASE, (EAST, WEST))
    assert only(ROUTERS, models=[], fallbackModel={"modelArn": arn}).invocations[0].destinations == (EAST, WEST)
    assert [it.invocations[0].destinations for it in unknown] == [(), (), ()]


def test_an_alias_can_name_one_and_has_its_keys() -> None:
    own = part_listing(PROVISIONED, account_row(PROVISIONED, "team"))
    seen = CatalogView(world(own), Scope(), [Alias(name="coder", target=own.rows[0].id)])
    alias = seen.entry_list(ListFilter(view="models")).by_id["coder"]

    assert (alias.alias_of, alias.invoke) == (own.rows[0].id, {EAST: own.rows[0].id})
    assert keys_of(alias)["base_model_id"] == BASE


def test_one_line_describes_it() -> None:
    assert description_of(only(PROVISIONED)) == f"Provisioned model of {BASE} in us-east-1, InService"
    assert description_of(only(MARKETPLACE, status=None)) == "Marketplace endpoint in us-east-1"


def following(previous: CatalogSnapshot | None, *results: PartResult, part: str) -> CatalogSnapshot:
    parts = (*BASE_PARTS, part)
    return next_snapshot(
        previous, results, source="aws", regions=(EAST,), parts=parts, at=NOW, max_stale=timedelta(days=1)
    )


def test_the_cursor_of_one_that_was_removed_still_works() -> None:
    base = listing(EAST, model(BASE))
    two = part_listing(PROVISIONED, account_row(PROVISIONED, "a"), account_row(PROVISIONED, "b"))
    one = part_listing(PROVISIONED, account_row(PROVISIONED, "a"))
    before = following(None, *base, two, part=PROVISIONED)
    after = view(following(before, *base, one, part=PROVISIONED))

    gone = two.rows[1].id
    assert after.find(gone) is None
    assert after.cursor("after_id", gone, after.entry_list(ALL)) is not None


@pytest.mark.parametrize("part", OWN_PARTS)
def test_an_id_that_is_no_arn_of_its_part_costs_its_row(part: str) -> None:
    lies = [BASE, f"arn:aws:bedrock:{EAST}::foundation-model/{BASE}", 7, None]
    good = account_row(part, "team")
    id_key = ID_KEYS[part]
    found = read_rows([good, *(good | {id_key: lie} for lie in lies)], part)

    assert (len(found.rows), found.skipped_rows) == (1, len(lies))


@pytest.mark.parametrize("part", OWN_PARTS)
def test_a_value_that_cannot_be_read_is_counted_and_left_out(part: str) -> None:
    good = read_rows([account_row(part, "team")], part)
    bad = read_rows([account_row(part, "team", status=7, createdAt="soon", creationTime=[])], part)
    (row,) = bad.rows

    assert good.unread_fields == 0 and bad.unread_fields > 0
    assert isinstance(row, AccountModel) and (row.id, row.created_at) == (good.rows[0].id, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda it: st.lists(it, max_size=3), max_leaves=5
)


@st.composite
def optional_results(draw: st.DrawFn) -> tuple[str, PartResult | None]:
    """What an optional part does: it answers, lies, fails, or says nothing at all."""
    part = draw(st.sampled_from(OWN_PARTS))
    if draw(st.booleans()):
        return part, draw(st.sampled_from([None, failure(EAST, part), failure(EAST, part, "Timeout")]))
    names = draw(st.lists(st.sampled_from(["Team", BASE, "us.x", "Us X"]), max_size=4))
    keys = ("status", "createdAt", "creationTime", "models", "fallbackModel", "foundationModelArn", "modelArn")
    rows = [account_row(part, name) | draw(st.dictionaries(st.sampled_from(keys), JSON)) for name in names]
    found = read_rows([*rows, *draw(st.lists(JSON, max_size=3))], part)
    return part, PartListing(region=EAST, part=part, listed_at=NOW, rows=found.rows)


@given(optional_results(), st.sampled_from(["models", "profiles", "all"]))
@settings(max_examples=100, deadline=None)
def test_whatever_an_optional_part_does_the_base_entries_are_the_same(
    optional: tuple[str, PartResult | None], listed: str
) -> None:
    part, result = optional
    base = listing(EAST, model(BASE, name="Team"), profile("us.x", {BASE: [EAST]}, name="Us X"))
    more = following(None, *base, *(() if result is None else (result,)), part=part)
    less = next_snapshot(None, base, source="aws", regions=(EAST,), at=NOW, max_stale=timedelta(days=1))
    lists = [CatalogView(it, Scope()).entry_list(ListFilter(view=listed)).entries for it in (more, less)]

    assert [it for it in lists[0] if it.account_row is None] == list(lists[1])
    assert [keys_of(it) for it in lists[0] if it.account_row is None] == [keys_of(it) for it in lists[1]]
    assert more.state.refreshed_at == less.state.refreshed_at and more.state.retries == less.state.retries
    assert view(more).find(f"arn:aws:bedrock:{EAST}::foundation-model/{BASE}") == view(less).find(BASE)


def test_what_the_account_deleted_is_gone_at_the_next_refresh() -> None:
    own = part_listing(PROVISIONED, account_row(PROVISIONED, "team"))
    base = listing(EAST, model(BASE))
    settings_of = {"source": "aws", "regions": (EAST,), "parts": (*BASE_PARTS, PROVISIONED)}
    max_stale = timedelta(days=1)
    before = next_snapshot(None, (*base, own), at=NOW, max_stale=max_stale, **settings_of)  # type: ignore[arg-type]
    after = next_snapshot(
        before,
        (*base, part_listing(PROVISIONED)),
        at=NOW,
        max_stale=max_stale,
        **settings_of,  # type: ignore[arg-type]
    )

    assert [len(it.account_models) for it in (before, after)] == [1, 0]
    assert after.state.failures == ()


@pytest.mark.parametrize("part", [IMPORTED, MARKETPLACE])
def test_modalities_that_nobody_tells_are_null(part: str) -> None:
    keys = keys_of(only(part, instructSupported=False))

    assert (keys["input_modalities"], keys["output_modalities"]) == (None, None)


def test_in_short_one_is_its_arn_once() -> None:
    entry = only(PROVISIONED)

    assert (entry.id, BriefEntrySchema().dump(entry)["profiles"]) == (entry.account_row and entry.account_row.id, [])
