"""For any catalog, scope and request, the answer equals that of a catalog that holds only what the scope allows.

The second catalog is made here by naively cutting the listings, and seen whole. Two things are left to other tests:
the card of an account's own profile, and a profile that AWS names differently from region to region, which it does
not.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.catalog.aliases import Alias, AliasTargetGone
from app.catalog.entries import ALIAS, APPLICATION, CatalogEntry
from app.catalog.paging import UnknownCursor, page_of
from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    MODELS,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    Invocation,
    PartListing,
    RemovedModel,
    Row,
)
from app.catalog.retirements import retirements
from app.catalog.scope import VIEWS, EntryPatterns, Scope
from app.catalog.search import SORTS, ModelFilter, search
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from app.catalog.view import CatalogView, ListFilter, UnknownValue
from tests.support.builders import NOW, day, profile, snapshot
from tests.unit.cards.support import book
from tests.unit.catalog.generated import DESTINATIONS, MODEL_IDS, REGIONS, ROUTES, WORLDS, World

CARDS = book(
    litellm={
        "a": {"max_input_tokens": 7, "max_tokens": 3, "prices": {"input": "2"}},
        "us.a": {"prices": {"input": "1"}},
        "eu.b": {"max_input_tokens": 9, "prices": {"input": "3", "output": "1"}},
        "odd": {"max_tokens": 5, "tool_use": True},
    }
)
PROFILE_NAMES = {"us.a": "US A", "eu.a": None, "global.a": "A", "eu.b": None, "odd": "Odd", "eu.ghost": "Ghost"}

# The account's own profiles have a model of their own here, whose rows tell of them alone.
OWN_MODEL = "o"
OWN_ROW = FoundationModel(id=OWN_MODEL, provider="P", input_modalities=("TEXT",), output_modalities=("TEXT",))
OWN = [f"arn:{region}:{model_id}" for region in REGIONS for model_id in MODEL_IDS]
NAMES = [
    *MODEL_IDS,
    *ROUTES,
    *OWN,
    "latest",
    "europe",
    "hidden",
    "own",
    "ghost",
    "gone",
    "gone.a",
    "bedrock/a",
    "x/latest",
]
PATTERNS = ["*", "a", "A*", "b", "c", "eu.*", "us.a", "*.a", "odd", "provider:p", "provider:*", "arn:*", OWN[0]]
PATTERNS += [OWN_MODEL, "latest", "europe", "*den", "own", "nothing"]
ALIASES = [
    Alias(name="latest", target="*"),
    Alias(name="europe", target="eu.*", display_name="A"),
    Alias(name="hidden", target="b", is_listed=False),
    Alias(name="own", target=OWN[0]),
    Alias(name="gone", target="c"),
    Alias(name="a", target="b"),
]
PLACES = ["eu-*", "us-east-1", "eu-west-1", "global", "*", "mars-*"]

entry_patterns = st.none() | st.lists(st.sampled_from(PATTERNS), max_size=3).map(lambda it: EntryPatterns(tuple(it)))
places = st.none() | st.lists(st.sampled_from(PLACES), max_size=2).map(tuple)
SCOPES = st.builds(
    Scope,
    models=entry_patterns,
    excluded=entry_patterns,
    regions=places,
    within=places,
    list_view=st.sampled_from(VIEWS),
    id_format=st.sampled_from(["{id}", "x/{id}"]),
)
GONE = st.builds(
    RemovedModel,
    id=st.sampled_from(["gone", "gone.a"]),
    created_at=st.sampled_from([day(1), day(2)]),
    removed_at=st.just(NOW),
    model_id=st.sampled_from(["gone", "a"]),
    provider=st.sampled_from([None, "P"]),
    invocations=st.lists(
        st.builds(
            Invocation,
            kind=st.just("geographic"),
            regions=st.lists(st.sampled_from(REGIONS), min_size=1, max_size=2, unique=True).map(tuple),
            profile_id=st.just("gone.a"),
            destinations=st.lists(st.sampled_from(DESTINATIONS), max_size=2, unique=True).map(tuple),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
)
WANTED_PLACES = st.lists(st.sampled_from(PLACES), max_size=2).map(tuple)
LISTS = st.builds(ListFilter, view=st.none() | st.sampled_from(VIEWS), regions=WANTED_PLACES, within=WANTED_PLACES)
SEARCHES = st.builds(
    ModelFilter,
    text=st.sampled_from(["", "a", "eu", "latest"]),
    providers=st.sampled_from([(), ("p",)]),
    min_input_tokens=st.sampled_from([None, 8]),
    capabilities=st.sampled_from([(), ("tool_use",)]),
    lifecycles=st.sampled_from([(), ("active",), ("active", "deprecated")]),
)


# The naive catalog.


def like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.lower().split("*"))), text.lower(), re.DOTALL) is not None


def any_like(patterns: Iterable[str], text: str) -> bool:
    return any(like(it, text) for it in patterns if it.startswith("arn:") == text.startswith("arn:"))


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A scope as plain lists, and the destinations that its `within` comes to."""

    models: list[str] | None
    excluded: list[str]
    regions: frozenset[str]
    within: frozenset[str] | None

    def has_region(self, region: str) -> bool:
        return region in self.regions

    def is_hidden(self, row: FoundationModel, entry_id: str) -> bool:
        return self.names(self.excluded, row) or any_like(self.excluded, entry_id)

    @staticmethod
    def names(patterns: Iterable[str], row: FoundationModel) -> bool:
        """Whether a model is named, which counts for its profiles, too."""
        return any_like(patterns, row.id) or (
            row.provider is not None and any_like(patterns, f"provider:{row.provider}")
        )

    def has_model(self, row: FoundationModel) -> bool:
        return self.models is None or self.names(self.models, row)

    def has_id(self, entry_id: str) -> bool:
        return self.models is None or any_like(self.models, entry_id)

    def has_places(self, found: Iterable[str]) -> bool:
        found = set(found)
        if "global" in found:
            found = {"global"}
        return self.within is None or (bool(found) and found <= self.within)

    def on_demand(self, row: FoundationModel, region: str) -> bool:
        return self.has_model(row) and not self.is_hidden(row, row.id) and self.has_places([region])

    def unknown(self, row: FoundationModel) -> bool:
        return self.has_model(row) and not self.is_hidden(row, row.id) and self.within is None

    def through(self, row: FoundationModel, profile_id: str, found: Iterable[str]) -> bool:
        is_named = self.has_model(row) or self.has_id(profile_id)
        return (
            is_named
            and not self.is_hidden(row, profile_id)
            and not self.is_hidden(row, row.id)
            and self.has_places(found)
        )

    def own(self, row: FoundationModel, arn: str, found: Iterable[str]) -> bool:
        return (
            self.has_id(arn)
            and not self.is_hidden(row, arn)
            and not self.is_hidden(row, row.id)
            and self.has_places(found)
        )


