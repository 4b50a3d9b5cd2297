"""Events as a scope sees them: what it does not see is in none of them, and nothing else is missing."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.changes import derive_events, with_events
from app.catalog.event_changes import ADDED, INVOCATION_CHANGED, LIFECYCLE_CHANGED, REGIONS_CHANGED, RETIREMENT_NEAR
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from app.catalog.view import CatalogView, UnknownValue
from app.catalog.visible_events import (
    EventFilter,
    InvalidEventId,
    VisibleEvent,
    event_page,
    newest_events,
    visible_event,
    visible_events,
)
from tests.support.builders import NOW, listing, model, profile, snapshot
from tests.unit.catalog.generated import WORLDS, World
from tests.unit.catalog.test_changes import projection, ways_in

EAST, WEST = "us-east-1", "eu-west-1"
LATER = NOW + timedelta(minutes=15)
OPEN = EventFilter()


def after(old: CatalogSnapshot, new: CatalogSnapshot) -> CatalogSnapshot:
    """The new snapshot, with the events of its difference to the old one."""
    new = build_snapshot(replace(new.state, attempted_at=LATER), at=LATER)
    state = with_events(new, old, at=LATER)
    return build_snapshot(state, at=LATER)


def scoped(snapshot: CatalogSnapshot, **scope: Any) -> CatalogView:
    for name in ("models", "excluded"):
        if name in scope:
            scope[name] = EntryPatterns(scope[name])
    return CatalogView(snapshot, Scope(**scope))


def seen(view: CatalogView, **wanted: Any) -> list[VisibleEvent]:
    return list(visible_events(view, view.snapshot.state.events, EventFilter(**wanted)))


COMING = after(
    snapshot(listing(EAST, model("b")), listing(WEST, model("b"))),
    snapshot(
        listing(EAST, model("b"), model("a", provider="A"), profile("us.a", {"a": [EAST]})),
        listing(WEST, model("b"), model("a", provider="A"), profile("eu.a", {"a": [WEST, "eu-south-2"]})),
    ),
)


@pytest.mark.parametrize(
    ("scope", "regions", "ids"),
    [
        ({}, [WEST, EAST], ["eu.a", "us.a", None]),
        ({"regions": ("eu-*",)}, [WEST], ["eu.a", None]),
        ({"within": (EAST,)}, [EAST], ["us.a", None]),
        ({"within": ("eu-*",)}, [WEST], ["eu.a", None]),
        ({"models": ("eu.*",)}, [WEST], ["eu.a"]),
        ({"models": ("provider:a",)}, [WEST, EAST], ["eu.a", "us.a", None]),
        ({"excluded": ("us.*",)}, [WEST, EAST], ["eu.a", None]),
    ],
)
def test_an_event_is_cut_to_what_the_scope_sees(
    scope: dict[str, Any], regions: list[str], ids: list[str | None]
) -> None:
    (event,) = seen(scoped(COMING, **scope))

    assert event.event.type == ADDED
    assert event.after is not None
    assert (event.after["regions"], [it["profile"] for it in event.after["invocations"]]) == (regions, ids)
    assert event.after["lifecycles"] == {"active": regions}


@pytest.mark.parametrize(
    "scope", [{"models": ("b",)}, {"excluded": ("a",)}, {"excluded": ("provider:A",)}, {"within": ("ap-*",)}]
)
def test_an_event_of_which_a_scope_sees_nothing_is_not_there(scope: dict[str, Any]) -> None:
    assert seen(scoped(COMING, **scope)) == []


def test_a_change_elsewhere_is_no_event_for_a_scope() -> None:
    legacy = model("a", lifecycle_status="LEGACY", end_of_life_at=NOW + timedelta(days=20))
    changed = after(
        snapshot(listing(EAST, model("a")), listing(WEST, model("a"))),
        snapshot(listing(EAST, legacy), listing(WEST, model("a"))),
    )

    assert [it.event.type for it in seen(scoped(changed))] == ["model.lifecycle_changed", "model.dates_changed"]
    assert seen(scoped(changed, regions=("eu-*",))) == []
    assert next(it.after for it in seen(scoped(changed, regions=(EAST,)))) == {
        "lifecycle": "deprecated",
        "lifecycles": {"deprecated": [EAST]},
    }


def test_a_retirement_is_near_by_the_dates_that_a_scope_sees() -> None:
    def ending(days: int) -> Any:
        return model("a", lifecycle_status="LEGACY", end_of_life_at=LATER + timedelta(days=days))

    changed = after(
        snapshot(listing(EAST, model("a")), listing(WEST, model("a"))),
        snapshot(listing(EAST, ending(50)), listing(WEST, ending(80))),
    )

    def left(**scope: Any) -> list[Any]:
        return [
            it.after["days_left"]
            for it in seen(scoped(changed, **scope), types=(RETIREMENT_NEAR,))
            if it.after is not None
        ]

    assert (left(), left(regions=(EAST,)), left(regions=(WEST,))) == ([80], [50], [80])


def test_models_for_provisioned_throughput_alone_show_to_scopes_that_list_them() -> None:
    changed = after(snapshot(listing(EAST)), snapshot(listing(EAST, model("a", inference_types=("PROVISIONED",)))))

    assert seen(scoped(changed)) == []
    assert [it.event.model_id for it in seen(scoped(changed, include_provisioned=True))] == ["a"]


def test_events_are_filtered_by_type_model_and_region() -> None:
    changed = after(
        snapshot(listing(EAST, model("a"), model("b")), listing(WEST, model("b"))),
        snapshot(listing(EAST, model("a"), model("B2")), listing(WEST, model("b"), model("a"))),
    )
    view = scoped(changed)

    def ids(**wanted: Any) -> list[tuple[str, str]]:
        return [(it.event.type.partition(".")[2], it.event.model_id) for it in seen(view, **wanted)]

    assert ids() == [("added", "B2"), ("regions_changed", "a"), ("regions_changed", "b")]
    assert ids(types=(ADDED,)) == [("added", "B2")]
    assert ids(models=("B*",)) == [("added", "B2"), ("regions_changed", "b")]
    assert ids(regions=("eu-*",)) == [("regions_changed", "a")]
    assert ids(regions=("us-*",), types=(REGIONS_CHANGED,)) == [("regions_changed", "b")]
    with pytest.raises(UnknownValue):
        seen(view, regions=("mars-*",))


def test_a_poller_that_goes_on_at_the_last_id_sees_every_event_once() -> None:
    changed = after(snapshot(listing(EAST)), snapshot(listing(EAST, *(model(f"m{n}") for n in range(7)))))
    view = scoped(changed, excluded=("m3",))

    pages, last = [], None
    while True:
        page = event_page(view, OPEN, limit=2, after=last)
        pages.append([it.event.model_id for it in page.events])
        last = page.last_id or last
        if not page.has_more:
            break

    assert pages == [["m0", "m1"], ["m2", "m4"], ["m5", "m6"]]
    assert event_page(view, OPEN, limit=2, after=last).events == ()
    assert [it.event.model_id for it in newest_events(view, OPEN, limit=2)] == ["m6", "m5"]


def test_an_id_that_is_older_than_what_is_kept_tells_the_oldest_one() -> None:
    changed = after(snapshot(listing(EAST)), snapshot(listing(EAST, model("a"))))
    oldest = changed.state.events[0].id
    state = replace(changed.state, forgotten_event_id="0000000000009-00003")
    view = scoped(build_snapshot(state, at=LATER))

    def truncation(after: str | None) -> tuple[bool, str | None]:
        page = event_page(view, OPEN, limit=5, after=after)
        return page.is_truncated, page.oldest_id

    assert truncation("0000000000009-00002") == (True, oldest)
    assert truncation("0000000000009-00003") == (False, oldest)
    assert truncation(None) == (False, oldest)
    assert truncation("9999999999999-00000") == (False, oldest)


@pytest.mark.parametrize(
    "text", ["", "a", "1-1", "0000000000009-000030", "٠000000000009-00003", "0000000000009-00003\n"]
)
def test_a_text_that_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidEventId):
        event_page(scoped(COMING), OPEN, limit=5, after=text)


def words_of(value: object) -> set[str]:
    """Every text in a side of an event."""
    if isinstance(value, Mapping):
        return {str(it) for it in value} | {word for it in value.values() for word in words_of(it)}
    if isinstance(value, list | tuple):
        return {word for it in value for word in words_of(it)}
    return {value} if isinstance(value, str) else set()


def ways_of(event: VisibleEvent) -> list[dict[str, Any]]:
    return [way for side in (event.before, event.after) for way in (side or {}).get("invocations", [])]


@given(WORLDS, WORLDS)
def test_no_event_tells_of_what_a_scope_does_not_see(old: World, new: World) -> None:
    changed = after(old.snapshot(), new.snapshot())
    everything = [it.event.id for it in seen(scoped(changed))]

    eu = seen(scoped(changed, regions=("eu-*",)))
    inside = seen(scoped(changed, within=("eu-*",)))
    one = seen(scoped(changed, models=("us.a",)))

    assert {it.event.id for it in (*eu, *inside, *one)} <= set(everything)
    for event in eu:
        assert "us-east-1" not in {region for way in ways_of(event) for region in way["regions"]}
        for side in (event.before, event.after):
            assert "us-east-1" not in words_of({**(side or {}), "invocations": []})
    for event in inside:
        for way in ways_of(event):
            assert way["destinations"] or way["on_demand"]
            assert all(it.startswith("eu-") for it in way["destinations"] or way["regions"])
    for event in one:
        assert {way["profile"] for way in ways_of(event)} <= {"us.a"}
    json.dumps([(it.before, it.after) for it in (*eu, *inside, *one)])


def test_a_way_that_comes_or_goes_is_a_region_more_or_less_to_a_scope_that_sees_nothing_else() -> None:
    plain = snapshot(listing(EAST, model("a")))
    own = snapshot(listing(EAST, model("a"), profile("us.a", {"a": [EAST]})))
    far = snapshot(listing(EAST, model("a"), profile("us.a", {"a": [EAST, "us-west-2"]})))
    way = {"on_demand": False, "profile": "us.a", "regions": [EAST], "destinations": [EAST]}

    (come,) = seen(scoped(after(plain, own), models=("us.*",)))
    (gone,) = seen(scoped(after(own, plain), models=("us.*",)))
    (near,) = seen(scoped(after(far, own), models=("us.*",), within=(EAST,)))
    (both,) = seen(scoped(after(plain, own)))

    for event in (come, near):
        assert event.event.type == INVOCATION_CHANGED
        assert event.before == {} and event.after is not None
        assert (event.after["regions"], event.after["invocations"]) == ([EAST], [way])
    assert gone.after == {} and gone.before is not None and gone.before["regions"] == [EAST]
    assert (both.before, both.after) == ({}, {"invocations": [way]})


def test_a_way_that_goes_with_the_end_of_its_model_is_a_region_less_to_a_scope_that_sees_nothing_else() -> None:
    own = snapshot(listing(EAST, model("a"), profile("us.a", {"a": [EAST]})))
    ended = snapshot(listing(EAST, model("a", end_of_life_at=NOW - timedelta(days=1))))

    (gone,) = seen(scoped(after(own, ended), models=("us.*",)))

    assert gone.event.type == LIFECYCLE_CHANGED
    assert gone.after == {} and gone.before is not None and gone.before["regions"] == [EAST]


EU = frozenset({"eu-west-1", "eu-central-1"})


def is_seen(name: str, region: str, way: str, places: tuple[str, ...]) -> bool:
    """Whether one of SCOPES sees a way to call a model."""
    if name == "models":
        return way == "us.a"
    if name == "regions" or way == "on demand":
        return region in EU
    return bool(places) and EU.issuperset(places)


def of_scope(name: str, models: dict[str, dict[str, Any]]) -> dict[str, set[tuple[str, str]]]:
    """The ways to call each model that one of SCOPES sees; without the models that have none left."""
    kept = {
        model_id: {(region, way) for (region, way), places in it["ways"].items() if is_seen(name, region, way, places)}
        for model_id, it in models.items()
    }
    return {model_id: ways for model_id, ways in kept.items() if ways}


SCOPES: dict[str, dict[str, tuple[str, ...]]] = {
    "regions": {"regions": ("eu-*",)},
    "models": {"models": ("us.a",)},
    "within": {"within": ("eu-west-1", "eu-central-1")},
}


@settings(max_examples=60)
@given(WORLDS, WORLDS, st.sampled_from(sorted(SCOPES)))
def test_the_events_of_a_scope_lead_from_what_it_saw_to_what_it_sees(old: World, new: World, name: str) -> None:
    later = NOW + timedelta(days=2)  # Past all generated dates.
    previous = old.snapshot()
    current = build_snapshot(replace(new.snapshot().state, attempted_at=later), at=later)
    was, expected = projection(old, new, NOW), projection(new, old, later)
    # Destinations that one of the two does not know are as they were.
    for model_id in expected.keys() & was.keys():
        ways, known = expected[model_id]["ways"], was[model_id]["ways"]
        ways |= {way: known[way] for way in ways.keys() & known.keys() if not (ways[way] and known[way])}
    found = of_scope(name, was)

    for event in derive_events(previous, current, at=later):
        seen = visible_event(scoped(current, **SCOPES[name]), event)
        if seen is None:
            continue
        ways = found.setdefault(event.model_id, set())
        if seen.after is None:
            ways.clear()
        gone, come = set(ways_in(seen.before or {})), set(ways_in(seen.after or {}))
        assert gone <= ways or seen.after is None
        ways -= gone
        ways |= come

    assert {model_id: ways for model_id, ways in found.items() if ways} == of_scope(name, expected)
