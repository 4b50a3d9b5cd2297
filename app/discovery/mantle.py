"""Mantle's list of models, `GET /v1/models` of `bedrock-mantle.REGION.api.aws`, which is no operation of the SDK.

botocore signs and sends, so that credentials, proxies and trusted certificates are the SDK's.
"""

import os
import re
import socket
import time
from collections.abc import Callable, Collection
from http.client import HTTPException
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError, ResponseStreamingError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from app.catalog.parts import PARTS
from app.catalog.reading import Malformed, parsed
from app.catalog.records import MANTLE

SERVICE = "bedrock-mantle"
LIST_MODELS = PARTS[MANTLE].action
PATH = "/v1/models"

# Some 60 models are 15 KB; four times the largest listing of the base parts' tests.
MAX_BODY_BYTES = 4 << 20
# What an error is read for: its code and message.
MAX_ERROR_BYTES = 64 << 10
PIECE_BYTES = 64 << 10

KEY_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
MAX_TOKEN_BYTES = 16_400
ERROR_CODE = re.compile(r"[A-Za-z_][\w.-]{0,79}")

# A resolver that answers that there is no such name; not one that does not answer.
NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


class MantleRefused(Exception):
    """An answer other than 200: `code` is AWS's where it has one, `action` the permission that is missing, else ""."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message or f"status {status}")
        self.code = code
        self.action = LIST_MODELS if status in (401, 403) else ""


class NotAsked(Exception):
    """The region is not among those that Mantle is to be asked in."""


class InvalidToken(Exception):
    """There is no bearer key where one is configured; what stands there is in no message."""


class Mantle:
    """Asks Mantle's endpoint of one region after the other, from any thread.

    Args:
        credentials: gives those of AWS; called only where there is no bearer key.
        regions: those that are asked, where not all are.
        endpoint: where to send instead of each region's own host.
        token_file: the file of a bearer key, read at each visit; without it AWS_BEARER_TOKEN_BEDROCK.
        verify: the trusted certificates: a file, or True for those that botocore brings.
    """

    def __init__(
        self,
        credentials: Callable[[], ReadOnlyCredentials],
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        regions: Collection[str] = (),
        endpoint: str = "",
        token_file: str = "",
        verify: str | bool = True,
    ) -> None:
        self._credentials = credentials
        self._timeouts_s = (connect_timeout_s, read_timeout_s)
        self._regions = regions
        self._endpoint = endpoint
        self._token_file = token_file
        self._verify = verify

    def list_models(self, region: str) -> list[Any]:
        """The rows of a region as they are; none where its name does not resolve.

        Raises:
            NotAsked
            MantleRefused: any status but 200, a redirect among them: it would take the credentials elsewhere.
            Malformed: the answer is no list, or too long.
            InvalidToken, OSError: there is no bearer key where one is configured.
            BotoCoreError: the connection failed, or there are no credentials.
        """
        if self._regions and region not in self._regions:
            raise NotAsked
        url = f"{self._endpoint or f'https://{SERVICE}.{region}.api.aws'}{PATH}"
        token = self._token()
        try:
            status, code, body = self._get(url, region, token)
        except EndpointConnectionError as error:
            if not self._endpoint and _is_unknown_name(error):
                return []
            raise
        if status != 200:
            raise _refusal(status, code, body.replace(token.encode(), b"[redacted]") if token else body)
        if len(body) > MAX_BODY_BYTES:
            raise Malformed(f"the answer is longer than {MAX_BODY_BYTES >> 20} MiB")
        answer = parsed(body)
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise Malformed(f"data: expected a list, got {type(rows).__name__}")
        return rows

    def _token(self) -> str:
        name, token = KEY_VARIABLE, os.environ.get(KEY_VARIABLE, "").strip()
        if self._token_file:
            name = "CATALOG_MANTLE_TOKEN_FILE"
            with Path(self._token_file).open("rb") as file:
                token = file.read(MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
        elif not token:
            return ""
        if not TOKEN.fullmatch(token):
            raise InvalidToken(f"{name} must hold one bearer key, of visible ASCII characters")
        return token

    def _get(self, url: str, region: str, token: str) -> tuple[int, str, bytes]:
        """Status, AWS's header with the error's code, and the body, at most a little longer than allowed."""
        request = AWSRequest(method="GET", url=url, headers={"Accept": "application/json"}, stream_output=True)
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            SigV4Auth(self._credentials(), SERVICE, region).add_auth(request)
        # A session a visit: it is closed with its connection, of which a refresh may hold no more than so many.
        session = URLLib3Session(
            verify=self._verify,  # type: ignore[arg-type]  # A file is taken, too.
            # Without TLS it is this machine alone, and no proxy is to read what is sent there.
            proxies=get_environ_proxies(url) if url.startswith("https://") else {},
            timeout=self._timeouts_s,  # type: ignore[arg-type]  # And two timeouts: to connect, and to read.
            max_pool_connections=1,
        )
        try:
            response = session.send(request.prepare())
            limit = MAX_BODY_BYTES if response.status_code == 200 else MAX_ERROR_BYTES
            code = str(response.headers.get("x-amzn-ErrorType", ""))
            return response.status_code, code, self._read(response.raw, url, limit)
        finally:
            session.close()

    def _read(self, raw: Any, url: str, limit: int) -> bytes:
        """The body up to the first piece beyond the limit, in the time of one read: a timeout alone is one a piece."""
        deadline = time.monotonic() + self._timeouts_s[1]
        body = bytearray()
        while len(body) <= limit and time.monotonic() < deadline:
            try:
                piece = raw.read1(PIECE_BYTES, decode_content=False)
            except BodyTimeoutError as error:
                raise ReadTimeoutError(endpoint_url=url, error=error) from None
            except (HTTPError, HTTPException, OSError) as error:
                raise ResponseStreamingError(error=error) from None
            if not piece:
                return bytes(body)
            body += piece
        if len(body) <= limit:
            raise ReadTimeoutError(endpoint_url=url)
        return bytes(body)


def _is_unknown_name(error: BaseException) -> bool:
    """Whether the resolver answered that there is no such name, by the chain of what the error is made from."""
    cause: BaseException | None = error.kwargs.get("error") if isinstance(error, EndpointConnectionError) else error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return cause.errno in NO_SUCH_NAME
        cause = cause.__cause__ or cause.__context__
    return False


def _refusal(status: int, header: str, body: bytes) -> MantleRefused:
    """The fields of an error answer: OpenAI's `{"error": {"code", "type", "message"}}`, or AWS's `{"message"}`."""
    try:
        answer = parsed(body)
    except Malformed:
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    error = answer["error"] if isinstance(answer.get("error"), dict) else answer
    codes = (header.partition(":")[0], error.get("code"), error.get("type"))
    code = next((it for it in codes if isinstance(it, str) and ERROR_CODE.fullmatch(it)), f"HTTP{status}")
    message = error.get("message")
    return MantleRefused(status, code, message if isinstance(message, str) else "")