def rules_of(scope: Scope, world: World, regions: Iterable[str]) -> Rules:
    known = {*regions, *(it for listing in world for row in listing.rows for it in destinations(row))}
    within = None
    if scope.within is not None:
        within = frozenset(
            place
            for place in known
            if any(like(it, place) for it in scope.within if place != "global" or it in ("*", "global"))
        )
    return Rules(
        models=None if scope.models is None else list(scope.models.patterns),
        excluded=[] if scope.excluded is None else list(scope.excluded.patterns),
        regions=frozenset(it for it in regions if scope.regions is None or any(like(way, it) for way in scope.regions)),
        within=within,
    )


def destinations(row: Row) -> Iterable[str]:
    return [place for _, found in row.models for place in found] if isinstance(row, InferenceProfile) else ()


def provider_of(world: World, model_id: str) -> FoundationModel:
    """The model as its first region describes it: its maker is the same for every region's pattern."""
    rows = [row for region in REGIONS for row in world.rows(region, MODELS) if row.id == model_id]
    named = [row for row in rows if isinstance(row, FoundationModel) and row.provider]
    return named[0] if named else FoundationModel(id=model_id)


def is_alive(row: FoundationModel) -> bool:
    return row.end_of_life_at is None or row.end_of_life_at > NOW


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What rules leave of the listings, and the (region, model) whose rows tell nothing of the model."""

    world: World
    silent: frozenset[tuple[str, str]]

    def settled(self) -> World:
        """The listings, with nothing in the silent rows but what makes the account's own profiles and former ways."""

        def settle(listing: PartListing) -> PartListing:
            rows = tuple(
                FoundationModel(
                    id=it.id,
                    inference_types=it.inference_types,
                    end_of_life_at=None if is_alive(it) else it.end_of_life_at,
                )
                if isinstance(it, FoundationModel) and (listing.region, it.id) in self.silent
                else it
                for it in listing.rows
            )
            return replace(listing, rows=rows)

        return World(regions=tuple(tuple(map(settle, listings)) for listings in self.world.regions))


