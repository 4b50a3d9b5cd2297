"""What a route or a tool answers from a catalog view and validated arguments alone: the type of what may be cached."""

from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from app.catalog.view import CatalogView


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogQuery:
    """A query: `run` makes an object of a view and of the arguments that `arguments` validates; `result` shapes it.

    `defaults` are those that the settings give. Neither of the three sees a request: they run in an empty context, in
    which Flask's proxies (`request`, `g`, `current_app`) raise. So equal arguments and views give equal answers.
    """

    arguments: Schema
    run: Callable[..., object]
    result: Schema
    defaults: Mapping[str, object] = field(default_factory=dict)

    def validate(self, given: object) -> dict[str, Any]:
        """
        Args:
            given: a query string's werkzeug MultiDict, or a plain mapping.

        Raises:
            ValidationError
        """
        return Context().run(lambda: {**self.defaults, **self.arguments.load(given)})  # type: ignore[arg-type]

    def answer(self, view: CatalogView, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """
        Raises:
            UnknownCursor, UnknownValue, ModelNotFound
        """
        body: dict[str, Any] = Context().run(lambda: self.result.dump(self.run(view, **arguments)))
        return body
