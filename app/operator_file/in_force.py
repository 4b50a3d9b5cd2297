"""The operator's file as one service uses it: read, checked and put in force."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path

import structlog

from app.catalog.cards import CardBook
from app.catalog.current import Catalog
from app.catalog.policy import Policy
from app.catalog.scope import Scope
from app.catalog.scopes import key_conflicts
from app.operator_file.checking import check_operator_file, read_checked
from app.operator_file.reading import InvalidOperatorFile, OperatorFile
from app.operator_file.reloader import OperatorFileReloader
from app.webhooks.targets import Target, changed_files

log = structlog.get_logger(__name__)

SEVERAL_SCOPES = "the key sees nothing until one scope names it"


class OperatorFileInForce:
    """The book of cards, the scopes, aliases and webhooks in force, with or without an operator's file.

    Its methods run in one thread, at the start and as a background job; `cards` and `webhooks` may be read from any.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        base: Scope,
        cards: CardBook,
        catalog: Catalog,
        key_names: Callable[[], Iterable[str]],
        keep_in: Path | None,
        clock: Callable[[], datetime],
    ) -> None:
        """
        Args:
            path: None for no file.
            base: what a scope has that the file leaves out.
            cards: the packaged ones.
            key_names: of the keys that have one of their own.
            keep_in: where the last good text is kept for workers that start anew.
        """
        self.path = path
        self.cards = cards
        self.webhooks: tuple[Target, ...] = ()
        # Whether the file in force has webhooks of its own that could not be read.
        self._lacks_webhooks = False
        self.on_new_cards: Callable[[], None] = lambda: None
        self._base = base
        self._catalog = catalog
        self._key_names = key_names
        self._clock = clock
        self._conflicts: frozenset[str] = frozenset()
        self._compared: tuple[object, frozenset[str]] | None = None
        self._reloader = (
            None
            if path is None
            else OperatorFileReloader(
                path,
                read=self._read,
                apply=self._apply,
                keep_in=keep_in,
                read_kept=self._read_kept,
                changed_files=self._changed_files,
            )
        )

    def load(self) -> None:
        """Put the file in force when the process starts.

        Raises:
            InvalidOperatorFile: it is not allowed, and there is no last good one.
        """
        if self._reloader is not None:
            self._reloader.load()

    def load_after_fork(self) -> None:
        """Put the last good file in force, where a worker starts long after its master."""
        if self._reloader is None:
            return
        try:
            self._reloader.load()
        except InvalidOperatorFile as error:
            # What the master read before the fork stays.
            log.error(
                "operator_file_rejected",
                file=str(self.path),
                reason=str(error),
                consequence="the file that was good at the service's start stays in force",
            )

    def reload_if_changed(self) -> None:
        """Put a changed file in force, and report keys that several scopes have come to name."""
        if self._reloader is not None:
            self._reloader.reload_if_changed()
            self._report_conflicts()

    def reasons_against(self, path: Path | None, *, key_names: Iterable[str]) -> tuple[str, ...]:
        """Why a file, by default the one in force, cannot be used; nothing where it can.

        Raises:
            InvalidOperatorFile: there is no path.
        """
        path = path or self.path
        if path is None:
            raise InvalidOperatorFile("CATALOG_CONFIG_FILE is not set, and no file is given")
        return check_operator_file(path, base=self._base, key_names=key_names, snapshot=self._catalog.latest)

    def _read(self, text: str, as_of: date, webhooks: tuple[Target, ...] | None = None) -> OperatorFile:
        assert self.path is not None
        file = read_checked(
            text,
            as_of,
            base=self._base,
            key_names=self._key_names(),
            snapshot=self._catalog.latest,
            base_dir=self.path.parent,
            webhooks=webhooks,
        )
        self._lacks_webhooks = webhooks is not None
        return file

    def _read_kept(self, text: str, as_of: date) -> OperatorFile:
        """Read the last good text; its scopes count even where a file that a webhook names is gone."""
        try:
            return self._read(text, as_of)
        except InvalidOperatorFile:
            return self._read(text, as_of, self.webhooks)

    def _changed_files(self) -> object:
        return changed_files(self.webhooks) or self._lacks_webhooks

    def _apply(self, file: OperatorFile, changed_at: datetime) -> None:
        # A file may be dated in the future, which would keep clients from what changes until then.
        changed_at = min(changed_at, self._clock())
        self._catalog.put_in_force(Policy.of(file.scopes, file.aliases, changed_at=changed_at))
        self.webhooks = file.webhooks
        cards = self.cards.with_layer(file.cards, changed_at=changed_at)
        if cards is not self.cards:
            self.cards = cards
            self.on_new_cards()

    def _report_conflicts(self) -> None:
        scopes = self._catalog.published.policy.scopes
        key_names = frozenset(self._key_names())
        if self._compared is not None and self._compared[0] is scopes and self._compared[1] == key_names:
            return
        self._compared = scopes, key_names
        conflicts = frozenset(key_conflicts(sorted(key_names), scopes))
        for reason in sorted(conflicts - self._conflicts):
            log.warning("key_in_several_scopes", reason=reason, consequence=SEVERAL_SCOPES)
        self._conflicts = conflicts
