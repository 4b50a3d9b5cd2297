"""What a route or a tool answers from a catalog view and validated arguments alone: the type of what may be cached."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from marshmallow import Schema

from app.catalog.scope import PLAIN_ID, Scope
from app.catalog.view import CatalogView

AnswerT = TypeVar("AnswerT")

LIMIT = "limit"
# What `id_format` changes: of a list of entries, and of what names models.
ENTRY_IDS = ("id", "first_id", "last_id")
MODEL_IDS = ("model_id", "replacement_hint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Generic[AnswerT]):
    """A query: `run` makes an object of a view and of the arguments that `arguments` validates.

    Nothing of it sees a request: it runs in an empty context, in which Flask's proxies (`request`, `g`, `current_app`)
    raise. So equal arguments and views give equal answers.
    """

    arguments: Schema
    run: Callable[..., Any]

    def validate(self, given: object) -> dict[str, Any]:
        """
        Args:
            given: a query string's werkzeug MultiDict, or a plain mapping.

        Raises:
            ValidationError
        """
        return Context().run(lambda: dict(self.arguments.load(given)))  # type: ignore[arg-type]

    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> AnswerT:
        """
        Raises:
            AliasTargetGone, InvalidEventId, ModelNotFound, UnknownCursor, UnknownValue
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogQuery(Query[dict[str, Any]]):
    """A query whose answer is a JSON object, which `result` shapes.

    `defaults` are those that the settings give; a scope's `default_limit` wins over them, unless `has_fixed_defaults`,
    as of a tool, whose description names them to every caller. `wire_ids` are the keys that a scope's `id_format` is
    for.
    """

    result: Schema
    defaults: Mapping[str, object] = field(default_factory=dict)
    has_fixed_defaults: bool = False
    wire_ids: Sequence[str] = ENTRY_IDS

    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> dict[str, Any]:
        complete = {**self.defaults, **arguments}
        scope_limit = None if self.has_fixed_defaults else view.scope.default_limit
        if LIMIT in self.defaults and LIMIT not in arguments and scope_limit is not None:
            complete[LIMIT] = scope_limit
        body: dict[str, Any] = Context().run(lambda: self.result.dump(self.run(view, **complete)))
        return body if view.scope.id_format == PLAIN_ID else _with_wire_ids(body, self.wire_ids, view.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQuery(Query[bytes]):
    """A query whose answer is a whole file, of the media type."""

    media_type: str

    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> bytes:
        file: bytes = Context().run(lambda: self.run(view, **arguments))
        return file


def _with_wire_ids(body: dict[str, Any], names: Sequence[str], scope: Scope) -> dict[str, Any]:
    """The body with the ids under these names, its own and those of its items, as the scope's callers read them."""
    items = chain.from_iterable(it for it in body.values() if isinstance(it, list))
    for item in (body, *(it for it in items if isinstance(it, dict))):
        for name in names:
            found = item.get(name)
            if isinstance(found, str):
                item[name] = scope.wire_id(found)
            elif isinstance(found, dict):
                _with_wire_ids(found, names, scope)
    return body
