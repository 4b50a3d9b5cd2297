"""The arguments of queries that several dialects share."""

from marshmallow import EXCLUDE, Schema

from app.api.fields import MAX_ID_CHARS, Text


class ModelIdSchema(Schema):
    """The path of a retrieval, or the arguments of its tool."""

    model_id = Text(
        required=True,
        max_chars=MAX_ID_CHARS,
        metadata={
            "description": "A model's id, one of its inference profiles' ids, or the ARN of either, "
            "such as anthropic.claude-haiku-4-5-20251001-v1:0."
        },
    )


class NoArgumentsSchema(Schema):
    """A query without arguments; unknown ones are ignored."""

    class Meta:
        unknown = EXCLUDE
