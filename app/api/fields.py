"""Fields that the dialects share, each with a bound on its size. Reasons are worded as the real APIs word them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, missing
from marshmallow.validate import Length

from app.errors import alternatives

# What any request may cost is bounded by these: words and ids are looked up, a query's words are searched for.
MAX_WORD_CHARS = 200
MAX_QUERY_CHARS = 256
MAX_ID_CHARS = 2048
MAX_LIST_ITEMS = 32

# PHP writes an array with the places of its items.
INDEX = re.compile(r"\[[0-9]+\]$")


class Instant(fields.DateTime):
    """RFC 3339 in UTC, whole seconds: `2026-02-17T00:00:00Z`."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


class ProfileRegions(fields.Field[Mapping[str, list[str]]]):
    """Pairs of an inference profile's id and its regions, as one object."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "description": "Ids of inference profiles to call the model by, each with the regions to call it from.",
        }
        super().__init__(metadata=metadata, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> dict[str, list[str]]:
        return {profile_id: list(regions) for profile_id, regions in value}


class Text(fields.String):
    default_error_messages = {
        "invalid": "Input should be a valid string",
        "null": "Input should be a valid string",
        "required": "Field required",
    }

    def __init__(self, *, max_chars: int, **kwargs: Any) -> None:
        too_long = f"String should have at most {max_chars} characters"
        super().__init__(validate=Length(max=max_chars, error=too_long), **kwargs)


class Integer(fields.Integer):
    """An integer from a query string or from JSON; `int()` alone would take `1_0` and 2.5."""

    default_error_messages = {
        "invalid": "Input should be a valid integer",
        "null": "Input should be a valid integer",
        "no_number": "Input should be a valid integer, unable to parse string as an integer",
        "fraction": "Input should be a valid integer, got a number with a fractional part",
    }

    def _validated(self, value: Any) -> int:
        if isinstance(value, str) and not re.fullmatch(r"\s*[+-]?[0-9]+\s*", value):
            raise self.make_error("no_number")
        if isinstance(value, float) and value != value // 1:
            raise self.make_error("fraction")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.make_error("invalid")
        try:
            return super()._validated(value)
        except ValidationError:  # More digits than Python reads.
            raise self.make_error("no_number") from None


class Between:
    """Bounds of a number, both allowed."""

    def __init__(self, least: int, most: int) -> None:
        # The names by which apispec finds the bounds for a JSON Schema.
        self.min = least
        self.max = most

    def __call__(self, value: int) -> None:
        if value < self.min:
            raise ValidationError(f"Input should be greater than or equal to {self.min}")
        if value > self.max:
            raise ValidationError(f"Input should be less than or equal to {self.max}")


class Boolean(fields.Boolean):
    """True or false, from JSON or in a query string in any case."""

    default_error_messages = dict.fromkeys(("invalid", "null"), "Input should be 'true' or 'false'")
    truthy = {True, "true", "1"}
    falsy = {False, "false", "0"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        return super()._deserialize(value.lower() if isinstance(value, str) else value, attr, data, **kwargs)


class StringList(fields.List[str]):
    """Words; a lone one, as agents write it, is a list of one, and an empty list filters nothing.

    Args:
        known: the words that there are, for the schema alone; they are not checked.
    """

    default_error_messages = dict.fromkeys(("invalid", "null"), "Input should be a list of strings")

    def __init__(self, known: tuple[str, ...] = (), *, max_items: int = MAX_LIST_ITEMS, **kwargs: Any) -> None:
        self.max_items = max_items
        metadata = {"maxItems": max_items} | kwargs.pop("metadata", {})
        super().__init__(
            Text(max_chars=MAX_WORD_CHARS, metadata={"enum": list(known)} if known else {}), metadata=metadata, **kwargs
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | None]:
        if isinstance(value, list | tuple) and len(value) > MAX_LIST_ITEMS:
            raise _too_many(MAX_LIST_ITEMS, len(value))
        words = super()._deserialize([value] if isinstance(value, str) else value, attr, data, **kwargs)
        return words if words or self.load_default is missing else list(self.load_default)


class EnumList(StringList):
    """Words from a closed list, at most as many as it has."""

    def __init__(self, allowed: tuple[str, ...], **kwargs: Any) -> None:
        self.allowed = allowed
        super().__init__(allowed, max_items=len(allowed), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | None]:
        words = super()._deserialize(value, attr, data, **kwargs)
        if not all(word in self.allowed for word in words):
            raise ValidationError(f"Input should be {alternatives(self.allowed)}")
        if len(words) > self.max_items:
            raise _too_many(self.max_items, len(words))
        return list(dict.fromkeys(words))


def _too_many(most: int, count: int) -> ValidationError:
    return ValidationError(f"List should have at most {most} items after validation, not {count}")


def plain_query(args: Any, lists: Mapping[str, str]) -> dict[str, Any]:
    """A query string's arguments as one plain dictionary.

    Args:
        args: a werkzeug MultiDict. Of a repeated single value the last one counts.
        lists: the name in the result for each name that holds a list. A list arrives as `name[]=a&name[]=b`, as
            `name[0]=a&name[1]=b`, as a repeated `name=`, or as `name=a,b`.
    """
    query: dict[str, Any] = {}
    for name, values in args.lists():
        target = lists.get(INDEX.sub("[]", name))
        if target is None:
            query[name] = values[-1]
        else:
            query.setdefault(target, []).extend(word for value in values for word in value.split(","))
    return query
