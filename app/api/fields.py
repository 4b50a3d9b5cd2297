"""Fields that the dialects share. Reasons are worded as the real APIs word them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, missing

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


class WholeNumber(fields.Integer):
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


class Flag(fields.Boolean):
    """True or false, from JSON or in a query string in any case."""

    default_error_messages = dict.fromkeys(("invalid", "null"), "Input should be 'true' or 'false'")
    truthy = {True, "true", "1"}
    falsy = {False, "false", "0"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        return super()._deserialize(value.lower() if isinstance(value, str) else value, attr, data, **kwargs)


class Words(fields.List[str]):
    """Words; a lone one, as agents write it, is a list of one, and an empty list says nothing.

    Args:
        told: the words that there are, for whoever reads the schema; they are not checked.
    """

    default_error_messages = dict.fromkeys(("invalid", "null"), "Input should be a list of strings")

    def __init__(self, told: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(Text(metadata={"enum": list(told)} if told else {}), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | None]:
        words = super()._deserialize([value] if isinstance(value, str) else value, attr, data, **kwargs)
        return words if words or self.load_default is missing else list(self.load_default)


class WordList(Words):
    """Words from a closed list, at most as many as it has."""

    def __init__(self, allowed: tuple[str, ...], *, metadata: dict[str, Any], **kwargs: Any) -> None:
        self.allowed = allowed
        super().__init__(allowed, metadata=metadata | {"maxItems": len(allowed)}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | None]:
        words = super()._deserialize(value, attr, data, **kwargs)
        if not all(word in self.allowed for word in words):
            raise ValidationError(f"Input should be {alternatives(self.allowed)}")
        most = len(self.allowed)
        if len(words) > most:
            raise ValidationError(f"List should have at most {most} items after validation, not {len(words)}")
        return list(dict.fromkeys(words))


def alternatives(words: tuple[str, ...]) -> str:
    """`'a', 'b' or 'c'`"""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(part for part in (", ".join(quoted[:-1]), quoted[-1]) if part)


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
