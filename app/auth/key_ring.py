"""The keys that open the service at this moment."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from hmac import compare_digest

from app.auth.key_format import Key


class KeyRing:
    """The keys of all sources together; publishing replaces them at once."""

    def __init__(self, keys: Iterable[Key] = (), *, is_complete: bool = True) -> None:
        self.publish(keys, is_complete=is_complete)

    def publish(self, keys: Iterable[Key], *, is_complete: bool) -> None:
        """
        Args:
            keys: those without a name are called by their place, `key-1` the first of all, and never as another key.
                `own_names` are the names of the others.
            is_complete: False while a source has never been read, so that an unknown key may be a good one.
        """
        once_each = _once_each(keys)
        own_names = frozenset(key.name for key in once_each if key.name)
        named = []
        for place, key in enumerate(once_each, 1):
            label = f"key-{place}"
            while label in own_names:
                label += "-"
            named.append(key if key.name else replace(key, name=label))
        self.own_names = own_names
        self.keys = tuple(named)
        self._named_digests = [(key.digest, key.name) for key in self.keys]
        self.is_complete = is_complete

    def name_of(self, presented: Iterable[str]) -> str | None:
        """The name of the first key among header values, None if there is none.

        Digests of equal length are compared in constant time, with every key, so that timing reveals nothing.
        """
        found = None
        for value in presented:
            # WSGI hands header bytes over as Latin-1.
            digest = sha256(value.encode("latin-1", "replace")).digest()
            for known, name in self._named_digests:
                if compare_digest(digest, known) and found is None:
                    found = name
        return found


def _once_each(keys: Iterable[Key]) -> list[Key]:
    first: dict[bytes, Key] = {}
    for key in keys:
        first.setdefault(key.digest, key)
    return list(first.values())
