"""The arguments of queries: from a query string or from JSON, with what several queries share."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, post_load, pre_load

from app.api.fields import MAX_ID_CHARS, EnumList, EnumString, StringList, Text
from app.catalog.access import ACCESS_STATES
from app.catalog.scope import VIEWS
from app.catalog.view import ListFilter

# PHP writes an array with the places of its items.
INDEX = re.compile(r"\[[0-9]*\]$")


class ArgumentsSchema(Schema):
    """Arguments of a query. Null, an empty text and an empty list are arguments that were left out.

    Agents fill in null or "" for what they do not use. Parameters that are not named here are ignored.
    """

    class Meta:
        unknown = EXCLUDE

    # The names of the arguments that are lists, in a query string.
    LISTS: ClassVar[tuple[str, ...]] = ()

    @pre_load
    def normalize(self, data: Any, **_: Any) -> Any:
        given = self._flat(data) if hasattr(data, "lists") else data
        if not isinstance(given, Mapping):
            return given
        cleaned = {name: without_empty(value) for name, value in given.items()}
        return {name: value for name, value in cleaned.items() if value is not None and value != []}

    def _flat(self, args: Any) -> dict[str, Any]:
        """A query string's arguments as one plain dictionary. Of a repeated single value the last one counts.

        A list arrives as `name[]=a&name[]=b`, as `name[0]=a&name[1]=b`, as a repeated `name=`, or as `name=a,b`.
        """
        keys = {self.fields[name].data_key or name for name in self.LISTS if name in self.fields}
        lists = {key.removesuffix("[]"): key for key in keys}
        query: dict[str, Any] = {}
        for name, values in args.lists():
            target = lists.get(INDEX.sub("", name))
            if target is None:
                query[name] = values[-1]
            else:
                query.setdefault(target, []).extend(word for value in values for word in value.split(","))
        return query


def without_empty(value: Any) -> Any:
    """The value, a list without its empty items; None for null and for a text without a letter."""
    if isinstance(value, str):
        return value if value.strip() else None
    return [item for item in map(without_empty, value) if item is not None] if isinstance(value, list) else value


class ListArguments(ArgumentsSchema):
    """Which list: gathered into one ListFilter, `listed`."""

    LISTS: ClassVar[tuple[str, ...]] = ("region", "within", "access")

    view = EnumString(
        VIEWS,
        metadata={
            "description": "What the list holds: models, or ids that can be sent as they are (profiles: models that "
            "are callable on demand, and inference profiles), or all of both."
        },
    )
    region = StringList(
        metadata={
            "description": "AWS regions to call from, names or patterns such as eu-*: one of them must do. What is "
            "shown of an entry is then what holds there."
        },
    )
    within = StringList(
        metadata={
            "description": "Where a call may be processed, names or patterns such as eu-*: only ids whose every "
            "destination matches. Profiles that may be processed anywhere match `global` and `*` alone."
        },
    )

    access = EnumList(
        ACCESS_STATES,
        metadata={
            "description": "What AWS last reported of the account's access to the model: one of these. A model that "
            "was not asked for has none."
        },
    )

    @post_load
    def gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        listed = ListFilter(
            view=data.pop("view", None),
            regions=tuple(data.pop("region", ())),
            within=tuple(data.pop("within", ())),
            access=tuple(data.pop("access", ())),
        )
        return data | {"listed": listed}


class ModelIdArguments(Schema):
    """The path of a retrieval, or the arguments of its tool."""

    model_id = Text(
        required=True,
        max_chars=MAX_ID_CHARS,
        metadata={
            "description": "A model's id, an inference profile's id, or the ARN of either, "
            "such as anthropic.claude-haiku-4-5-20251001-v1:0."
        },
    )
