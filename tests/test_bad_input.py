"""Bytes that no client should send, straight into a real service: always a clear error, never a crash, never HTML."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import KEY
from tests.servers import Service, running_service

AUTH = f"x-api-key: {KEY}\r\n".encode()
OPENAI, ANTHROPIC = b"/v1/models", b"/anthropic/v1/models"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bad_input")
    with running_service(folder, API_KEYS=KEY) as running:
        yield running

    log = (folder / "service.log").read_text()
    assert "Traceback" not in log
    assert KEY not in log


class Answer:
    """A whole answer; `body` is what came over the wire."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(service: Service, data: bytes, method: str = "GET") -> Answer:
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        # Where a request is refused before all of it was read, the answer is there all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        response = HTTPResponse(connection, method=method)
        response.begin()
        return Answer(response)


def request(target: bytes, headers: bytes = AUTH, method: bytes = b"GET", body: bytes = b"") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: catalog\r\nConnection: close\r\n" + headers + b"\r\n" + body


def check(answer: Answer, *, is_head: bool = False) -> None:
    """What holds for whatever was sent."""
    assert answer.status < 500, (answer.status, answer.body)
    assert answer.headers["request-id"].startswith("req_")
    if is_head:
        assert answer.body == b""
    elif answer.status != 304:
        assert answer.headers["content-type"] == "application/json"
        said = answer.json
        if answer.status >= 400:
            check_envelope(said, answer.headers["request-id"])


def check_envelope(said: Any, request_id: str) -> None:
    if "type" in said:
        assert said["type"] == "error" and said["request_id"] == request_id
        assert set(said["error"]) == {"type", "message"}
    else:
        assert set(said) == {"error"} and set(said["error"]) == {"message", "type", "param", "code"}
    assert isinstance(said["error"]["message"], str) and said["error"]["message"]