def cut(world: World, rules: Rules, *, whole: Iterable[str] = ()) -> Cut:
    """What the rules leave.

    Args:
        whole: the models of which nothing is cut away, so that all of their rows tell of them, as without a scope.
    """
    kept: dict[tuple[str, str], list[Any]] = {}
    silent: set[tuple[str, str]] = set()
    ended: set[tuple[str, str]] = set()
    living: set[str] = set()
    for region in filter(rules.has_region, REGIONS):
        for row in world.rows(region, MODELS):
            assert isinstance(row, FoundationModel)
            model = provider_of(world, row.id)
            types = []
            if "ON_DEMAND" in (row.inference_types or ()) and rules.on_demand(model, region):
                types.append("ON_DEMAND")
            if "INFERENCE_PROFILE" in (row.inference_types or ()) and rules.unknown(model):
                types.append("INFERENCE_PROFILE")
            has_profiles = any(it.region == region and it.part == PROFILES for it in world)
            is_unknown = "INFERENCE_PROFILE" in types and (not has_profiles or not is_alive(row))
            has_way = "ON_DEMAND" in types or is_unknown
            for way in world.rows(region, PROFILES):
                assert isinstance(way, InferenceProfile)
                for model_id, found in way.models:
                    is_usable = way.status in (None, "ACTIVE")
                    if model_id == row.id and is_usable and rules.through(model, way.id, found):
                        kept.setdefault((region, PROFILES), []).append(replace(way, models=((model_id, found),)))
                        has_way = True
            is_needed = False
            for way in world.rows(region, APPLICATION_PROFILES):
                assert isinstance(way, InferenceProfile)
                for model_id, found in way.models:
                    if model_id == row.id and rules.own(model, way.id, found):
                        kept.setdefault((region, APPLICATION_PROFILES), []).append(way)
                        is_needed = True
            if row.id in whole:
                kept.setdefault((region, MODELS), []).append(row)
            elif has_way or is_needed:
                kept.setdefault((region, MODELS), []).append(replace(row, inference_types=tuple(types)))
                if not has_way:
                    silent.add((region, row.id))
                elif is_alive(row):
                    living.add(row.id)
                else:
                    ended.add((region, row.id))
    # A region where a model has ended is not left where another one still has it.
    silent = {it for it in silent if it[1] != OWN_MODEL} | {it for it in ended if it[1] in living}
    return Cut(
        world=World(
            regions=tuple(
                tuple(replace(it, rows=tuple(kept.get((it.region, it.part), ()))) for it in listings)
                for listings in world.regions
                if listings and listings[0].region in rules.regions
            )
        ),
        silent=frozenset(silent),
    )


def is_whole(world: World, rules: Rules, model_id: str) -> bool:
    """Whether nothing of a model is cut away, so that all of its rows tell of it, as where there is no scope."""
    model = provider_of(world, model_id)
    regions = [region for region in REGIONS if any(it.id == model_id for it in world.rows(region, MODELS))]
    rows = [it for region in regions for it in world.rows(region, PROFILES) if isinstance(it, InferenceProfile)]
    profiles = {it.id for it in rows if model_id in dict(it.models) and it.status in (None, "ACTIVE")}
    return (
        rules.within is None
        and len(rules.regions) == len(REGIONS)
        and rules.has_model(model)
        and not rules.is_hidden(model, model_id)
        and not any(map(partial(rules.is_hidden, model), profiles))
    )


def whole_models(world: World, rules: Rules) -> list[str]:
    return [it for it in MODEL_IDS if is_whole(world, rules, it)]


def with_targets(rules: Rules, world: World, gone: tuple[RemovedModel, ...]) -> Rules:
    """Patterns match aliases, too, and then what these stand for among all that is left otherwise."""
    if rules.models is None:
        return rules
    named = [it for it in ALIASES if any_like(rules.models, it.name) and not any_like(rules.excluded, it.name)]
    others = replace(rules, models=None)
    everything = cut(world, others, whole=whole_models(world, others)).settled()
    view = plain_view(everything, rules, gone, Scope(), named)
    targets = [found.id for it in named if (found := found_or_none(view, it.name)) is not None]
    return replace(rules, models=[*rules.models, *(it for it in targets if not it.startswith("arn:"))])


