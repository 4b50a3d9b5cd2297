"""The service behind nginx, as it is deployed."""

import time
from pathlib import Path

import anthropic
import openai
import pytest

from tests.support.builders import KEY
from tests.support.nginx_checks import (
    AT_MOST_S,
    MODELS,
    assert_error,
    constant_load,
    raw,
    request_id_of,
    wait_for_the_second,
)
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import Service, eventually, running_service


def test_the_official_clients_list_through_nginx(service: tuple[Nginx, Service]) -> None:
    url = service[0].url
    with (
        anthropic.Anthropic(api_key=KEY, base_url=f"{url}/anthropic", max_retries=0) as claude,
        openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as gpt,
    ):
        listed = [model.id for model in claude.models.list(limit=7)]

        assert "anthropic.claude-opus-5" in listed
        assert set(listed) <= {model.id for model in gpt.models.list()}
        assert claude.models.retrieve(listed[0]).id == listed[0]


def test_a_refusal_through_nginx_has_one_request_id_everywhere(service: tuple[Nginx, Service]) -> None:
    answer = service[0].get(MODELS, key="wrong")

    assert answer.status_code == 401
    assert answer.json()["request_id"] == request_id_of(answer)
    assert service[0].logged(request_id_of(answer))["status"] == 401


@pytest.mark.parametrize("target", ["//v1/models", "/v1//models", f"{MODELS}/", "/v1/models/", f"{MODELS}//a", "/mcp/"])
def test_no_path_is_redirected(service: tuple[Nginx, Service], target: str) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: {KEY}\r\n\r\n"

    assert raw(service[0].port, head.encode()).status_code in (200, 404, 405)


def test_an_arn_with_an_escaped_slash_names_its_model(service: tuple[Nginx, Service]) -> None:
    arn = "arn:aws:bedrock:us-east-1::foundation-model%2Fanthropic.claude-opus-5"

    assert service[0].get(f"{MODELS}/{arn}").json()["id"] == "anthropic.claude-opus-5"


def test_a_request_line_of_8_kilobytes_reaches_gunicorn(service: tuple[Nginx, Service]) -> None:
    frame = len("GET  HTTP/1.1")

    assert service[0].get(f"{MODELS}?ignored=".ljust(8190 - frame, "a")).status_code == 200


@pytest.mark.parametrize("sent", ["in a header", "in a header that the cache knows", "in the request line"])
def test_gunicorn_accepts_every_line_that_nginx_accepts(service: tuple[Nginx, Service], sent: str) -> None:
    """A limit of gunicorn's below nginx's would be an answer before all has been read, and without the dialect."""
    statuses = []
    for length in range(8180, 8200):
        x = "x" * length
        target = f"/v1/models?{x[:-23]}" if sent == "in the request line" else "/v1/models"
        header = {"in a header": f"a: {x[:-5]}", "in a header that the cache knows": f"authorization:{x[:-16]}"}
        lines = [f"GET {target} HTTP/1.1", "Host: a", "Connection: close", f"x-api-key: {KEY}"]
        lines += [header[sent]] if sent in header else []
        statuses.append(raw(service[0].port, "\r\n".join([*lines, "", ""]).encode()))

    assert [answer.status_code for answer in statuses[:10]] == [200] * 10
    refused = [answer for answer in statuses if answer.status_code != 200]
    assert {answer.status_code for answer in refused} == {414 if sent == "in the request line" else 431}
    assert all("exceed" in answer.text for answer in refused), "these are nginx's own errors"


def test_the_same_question_within_the_second_does_not_reach_gunicorn(service: tuple[Nginx, Service]) -> None:
    nginx, _ = service

    def is_stored() -> bool:
        answers = [nginx.get(f"{MODELS}?limit=3") for _ in range(2)]
        assert answers[0].content == answers[1].content
        return bool(nginx.logged(request_id_of(answers[1]))["cache"] == "HIT")

    eventually(is_stored)


def test_each_coding_of_an_answer_is_stored_for_itself(service: tuple[Nginx, Service]) -> None:
    answers = [service[0].get(MODELS, accept_encoding=coding) for coding in ("gzip", "identity") * 3]

    assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", None] * 3
    assert len({answer.headers["etag"] for answer in answers}) == 2
    assert len({answer.text for answer in answers}) == 1


def test_a_key_taken_out_of_its_file_is_refused_through_nginx_although_it_keeps_asking(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\nanother\n")
    replaced = "x" * len(KEY)  # A smaller file would wait for another look.
    where = tmp_path / "gunicorn.sock"
    with (
        running_service(
            tmp_path, socket=where, API_KEYS="", API_KEYS_FILE=str(keys), CATALOG_REFRESH_SECONDS="1"
        ) as service,
        running_nginx(tmp_path / "nginx", where) as nginx,
        constant_load(nginx, MODELS, clients=2) as seen,
    ):
        eventually(lambda: len(seen) > 20)
        # So that the worker notices early in a second, after an answer of the same one.
        wait_for_the_second(0.98)
        keys.write_text(f"{replaced}\nanother\n")
        removed_at = time.time()
        eventually(lambda: service.get(MODELS).status_code == 401)
        refused_at = time.time()
        eventually(lambda: seen[-1][0] > refused_at + AT_MOST_S + 0.5)
        other = nginx.get(MODELS, key="another")

    assert {status for at, status, _ in seen if at > min(refused_at + AT_MOST_S, removed_at + 2)} == {401}
    assert seen[0][1] == other.status_code == 200


def test_what_was_asked_before_is_answered_while_gunicorn_is_away(tmp_path: Path) -> None:
    where = tmp_path / "gunicorn.sock"
    with running_nginx(tmp_path / "nginx", where) as nginx:
        with running_service(tmp_path, socket=where):
            before = nginx.get(MODELS)
        stale, unasked = nginx.get(MODELS), nginx.get(f"{MODELS}?limit=1")

    assert (stale.status_code, stale.content) == (before.status_code, before.content) == (200, before.content)
    assert_error(unasked, 502)
