"""A snapshot as one scope sees it: the lists that queries page through, and the way from any name to an entry."""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from app.catalog.entries import INFERENCE_PROFILE, MODEL, ON_DEMAND, CatalogEntry
from app.catalog.filters import InvocationFilter, restrict
from app.catalog.merge import geography_of
from app.catalog.paging import SortKey, UnknownCursor, key_of, sort_key
from app.catalog.patterns import ANY, matching
from app.catalog.records import DEMO, GLOBAL
from app.catalog.scope import MODELS_VIEW, PROFILES_VIEW, Scope
from app.catalog.snapshot import CatalogSnapshot

# A client can make up as many filters as it likes; the lists of these are kept.
MAX_LISTS = 32

# Partition, region (none in a global profile's targets) and account are checked for their form alone: an answer that
# depended on the account would tell which one this is.
ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:(?:\d{12})?:(?P<kind>foundation-model|inference-profile)/(?P<id>.+)", re.DOTALL
)
# Claude Code appends it, in any case, to ask for the long context window.
LONG_CONTEXT_SUFFIX = "[1m]"
# How gateways write the ids of Bedrock's models.
GATEWAY_PREFIXES = ("bedrock/", "converse/", "anthropic/")
MAX_DECORATIONS = 4
# A geography of more letters is a word: `Global`, but `EU` and `APAC`.
MAX_ABBREVIATION = 4


class UnknownValue(ValueError):
    """A filter's value that nothing in this catalog has; `allowed` are those that something has."""

    def __init__(self, field: str, allowed: Iterable[str]) -> None:
        super().__init__(field)
        self.field = field
        self.allowed = tuple(sorted(allowed))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Which list: one of VIEWS, None for the scope's; names or patterns of source regions and of destinations."""

    view: str | None = None
    regions: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


class EntryList:
    """One list of a view, newest first, then by id; immutable."""

    def __init__(self, entries: Iterable[CatalogEntry]) -> None:
        self.entries = tuple(sorted(entries, key=sort_key))
        self.by_id = {entry.id: entry for entry in self.entries}
        self._search_texts: tuple[str, ...] | None = None

    @property
    def search_texts(self) -> tuple[str, ...]:
        """What a search by text looks at, case-folded, an entry each."""
        if self._search_texts is None:
            self._search_texts = tuple(_search_text(entry) for entry in self.entries)
        return self._search_texts


