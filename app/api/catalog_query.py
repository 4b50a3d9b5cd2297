"""What a route or a tool answers from a catalog view and validated arguments alone: the type of what may be cached."""

from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from marshmallow import Schema

from app.catalog.scope import PLAIN_ID, Scope
from app.catalog.view import CatalogView

LIMIT = "limit"
# What of an answer `id_format` changes.
WIRE_IDS = ("id", "first_id", "last_id")

AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class Query(Protocol[AnswerT_co]):
    """What answers from a view and validated arguments."""

    def validate(self, given: object) -> dict[str, Any]: ...
    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> AnswerT_co: ...


def with_wire_ids(body: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """The body with its entries' ids, and those of a page, as the scope's callers read them."""
    for entry in (body, *body.get("data", ())):
        for name in WIRE_IDS:
            if entry.get(name) is not None:
                entry[name] = scope.wire_id(entry[name])
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogQuery:
    """A query: `run` makes an object of a view and of the arguments that `arguments` validates; `result` shapes it.

    `defaults` are those that the settings give; a scope's `default_limit` wins over them, unless `has_fixed_defaults`,
    as of a tool, whose description names them to every caller. `write_ids` writes the ids of a body as a scope with an
    `id_format` has them. None of these sees a request: they run in an empty context, in which Flask's proxies
    (`request`, `g`, `current_app`) raise. So equal arguments and views give equal answers.
    """

    arguments: Schema
    run: Callable[..., object]
    result: Schema
    defaults: Mapping[str, object] = field(default_factory=dict)
    has_fixed_defaults: bool = False
    write_ids: Callable[[dict[str, Any], Scope], dict[str, Any]] = with_wire_ids

    def validate(self, given: object) -> dict[str, Any]:
        """
        Args:
            given: a query string's werkzeug MultiDict, or a plain mapping.

        Raises:
            ValidationError
        """
        return _validated(self.arguments, given)

    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """
        Raises:
            AliasTargetGone, UnknownCursor, UnknownValue, ModelNotFound
        """
        complete = {**self.defaults, **arguments}
        scope_limit = None if self.has_fixed_defaults else view.scope.default_limit
        if LIMIT in self.defaults and LIMIT not in arguments and scope_limit is not None:
            complete[LIMIT] = scope_limit
        body: dict[str, Any] = Context().run(lambda: self.result.dump(self.run(view, **complete)))
        return body if view.scope.id_format == PLAIN_ID else self.write_ids(body, view.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQuery:
    """A query that `run` answers with a whole file, of the media type; as a CatalogQuery in all else."""

    arguments: Schema
    run: Callable[..., bytes]
    media_type: str

    def validate(self, given: object) -> dict[str, Any]:
        """
        Args:
            given: a query string's werkzeug MultiDict, or a plain mapping.

        Raises:
            ValidationError
        """
        return _validated(self.arguments, given)

    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> bytes:
        """
        Raises:
            UnknownValue
        """
        return Context().run(lambda: self.run(view, **arguments))


def _validated(schema: Schema, given: object) -> dict[str, Any]:
    return Context().run(lambda: dict(schema.load(given)))  # type: ignore[arg-type]
