"""Which scope a key has. What is decided here is asked of a key's name alone, never of its value."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.catalog.scope import EntryPatterns, Scope

# The scope of keys that no other scope names; it names none itself.
DEFAULT_SCOPE = "default"

# What a key sees that two scopes name: nothing, until the operator's file is mended.
SEES_NOTHING = Scope(name="-", models=EntryPatterns(()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The scopes of the operator's file, and the one for keys that none of them names."""

    named: tuple[Scope, ...] = ()
    default: Scope = Scope()

    def get(self, name: str) -> Scope | None:
        """The scope of a name, for the command line."""
        return next((it for it in (*self.named, self.default) if it.name == name), None)


def scopes_naming(key_name: str | None, scopes: Scopes) -> tuple[Scope, ...]:
    """The scopes whose patterns match a key's name; none for a key without a name of its own."""
    if key_name is None:
        return ()
    return tuple(it for it in scopes.named if it.keys is None or it.keys.matches(key_name))


def scope_of(key_name: str | None, scopes: Scopes) -> Scope:
    """The scope of a key, or of a caller without one where keys are not asked for.

    Returns:
        The scope that names the key, else the default one; SEES_NOTHING where several scopes name it.
    """
    found = scopes_naming(key_name, scopes)
    if not found:
        return scopes.default
    return found[0] if len(found) == 1 else SEES_NOTHING


def key_conflicts(key_names: Iterable[str | None], scopes: Scopes) -> tuple[str, ...]:
    """Why the scopes do not fit the keys, a reason for each key that several scopes name."""
    reasons = []
    for key_name in key_names:
        found = scopes_naming(key_name, scopes)
        if len(found) > 1:
            names = ", ".join(f"scopes.{it.name}" for it in found)
            reasons.append(f"the key {key_name!r} must be named by one scope, got {names}")
    return tuple(reasons)
