"""Names of the operator's that stand for a model or a profile, resolved within what a caller sees, without state."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.catalog.entries import ACTIVE, ALIAS, CatalogEntry, profile_ids
from app.catalog.patterns import ANY, PatternSet, matches
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
    found: dict[str, Resolution] = {}
    patterns: dict[str, str] = {}
    for alias in aliases:
        if find(alias.name) is not None:
            continue
        if alias.is_pattern:
            patterns[alias.name] = alias.target.casefold()
        elif (entry := find(alias.target)) is not None:
            found[alias.name] = Resolution(target_id=entry.id)
    if patterns:
        by_pattern = _newest(set(patterns.values()), models)
        found |= {name: by_pattern[it] for name, it in patterns.items() if it in by_pattern}
    return found


def names_by_target(resolved: Mapping[str, Resolution]) -> dict[str, tuple[str, ...]]:
    """The names that stand for each id, sorted."""
    names: dict[str, tuple[str, ...]] = {}
    for name in sorted(resolved):
        target_id = resolved[name].target_id
        names[target_id] = (*names.get(target_id, ()), name)
    return names


def taken_names(aliases: Iterable[Alias], snapshot: CatalogSnapshot) -> tuple[str, ...]:
    """The aliases whose name is an id of the catalog, which would hide them."""
    own = {entry.id for entry in (*snapshot.application_profiles, *snapshot.account_models)}
    return tuple(
        it.name for it in aliases if it.name in snapshot.by_id or it.name in snapshot.by_profile or it.name in own
    )


def _newest(patterns: Collection[str], models: Iterable[CatalogEntry]) -> dict[str, Resolution]:
    """What each pattern, case-folded, stands for: of models' ids, or of their profiles' where it matches none."""
    chat_models = [it for it in models if it.lifecycle == ACTIVE and it.is_text and it.invocations]
    found = _first_matches(patterns, ((it, (it.id,)) for it in chat_models))
    others = [it for it in patterns if it not in found]
    return found | _first_matches(others, ((it, profile_ids(it.invocations)) for it in chat_models))


def _first_matches(
    patterns: Iterable[str], named: Iterable[tuple[CatalogEntry, Sequence[str]]]
) -> dict[str, Resolution]:
    """The first id that each pattern matches, and those of the same date behind it.

    Args:
        named: models, newest first, and the ids of each.
    """
    matched: dict[str, list[tuple[CatalogEntry, str]]] = {}
    # All patterns at once first, as most ids match none of them.
    wanted = PatternSet(patterns)
    for model, ids in named:
        if not wanted:
            break
        for entry_id in ids:
            folded = entry_id.casefold()
            if not wanted.matches(folded):
                continue
            for pattern in wanted.patterns:
                first = matched.get(pattern)
                if first is not None and first[0][0].created_at != model.created_at:
                    wanted = PatternSet(it for it in wanted.patterns if it != pattern)
                elif matches(pattern, folded):
                    matched.setdefault(pattern, []).append((model, entry_id))
    return {
        pattern: Resolution(target_id=ids[0][1], equally_new=tuple(entry_id for _, entry_id in ids[1:]))
        for pattern, ids in matched.items()
    }
