"""Bytes that no client should send, straight into a real service: always a clear error, never a crash, never HTML."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.support.builders import KEY
from tests.support.servers import Service, running_service

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
        body = answer.json
        if answer.status >= 400:
            check_envelope(body, answer.headers["request-id"])


def check_envelope(body: Any, request_id: str) -> None:
    if "jsonrpc" in body:
        assert set(body) == {"jsonrpc", "id", "error"} and body["error"]["data"]["request_id"] == request_id
    elif "type" in body:
        assert body["type"] == "error" and body["request_id"] == request_id
        assert set(body["error"]) == {"type", "message"}
    else:
        assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    assert isinstance(body["error"]["message"], str) and body["error"]["message"]


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


@pytest.mark.parametrize("value", [b"%00", b"%ED%A0%80", b"%FF", b"..%2F..%2Fetc%2Fpasswd", b"x" * 2048])
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


@pytest.mark.parametrize("chunks", [b"zz\r\nab", b"2\r\nabX\r\n", b"2;a=\x00\r\nab\r\n"])
def test_chunks_that_are_none_are_refused_and_end_the_connection(service: Service, chunks: bytes) -> None:
    head = AUTH + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n"
    data = request(b"/mcp", head, b"POST", chunks).replace(b"Connection: close\r\n", b"")
    answer = send(service, data)

    assert answer.status == 400
    assert answer.json["jsonrpc"] == "2.0"
    check(answer)
    # Where the body ends is unknown, so what comes next is no request.
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data + request(b"/livez"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_huge_body_is_refused_unread(service: Service, method: bytes) -> None:
    answer = send(service, request(ANTHROPIC, AUTH + b"content-length: 9999999999\r\n", method, b"x" * 1000))

    assert answer.status == 413
    assert answer.json["error"]["type"] == "request_too_large"
    check(answer)