# Bytes as they come, percent-encoded in every form, and the pieces that parsers trip over.
ODD = (
    *(b"/", b"//", b"..", b"/../", b".", b"%2e%2e%2f", b"%2F", b"%00", b"%", b"%zz", b"%ff", b"%C0%AF", b"%u0041"),
    *(b"%ED%A0%80", b"\xed\xa0\x80", b"\xff", b"\x00", b"\x7f", b"\\", b";", b"#", b"?", b"&", b"=", b"+", b"*", b"[]"),
    *(b"[1m]", b"arn:aws:bedrock:us-east-1::foundation-model/a", b"models", b"livez", b"readyz", b"anthropic", b"v1"),
)
NUMBERS = (b"0", b"-1", b"1001", b"9" * 400, b"1e3", b"\xd9\xa3", b"true", b"x" * 4000)
PARAMETERS = (b"limit", b"after_id", b"before_id", b"lifecycle", b"lifecycle[]", b"lifecycle%5B%5D", b"region", b"")
BEFORE = (OPENAI, OPENAI + b"/", ANTHROPIC, ANTHROPIC + b"/", b"/", b"", b"http://catalog" + OPENAI, b"/mcp")
KNOWN_HEADERS = (
    *(b"Authorization", b"x-api-key", b"anthropic-version", b"anthropic-beta", b"If-None-Match", b"If-Modified-Since"),
    *(b"Accept", b"Accept-Encoding", b"Range", b"Cookie", b"Host", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Origin"),
    *(b"X-Request-Id", b"Content-Type", b"Content-Length", b"Expect", b"Transfer-Encoding", b"Upgrade", b"Connection"),
)
OTHER_METHODS = (b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"get", b"BREW")

PIECES = st.binary(max_size=8) | st.sampled_from(ODD)
PATHS = st.lists(PIECES, max_size=6).map(b"".join)
VALUES = PIECES | st.sampled_from(NUMBERS)
QUERIES = st.lists(st.tuples(st.sampled_from(PARAMETERS) | PIECES, VALUES).map(b"=".join), max_size=6).map(b"&".join)
TARGETS = st.builds(
    lambda before, path, query: before + path + (b"?" + query if query else b""),
    st.sampled_from(BEFORE),
    PATHS,
    QUERIES,
)
HEADER = st.tuples(st.sampled_from(KNOWN_HEADERS) | st.binary(min_size=1, max_size=6), st.binary(max_size=12) | VALUES)
HEADERS = st.lists(HEADER.map(lambda pair: b": ".join(pair) + b"\r\n"), max_size=3).map(b"".join)
METHODS = st.just(b"GET") | st.sampled_from(OTHER_METHODS)

FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(target=TARGETS)
def test_no_target_is_more_than_the_service_can_answer(service: Service, target: bytes) -> None:
    line = target.replace(b"\r", b"").replace(b"\n", b"")

    check(send(service, request(line)))


@FUZZ
@given(target=TARGETS, headers=HEADERS, method=METHODS)
def test_no_header_and_no_method_is_either(service: Service, target: bytes, headers: bytes, method: bytes) -> None:
    line = target.replace(b"\r", b"").replace(b"\n", b"").replace(b" ", b"")
    # A body that was announced has to come, else the service rightly waits for it.
    data = request(line, AUTH + headers, method) + b"0\r\n\r\n" * 2000

    check(send(service, data, method.decode()), is_head=method == b"HEAD")


@FUZZ
@given(garbage=st.binary(max_size=200))
def test_no_garbage_is_either(service: Service, garbage: bytes) -> None:
    try:
        answer = send(service, garbage.lstrip(b"\r\n") + b"\r\n\r\n")
    except ConnectionError:
        return  # Nothing that looked like a request came, so there is nothing to answer.

    check(answer)


MALFORMED: dict[str, tuple[bytes, int]] = {
    "no version": (b"GET /v1/models\r\n\r\n", 400),
    "a version of the future": (b"GET /v1/models HTTP/9.9\r\n\r\n", 400),
    "a space in the target": (b"GET /v1/mo dels HTTP/1.1\r\n\r\n", 400),
    "no method": (b" /v1/models HTTP/1.1\r\n\r\n", 400),
    "a header without a colon": (request(OPENAI, b"x-api-key " + KEY.encode() + b"\r\n"), 400),
    "a space before the colon": (request(OPENAI, b"x-api-key : " + KEY.encode() + b"\r\n"), 400),
    "a folded header": (request(OPENAI, AUTH + b" folded: 1\r\n"), 400),
    "NUL in a header": (request(OPENAI, AUTH + b"cookie: \x00\r\n"), 400),
    "two lengths": (request(OPENAI, AUTH + b"content-length: 1\r\ncontent-length: 2\r\n"), 400),
    "a length that is none": (request(OPENAI, AUTH + b"content-length: -1\r\n"), 400),
    "a length and chunks": (
        request(OPENAI, AUTH + b"content-length: 1\r\ntransfer-encoding: chunked\r\n", b"POST"),
        400,
    ),
    "an unknown coding": (request(OPENAI, AUTH + b"transfer-encoding: gzip, x\r\n", b"POST"), 400),
    "a target of 9 KB": (request(OPENAI + b"?user=" + b"x" * 9000), 414),
    "a header of 9 KB": (request(OPENAI, AUTH + b"cookie: " + b"x" * 9000 + b"\r\n"), 431),
    "200 headers": (request(OPENAI, AUTH + b"".join(b"x-%d: 1\r\n" % number for number in range(200))), 431),
    "an expectation": (request(OPENAI, AUTH + b"expect: a miracle\r\n"), 417),
    "a key of 1 MB": (request(OPENAI, b"x-api-key: " + b"k" * (1 << 20) + b"\r\n"), 431),
}


@pytest.mark.parametrize("way", MALFORMED)
def test_what_cannot_be_parsed_is_a_clear_error(service: Service, way: str) -> None:
    data, status = MALFORMED[way]
    answer = send(service, data)

    assert answer.status == status
    check(answer)


@pytest.mark.parametrize("path", [ANTHROPIC, OPENAI])
def test_five_hundred_parameters_and_duplicate_ones_are_tolerated(service: Service, path: bytes) -> None:
    query = b"&".join(b"p%d=%d" % (number, number) for number in range(500)) + b"&limit=3&limit=3"

    assert send(service, request(path + b"?" + query)).status == 200


@pytest.mark.parametrize("value", [b"%00", b"%ED%A0%80", b"%FF", b"..%2F..%2Fetc%2Fpasswd", b"x" * 8000])
@pytest.mark.parametrize("path", [ANTHROPIC, OPENAI])
def test_a_model_with_an_impossible_name_is_not_found(service: Service, path: bytes, value: bytes) -> None:
    answer = send(service, request(path + b"/" + value))

    assert answer.status == 404
    check(answer)


@pytest.mark.parametrize("value", [b"%00", b"%ED%A0%80", b"%FF", b"x" * 8000])
@pytest.mark.parametrize("name", [b"after_id", b"limit", b"lifecycle%5B%5D", b"region"])
def test_an_impossible_value_is_refused_by_the_name_of_its_parameter(
    service: Service, name: bytes, value: bytes
) -> None:
    answer = send(service, request(ANTHROPIC + b"?" + name + b"=" + value))

    assert answer.status == 400
    assert answer.json["error"]["message"].startswith(name.decode().removesuffix("%5B%5D"))
    check(answer)


@pytest.mark.parametrize("target", [OPENAI, ANTHROPIC + b"?limit=2", ANTHROPIC + b"/nope", b"/livez", b"/nowhere"])
def test_head_is_get_without_a_body(service: Service, target: bytes) -> None:
    got = send(service, request(target))
    head = send(service, request(target, method=b"HEAD"), "HEAD")

    varying = {"request-id", "x-request-id", "date", "age"}
    assert head.status == got.status
    assert head.body == b""
    assert {it: head.headers[it] for it in head.headers if it not in varying} == {
        it: got.headers[it] for it in got.headers if it not in varying
    }


@pytest.mark.parametrize("target", [OPENAI, ANTHROPIC, b"/livez"])
def test_a_body_on_a_get_is_ignored(service: Service, target: bytes) -> None:
    with_length = send(service, request(target, AUTH + b"content-length: 5\r\n", body=b"{bad}"))
    with_chunks = send(
        service, request(target, AUTH + b"transfer-encoding: chunked\r\n", body=b"5\r\n{bad}\r\n0\r\n\r\n")
    )

    assert (with_length.status, with_chunks.status) == (200, 200)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_huge_body_is_refused_unread(service: Service, method: bytes) -> None:
    answer = send(service, request(ANTHROPIC, AUTH + b"content-length: 9999999999\r\n", method, b"x" * 1000))

    assert answer.status == 413
    assert answer.json["error"]["type"] == "request_too_large"
    check(answer)


def test_a_service_that_heard_all_this_still_serves(service: Service) -> None:
    assert service.get("/v1/models").status_code == 200
    assert len(list(Path(f"/proc/{service.process.pid}/task/{service.process.pid}").glob("children"))) == 1
