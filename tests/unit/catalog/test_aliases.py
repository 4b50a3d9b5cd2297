"""Names of the operator's: what they stand for, in whose sight, and how lists and look-ups show them."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.aliases import Alias, AliasTargetGone, Resolution, former_targets, taken_names
from app.catalog.codec import decode_state, encode_state
from app.catalog.entries import ALIAS, INFERENCE_PROFILE, MODEL, CatalogEntry
from app.catalog.next_snapshot import next_snapshot
from app.catalog.paging import UnknownCursor
from app.catalog.records import Invocation, RemovedModel
from app.catalog.scope import ALL_VIEW, MODELS_VIEW, PROFILES_VIEW, EntryPatterns, Scope
from app.catalog.snapshot import build_snapshot
from app.catalog.view import CatalogView, ListFilter
from tests.support.builders import NOW, day, listing, model, profile, snapshot

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x"
WORLD = snapshot(
    listing(
        "us-east-1",
        model("m.sonnet-3", start_of_life_at=day(3), name="Sonnet 3"),
        model("m.sonnet-3b", start_of_life_at=day(3)),
        model("m.sonnet-9", start_of_life_at=day(9), lifecycle_status="LEGACY"),
        model("m.sonnet-8", start_of_life_at=day(8), output_modalities=("IMAGE",)),
        model("m.sonnet-7", start_of_life_at=day(7), inference_types=("PROVISIONED",)),
        model("m.opus", start_of_life_at=day(1)),
        profile("us.m.opus", {"m.opus": ["us-east-1"]}),
        application_profiles=[profile(ARN, {"m.opus": ["us-east-1"]}, name="Own")],
    ),
    listing("eu-west-1", model("m.opus", start_of_life_at=day(1)), profile("eu.m.opus", {"m.opus": ["eu-west-1"]})),
    removed=(
        RemovedModel(id="m.gone", created_at=day(2), removed_at=NOW, model_id="m.gone"),
        RemovedModel(id="m.unknown", created_at=day(2), removed_at=NOW),
    ),
)


def seen(*aliases: Alias, **scope: Any) -> CatalogView:
    return CatalogView(WORLD, Scope(**scope), aliases)


def alias(target: str, name: str = "name", **more: Any) -> Alias:
    return Alias(name=name, target=target, **more)


def listed(view: CatalogView, listed: str = ALL_VIEW, **filters: Any) -> dict[str, str | None]:
    entries = view.entry_list(ListFilter(view=listed, **filters)).entries
    return {it.id: it.alias_of for it in entries if it.kind == ALIAS}


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("m.opus", "m.opus"),
        ("us.m.opus", "us.m.opus"),
        (ARN, ARN),
        ("arn:aws:bedrock:us-east-1::foundation-model/m.opus", "m.opus"),
        ("m.sonnet-9", "m.sonnet-9"),
        ("m.sonnet-*", "m.sonnet-3"),
        ("*OPUS", "m.opus"),
        ("eu.*", "eu.m.opus"),
        ("*", "m.sonnet-3"),
    ],
)
def test_an_alias_stands_for_an_id_an_arn_or_the_newest_active_chat_model_of_a_pattern(target: str, found: str) -> None:
    entry = seen(alias(target)).find("name")

    assert entry is not None
    assert (entry.id, entry.aliases, entry.alias_of) == (found, ("name",), None)


def test_of_equal_dates_the_first_in_list_order_counts_and_the_others_are_told() -> None:
    resolved = seen(alias("m.sonnet-*"), alias("m.opus", "other")).resolved

    assert resolved == {
        "name": Resolution(target_id="m.sonnet-3", equally_new=("m.sonnet-3b",)),
        "other": Resolution(target_id="m.opus"),
    }


@pytest.mark.parametrize("name", ["name[1m]", "bedrock/name", "anthropic/name[1M]", "x/name", "x/m.opus", "m.opus"])
def test_an_alias_resolves_in_every_spelling_of_an_id(name: str) -> None:
    entry = seen(alias("m.opus"), id_format="x/{id}").find(name)

    assert entry is not None and entry.id == "m.opus"


def test_lists_of_models_show_listed_aliases_with_what_their_targets_have() -> None:
    view = seen(
        alias("us.m.opus", display_name="Opus"), alias("m.sonnet-3", "plain"), alias("m.opus", "no", is_listed=False)
    )
    entries = view.entry_list(ListFilter(view=MODELS_VIEW)).by_id
    target = view.find("us.m.opus")

    assert target is not None
    assert listed(view) == listed(view, MODELS_VIEW) == {"name": "us.m.opus", "plain": "m.sonnet-3"}
    assert listed(view, PROFILES_VIEW) == {}
    assert (entries["name"].name, entries["plain"].name) == ("Opus", "plain")
    assert entries["name"].invoke == target.invoke == {"us-east-1": "us.m.opus"}
    assert entries["plain"].invoke == {"us-east-1": "m.sonnet-3"}
    assert (entries["m.opus"].aliases, entries["m.sonnet-3"].aliases, target.aliases) == (
        ("no",),
        ("plain",),
        ("name",),
    )
    assert entries["plain"].aliases == ()


def test_an_alias_is_listed_where_a_filter_leaves_its_target() -> None:
    view = seen(alias("us.m.opus"), alias("m.opus", "both"), alias(ARN, "own"))

    assert listed(view, regions=("eu-*",)) == {"both": "m.opus"}
    assert listed(view, within=("us-east-1",)) == {"name": "us.m.opus", "both": "m.opus", "own": ARN}
    [europe] = [it for it in view.entry_list(ListFilter(regions=("eu-*",))).entries if it.id == "both"]
    assert europe.regions == ("eu-west-1",)


def test_an_alias_is_resolved_within_what_the_caller_sees() -> None:
    view = seen(alias("*.m.opus"), alias("m.sonnet-*", "sonnet"), regions=("eu-*",))

    entry = view.find("name")
    assert entry is not None and entry.id == "eu.m.opus"
    with pytest.raises(AliasTargetGone) as gone:
        view.find("sonnet")
    assert gone.value.alias == alias("m.sonnet-*", "sonnet")
    assert listed(view) == {"name": "eu.m.opus"}


@pytest.mark.parametrize("target", ["m.gone", "z*", "us.m.gone", "m.sonnet-7"])
def test_a_target_that_is_not_there_is_an_error_that_names_alias_and_target(target: str) -> None:
    with pytest.raises(AliasTargetGone) as gone:
        seen(alias(target)).find("name")

    assert (gone.value.alias.name, gone.value.alias.target) == ("name", target)
    assert listed(seen(alias(target))) == {}


@pytest.mark.parametrize(
    ("models", "excluded", "found"),
    [
        (None, None, "m.opus"),
        (["m.opus"], None, "m.opus"),
        (["us.m.opus"], None, "m.opus"),
        (["name"], None, "m.opus"),
        (["n*"], None, "m.opus"),
        (["m.sonnet-3"], None, None),
        (["name"], ["name"], None),
        (None, ["n*"], None),
    ],
)
def test_a_scope_knows_an_alias_by_its_name_or_by_its_target(
    models: list[str] | None, excluded: list[str] | None, found: str | None
) -> None:
    patterns = {"models": models, "excluded": excluded}
    scope = {key: EntryPatterns(tuple(it)) for key, it in patterns.items() if it is not None}
    view = seen(alias("m.opus"), **scope)
    entry = view.find("name")

    assert (entry and entry.id) == found
    assert listed(view) == ({} if found is None else {"name": "m.opus"})


def test_a_scope_that_names_an_alias_sees_its_target_and_no_more() -> None:
    view = seen(alias("us.m.opus"), models=EntryPatterns(("name",)))

    assert [it.id for it in view.entry_list(ListFilter(view=ALL_VIEW)).entries] == ["m.opus", "name", "us.m.opus"]
    entry = view.find("m.opus")
    assert entry is not None and entry.invoke == {"us-east-1": "us.m.opus"}
    assert seen(alias("m.opus"), models=EntryPatterns(("name",))).find("eu.m.opus") is not None


def test_no_alias_lets_a_scope_see_what_only_patterns_of_arns_match() -> None:
    view = seen(alias(ARN), models=EntryPatterns(("name", "*")))

    with pytest.raises(AliasTargetGone):
        view.find("name")
    found = seen(alias(ARN), models=EntryPatterns(("arn:*",))).find("name")
    assert found is not None and (found.id, found.aliases) == (ARN, ("name",))


def test_an_id_wins_over_an_alias_of_the_same_name() -> None:
    view = seen(alias("m.opus", "m.sonnet-3"))
    entry = view.find("m.sonnet-3")

    assert entry is not None and entry.id == "m.sonnet-3"
    assert listed(view) == {}


def test_names_that_are_ids_of_the_catalog_are_found() -> None:
    aliases = [alias("m.opus", it) for it in ("free", "m.opus", "us.m.opus", ARN)]

    assert taken_names(aliases, WORLD) == ("m.opus", "us.m.opus", ARN)


def test_an_alias_is_a_cursor_also_for_a_day_after_its_target_left() -> None:
    view = seen(alias("m.opus"), alias("m.gone", "old"), alias("m.unknown", "older"), alias("z", "never"))
    entries = view.entry_list(ListFilter())

    assert view.cursor("after_id", "name", entries) == (-day(1).timestamp(), "name")
    assert view.cursor("after_id", "older", entries) == (-day(2).timestamp(), "older")
    for name in ("never", "old"):
        with pytest.raises(UnknownCursor):
            view.cursor("after_id", name, entries)


def test_what_a_scope_saw_by_an_alias_alone_is_a_cursor_for_a_day_after_it_left() -> None:
    gone = RemovedModel(
        id="z",
        created_at=day(2),
        removed_at=NOW,
        model_id="z",
        invocations=(Invocation(kind="on_demand", regions=("us-east-1",)),),
    )
    world = snapshot(listing("us-east-1", model("a")), removed=(gone,))
    scope = Scope(models=EntryPatterns(("name",)))
    view = CatalogView(world, scope, [alias("z")])

    for name in ("z", "name"):
        assert view.cursor("after_id", name, view.entry_list(ListFilter())) == (-day(2).timestamp(), name)
    other = CatalogView(world, scope, [alias("a")])
    with pytest.raises(UnknownCursor):
        other.cursor("after_id", "z", other.entry_list(ListFilter()))


def left(model_id: str, dated: int, *, removed_h: int = 0, **changes: Any) -> RemovedModel:
    """A chat model that left so many hours ago."""
    ways = (
        Invocation(kind="on_demand", regions=("us-east-1",)),
        Invocation(kind="geographic", regions=("us-east-1",), profile_id=f"us.{model_id}", destinations=("us-west-2",)),
    )
    fields: dict[str, Any] = {"model_id": model_id, "invocations": ways, "was_eligible": True}
    at = NOW - timedelta(hours=removed_h)
    return RemovedModel(id=model_id, created_at=day(dated), removed_at=at, **(fields | changes))


def cursors(view: CatalogView, *names: str) -> list[str]:
    """Those of the names that are cursors."""
    found = []
    for name in names:
        with suppress(UnknownCursor):
            view.cursor("after_id", name, view.entry_list(ListFilter()))
            found.append(name)
    return found


@pytest.mark.parametrize(
    ("now", "gone", "cursor_ids"),
    [
        ([("z.1", 1)], [left("z.2", 2)], ["z.2"]),
        ([], [left("z.2", 2)], ["z.2"]),
        # What is newer now may have been there before.
        ([("z.3", 3)], [left("z.2", 2)], []),
        # While the newer one was there, the pattern stood for that; afterwards, for this one.
        ([("z.1", 1)], [left("z.3", 3, removed_h=2), left("z.2", 2, removed_h=1)], ["z.3", "z.2"]),
        ([("z.1", 1)], [left("z.3", 3, removed_h=1), left("z.2", 2, removed_h=2)], ["z.3"]),
        ([("z.1", 1)], [left("z.3", 3), left("z.2", 2)], ["z.3"]),
        # What no pattern of an alias can stand for.
        ([("z.1", 1)], [left("z.2", 2, was_eligible=False)], []),
        ([("z.1", 1)], [left("y.2", 2)], []),
    ],
)
def test_what_a_scope_saw_by_the_pattern_of_an_alias_alone_is_a_cursor_for_a_day_after_it_left(
    now: list[tuple[str, int]], gone: list[RemovedModel], cursor_ids: list[str]
) -> None:
    present = [model(model_id, start_of_life_at=day(dated)) for model_id, dated in [*now, ("other", 9)]]
    world = snapshot(listing("us-east-1", *present), removed=tuple(gone))
    view = CatalogView(world, Scope(models=EntryPatterns(("name",))), [alias("z.*")])

    assert cursors(view, *(it.id for it in gone)) == cursor_ids
    assert cursors(view, "name") == (["name"] if now or cursor_ids else [])
    assert [it.id for it in view.models] == [model_id for model_id, _ in now]


def test_a_profile_that_a_pattern_stood_for_is_a_cursor_where_no_models_id_matches() -> None:
    gone = left("z", 2)
    profile_left = replace(gone, id="us.z", invocations=gone.invocations[1:])
    world = snapshot(listing("us-east-1", model("a")), removed=(gone, profile_left))
    scope = Scope(models=EntryPatterns(("name",)))

    # A profile's model is seen through that profile.
    for target, seen in (("us.*", ["us.z", "z"]), ("z*", ["us.z", "z"]), ("eu.*", []), ("a*", [])):
        assert cursors(CatalogView(world, scope, [alias(target)]), "us.z", "z") == seen


def stood_for(pattern: str, now: list[RemovedModel], gone: list[RemovedModel]) -> set[str]:
    """What a pattern stood for before each moment at which something left."""
    found = set()
    for moment in {it.removed_at for it in gone}:
        there = [it for it in (*now, *gone) if it in now or it.removed_at >= moment]
        matching = [it for it in there if re.fullmatch(pattern.replace("*", ".*"), it.id)]
        preferred = [it for it in matching if it.id == it.model_id] or matching
        if preferred:
            found.add(min(preferred, key=lambda it: (-it.created_at.timestamp(), it.id)).id)
    return found - {it.id for it in now}


ENTRY_IDS = ("z", "y", "us.z", "us.y", "eu.z")
LEFT = st.lists(
    st.builds(
        lambda entry_id, dated, removed_h: replace(
            left(entry_id, dated, removed_h=removed_h), model_id=entry_id.rpartition(".")[2]
        ),
        st.sampled_from(ENTRY_IDS),
        st.integers(1, 3),
        st.integers(0, 3),
    ),
    max_size=4,
    unique_by=lambda it: it.id,
)


@given(LEFT, st.sampled_from(["*", "z*", "*z", "us.*", "y", "q*"]))
def test_a_pattern_stood_for_what_was_preferred_before_it_left(entries: list[RemovedModel], pattern: str) -> None:
    for there in range(min(2, len(entries) + 1)):
        now, gone = entries[:there], entries[there:]
        matching = [it for it in now if re.fullmatch(pattern.replace("*", ".*"), it.id)]
        found = [
            CatalogEntry(
                kind=MODEL if it.id == it.model_id else INFERENCE_PROFILE,
                id=it.id,
                name=it.id,
                model_id=it.model_id,
                created_at=it.created_at,
            )
            for it in matching
        ]

        assert former_targets({pattern: found[0] if found else None}, gone) == stood_for(pattern, now, gone)


def test_a_model_that_leaves_keeps_whether_a_pattern_could_stand_for_it() -> None:
    pictures = model("z.pictures", output_modalities=("IMAGE",))
    before = snapshot(listing("us-east-1", model("a"), model("z.chat"), pictures))
    after = next_snapshot(
        before,
        listing("us-east-1", model("a")),
        source="aws",
        regions=("us-east-1",),
        at=NOW,
        max_stale=timedelta(days=1),
    )
    stored = build_snapshot(decode_state(encode_state(after.state)), at=NOW)

    assert {it.id: it.was_eligible for it in stored.removed.values()} == {"z.chat": True, "z.pictures": False}
    view = CatalogView(stored, Scope(models=EntryPatterns(("name",))), [alias("z.*")])
    assert cursors(view, "z.chat", "z.pictures", "name") == ["z.chat", "name"]


def test_a_retired_target_is_still_found() -> None:
    ended = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW - timedelta(days=1))
    view = CatalogView(snapshot(listing("us-east-1", ended)), Scope(), [alias("a"), alias("a*", "pattern")])
    entry = view.find("name")

    assert entry is not None and entry.lifecycle == "retired"
    with pytest.raises(AliasTargetGone):
        view.find("pattern")
