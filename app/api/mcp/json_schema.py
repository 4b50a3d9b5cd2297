"""JSON Schema of the marshmallow schemas, whole and without references, for the descriptions of tools."""

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import RAISE, Schema, fields

from app.api.fields import SOMETIMES, StringList


def arguments_schema(of_route: Schema) -> Schema:
    """The schema of a route's arguments as that of a tool's: nothing unknown, and no `[]` behind a name.

    An agent's model provider allows letters, digits, `_`, `.` and `-` in a name, and no more.
    """
    schema = type(of_route)(unknown=RAISE, exclude=of_route.exclude)
    schema.error_messages = schema.error_messages | {"unknown": "Extra inputs are not permitted"}
    for field in schema.fields.values():
        if field.data_key is not None:
            field.data_key = field.data_key.removesuffix("[]")
    return schema


def json_schema_of(schema: Schema, *, all_present: bool) -> dict[str, Any]:
    """
    Args:
        all_present: every property is required, as in a response; else those that the fields say are.
    """
    # A nested schema without a name stands where it is used, not behind a reference.
    plugin = MarshmallowPlugin(schema_name_resolver=lambda schema: "")
    APISpec(title="", version="", openapi_version="3.1.0", plugins=[plugin])
    converter: Any = plugin.converter
    converter.add_attribute_function(_or_a_lone_word)
    converter.add_attribute_function(_or_null)
    described: dict[str, Any] = converter.schema2jsonschema(schema)
    if all_present:
        _as_response(described)
    return described


def _or_a_lone_word(converter: object, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(field, StringList):
        return {}
    words = {name: ret.pop(name) for name in ("type", "items", "maxItems") if name in ret}
    return {"anyOf": [words, words["items"]]}


def _or_null(converter: object, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """A list of types is JSON Schema, too, and some model providers read one type alone."""
    if not isinstance(ret.get("type"), list):
        return {}
    return {"anyOf": [{"type": kind} for kind in ret.pop("type")]}


def _as_response(described: dict[str, Any]) -> None:
    described.pop("default", None)
    if "properties" in described:
        described["required"] = [name for name, it in described["properties"].items() if not it.pop(SOMETIMES, False)]
    for part in (*described.get("properties", {}).values(), described.get("items")):
        if part:
            _as_response(part)
