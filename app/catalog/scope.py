"""What a key may see. What is not in its scope does not exist for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.catalog.entries import CatalogEntry, Invocation
from app.catalog.filters import InvocationFilter
from app.catalog.patterns import PatternSet

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
    written to this caller.
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

    def visible(self, entry: CatalogEntry, wanted: InvocationFilter, restrict: Restrict) -> CatalogEntry | None:
        """What this scope sees of an entry; None where that is nothing.

        Args:
            wanted: what `regions` and `within` come to in this catalog.
        """
        excluded = self.excluded
        if excluded is not None and (excluded.match_model(entry) or excluded.match_id(entry.id)):
            return None
        if not entry.is_callable:
            is_seen = self.include_provisioned and wanted.is_open and self._covers(entry)
            return entry if is_seen else None
        if wanted.is_open and self.models is None and excluded is None:
            return entry
        return restrict(entry, replace(wanted, allows=self._allows(entry)))

    def _covers(self, entry: CatalogEntry) -> bool:
        """Whether the entry is seen whole. The account's own need a pattern of ARNs."""
        if self.models is None:
            return True
        return self.models.match_id(entry.id) if entry.id.startswith(ARN_PREFIX) else self.models.match_model(entry)

    def _allows(self, entry: CatalogEntry) -> Callable[[Invocation], bool]:
        covers = self._covers(entry)

        def allows(way: Invocation) -> bool:
            if way.profile_id is None or way.profile_id == entry.id:
                return covers
            if self.excluded is not None and self.excluded.match_id(way.profile_id):
                return False
            return covers or (self.models is not None and self.models.match_id(way.profile_id))

        return allows
