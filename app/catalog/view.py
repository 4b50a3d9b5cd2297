"""A snapshot as one scope sees it: the lists that queries page through, and the way from any name to an entry."""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from operator import attrgetter

from app.catalog.aliases import Alias, AliasTargetGone, Resolution, former_targets, names_by_target, resolve
from app.catalog.entries import MODEL, ON_DEMAND, CatalogEntry, profile_ids
from app.catalog.filters import InvocationFilter, restrict
from app.catalog.paging import SortKey, UnknownCursor, key_of, sort_key
from app.catalog.patterns import ANY, matching
from app.catalog.records import DEMO, GLOBAL, RemovedModel
from app.catalog.scope import ALL_VIEW, MODELS_VIEW, PROFILES_VIEW, Scope
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.visible import VisibleCatalog

# A client can make up as many filters as it likes; the lists of these are kept.
MAX_LISTS = 32

# Claude Code appends it, in any case, to ask for the long context window.
LONG_CONTEXT_SUFFIX = "[1m]"
# How gateways write the ids of Bedrock's models.
GATEWAY_PREFIXES = ("bedrock/", "converse/", "anthropic/")
MAX_DECORATIONS = 4


class UnknownValue(ValueError):
    """A filter's value that nothing in this catalog has; `allowed` are those that something has."""

    def __init__(self, field: str, allowed: Iterable[str]) -> None:
        super().__init__(field)
        self.field = field
        self.allowed = tuple(sorted(allowed))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Which list: one of VIEWS, None for the scope's; names or patterns of source regions and of destinations.

    Of `access`, an entry's state must be one, where there are any.
    """

    view: str | None = None
    regions: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    access: tuple[str, ...] = ()


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

    `models`, `application_profiles`, `account_models` and `project_entries` are all that the scope sees, newest first;
    `regions` the configured ones, in order of preference, whether they answered or not; `resolved` what the aliases
    stand for, by name.
    """

    def __init__(self, snapshot: CatalogSnapshot, scope: Scope, aliases: Sequence[Alias] = ()) -> None:
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
            regions=None if scope.regions is None else _some(scope.regions, snapshot.state.regions),
            destinations=None
            if scope.within is None
            else _places(scope.within, snapshot.destinations.union(snapshot.state.regions)),
        )
        self._seen = seen
        self.regions = tuple(it for it in snapshot.state.regions if seen.regions is None or it in seen.regions)
        known = [it for it in aliases if scope.excluded is None or not scope.excluded.match_id(it.name)]
        self._patterns = self._with_named_targets(known)
        self._visible = VisibleCatalog(snapshot, self._patterns, seen, self._restrict)
        self.resolved = self._resolve(known, self._visible)
        # One whose target cannot be seen exists for a caller whose scope has a pattern for it.
        self._aliases = {it.name: it for it in known if it.name in self.resolved or scope.names(it.name, it.target)}
        if self.resolved:
            self._visible.name_aliases(names_by_target(self.resolved))
        self.models = self._visible.models
        self.application_profiles = self._visible.application_profiles
        self.account_models = self._visible.account_models
        self.project_entries = self._visible.project_entries
        self.find_exact, self.find_base = self._visible.find_exact, self._visible.find_base
        self._lists: OrderedDict[ListFilter, EntryList] = OrderedDict()

    def restrict_entry(self, entry: CatalogEntry) -> CatalogEntry | None:
        """What the scope sees of an entry that need not be of this snapshot; None where that is nothing."""
        return self._patterns.visible(entry, self._seen, self._restrict)

    def _with_named_targets(self, aliases: Iterable[Alias]) -> Scope:
        """The scope, which sees the targets of the aliases that its patterns match by name, too."""
        scope = self.scope
        named = [it for it in aliases if scope.models is not None and scope.models.match_id(it.name)]
        if scope.models is None or not named:
            return scope
        everything = replace(scope, models=None)
        whole = VisibleCatalog(self.snapshot, everything, self._seen, self._restrict)
        found = self._resolve(named, whole)
        # A target counts, too, where it has left, for the cursors of that day.
        known = [it for it in named if whole.find_base(it.name) is None]
        left = [it.target for it in known if not it.is_pattern]
        patterns = {
            it.target.casefold(): whole.find_exact(found[it.name].target_id) if it.name in found else None
            for it in known
            if it.is_pattern
        }
        seen = (it for it in self.snapshot.removed.values() if everything.saw(it, self._seen)) if patterns else ()
        targets = [*(it.target_id for it in found.values()), *left, *sorted(former_targets(patterns, seen))]
        return replace(scope, models=scope.models.with_ids(targets))

    def _resolve(self, aliases: Iterable[Alias], visible: VisibleCatalog) -> dict[str, Resolution]:
        return resolve(aliases, visible.models, find=visible.find_exact, find_base=visible.find_base)

    @cached_property
    def destinations(self) -> frozenset[str]:
        """All places where something that the scope sees is processed, and the regions."""
        visible = self._visible
        entries = (*self.models, *visible.dormant, *self.application_profiles, *self.account_models)
        found = (*entries, *visible.project_entries)
        ways = (
            way
            for entry in found
            for way in (*entry.invocations, *entry.former_invocations, *(entry.project_ways or ()))
        )
        return frozenset(place for way in ways for place in way.destinations).union(self.regions)

    def entry_list(self, wanted: ListFilter) -> EntryList:
        """
        Raises:
            UnknownValue: a region or a destination that nothing has.
        """
        wanted = replace(wanted, view=wanted.view or self.scope.list_view)
        found = self._lists.get(wanted)
        if found is None:
            entries = self._entries(wanted)
            if wanted.access:
                entries = (it for it in entries if it.access_state in wanted.access)
            found = self._lists[wanted] = EntryList(entries)
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
        for spelled in self.scope.spellings(entry_id):
            entry = entries.by_id.get(spelled) or self.find_exact(spelled)
            if entry is not None:
                return sort_key(entry)
            if (key := self._key_of_alias(spelled)) is not None:
                return key
            gone = self.snapshot.removed.get(spelled)
            if gone is not None and self._patterns.saw(gone, self._seen):
                return key_of(gone.created_at, gone.id)
        raise UnknownCursor(field, entry_id)

    def _key_of_alias(self, name: str) -> SortKey | None:
        """The place of an alias, also where its target has left the catalog."""
        alias = self._aliases.get(name)
        if alias is None:
            return None
        resolution = self.resolved.get(name)
        target = self.find_exact(resolution.target_id) if resolution is not None else None
        if target is not None:
            return key_of(target.created_at, name)
        gone = self._removed_target(alias)
        return None if gone is None else key_of(gone.created_at, name)

    def _removed_target(self, alias: Alias) -> RemovedModel | None:
        """What an alias stood for last, where that has left the catalog."""
        if not alias.is_pattern:
            gone = self.snapshot.removed.get(alias.target)
            return gone if gone is not None and self._patterns.saw(gone, self._seen) else None
        seen = [it for it in self.snapshot.removed.values() if self._patterns.saw(it, self._seen)]
        former = former_targets({alias.target.casefold(): None}, seen)
        return max((it for it in seen if it.id in former), key=lambda it: it.removed_at, default=None)

    def find(self, name: str) -> CatalogEntry | None:
        """The entry of an id, an ARN or an alias, a gateway's spelling of one, or one of these with the suffix `[1m]`.

        Raises:
            AliasTargetGone: the name is an alias, and its target is not there.
        """
        for _ in range(MAX_DECORATIONS):
            for spelled in self.scope.spellings(name):
                resolution = self.resolved.get(spelled)
                found = self.find_exact(spelled if resolution is None else resolution.target_id)
                if found is not None:
                    return found
                if spelled in self._aliases:
                    raise AliasTargetGone(self._aliases[spelled])
            if name[-len(LONG_CONTEXT_SUFFIX) :].lower() == LONG_CONTEXT_SUFFIX:
                name = name[: -len(LONG_CONTEXT_SUFFIX)]
            elif name.startswith(GATEWAY_PREFIXES):
                name = name.partition("/")[2]
            else:
                return None
        return None

    def _entries(self, wanted: ListFilter) -> Iterator[CatalogEntry]:
        visible = self._visible
        models: Iterable[CatalogEntry] = self.models
        own: Iterable[CatalogEntry] = self.application_profiles
        account: Iterable[CatalogEntry] = self.account_models
        of_projects: Iterable[CatalogEntry] = self.project_entries
        left = InvocationFilter(
            regions=self._known_regions(wanted.regions) if wanted.regions else None,
            destinations=self._known_destinations(wanted.within) if wanted.within else None,
        )
        if not left.is_open:
            models, own = self._restricted((*models, *visible.dormant), left), self._restricted(own, left)
            account, of_projects = self._restricted(account, left), self._restricted(of_projects, left)
        # A filter leaves nothing of a model that cannot be called but what Mantle serves.
        is_of_base = visible.is_of_base if left.is_open else attrgetter("is_callable_at_runtime")
        listed = [it for it in models if is_of_base(it)]
        on_mantle = [it for it in models if not is_of_base(it)]
        has_models, has_profiles = wanted.view != PROFILES_VIEW, wanted.view != MODELS_VIEW
        aliases = list(self._alias_entries((*listed, *on_mantle), (*account, *own))) if has_models else []
        yield from (*listed, *aliases) if has_models else filter(None, map(_on_demand_only, listed))
        # What an optional part lists takes neither an id nor a name from what stands before it.
        ids = {it.id for it in (*listed, *aliases)} | self.resolved.keys()
        names = Counter(it.name for it in (*listed, *aliases))
        for group in (
            self._profiles(listed) if has_profiles else (),
            own if has_profiles else (),
            on_mantle if has_models else (),
            [it for it in account if wanted.view == ALL_VIEW or self._is_named(it)],
            [it for it in of_projects if wanted.view == ALL_VIEW and not (left.is_open and self.find_base(it.id))],
        ):
            # An id stands once in a list, though a profile may call several models.
            new = {it.id: it for it in reversed([it for it in group if it.id not in ids])}
            yield from _with_distinct_names(new.values(), names)
            ids |= new.keys()
            names.update(it.name for it in new.values())

    def _is_named(self, entry: CatalogEntry) -> bool:
        """Whether a pattern of the scope names the entry, which then stands in each of its lists."""
        return self.scope.models is not None and self.scope.models.match_id(entry.id)

    def _alias_entries(self, models: Iterable[CatalogEntry], own: Iterable[CatalogEntry]) -> Iterator[CatalogEntry]:
        """The entries of listed aliases whose targets are among these entries and their profiles."""
        if not self.resolved:
            return
        listed = {it: self._aliases[it] for it in self.resolved if self._aliases[it].is_listed}
        wanted = {self.resolved[it].target_id for it in listed}
        targets: dict[str, CatalogEntry] = {}
        for entry in (*own, *models):
            for target_id in (entry.id, *profile_ids(entry.invocations or entry.former_invocations)):
                if target_id in wanted:
                    target = entry if target_id == entry.id else self._visible.profile_entry(entry, target_id)
                    targets.setdefault(target_id, target)
        for name, alias in listed.items():
            if (found := targets.get(self.resolved[name].target_id)) is not None:
                yield alias.entry_of(found)

    def _restricted(self, entries: Iterable[CatalogEntry], wanted: InvocationFilter) -> list[CatalogEntry]:
        return [left for entry in entries if (left := self._restrict(entry, wanted)) is not None]

    def _profiles(self, models: Iterable[CatalogEntry]) -> Iterator[CatalogEntry]:
        for model in models:
            for profile_id in profile_ids(model.invocations or model.former_invocations):
                if profile_id not in self._visible.by_id:
                    yield self._visible.profile_entry(model, profile_id)

    def _known_regions(self, patterns: Sequence[str]) -> frozenset[str] | None:
        for pattern in patterns:
            if not matching([pattern.strip()], self.regions):
                raise UnknownValue("region", self.regions)
        return _some([pattern.strip() for pattern in patterns], self.regions)

    def _known_destinations(self, patterns: Sequence[str]) -> frozenset[str]:
        for pattern in patterns:
            if not _places([pattern], self.destinations):
                raise UnknownValue("within", self.destinations)
        return _places(patterns, self.destinations)


def _some(patterns: Iterable[str], regions: Collection[str]) -> frozenset[str] | None:
    """The regions that patterns match; None for all of them, which is no filter."""
    found = matching(patterns, regions)
    return None if len(found) == len(regions) else found


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


def _with_distinct_names(entries: Collection[CatalogEntry], names: Counter[str]) -> Iterator[CatalogEntry]:
    """Entries whose name is taken, or another's of them, carry their id behind it."""
    names = names + Counter(entry.name for entry in entries)
    for entry in entries:
        yield entry if names[entry.name] == 1 else replace(entry, name=f"{entry.name} ({entry.id})")


def _search_text(entry: CatalogEntry) -> str:
    ids = (entry.id, entry.name, *(entry.inference_profiles if entry.kind == MODEL else ()))
    return "\n".join(ids).casefold()