class CatalogView:
    """The lists of one snapshot for one scope. Its lists are made when they are first wanted, and bounded.

    `models` and `application_profiles` are all that the scope sees, newest first; `regions` the configured ones, in
    order of preference, whether they answered or not.
    """

    def __init__(self, snapshot: CatalogSnapshot, scope: Scope) -> None:
        self.snapshot = snapshot
        self.scope = scope
        self._restrict = partial(
            restrict,
            rank={region: place for place, region in enumerate(snapshot.state.regions)},
            at=snapshot.at,
            cards=snapshot.cards,
            prefers_cards=snapshot.state.source == DEMO,
        )
        seen = InvocationFilter(
            regions=None if scope.regions is None else matching(scope.regions, snapshot.state.regions),
            destinations=None
            if scope.within is None
            else _places(scope.within, snapshot.destinations.union(snapshot.state.regions)),
        )
        self.models = self._visible(snapshot.models, seen)
        self.application_profiles = self._visible(snapshot.application_profiles, seen)
        self.regions = tuple(it for it in snapshot.state.regions if seen.regions is None or it in seen.regions)
        self._by_id = {model.id: model for model in self.models}
        self._lists: OrderedDict[ListFilter, EntryList] = OrderedDict()

    @cached_property
    def destinations(self) -> frozenset[str]:
        """All places where something that the scope sees is processed, and the regions."""
        entries = (*self.models, *self.application_profiles)
        ways = (way for entry in entries for way in (*entry.invocations, *entry.former_invocations))
        return frozenset(place for way in ways for place in way.destinations).union(self.regions)

    def entry_list(self, wanted: ListFilter) -> EntryList:
        """
        Raises:
            UnknownValue: a region or a destination that nothing has.
        """
        wanted = replace(wanted, view=wanted.view or self.scope.list_view)
        found = self._lists.get(wanted)
        if found is None:
            found = self._lists[wanted] = EntryList(self._entries(wanted))
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
        return found

    def cursor(self, field: str, entry_id: str | None, entries: EntryList) -> SortKey | None:
        """The place of an entry that is in the list, in the catalog, or recently was; None without an id.

        Raises:
            UnknownCursor: it was never listed.
        """
        if entry_id is None:
            return None
        entry = entries.by_id.get(entry_id) or self.find_exact(entry_id)
        if entry is not None:
            return sort_key(entry)
        removed = self.snapshot.removed_at.get(entry_id)
        if removed is None:
            raise UnknownCursor(field, entry_id)
        return key_of(removed, entry_id)

    def find(self, name: str) -> CatalogEntry | None:
        """The entry of an id, an ARN, a gateway's spelling of one, or one of these with the suffix `[1m]`."""
        for _ in range(MAX_DECORATIONS):
            found = self.find_exact(name)
            if found is not None:
                return found
            if name[-len(LONG_CONTEXT_SUFFIX) :].lower() == LONG_CONTEXT_SUFFIX:
                name = name[: -len(LONG_CONTEXT_SUFFIX)]
            elif name.startswith(GATEWAY_PREFIXES):
                name = name.partition("/")[2]
            else:
                return None
        return None

    def find_exact(self, name: str) -> CatalogEntry | None:
        """The entry of an id, or of a model's or a profile's ARN."""
        model = self._by_id.get(name)
        if model is not None:
            return model
        model = self.snapshot.by_profile.get(name)
        seen = None if model is None else self._by_id.get(model.id)
        if seen is not None and any(way.profile_id == name for way in (*seen.invocations, *seen.former_invocations)):
            return self._profile_entry(seen, name)
        arn = ARN.fullmatch(name)
        if arn is None:
            return next((it for it in self.application_profiles if it.id == name), None)
        known = self._by_id if arn["kind"] == "foundation-model" else self.snapshot.by_profile
        return self.find_exact(arn["id"]) if arn["id"] in known else None

    def _visible(self, entries: Iterable[CatalogEntry], seen: InvocationFilter) -> tuple[CatalogEntry, ...]:
        visible = [left for entry in entries if (left := self.scope.visible(entry, seen, self._restrict)) is not None]
        return tuple(sorted(visible, key=sort_key))

    def _entries(self, wanted: ListFilter) -> Iterator[CatalogEntry]:
        models: Iterable[CatalogEntry] = self.models
        own: Iterable[CatalogEntry] = self.application_profiles
        if wanted.regions or wanted.within:
            left = InvocationFilter(
                regions=self._known_regions(wanted.regions) if wanted.regions else None,
                destinations=self._known_destinations(wanted.within) if wanted.within else None,
            )
            models, own = self._restricted(models, left), self._restricted(own, left)
        if wanted.view != PROFILES_VIEW:
            yield from models
        else:
            yield from filter(None, map(_on_demand_only, models))
        if wanted.view != MODELS_VIEW:
            names = Counter(model.name for model in models)
            # An id stands once in a list, though a profile may call several models.
            profiles = {entry.id: entry for model in models for entry in self._profiles(model)}
            yield from _with_distinct_names(
                [*(entry for entry in profiles.values() if entry.id not in self._by_id), *own], names
            )

    def _restricted(self, entries: Iterable[CatalogEntry], wanted: InvocationFilter) -> list[CatalogEntry]:
        return [left for entry in entries if (left := self._restrict(entry, wanted)) is not None]

    def _profiles(self, model: CatalogEntry) -> Iterator[CatalogEntry]:
        ways = model.invocations or model.former_invocations
        for profile_id in dict.fromkeys(way.profile_id for way in ways if way.profile_id is not None):
            yield self._profile_entry(model, profile_id)

    def _profile_entry(self, model: CatalogEntry, profile_id: str) -> CatalogEntry:
        geography = geography_of(profile_id, model.id)
        name = self.snapshot.profile_names.get(profile_id)
        return replace(
            model,
            kind=INFERENCE_PROFILE,
            id=profile_id,
            name=name or f"{model.name} ({_in_words(geography) if geography else profile_id})",
            geography=geography,
            invocations=tuple(way for way in model.invocations if way.profile_id == profile_id),
            former_invocations=tuple(way for way in model.former_invocations if way.profile_id == profile_id),
            card=self.snapshot.cards.card_for_profile(model.card, profile_id),
        )

    def _known_regions(self, patterns: Sequence[str]) -> frozenset[str]:
        for pattern in patterns:
            if not matching([pattern.strip()], self.regions):
                raise UnknownValue("region", self.regions)
        return matching([pattern.strip() for pattern in patterns], self.regions)

    def _known_destinations(self, patterns: Sequence[str]) -> frozenset[str]:
        for pattern in patterns:
            if not _places([pattern], self.destinations):
                raise UnknownValue("within", self.destinations)
        return _places(patterns, self.destinations)


def _places(patterns: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The destinations that patterns match. `global` is no region: but its own name, only `*` matches it."""
    folded = [pattern.strip().casefold() for pattern in patterns]
    places = matching((it for it in folded if it != GLOBAL), (place for place in known if place != GLOBAL))
    return places | {GLOBAL} if GLOBAL in known and not {ANY, GLOBAL}.isdisjoint(folded) else places


def _on_demand_only(model: CatalogEntry) -> CatalogEntry | None:
    """The model where its own id is what is sent."""
    invocations = tuple(way for way in model.invocations if way.kind == ON_DEMAND)
    former = tuple(way for way in model.former_invocations if way.kind == ON_DEMAND)
    if not invocations and (model.invocations or not former):
        return None
    return replace(model, invocations=invocations, former_invocations=former)


def _in_words(geography: str) -> str:
    return geography.upper() if len(geography) <= MAX_ABBREVIATION else geography.capitalize()


def _with_distinct_names(profiles: Sequence[CatalogEntry], names: Counter[str]) -> Iterator[CatalogEntry]:
    """Profiles whose name another entry of the list has carry their id behind it."""
    names = names + Counter(profile.name for profile in profiles)
    for profile in profiles:
        yield profile if names[profile.name] == 1 else replace(profile, name=f"{profile.name} ({profile.id})")


def _search_text(entry: CatalogEntry) -> str:
    ids = (entry.id, entry.name, *(entry.inference_profiles if entry.kind == MODEL else ()))
    return "\n".join(ids).casefold()
