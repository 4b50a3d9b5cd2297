"""Names of the operator's that stand for a model or a profile, resolved within what a caller sees, without state."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.catalog.entries import ALIAS, MODEL, CatalogEntry, profile_ids
from app.catalog.paging import key_of, sort_key
from app.catalog.patterns import ANY, PatternSet, matches
from app.catalog.records import RemovedModel
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

# What an alias can be: it stands for something, nothing is there that it could stand for, or its name is an id itself.
RESOLVED = "resolved"
GONE = "gone"
TAKEN = "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasStatus:
    """An alias for the operator: its state, the id that it stands for, and others that are as new."""

    name: str
    target: str
    state: str
    target_id: str | None = None
    equally_new: tuple[str, ...] = ()


def resolve(
    aliases: Iterable[Alias], models: Sequence[CatalogEntry], *, find: Find, find_base: Find
) -> dict[str, Resolution]:
    """What each alias stands for, by name. One whose target is not there, or whose name is an id, is left out.

    A name may be an id that only optional parts list: it may come to be one at any time, and the alias comes first.

    Args:
        models: what can be seen, newest first, then by id.
        find: the entry of an exact id or ARN among what can be seen.
        find_base: that of an id that a base part lists.
    """
    found: dict[str, Resolution] = {}
    patterns: dict[str, str] = {}
    for alias in aliases:
        if find_base(alias.name) is not None:
            continue
        if alias.is_pattern:
            patterns[alias.name] = alias.target.casefold()
        elif (entry := find(alias.target)) is not None:
            found[alias.name] = Resolution(target_id=entry.id)
    if patterns:
        by_pattern = _newest(set(patterns.values()), models)
        found |= {name: by_pattern[it] for name, it in patterns.items() if it in by_pattern}
    return found


def statuses(aliases: Iterable[Alias], resolved: Mapping[str, Resolution], find_base: Find) -> tuple[AliasStatus, ...]:
    """The state of each alias, in the file's order.

    Args:
        resolved, find_base: as `resolve` has them.
    """

    def status(alias: Alias) -> AliasStatus:
        resolution = resolved.get(alias.name)
        if resolution is not None:
            target_id, equally_new = resolution.target_id, resolution.equally_new
            return AliasStatus(
                name=alias.name, target=alias.target, state=RESOLVED, target_id=target_id, equally_new=equally_new
            )
        state = GONE if find_base(alias.name) is None else TAKEN
        return AliasStatus(name=alias.name, target=alias.target, state=state)

    return tuple(map(status, aliases))


def former_targets(patterns: Mapping[str, CatalogEntry | None], removed: Iterable[RemovedModel]) -> frozenset[str]:
    """What patterns stood for until it left, by what is known of it.

    What is there now, and is newer, may have come after it left: it is taken to have been there before.

    Args:
        patterns: each pattern, case-folded, with what it stands for now.
        removed: what could be seen of what left lately.
    """
    left = sorted((it for it in removed if it.was_eligible), key=lambda it: key_of(it.created_at, it.id))
    found: set[str] = set()
    for pattern, now in patterns.items():
        # Until then, the pattern stood for one that is preferred: a newer one, or a model's own id to a profile's.
        preferred_until: datetime | None = None
        for of_models in (True, False):
            rival = now if now is not None and (now.kind == MODEL) is of_models else None
            for gone in left:
                if (gone.id == gone.model_id) is not of_models or not matches(pattern, gone.id.casefold()):
                    continue
                if rival is not None and sort_key(rival) < key_of(gone.created_at, gone.id):
                    break
                if preferred_until is None or gone.removed_at > preferred_until:
                    found.add(gone.id)
                    preferred_until = gone.removed_at
            if rival is not None:
                break
    return frozenset(found)


def names_by_target(resolved: Mapping[str, Resolution]) -> dict[str, tuple[str, ...]]:
    """The names that stand for each id, sorted."""
    names: dict[str, tuple[str, ...]] = {}
    for name in sorted(resolved):
        target_id = resolved[name].target_id
        names[target_id] = (*names.get(target_id, ()), name)
    return names


def taken_names(aliases: Iterable[Alias], snapshot: CatalogSnapshot) -> tuple[str, ...]:
    """The aliases whose name is an id or an ARN of the catalog; not those that Mantle or a project alone lists."""
    own = {it.id for it in (*snapshot.application_profiles, *snapshot.account_models)}

    def is_taken(name: str) -> bool:
        model = snapshot.by_id.get(name)
        is_listed = model is not None and not model.is_on_mantle_alone
        return is_listed or name in snapshot.by_profile or name in own

    return tuple(it.name for it in aliases if is_taken(it.name))


def _newest(patterns: Collection[str], models: Iterable[CatalogEntry]) -> dict[str, Resolution]:
    """What each pattern, case-folded, stands for: of models' ids, or of their profiles' where it matches none."""
    chat_models = [it for it in models if it.is_eligible]
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
