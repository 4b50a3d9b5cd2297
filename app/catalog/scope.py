"""What a key may see. What is not in its scope does not exist for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from app.catalog.entries import INFERENCE_PROFILE, MODEL, CatalogEntry, profile_ids
from app.catalog.filters import InvocationFilter
from app.catalog.patterns import PatternSet
from app.catalog.records import Invocation, RemovedModel

MODELS_VIEW = "models"
PROFILES_VIEW = "profiles"
ALL_VIEW = "all"
VIEWS = (MODELS_VIEW, PROFILES_VIEW, ALL_VIEW)

PROVIDER_PREFIX = "provider:"
ARN_PREFIX = "arn:"
PLAIN_ID = "{id}"

# What is left of an entry; None where that is nothing.
Restrict = Callable[[CatalogEntry, InvocationFilter], CatalogEntry | None]


class EntryPatterns:
    """Patterns of ids, and of makers as `provider:NAME`, in any case. An ARN is matched by patterns of ARNs alone."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        folded = [pattern.strip().casefold() for pattern in patterns]
        self.patterns = patterns
        self._providers = PatternSet(
            it.removeprefix(PROVIDER_PREFIX).strip() for it in folded if it.startswith(PROVIDER_PREFIX)
        )
        self._arns = PatternSet(it for it in folded if it.startswith(ARN_PREFIX))
        self._ids = PatternSet(it for it in folded if not it.startswith((PROVIDER_PREFIX, ARN_PREFIX)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntryPatterns) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    def with_ids(self, ids: Iterable[str]) -> "EntryPatterns":
        """The patterns and what matches these ids alone, but for ARNs, which only patterns of ARNs match."""
        more = tuple(it for it in ids if not it.casefold().startswith(ARN_PREFIX))
        return EntryPatterns(self.patterns + more) if more else self

    def match_id(self, entry_id: str) -> bool:
        folded = entry_id.casefold()
        return (self._arns if folded.startswith(ARN_PREFIX) else self._ids).matches(folded)

    def match_model(self, model: CatalogEntry) -> bool:
        """Whether the model's own id or its maker matches, which covers its profiles."""
        by_provider = model.provider is not None and self._providers.matches(model.provider.casefold())
        return by_provider or self.match_id(model.model_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a caller may see, and how its lists look by default.

    `models` and `excluded` are patterns of entries: None for all, none for an empty one; what is excluded is not
    there, whatever else matches. `regions` and `within` are patterns of source regions and of destinations, None for
    any. `include_provisioned`: also models that only provisioned throughput can call. `id_format` is how ids are
    written to this caller, and `feeds` whether a feed's key may stand in its address. `keys` are patterns of the names
    of the keys that have this scope, None for every name.
    """

    name: str = ""
    models: EntryPatterns | None = None
    excluded: EntryPatterns | None = None
    regions: tuple[str, ...] | None = None
    within: tuple[str, ...] | None = None
    list_view: str = MODELS_VIEW
    default_limit: int | None = None
    id_format: str = PLAIN_ID
    include_provisioned: bool = False
    feeds: bool = False
    keys: PatternSet | None = None

    def wire_id(self, entry_id: str) -> str:
        """An id as this caller reads it."""
        return self.id_format.replace(PLAIN_ID, entry_id)

    def spellings(self, name: str) -> tuple[str, ...]:
        """What a caller may mean by a name: itself, or the id that is written so to this caller."""
        before, _, after = self.id_format.partition(PLAIN_ID)
        is_wire_id = name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
        inner = name[len(before) : len(name) - len(after)] if is_wire_id else name
        return (name,) if inner == name else (name, inner)

    def names(self, *words: str) -> bool:
        """Whether a pattern matches one of the words: an id, an alias, or what an alias stands for."""
        return self.models is None or any(map(self.models.match_id, words))

    def saw(self, gone: RemovedModel, wanted: InvocationFilter) -> bool:
        """Whether this scope saw an entry that left the catalog.

        Args:
            wanted: what `regions` and `within` come to in this catalog.
        """
        if not gone.model_id:
            return wanted.is_open and self.models is None and self.excluded is None
        entry = CatalogEntry(
            kind=MODEL if gone.id == gone.model_id else INFERENCE_PROFILE,
            id=gone.id,
            name=gone.id,
            model_id=gone.model_id,
            provider=gone.provider,
            created_at=gone.created_at,
            invocations=gone.invocations,
        )
        return self.visible(entry, wanted, _any_left) is not None

    def visible(self, entry: CatalogEntry, wanted: InvocationFilter, restrict: Restrict) -> CatalogEntry | None:
        """What this scope sees of an entry; None where that is nothing.

        Args:
            wanted: what `regions` and `within` come to in this catalog.
        """
        excluded = self.excluded
        if excluded is not None and (excluded.match_model(entry) or excluded.match_id(entry.id)):
            return None
        covers = self._covers(entry)
        if wanted.is_open and covers and not self._hides_profile(entry):
            is_seen = entry.is_callable or self.include_provisioned or entry.former_invocations or entry.is_of_project
            if self.excluded is not None and entry.project_ways and not entry.is_of_project:
                entry = replace(entry, project_ways=tuple(filter(self._allows(entry, covers), entry.project_ways)))
            return entry if is_seen else None
        if not covers and not self._names_profile(entry):
            return None
        return restrict(entry, replace(wanted, allows=self._allows(entry, covers)))

    def _hides_profile(self, entry: CatalogEntry) -> bool:
        return self.excluded is not None and any(map(self.excluded.match_id, _profiles_of(entry)))

    def _names_profile(self, entry: CatalogEntry) -> bool:
        return self.models is not None and any(map(self.models.match_id, _profiles_of(entry)))

    def _covers(self, entry: CatalogEntry) -> bool:
        """Whether the entry is seen whole. The account's own need a pattern of ARNs."""
        if self.models is None:
            return True
        if entry.id.startswith(ARN_PREFIX):
            return self.models.match_id(entry.id)
        return self.models.match_model(entry) or (entry.kind != MODEL and self.models.match_id(entry.id))

    def _allows(self, entry: CatalogEntry, covers: bool) -> Callable[[Invocation], bool]:
        def allows(way: Invocation) -> bool:
            if way.profile_id is None or way.profile_id == entry.id:
                return covers
            if self.excluded is not None and self.excluded.match_id(way.profile_id):
                return False
            return covers or (self.models is not None and self.models.match_id(way.profile_id))

        return allows


# What operators see: what no dialect lists, too.
EVERYTHING = Scope(name="operator", include_provisioned=True)


def _profiles_of(entry: CatalogEntry) -> tuple[str, ...]:
    if entry.is_of_project:
        return profile_ids(entry.project_ways or ())
    return profile_ids(entry.invocations, entry.former_invocations)


def _any_left(entry: CatalogEntry, wanted: InvocationFilter) -> CatalogEntry | None:
    return entry if wanted.apply(entry.invocations) else None