def found_or_none(view: CatalogView, name: str) -> CatalogEntry | None:
    try:
        return view.find(name)
    except AliasTargetGone:
        return None


def plain_view(
    world: World, rules: Rules, gone: tuple[RemovedModel, ...], scope: Scope, aliases: Iterable[Alias]
) -> CatalogView:
    regions = tuple(it for it in REGIONS if it in rules.regions)
    return CatalogView(built(world, regions, gone), scope, tuple(aliases))


def built(world: World, regions: tuple[str, ...], gone: tuple[RemovedModel, ...]) -> CatalogSnapshot:
    parts = (*BASE_PARTS, APPLICATION_PROFILES)
    state = snapshot(*world.regions, regions=regions, parts=parts, removed=gone).state
    return build_snapshot(state, at=NOW, cards=CARDS)


@dataclass(frozen=True, kw_only=True)
class Naive:
    """The catalog that holds only what a scope allows, seen whole."""

    cut: Cut
    view: CatalogView
    rules: Rules
    gone: tuple[RemovedModel, ...]
    aliases: tuple[Alias, ...]

    def filtered(self, listed: ListFilter) -> CatalogView:
        """The catalog that holds only what a request's filter leaves of it, too."""
        world = self.cut.world
        wanted = Scope(regions=listed.regions or None, within=listed.within or None)
        rules = rules_of(wanted, world, self.rules.regions)
        # What matches all regions is no filter, and nothing else cuts by regions alone.
        is_open = not listed.within and rules.regions == self.rules.regions
        found = self.cut if is_open else cut(world, rules)
        return plain_view(found.settled(), rules, (), self.view.scope, ())


def naive(world: World, scope: Scope, gone: tuple[RemovedModel, ...]) -> Naive:
    looks = Scope(list_view=scope.list_view, id_format=scope.id_format)
    rules = rules_of(scope, world, REGIONS)
    extended = with_targets(rules, world, gone)
    allowed = [it for it in ALIASES if not any_like(rules.excluded, it.name)]
    left = tuple(it for it in gone if saw(extended, it))
    found = cut(world, extended, whole=whole_models(world, extended))
    resolved = plain_view(found.settled(), rules, left, looks, allowed).resolved
    aliases = tuple(it for it in allowed if it.name in resolved or rules.has_id(it.name) or rules.has_id(it.target))
    view = plain_view(found.settled(), rules, left, looks, aliases)
    return Naive(cut=found, view=view, rules=rules, gone=left, aliases=aliases)


def saw(rules: Rules, gone: RemovedModel) -> bool:
    model = FoundationModel(id=gone.model_id, provider=gone.provider)
    return any(
        rules.regions.intersection(way.regions)
        and rules.through(model, way.profile_id or "", way.destinations)
        and not rules.is_hidden(model, gone.id)
        and (rules.has_model(model) or rules.has_id(gone.id) or rules.has_id(way.profile_id or ""))
        for way in gone.invocations
    )


# What a client sees of both.


def shown(entry: CatalogEntry) -> tuple[Any, ...]:
    ways = (entry.regions, entry.invoke, entry.destinations)
    facts = (entry.name, entry.provider, entry.created_at, entry.lifecycle, entry.deprecated_at, entry.retires_at)
    card = None if entry.geography == APPLICATION else entry.card
    more = (entry.input_modalities, entry.response_streaming, card, card and entry.unused_card_fields)
    return entry.kind, entry.id, *ways, entry.inference_profiles, entry.aliases, entry.alias_of, facts, more


def answer(ask: Callable[[], Any]) -> Any:
    """What is answered, or with which error."""
    try:
        return ask()
    except UnknownValue as error:
        return error.field, error.allowed
    except UnknownCursor as error:
        return error.field, error.model_id
    except AliasTargetGone as error:
        return error.alias


def walk(view: CatalogView, listed: ListFilter, limit: int, *, forward: bool) -> list[list[str]]:
    """The ids of all pages, from one end to the other."""
    entries = view.entry_list(listed)
    pages: list[list[str]] = []
    cursor = None if forward else "a"
    while len(pages) < 50:
        key = view.cursor("after_id", cursor, entries)
        after, before = (key, None) if forward else (None, key)
        page = page_of(entries.entries, limit=limit, after=after, before=before)
        pages.append([it.id for it in page.entries])
        if not page.has_more:
            break
        cursor = page.last_id if forward else page.first_id
    return pages


