"""What can go wrong for a client: each error with its status, its types in the dialects, and its message.

`app/web/error_envelopes.py` puts them into the dialects' envelopes.
"""

from collections.abc import Mapping
from http import HTTPStatus

# While there is no catalog, the refresher tries again about this often.
RETRY_AFTER_S = 5


class ApiError(Exception):
    """An error that a client sees; `message` holds nothing internal."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    anthropic_type = "api_error"
    openai_type = "server_error"
    openai_message: str | None = None
    jsonrpc_code: int | None = None
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = {}

    def __init__(self, message: str = "Internal server error") -> None:
        super().__init__(message)
        self.message = message


class AuthenticationError(ApiError):
    status = HTTPStatus.UNAUTHORIZED
    anthropic_type = "authentication_error"
    openai_type = "invalid_request_error"
    headers = {"x-should-retry": "false", "WWW-Authenticate": "Bearer"}

    def __init__(self, *, key_given: bool) -> None:
        super().__init__("invalid x-api-key" if key_given else "x-api-key header is required")
        self.code = "invalid_api_key" if key_given else None
        self.openai_message = (
            "Incorrect API key provided."
            if key_given
            else "You didn't provide an API key. You need to provide your API key in an Authorization header using "
            "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        )


class InvalidRequest(ApiError):
    status = HTTPStatus.BAD_REQUEST
    anthropic_type = openai_type = "invalid_request_error"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.param = field


class OriginNotAllowed(ApiError):
    status = HTTPStatus.FORBIDDEN
    anthropic_type = "permission_error"
    openai_type = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Origin not allowed")


class ModelNotFound(ApiError):
    status = HTTPStatus.NOT_FOUND
    anthropic_type = "not_found_error"
    openai_type = "invalid_request_error"
    param = "model"
    code = "model_not_found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"model: {model_id}")
        self.openai_message = f"The model `{model_id}` does not exist"


class AliasTargetNotFound(ModelNotFound):
    """An alias whose target the caller does not see, or sees no more."""

    def __init__(self, name: str, target: str) -> None:
        super().__init__(name)
        # An ARN holds the account's id.
        shown, quoted = ("an ARN", "an ARN") if target.startswith("arn:") else (target, f"`{target}`")
        self.message = f"model: {name} is an alias of {shown}, which is not there"
        self.openai_message = f"The model `{name}` is an alias of {quoted}, which does not exist"


class RouteNotFound(ApiError):
    status = HTTPStatus.NOT_FOUND
    anthropic_type = "not_found_error"
    openai_type = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Not found")


class InferenceNotServed(ApiError):
    """A path of inference. Claude Code replaces a 404's text by its own, and shows a 400's."""

    anthropic_type = openai_type = "invalid_request_error"
    headers = {"x-should-retry": "false"}

    def __init__(self, path: str, *, is_openai: bool) -> None:
        super().__init__(
            f"{path} is not served here: this service lists models. Send inference requests to the gateway or to "
            "Amazon Bedrock itself"
        )
        self.status = HTTPStatus.NOT_FOUND if is_openai else HTTPStatus.BAD_REQUEST


class MethodNotSupported(ApiError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    anthropic_type = openai_type = "invalid_request_error"

    def __init__(self, allowed: str) -> None:
        super().__init__("Method Not Allowed")
        self.headers = {"Allow": allowed}


class RequestTooLarge(ApiError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    anthropic_type = "request_too_large"
    openai_type = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Request exceeds the maximum size")


class Overloaded(ApiError):
    """No catalog yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    anthropic_type = "overloaded_error"
    headers = {"retry-after": str(RETRY_AFTER_S)}

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model catalog is not loaded yet ({reason}); try again in a few seconds")


class KeysUnavailable(ApiError):
    """The key is unknown, and a source of keys has not been read yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    anthropic_type = "overloaded_error"
    headers = {"retry-after": str(RETRY_AFTER_S)}

    def __init__(self) -> None:
        super().__init__("The API keys are not loaded yet; try again in a few seconds")


def alternatives(words: tuple[str, ...]) -> str:
    """`'a', 'b' or 'c'`, as the real APIs word what is allowed."""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(part for part in (", ".join(quoted[:-1]), quoted[-1]) if part)
