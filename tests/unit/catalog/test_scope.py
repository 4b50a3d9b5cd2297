"""What a key may see: what is not in its scope does not exist for it, in lists, by any name, and as a cursor."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from app.catalog.codec import decode_state, encode_state
from app.catalog.entries import RETIRED
from app.catalog.next_snapshot import next_snapshot
from app.catalog.paging import UnknownCursor
from app.catalog.records import RemovedModel
from app.catalog.scope import ALL_VIEW, PROFILES_VIEW, VIEWS, EntryPatterns
from app.catalog.snapshot import build_snapshot
from app.catalog.view import ListFilter, UnknownValue
from tests.support.builders import NOW, day, listing, model, profile, snapshot, view
from tests.unit.catalog.generated import PLACES, SOURCES, WORLDS, World

ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123"

WORLD = snapshot(
    listing(
        "us-east-1",
        model("anthropic.opus", provider="Anthropic"),
        model("amazon.nova", provider="Amazon"),
        model("amazon.bought", provider="Amazon", inference_types=("PROVISIONED",)),
        profile("us.anthropic.opus", {"anthropic.opus": ["us-east-1"]}),
        profile("global.anthropic.opus", {"anthropic.opus": ["global"]}),
    ),
    listing(
        "eu-west-1",
        model("anthropic.opus", provider="Anthropic"),
        model("amazon.nova", provider="Amazon", end_of_life_at=NOW - timedelta(days=1)),
        profile("eu.anthropic.opus", {"anthropic.opus": ["eu-west-1", "eu-south-2"]}),
        application_profiles=[profile(ARN, {"anthropic.opus": ["eu-west-1"]})],
    ),
)


def patterns(*words: str) -> EntryPatterns:
    return EntryPatterns(words)


def ids(**scope: Any) -> list[str]:
    """All that a scope sees and that is not retired."""
    entries = view(WORLD, **scope).entry_list(ListFilter(view=ALL_VIEW)).entries
    return [it.id for it in entries if it.lifecycle != RETIRED]


OPUS_PROFILES = ["eu.anthropic.opus", "global.anthropic.opus", "us.anthropic.opus"]


@pytest.mark.parametrize(
    ("models", "seen"),
    [
        (None, ["amazon.nova", "anthropic.opus", ARN, *OPUS_PROFILES]),
        ([], []),
        (["anthropic.*"], ["anthropic.opus", *OPUS_PROFILES]),
        (["ANTHROPIC.Opus"], ["anthropic.opus", *OPUS_PROFILES]),
        (["provider:anthropic"], ["anthropic.opus", *OPUS_PROFILES]),
        (["provider: Amazon"], ["amazon.nova"]),
        (["amazon.nova", "nothing.*"], ["amazon.nova"]),
        # An ARN is matched by patterns of ARNs alone.
        (["*"], ["amazon.nova", "anthropic.opus", *OPUS_PROFILES]),
        (["arn:*"], [ARN]),
        ([ARN], [ARN]),
    ],
)
def test_a_scope_sees_the_models_that_its_patterns_match_and_their_profiles(
    models: list[str] | None, seen: list[str]
) -> None:
    assert ids(models=None if models is None else patterns(*models)) == sorted(seen)


def test_a_scope_of_one_profile_sees_its_model_through_that_alone() -> None:
    catalog = view(WORLD, models=patterns("eu.anthropic.opus"))

    entry = catalog.find("anthropic.opus")
    assert entry is not None
    assert (entry.invoke, entry.on_demand_regions) == ({"eu-west-1": "eu.anthropic.opus"}, ())
    assert [it.id for it in catalog.entry_list(ListFilter(view=PROFILES_VIEW)).entries] == ["eu.anthropic.opus"]


@pytest.mark.parametrize(
    ("excluded", "hidden"),
    [
        (["provider:anthropic"], {"anthropic.opus", ARN, *OPUS_PROFILES}),
        (["anthropic.opus"], {"anthropic.opus", ARN, *OPUS_PROFILES}),
        (["global.*"], {"global.anthropic.opus"}),
        (["arn:*"], {ARN}),
        (["*.nova"], {"amazon.nova"}),
    ],
)
def test_what_is_excluded_is_not_there_whatever_else_matches(excluded: list[str], hidden: set[str]) -> None:
    assert set(ids()) - set(ids(excluded=patterns(*excluded))) == hidden
    assert hidden.isdisjoint(ids(models=patterns("*", "arn:*"), excluded=patterns(*excluded)))


def test_a_scope_of_regions_sees_no_other() -> None:
    catalog = view(WORLD, regions=("eu-*",))

    assert catalog.regions == ("eu-west-1",)
    entry = catalog.find("anthropic.opus")
    assert entry is not None and entry.regions == ("eu-west-1",)
    assert catalog.find("us.anthropic.opus") is None
    nova = catalog.find("amazon.nova")
    assert nova is not None and nova.lifecycle == "retired"
    with pytest.raises(UnknownValue) as caught:
        catalog.entry_list(ListFilter(regions=("us-east-1",)))
    assert caught.value.allowed == ("eu-west-1",)


def test_a_scope_within_destinations_sees_what_is_processed_there_alone() -> None:
    assert ids(within=("eu-*",)) == ["anthropic.opus", ARN, "eu.anthropic.opus"]
    assert ids(within=("global",)) == ["anthropic.opus", "global.anthropic.opus"]
    entry = view(WORLD, within=("global",)).find("anthropic.opus")
    assert entry is not None and entry.on_demand_regions == ()


def test_a_scope_within_a_region_sees_what_is_on_demand_there_though_no_profile_leads_there() -> None:
    catalog = view(snapshot(listing("us-east-1", model("a")), listing("eu-west-1", model("b"))), within=("eu-*",))

    assert [it.id for it in catalog.entry_list(ListFilter()).entries] == ["b"]


def test_a_pattern_of_a_scope_that_matches_nothing_is_no_error() -> None:
    assert ids(regions=("mars-*",)) == ids(within=("mars-*",)) == ids(models=patterns("mars")) == []


@pytest.mark.parametrize(
    "name",
    [
        "amazon.nova",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova",
        "bedrock/amazon.nova",
        "amazon.nova[1m]",
        ARN,
        "global.anthropic.opus",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.opus",
    ],
)
def test_what_a_scope_does_not_see_has_no_name_and_is_no_cursor(name: str) -> None:
    catalog = view(WORLD, models=patterns("anthropic.*"), excluded=patterns("global.*"))

    assert catalog.find(name) is None
    with pytest.raises(UnknownCursor):
        catalog.cursor("after_id", name, catalog.entry_list(ListFilter()))


def test_provisioned_models_are_seen_whole_or_not_at_all() -> None:
    assert "amazon.bought" not in ids()
    assert "amazon.bought" in ids(include_provisioned=True)
    assert "amazon.bought" in ids(include_provisioned=True, models=patterns("amazon.*"))
    assert "amazon.bought" not in ids(include_provisioned=True, models=patterns("anthropic.*"))
    assert "amazon.bought" not in ids(include_provisioned=True, excluded=patterns("*.bought"))
    assert "amazon.bought" not in ids(include_provisioned=True, regions=("us-*",))


@settings(max_examples=50)
@given(WORLDS, SOURCES, PLACES)
def test_a_scope_of_regions_and_destinations_is_the_same_filter(
    world: World, regions: frozenset[str], within: frozenset[str]
) -> None:
    catalog = world.snapshot()
    scoped = view(catalog, regions=tuple(regions), within=tuple(within))
    # Only what there is may be filtered by.
    inside = tuple(within & view(catalog).destinations)
    for listed in VIEWS:
        seen = scoped.entry_list(ListFilter(view=listed)).entries
        wanted = ListFilter(view=listed, regions=tuple(regions), within=inside)
        filtered = view(catalog).entry_list(wanted).entries if inside else ()

        assert [(it.id, it.invoke, it.lifecycle) for it in seen] == [
            (it.id, it.invoke, it.lifecycle) for it in filtered
        ]


def test_a_profile_is_found_through_any_model_that_the_scope_sees() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a"), model("b"), profile("us.both", {"a": ["us-east-1"], "b": ["us-east-1"]}))
    )
    found = [it.find("us.both") for it in (view(catalog), view(catalog, models=patterns("b")))]

    assert [it.model_id for it in found if it is not None] == ["a", "b"]


def test_a_model_that_ended_where_a_filter_looks_is_there_though_another_region_only_sells_it() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a", end_of_life_at=NOW - timedelta(days=1))),
        listing("eu-west-1", model("a", inference_types=("PROVISIONED",))),
    )

    assert view(catalog).entry_list(ListFilter()).entries == ()
    for scoped, wanted in ((view(catalog, regions=("us-*",)), ()), (view(catalog), ("us-*",))):
        [entry] = scoped.entry_list(ListFilter(regions=wanted)).entries
        assert (entry.id, entry.lifecycle) == ("a", RETIRED)


def test_patterns_that_match_every_region_are_no_filter() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a", start_of_life_at=day(1), end_of_life_at=NOW - timedelta(days=1))),
        listing("eu-west-1", model("a", start_of_life_at=day(5))),
    )
    [plain] = view(catalog).entry_list(ListFilter()).entries

    assert view(catalog, regions=("*",)).models == view(catalog, models=patterns("*")).models == (plain,)
    assert view(catalog).entry_list(ListFilter(regions=("us-*", "eu-*"))).entries == (plain,)


@pytest.mark.parametrize(
    ("scope", "is_known"),
    [
        ({}, True),
        ({"models": patterns("gone.*")}, True),
        ({"models": patterns("us.gone.*")}, True),
        ({"models": patterns("provider:maker")}, True),
        ({"models": patterns("other")}, False),
        ({"excluded": patterns("gone.model")}, False),
        ({"excluded": patterns("us.*")}, False),
        ({"regions": ("us-*",)}, True),
        ({"regions": ("eu-*",)}, False),
        ({"within": ("us-*",)}, True),
        ({"within": ("us-east-1",)}, False),
    ],
)
def test_a_cursor_of_what_left_is_judged_by_its_last_invocations(scope: dict[str, Any], is_known: bool) -> None:
    profiles = profile("us.gone.model", {"gone.model": ["us-east-1", "us-west-2"]})
    row = model("gone.model", provider="Maker", inference_types=("INFERENCE_PROFILE",))
    before = snapshot(listing("us-east-1", row, profiles), listing("us-west-2"), listing("eu-west-1", model("b")))
    after = next_snapshot(
        before,
        (*listing("us-east-1", model("c")), *listing("us-west-2"), *listing("eu-west-1", model("b"))),
        source="aws",
        regions=before.state.regions,
        at=NOW + timedelta(minutes=1),
        max_stale=timedelta(0),
    )
    stored = build_snapshot(decode_state(encode_state(after.state)), at=NOW)
    for catalog in (after, stored):
        scoped = view(catalog, **scope)
        for name in ("gone.model", "us.gone.model"):
            if is_known:
                assert scoped.cursor("after_id", name, scoped.entry_list(ListFilter())) is not None
            else:
                with pytest.raises(UnknownCursor):
                    scoped.cursor("after_id", name, scoped.entry_list(ListFilter()))


def test_what_an_older_version_removed_is_known_to_a_scope_without_rules_alone() -> None:
    catalog = snapshot(
        listing("us-east-1", model("a")), removed=(RemovedModel(id="z", created_at=day(1), removed_at=NOW),)
    )
    entries = view(catalog).entry_list(ListFilter())

    assert view(catalog).cursor("after_id", "z", entries) is not None
    with pytest.raises(UnknownCursor):
        view(catalog, models=patterns("*")).cursor("after_id", "z", entries)
