"""What a scope sees of a snapshot, and the way from an exact name to it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from operator import is_
from types import MappingProxyType

from app.catalog.entries import INFERENCE_PROFILE, CatalogEntry, geography_in_words
from app.catalog.filters import InvocationFilter
from app.catalog.merge import geography_of
from app.catalog.paging import sort_key
from app.catalog.scope import Restrict, Scope
from app.catalog.snapshot import CatalogSnapshot, models_by_profile

# Partition, region (none in a global profile's targets) and account are checked for their form alone: an answer that
# depended on the account would give away which one this is.
ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:(?:\d{12})?:(?P<kind>foundation-model|inference-profile)/(?P<id>.+)", re.DOTALL
)


class VisibleCatalog:
    """The models, and the account's own profiles and models, that a scope sees, newest first, then by id."""

    def __init__(self, snapshot: CatalogSnapshot, scope: Scope, seen: InvocationFilter, restrict: Restrict) -> None:
        def visible(entries: tuple[CatalogEntry, ...]) -> tuple[CatalogEntry, ...]:
            left = [it for entry in entries if (it := scope.visible(entry, seen, restrict)) is not None]
            is_whole = len(left) == len(entries) and all(map(is_, left, entries))
            return entries if is_whole else tuple(sorted(left, key=sort_key))

        self._snapshot = snapshot
        self._lists_provisioned = scope.include_provisioned and seen.is_open
        self._alias_names: Mapping[str, tuple[str, ...]] = MappingProxyType({})
        models = visible(snapshot.models)
        # A model that some regions only sell, and that has ended in the others: a filter of regions may leave these.
        self.dormant = tuple(it for it in models if not it.is_callable and not scope.include_provisioned)
        self.models = (
            tuple(it for it in models if it.is_callable or scope.include_provisioned) if self.dormant else models
        )
        self.application_profiles = visible(snapshot.application_profiles)
        self.project_entries = visible(snapshot.project_entries)
        self.account_models = visible(snapshot.account_models)
        self._index()

    def name_aliases(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Let every entry know the names that stand for it, given by its id."""

        def named(entries: tuple[CatalogEntry, ...]) -> tuple[CatalogEntry, ...]:
            return tuple(replace(it, aliases=names[it.id]) if it.id in names else it for it in entries)

        self._alias_names = names
        self.models, self.application_profiles = named(self.models), named(self.application_profiles)
        self.account_models = named(self.account_models)
        self.project_entries = named(self.project_entries)
        self._index()

    def _index(self) -> None:
        own = (*self.application_profiles, *self.account_models, *self.project_entries)
        self._own: dict[str, CatalogEntry] = {}
        for entry in own:
            self._own.setdefault(entry.id, entry)
        if self.models is self._snapshot.models:
            self.by_id, self._by_profile = self._snapshot.by_id, self._snapshot.by_profile
            return
        self.by_id = {model.id: model for model in self.models}
        self._by_profile = models_by_profile(self.models)

    def find_exact(self, name: str) -> CatalogEntry | None:
        """The entry of an id, or of a model's or a profile's ARN."""
        found = self.find_base(name) or self.by_id.get(name) or self._own.get(name)
        if found is not None:
            return found
        arn = ARN.fullmatch(name)
        if arn is None:
            return None
        known: Mapping[str, object] = self.by_id if arn["kind"] == "foundation-model" else self._by_profile
        return self.find_exact(arn["id"]) if arn["id"] in known else None

    def is_of_base(self, model: CatalogEntry) -> bool:
        """Whether a model of these would be seen if no optional part listed it."""
        return model.is_callable_at_runtime or (self._lists_provisioned and bool(model.rows))

    def find_base(self, name: str) -> CatalogEntry | None:
        """The entry of an id that a base part lists: no other part's takes its place."""
        model = self.by_id.get(name)
        if model is not None and self.is_of_base(model):
            return model
        model = self._by_profile.get(name)
        return None if model is None or not self.is_of_base(model) else self.profile_entry(model, name)

    def profile_entry(self, model: CatalogEntry, profile_id: str) -> CatalogEntry:
        """The entry of a profile, with what it has of its own.

        Args:
            model: the profile's model, as it is seen.
        """
        geography = geography_of(profile_id, model.id)
        name = self._snapshot.profile_names.get(profile_id)
        return replace(
            model,
            kind=INFERENCE_PROFILE,
            id=profile_id,
            name=name or f"{model.name} ({geography_in_words(geography) if geography else profile_id})",
            geography=geography,
            invocations=tuple(way for way in model.invocations if way.profile_id == profile_id),
            former_invocations=tuple(way for way in model.former_invocations if way.profile_id == profile_id),
            project_ways=None
            if model.project_ways is None
            else tuple(way for way in model.project_ways if way.profile_id == profile_id),
            card=self._snapshot.cards.card_for_profile(model.card, profile_id),
            aliases=self._alias_names.get(profile_id, ()),
            mantle_rows=None if model.mantle_rows is None else (),
        )
