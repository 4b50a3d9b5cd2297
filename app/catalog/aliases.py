"""Names of the operator's that stand for a model or a profile, resolved within what a caller sees, without state."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.catalog.entries import ACTIVE, ALIAS, CatalogEntry, profile_ids
from app.catalog.patterns import ANY, matches
from app.catalog.snapshot import CatalogSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name and its target: an id, a profile's id, an ARN, or a pattern, for the newest active chat model it matches.

    A pattern is matched against models' ids in any case; where it matches none, against their profiles' ids. One that
    is not listed is resolved, and named by its target, all the same.
    """

    name: str
    target: str
    is_listed: bool = True
    display_name: str | None = None

    @property
    def is_pattern(self) -> bool:
        return ANY in self.target

    def entry_of(self, target: CatalogEntry) -> CatalogEntry:
        """The entry that stands for the alias in a list."""
        return replace(
            target,
            kind=ALIAS,
            id=self.name,
            name=self.display_name or self.name,
            alias_of=target.id,
            aliases=(),
        )


class AliasTargetGone(LookupError):
    """An alias that a caller may know, and whose target it does not see (any more)."""

    def __init__(self, alias: Alias) -> None:
        super().__init__(alias.name, alias.target)
        self.alias = alias


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The id that an alias stands for now; `equally_new` are others that its pattern matches, of the same date."""

    target_id: str
    equally_new: tuple[str, ...] = ()


Find = Callable[[str], CatalogEntry | None]


def resolve(aliases: Iterable[Alias], models: Sequence[CatalogEntry], find: Find) -> dict[str, Resolution]:
    """What each alias stands for, by name. One whose target is not there, or whose name is an id, is left out.

    Args:
        models: what can be seen, newest first, then by id.
        find: the entry of an exact id or ARN among what can be seen.
    """
    aliases = [alias for alias in aliases if find(alias.name) is None]
    patterns = [alias for alias in aliases if alias.is_pattern]
    chat_models = _chat_models(models) if patterns else []
    found: dict[str, Resolution | None] = {alias.name: _newest(alias.target, chat_models) for alias in patterns}
    for alias in aliases:
        if not alias.is_pattern and (entry := find(alias.target)) is not None:
            found[alias.name] = Resolution(target_id=entry.id)
    return {name: resolution for name, resolution in found.items() if resolution is not None}


def names_by_target(resolved: Mapping[str, Resolution]) -> dict[str, tuple[str, ...]]:
    """The names that stand for each id, sorted."""
    names: dict[str, tuple[str, ...]] = {}
    for name in sorted(resolved):
        target_id = resolved[name].target_id
        names[target_id] = (*names.get(target_id, ()), name)
    return names


def taken_names(aliases: Iterable[Alias], snapshot: CatalogSnapshot) -> tuple[str, ...]:
    """The aliases whose name is an id of the catalog, which would hide them."""
    own = {entry.id for entry in snapshot.application_profiles}
    return tuple(
        it.name for it in aliases if it.name in snapshot.by_id or it.name in snapshot.by_profile or it.name in own
    )


# A model that a pattern can stand for, its id and those of its profiles, case-folded.
ChatModel = tuple[CatalogEntry, str, dict[str, str]]


def _chat_models(models: Iterable[CatalogEntry]) -> list[ChatModel]:
    return [
        (model, model.id.casefold(), {it.casefold(): it for it in profile_ids(model.invocations)})
        for model in models
        if model.lifecycle == ACTIVE and model.is_text and model.invocations
    ]


def _newest(pattern: str, chat_models: Sequence[ChatModel]) -> Resolution | None:
    folded = pattern.casefold()
    matched = [(model, model.id) for model, model_id, _ in chat_models if matches(folded, model_id)]
    if not matched:
        matched = [
            (model, profile_id)
            for model, _, profiles in chat_models
            for name, profile_id in profiles.items()
            if matches(folded, name)
        ]
    if not matched:
        return None
    newest, target_id = matched[0]
    others = (entry_id for model, entry_id in matched[1:] if model.created_at == newest.created_at)
    return Resolution(target_id=target_id, equally_new=tuple(others))