def answers(view: CatalogView, listed: str, wanted: ModelFilter, sort: str, cursor: str, limit: int) -> list[Any]:
    """What a client learns without filters of regions and destinations."""
    everything = ListFilter(view=listed)

    def searched(after: str | None) -> Any:
        found = search(view, wanted, everything, limit=limit, after_id=after, sort=sort)
        return found.total, found.page.has_more, [shown(it) for it in found.page.entries]

    def place(name: str) -> int:
        entries = view.entry_list(everything)
        key = view.cursor("after_id", name, entries)
        return len(page_of(entries.entries, limit=1000, after=key).entries)

    def found(name: str) -> Any:
        entry = view.find(name)
        return None if entry is None else shown(entry)

    return [
        [shown(it) for it in view.entry_list(everything).entries],
        *(answer(partial(walk, view, everything, limit, forward=way)) for way in (True, False)),
        answer(partial(searched, None)),
        answer(partial(searched, cursor)),
        *(answer(partial(place, name)) for name in NAMES),
        *(answer(partial(found, name)) for name in NAMES),
        view.regions,
        view.destinations,
        view.resolved,
    ]


def without_aliases(entries: Iterable[CatalogEntry]) -> list[Any]:
    return [shown(replace(it, aliases=())) for it in entries if it.kind != ALIAS]


def tidy(world: World) -> World:
    """The world, with each profile named the same everywhere, and the account's own by their ids."""

    def named(listing: PartListing) -> PartListing:
        if listing.part == MODELS:
            row = replace(OWN_ROW, start_of_life_at=day(REGIONS.index(listing.region)))
            return replace(listing, rows=(*listing.rows, row))
        profiles = [it for it in listing.rows if isinstance(it, InferenceProfile)]
        rows = [replace(it, name=PROFILE_NAMES.get(it.id, it.id)) for it in profiles]
        if listing.part == APPLICATION_PROFILES:
            places = [tuple(destinations(it)) for it in listing.rows]
            rows = [profile(it.id, {OWN_MODEL: found}, name=it.id) for it, found in zip(rows, places, strict=True)]
        return replace(listing, rows=tuple(rows))

    return World(regions=tuple(tuple(map(named, listings)) for listings in world.regions))


@given(
    WORLDS.map(tidy),
    SCOPES,
    LISTS,
    SEARCHES,
    st.sampled_from(sorted(SORTS)),
    st.sampled_from(NAMES),
    st.integers(1, 3),
    st.lists(GONE, max_size=2, unique_by=lambda it: it.id).map(tuple),
)
def test_the_answer_is_that_of_a_catalog_that_holds_only_what_the_scope_allows(
    world: World,
    scope: Scope,
    listed: ListFilter,
    wanted: ModelFilter,
    sort: str,
    cursor: str,
    limit: int,
    gone: tuple[RemovedModel, ...],
) -> None:
    scoped = CatalogView(built(world, REGIONS, gone), scope, ALIASES)
    expected = naive(world, scope, gone)
    mine, theirs = (answers(it, listed.view or "all", wanted, sort, cursor, limit) for it in (scoped, expected.view))

    assert mine == theirs
    mine = answer(lambda: without_aliases(scoped.entry_list(listed).entries))
    theirs = answer(lambda: without_aliases(expected.view.entry_list(listed).entries))
    if isinstance(theirs, list) and (listed.regions or listed.within):
        left = expected.filtered(listed).entry_list(ListFilter(view=listed.view))
        theirs = without_aliases(left.entries)
    assert mine == theirs


def ends(view: CatalogView) -> list[Any]:
    """What will end or has, with the end in each region."""
    return [
        (
            replace(it, dates=(), legacy_at=None),
            {place: row.end_of_life_at for row in it.dates for place in row.regions},
        )
        for it in retirements(view, include_retired=True)
    ]


@given(WORLDS.map(tidy), SCOPES)
def test_what_will_end_is_that_of_a_catalog_that_holds_only_what_the_scope_allows(world: World, scope: Scope) -> None:
    scoped = CatalogView(built(world, REGIONS, ()), scope, ALIASES)

    assert ends(scoped) == ends(naive(world, scope, ()).view)
