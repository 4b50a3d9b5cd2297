"""A snapshot as one scope sees it: what every query reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from app.catalog.records import CatalogModel, CatalogSnapshot

# Each word as the catalog spells it, by its case-folded form.
Spellings = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a caller may see; `name` stands in the keys of caches.

    `include_provisioned`: also models that only provisioned throughput can call.
    """

    name: str = "default"
    include_provisioned: bool = False

    def sees(self, model: CatalogModel) -> bool:
        return model.is_callable or self.include_provisioned


# Without slots, which cached properties do without; a view is equal to itself alone.
@dataclass(frozen=True, eq=False)
class CatalogView:
    """A snapshot as one scope sees it; what it derives is derived once."""

    snapshot: CatalogSnapshot
    scope: Scope

    @cached_property
    def models(self) -> tuple[CatalogModel, ...]:
        """Newest first, then by id."""
        return tuple(model for model in self.snapshot.models if self.scope.sees(model))

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region of the last refresh, whether it answered or not."""
        return self.snapshot.state.regions

    @cached_property
    def folded_names(self) -> Mapping[str, str]:
        """Each model's id and name, case-folded, a line each, by its id."""
        return {model.id: f"{model.id}\n{model.name}".casefold() for model in self.models}

    @cached_property
    def spellings_of_regions(self) -> Spellings:
        return spellings(self.regions)

    @cached_property
    def spellings_of_providers(self) -> Spellings:
        return spellings(model.provider for model in self.models if model.provider)

    @cached_property
    def spellings_of_input_modalities(self) -> Spellings:
        return spellings(modality for model in self.models for modality in model.input_modalities)

    @cached_property
    def spellings_of_output_modalities(self) -> Spellings:
        return spellings(modality for model in self.models for modality in model.output_modalities)


def spellings(words: Iterable[str]) -> Spellings:
    found: dict[str, set[str]] = {}
    for word in words:
        found.setdefault(word.casefold(), set()).add(word)
    return {folded: frozenset(spelled) for folded, spelled in found.items()}
