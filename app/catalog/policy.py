"""What the operator's file states of callers: their scopes, and the aliases."""

from dataclasses import dataclass
from datetime import datetime

from app.catalog.aliases import Alias
from app.catalog.scope import Scope
from app.catalog.scopes import SEES_NOTHING, Scopes, scope_of

# Far more than a service has keys: names of keys that are no longer there count, too.
MAX_KEY_NAMES = 10_000


class ScopeByKeyName(dict[str | None, Scope]):
    """The scope of each key name, decided when it is first wanted: one look-up for each request after it."""

    def __init__(self, scopes: Scopes) -> None:
        super().__init__()
        self._scopes = scopes

    def __missing__(self, key_name: str | None) -> Scope:
        if len(self) >= MAX_KEY_NAMES:
            self.clear()
        found = self[key_name] = scope_of(key_name, self._scopes)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """Scopes and aliases in force since `changed_at`; None where no file states any."""

    scopes: Scopes
    aliases: tuple[Alias, ...]
    changed_at: datetime | None
    by_key_name: ScopeByKeyName

    @staticmethod
    def of(
        scopes: Scopes | None = None, aliases: tuple[Alias, ...] = (), *, changed_at: datetime | None = None
    ) -> "Policy":
        scopes = scopes or Scopes()
        return Policy(scopes=scopes, aliases=aliases, changed_at=changed_at, by_key_name=ScopeByKeyName(scopes))

    def states_same(self, other: "Policy") -> bool:
        return self.scopes == other.scopes and self.aliases == other.aliases

    def scope_named(self, name: str) -> Scope:
        """The scope of a name; one that is there no more sees nothing."""
        return self.scopes.get(name) or SEES_NOTHING
