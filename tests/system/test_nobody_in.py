"""Closed by default: who has no key learns nothing, and no key is written down anywhere."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app.errors import ApiError
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY
from tests.support.servers import Service, eventually, running_service
from tests.system.test_bad_input import OPENAI, request, send

WRONG_KEYS = {
    "none": {},
    "empty": {"x-api-key": ""},
    "wrong": {"x-api-key": "wrong"},
    "other in its last character": {"x-api-key": KEY[:-1] + chr(ord(KEY[-1]) + 1)},
    "a character short": {"x-api-key": KEY[:-1]},
    "a character long": {"x-api-key": KEY + "x"},
    "in another case": {"x-api-key": KEY.upper()},
    "of a megabyte": {"x-api-key": KEY * (1 << 17)},
    "wrong before a right one": {"x-api-key": f"wrong,{KEY}"},
    "right and repeated as a bearer": {"authorization": f"Bearer {KEY},Bearer {KEY}"},
    "wrong as a bearer": {"authorization": "Bearer wrong"},
    "in another scheme": {"authorization": f"Basic {KEY}"},
    "without a scheme": {"authorization": KEY},
    "beyond ASCII": {"x-api-key": "\xff" * 8},
    "in a cookie": {"cookie": f"x-api-key={KEY}"},
}
PUBLIC = {"/livez", "/readyz", "/openapi.json", "/docs/", "/docs/<path:path>"}
# The page for people is public; it asks for the key itself.
PUBLIC |= {"/", "/catalog", "/catalog/assets/<digest>/<name>"}


def closed_targets(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        path = str(rule).replace("<path:model_id>", "a")
        if path in PUBLIC:
            continue
        assert "<" not in path, f"give {rule} a value here"
        for method in rule.methods or ():
            yield method, path


@pytest.mark.parametrize("way", WRONG_KEYS)
def test_every_route_but_the_public_ones_refuses_without_a_key(app: Flask, way: str) -> None:
    client = client_of(app, key=None)
    targets = list(closed_targets(app))
    answers = {target: client.open(target[1], method=target[0], headers=WRONG_KEYS[way]) for target in targets}

    assert len(targets) >= 8
    assert {target: it.status_code for target, it in answers.items() if it.status_code != 401} == {}
    assert not any("maker" in it.text or '"data":[' in it.text for it in answers.values())


def test_what_is_no_route_is_refused_without_a_key_too(app: Flask) -> None:
    client = client_of(app, key=None)

    assert [client.get(path).status_code for path in ("/v1", "/v1/other", "/static/x", "/catalog/x")] == [401] * 4


def test_a_key_in_the_query_opens_nothing_and_is_answered_with_none_of_it(app: Flask) -> None:
    answer = client_of(app, key=None).get(f"/v1/models?x-api-key={KEY}&api_key={KEY}&key={KEY}")

    assert answer.status_code == 401
    assert KEY not in answer.text


def test_a_crash_writes_down_no_key(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(None)

    def crash() -> str:
        raise RuntimeError("a bug")

    app.add_url_rule("/crash", view_func=crash)
    app.testing = False
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        answer = client_of(app).get("/crash", headers={"authorization": f"Bearer {KEY}"})

    assert (answer.status_code, ApiError().message) == (500, answer.json["error"]["message"])  # type: ignore[index]
    assert any(line["event"] == "request_failed" for line in logs)
    assert KEY not in repr(logs) + caplog.text + answer.text


def test_no_key_right_or_wrong_is_in_the_log_and_no_arn_of_a_path(tmp_path: Path) -> None:
    wrong, account = "s3cret-attempt", "123456789012"
    with running_service(tmp_path, LOG_LEVEL="debug") as service:
        for key in (KEY, wrong):
            header = key.encode()
            send(service, request(OPENAI, b"x-api-key: " + header + b"\r\n"))
            send(service, request(OPENAI, b"authorization: bearer " + header + b"\r\n"))
            send(service, request(OPENAI, b"x-api-key " + header + b"\r\n"))
            send(service, request(OPENAI, b"x-api-key : " + header + b"\r\n"))
            send(service, request(OPENAI, b"x-api-key: " + header + b"\x00\r\n"))
            send(service, request(OPENAI, b"x-api-key: a\r\n " + header + b"\r\n"))
            send(service, request(OPENAI, b"transfer-encoding: " + header + b"\r\n"))
            send(service, request(OPENAI, b"expect: " + header + b"\r\n"))
            send(service, request(OPENAI, b"x-api-key: " + header * 10_000 + b"\r\n"))
        arn = f"arn:aws:bedrock:us-east-1:{account}:application-inference-profile/abc"
        send(service, request(OPENAI + b"/" + arn.encode(), b"x-api-key: " + KEY.encode() + b"\r\n"))
        eventually(lambda: "Invalid request" in service.log())
    log = service.log()

    assert KEY not in log
    assert wrong not in log
    assert account not in log


@pytest.mark.parametrize(("proxies", "believed"), [("127.0.0.1", True), ("10.0.0.0/8,unix", False)])
def test_forwarding_headers_are_believed_from_the_configured_proxy_alone(
    tmp_path: Path, proxies: str, believed: bool
) -> None:
    with running_service(tmp_path, TRUSTED_PROXIES=proxies) as service:
        answer = ask_through_proxy(service)
        eventually(lambda: '"route": "/v1/models"' in service.log())

    assert (answer == "req_0123456789abcdef") is believed
    assert ('"client": "203.0.113.7"' in service.log()) is believed


def ask_through_proxy(service: Service) -> str:
    """The request id of an answer to a request that claims to have come through a proxy."""
    claims = b"x-forwarded-for: 203.0.113.7\r\nx-request-id: req_0123456789abcdef\r\n"
    return send(service, request(OPENAI, f"x-api-key: {KEY}\r\n".encode() + claims)).headers["request-id"]
