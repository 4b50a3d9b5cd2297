"""The errors of each dialect, for the description of the service."""

from marshmallow import Schema, fields


class AnthropicErrorDetailSchema(Schema):
    type = fields.String(metadata={"description": "What kind of error: `not_found_error`, say."})
    message = fields.String(metadata={"description": "The field, a colon and the reason, where a field is wrong."})


class AnthropicErrorSchema(Schema):
    type = fields.Constant("error", metadata={"type": "string", "enum": ["error"]})
    error = fields.Nested(AnthropicErrorDetailSchema)
    request_id = fields.String()


class OpenAIErrorDetailSchema(Schema):
    message = fields.String()
    type = fields.String()
    param = fields.String(allow_none=True)
    code = fields.String(allow_none=True)


class OpenAIErrorSchema(Schema):
    error = fields.Nested(OpenAIErrorDetailSchema)


class JsonRpcErrorDataSchema(Schema):
    type = fields.String(metadata={"description": "What kind of error, in Anthropic's words."})
    request_id = fields.String()


class JsonRpcErrorDetailSchema(Schema):
    code = fields.Integer()
    message = fields.String()
    data = fields.Nested(JsonRpcErrorDataSchema)


class JsonRpcErrorSchema(Schema):
    """A refusal that knows of no request, so `id` is null."""

    jsonrpc = fields.Constant("2.0", metadata={"type": "string", "enum": ["2.0"]})
    id = fields.Constant(None, metadata={"enum": [None]})
    error = fields.Nested(JsonRpcErrorDetailSchema)
