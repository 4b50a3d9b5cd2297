"""The shipped nginx configuration, in a real nginx: before an application that a test commands, and before gunicorn."""

import json
import re
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anthropic
import httpx2 as httpx
import openai
import pytest

from app.telemetry.request_ids import REQUEST_ID
from tests.support.builders import KEY
from tests.support.nginx_server import NGINX, SHIPPED, Nginx, running_nginx
from tests.support.servers import Service, asking_without_pause, eventually, running_service
from tests.support.unix_app import PAST, Answer, Asked, UnixApp, storable

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian's package nginx)")

MODELS = "/anthropic/v1/models"
OUTSIDE = "203.0.113.7"
# How long a stored answer may stand after the application would answer otherwise.
AT_MOST_S = 2.0
# So that a test need not wait for its line.
UNBUFFERED = {" buffer=64k flush=1s": ""}
# Statuses that nginx answers by itself, as the client sees them.
OWN_ERRORS = {400, 403, 404, 405, 413, 414, 429, 431, 500, 502, 503, 504}


@contextmanager
def behind_nginx(
    folder: Path, changes: dict[str, dict[str, str]] | None = None, *, tls: bool = False
) -> Iterator[tuple[Nginx, UnixApp]]:
    app = UnixApp(folder / "app.sock")
    app.start()
    try:
        with running_nginx(folder / "nginx", app.socket, tls=tls, changes=changes) as nginx:
            yield nginx, app
    finally:
        app.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, UnixApp]]:
    """One nginx for all tests that leave it as it was; it also answers each of its own errors on demand."""
    errors = "".join(
        f"location ~ /nginx-answers/{status}$ {{ return {494 if status == 431 else status}; }}\n"
        for status in sorted(OWN_ERRORS)
    )
    with behind_nginx(
        tmp_path_factory.mktemp("nginx"),
        {"server.conf": {"location / {": f"{errors}location / {{"}, "site.conf": UNBUFFERED},
    ) as both:
        yield both


@pytest.fixture
def nginx(shared: tuple[Nginx, UnixApp]) -> Nginx:
    return shared[0]


@pytest.fixture
def app(shared: tuple[Nginx, UnixApp]) -> UnixApp:
    """The application behind it, which has been asked nothing yet."""
    app = shared[1]
    app.answer = lambda asked: Answer()
    app.asked.clear()
    app.hangs_up = 0
    return app


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A model's URL that no other test asks for."""
    return f"{MODELS}/{request.node.name.split('[')[0]}-{abs(hash(request.node.name))}"


def once(event: threading.Event) -> Callable[[Asked], Answer]:
    """An application that is silent until something happens."""

    def answer(asked: Asked) -> Answer:
        event.wait(30)
        return Answer()

    return answer


def raw(port: int, request: bytes) -> httpx.Response:
    """The answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(request)
        file = connection.makefile("rb")
        head = "".join(line.decode("latin-1") for line in iter(file.readline, b"\r\n"))
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = file.read(int(length[1])) if length else file.read()
    status, *lines = head.splitlines()
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def request_id_of(answer: httpx.Response) -> str:
    """The answer's request id, which stands once in each of its two headers."""
    (request_id,) = answer.headers.get_list("request-id")
    assert answer.headers.get_list("x-request-id") == [request_id]
    return str(request_id)


def assert_error(answer: httpx.Response, status: int, dialect: str = "anthropic") -> None:
    """The answer is an error in a dialect's envelope, whole and of the right types."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    request_id = request_id_of(answer)
    body = json.loads(answer.text)
    if dialect == "anthropic":
        assert body == {
            "type": "error",
            "error": {"type": body["error"]["type"], "message": body["error"]["message"]},
            "request_id": request_id,
        }
        assert body["error"]["type"].endswith("_error") or body["error"]["type"] == "request_too_large"
    elif dialect == "openai":
        assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["param"] is None
    else:
        assert {name: body[name] for name in ("jsonrpc", "id")} == {"jsonrpc": "2.0", "id": None}
        assert isinstance(body["error"]["code"], int)
    message = body["error"]["message"]
    assert message and (message == "Bad request") == (status == 400)


# ---- Request ids and the log ----------------------------------------------------------------------------------------


def test_an_answer_the_log_and_the_application_have_one_request_id(nginx: Nginx, app: UnixApp) -> None:
    app.answer = lambda asked: Answer(headers=(("request-id", "req_app"), ("x-request-id", "req_app")))

    answer = nginx.get("/livez")

    assert request_id_of(answer) == app.asked[-1].header("x-request-id")
    assert REQUEST_ID.fullmatch(request_id_of(answer))
    assert nginx.logged(request_id_of(answer))["path"] == "/livez"


def test_stored_answers_have_request_ids_of_their_own(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: replace(
        stored := storable(b"{}", until=int(time.time()) + 60),
        headers=(*stored.headers, ("request-id", "req_app"), ("x-request-id", "req_app")),
    )

    answers = [nginx.get(path) for _ in range(5)]
    answers.append(nginx.get(path, if_none_match='"v1"'))

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 304]
    assert len(app.asked) == 1
    assert len({request_id_of(answer) for answer in answers}) == 6


@pytest.mark.parametrize(
    ("target", "is_kept"),
    [
        ("/v1/models?kept", True),
        ("/anthropic/v1/models?kept", True),
        ("/search_models?kept", True),
        ("/search_models/?kept", True),
        ("/search_modelsx?kept", False),
        ("/readyz?kept", False),
    ],
)
def test_what_is_asked_of_the_catalog_is_kept_and_nothing_else(
    nginx: Nginx, app: UnixApp, target: str, is_kept: bool
) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)
    for _ in range(2):
        nginx.get(target)

    assert len(app.asked) == (1 if is_kept else 2)


def test_a_client_does_not_choose_its_request_id(nginx: Nginx, app: UnixApp) -> None:
    answer = nginx.get("/livez", x_request_id="req_0123456789abcdef", request_id="req_0123456789abcdef")

    assert request_id_of(answer) != "req_0123456789abcdef"
    assert app.asked[-1].header("x-request-id") == request_id_of(answer)


def test_the_access_log_tells_of_a_request_what_an_operator_asks(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)
    nginx.get(path)

    entry = nginx.logged(request_id_of(nginx.get(f"{path}", x_forwarded_for=OUTSIDE)))

    assert entry.pop("time")[:4].isdigit() and isinstance(entry.pop("duration"), float) and entry.pop("request_id")
    assert entry == {"client": OUTSIDE, "method": "GET", "path": path, "status": 200, "bytes": 2, "cache": "HIT"}


def test_no_log_holds_a_key_or_a_query(nginx: Nginx, app: UnixApp) -> None:
    answer = nginx.get(f"{MODELS}?api_key=in-the-query", key="in-x-api-key", authorization="Bearer in-authorization")

    assert nginx.logged(request_id_of(answer))["path"] == MODELS
    for log in (nginx.access_log(), nginx.errors()):
        assert not re.search("in-the-query|in-x-api-key|in-authorization", log)


@pytest.mark.parametrize(
    ("target", "logged"),
    [(b"/a\xff?b", ""), (b'/a"b', '/a"b'), (b"/a%2Fb//c?d", "/a%2Fb//c"), (b"/a\\b", "/a\\b"), (b"//a", "//a")],
)
def test_a_line_of_the_access_log_is_json_whatever_was_asked(
    nginx: Nginx, app: UnixApp, target: bytes, logged: str
) -> None:
    answer = raw(nginx.port, b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)

    assert nginx.logged(request_id_of(answer))["path"] == logged


def test_the_access_log_stays_json_where_there_was_no_request(nginx: Nginx, app: UnixApp) -> None:
    with socket.create_connection(("127.0.0.1", nginx.port)) as connection:
        connection.sendall(b"GET /old\r\n")
        assert connection.recv(100)
    raw(nginx.port, b"\x16\x03\x01\x02\x00\r\n\r\n")

    nginx.logged(request_id_of(nginx.get("/livez")))


# ---- What the application is told -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        f"{MODELS}/arn:aws:bedrock:us-east-1::foundation-model%2Fa.b-v1:0",
        f"{MODELS}/a%252Fb",
        f"{MODELS}//a",
        f"{MODELS}/",
        "//v1/models",
        "/v1/models/../models",
        "/v1/%6dodels?lifecycle%5B%5D=active&lifecycle[]=retired",
        "/mcp/",
    ],
)
def test_a_path_reaches_the_application_as_it_was_sent(nginx: Nginx, app: UnixApp, target: str) -> None:
    answer = raw(nginx.port, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    assert answer.status_code == 200
    assert [asked.target for asked in app.asked] == [target]


def test_the_application_is_told_who_asked_and_for_which_host(nginx: Nginx, app: UnixApp) -> None:
    nginx.get("/livez", x_forwarded_for=f"198.51.100.1, {OUTSIDE}", x_forwarded_proto="https")

    asked = app.asked[-1]
    assert asked.header("x-forwarded-for") == OUTSIDE
    assert asked.header("x-forwarded-proto") == "http"
    assert asked.header("host") == f"127.0.0.1:{nginx.port}"
    assert asked.header("connection") is None


def test_a_request_of_http_1_0_without_a_host_is_answered(nginx: Nginx, app: UnixApp) -> None:
    answer = raw(nginx.port, b"GET /livez HTTP/1.0\r\n\r\n")

    assert answer.status_code == 200
    assert app.asked[-1].header("host")


def test_a_key_sent_twice_reaches_the_application_once(nginx: Nginx, app: UnixApp, path: str) -> None:
    raw(nginx.port, f"GET {path} HTTP/1.0\r\nx-api-key: first\r\nx-api-key: second\r\n\r\n".encode())

    assert app.asked[-1].header("x-api-key") == "first"


def test_a_request_line_of_8_kilobytes_is_accepted(nginx: Nginx, app: UnixApp) -> None:
    frame = len("GET  HTTP/1.1")
    target = f"{MODELS}?after_id=".ljust(8190 - frame, "a")

    assert nginx.get(target).status_code == 200
    assert app.asked[-1].target == target


def test_a_body_of_a_mebibyte_is_accepted(nginx: Nginx, app: UnixApp) -> None:
    answer = httpx.post(f"{nginx.url}/mcp", content=b"x" * (1 << 20))

    assert answer.status_code == 200
    assert len(app.asked[-1].body) == 1 << 20


@pytest.mark.parametrize(("method", "target"), [("GET", "/livez"), ("GET", MODELS), ("POST", "/mcp")])
def test_what_was_sent_on_a_connection_that_a_worker_closed_is_sent_again(
    nginx: Nginx, app: UnixApp, method: str, target: str
) -> None:
    with ThreadPoolExecutor(3) as pool:  # So there are some kept connections.
        together = threading.Barrier(3)
        app.answer = lambda asked: Answer(body=b"%d" % together.wait(10))
        list(pool.map(lambda _: nginx.get("/livez"), range(3)))
    app.asked.clear()
    app.hangs_up = 2
    app.answer = lambda asked: Answer(body=asked.body)

    answer = httpx.request(method, nginx.url + target, content=b"{}")

    assert (answer.status_code, answer.text) == (200, "{}")
    assert len(app.asked) == 3


@pytest.mark.parametrize(
    "target",
    [
        "/metrics",
        "/metrics/",
        "//metrics",
        "///metrics/",
        "/%2Fmetrics",
        "/%6detrics",
        "/x/../metrics",
        "/metrics?a",
        "/./metrics",
    ],
)
def test_metrics_are_refused_from_outside(nginx: Nginx, app: UnixApp, target: str) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    answer = raw(nginx.port, f"{head}X-Forwarded-For: {OUTSIDE}\r\n\r\n".encode())

    assert_error(answer, 403)
    assert app.asked == []
    assert raw(nginx.port, f"{head}\r\n".encode()).status_code == 200


# ---- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(OWN_ERRORS))
@pytest.mark.parametrize(
    ("prefix", "dialect"),
    [("/anthropic/v1", "anthropic"), ("", "anthropic"), ("/v1", "openai"), ("/mcp", "jsonrpc"), ("/v1x", "anthropic")],
)
def test_each_error_of_nginx_is_in_the_dialect_of_its_path(
    nginx: Nginx, app: UnixApp, status: int, prefix: str, dialect: str
) -> None:
    answer = nginx.get(f"{prefix}/nginx-answers/{status}")

    assert_error(answer, status, dialect)
    assert ("retry-after" in answer.headers) == (status in (429, 502, 503))
    allowed = "POST" if dialect == "jsonrpc" else "GET, HEAD"
    assert answer.headers.get("allow") == (allowed if status == 405 else None)
    assert nginx.logged(request_id_of(answer))["status"] == status


def test_every_error_that_is_caught_is_tested() -> None:
    caught = re.findall(r"^error_page (.*) /", (SHIPPED / "server.conf").read_text(), re.MULTILINE)
    seen_by_clients = {int(line.rpartition("=")[2]) for line in caught if "=" in line}

    assert (
        seen_by_clients | {int(status) for line in caught if "=" not in line for status in line.split()} == OWN_ERRORS
    )


@pytest.mark.parametrize(
    ("request_bytes", "status", "dialect"),
    [
        (b"nonsense\r\n\r\n", 400, "anthropic"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400, "openai"),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "jsonrpc"),
        (b"GET /anthropic/v1/models/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "anthropic"),
        (b"GET /.nginx-error HTTP/1.0\r\n\r\n", 404, "anthropic"),
        (b"TRACE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 405, "openai"),
        (b"GET /v1/models HTTP/2.5\r\nHost: a\r\n\r\n", 400, "anthropic"),
        (b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\n", 400, "jsonrpc"),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1048577\r\n\r\n", 413, "openai"),
        (b"POST /mcp HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1048577\r\n\r\n", 413, "jsonrpc"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "anthropic"),
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nx-api-key: " + b"a" * 9000 + b"\r\n\r\n", 431, "openai"),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\nx-api-key: " + b"a" * 9000 + b"\r\n\r\n", 431, "jsonrpc"),
    ],
)
def test_a_request_that_nginx_refuses_is_answered_in_json(
    nginx: Nginx, app: UnixApp, request_bytes: bytes, status: int, dialect: str
) -> None:
    assert_error(raw(nginx.port, request_bytes), status, dialect)
    assert app.asked == []


def test_a_client_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    slow = {"http.conf": {"rate=100r/s": "rate=1r/m"}, "server.conf": {"burst=200": "burst=1"}}
    with behind_nginx(tmp_path, slow) as (nginx, _):
        of_one = [nginx.get("/v1/models", x_forwarded_for=OUTSIDE) for _ in range(3)]
        of_another = nginx.get("/v1/models", x_forwarded_for="203.0.113.8")
        of_the_host = [nginx.get("/v1/models") for _ in range(5)]

    assert [answer.status_code for answer in of_one] == [200, 200, 429]
    assert_error(of_one[2], 429, "openai")
    assert of_one[2].headers["retry-after"] == "1"
    assert {answer.status_code for answer in (of_another, *of_the_host)} == {200}


def test_an_application_that_is_down_or_silent_is_an_error_of_the_dialect(tmp_path: Path) -> None:
    silent = threading.Event()
    with behind_nginx(tmp_path, {"proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 300ms"}}) as (nginx, app):
        app.answer = once(silent)
        assert_error(nginx.get("/v1/models"), 504, "openai")
        assert len(app.asked) == 1, "a slow request was sent twice"
        silent.set()
        app.stop()
        assert_error(nginx.get(MODELS), 502)
        assert_error(httpx.post(f"{nginx.url}/mcp", json={}), 502, "jsonrpc")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("prefix", [MODELS, "/v1/other", "/mcp"])
def test_an_error_of_the_application_passes_untouched(nginx: Nginx, app: UnixApp, status: int, prefix: str) -> None:
    app.answer = lambda asked: Answer(
        status=status, body=b'{"told":"by the application"}', headers=(("retry-after", "7"), ("Allow", "GET"))
    )

    answer = nginx.get(prefix)

    assert (answer.status_code, answer.json()) == (status, {"told": "by the application"})
    assert answer.headers.get_list("retry-after") == ["7"]
    assert answer.headers["allow"] == "GET"
    assert request_id_of(answer) == app.asked[-1].header("x-request-id")


# ---- The cache ------------------------------------------------------------------------------------------------------


def test_a_question_asked_again_within_the_second_does_not_reach_the_application(
    nginx: Nginx, app: UnixApp, path: str
) -> None:
    app.answer = lambda asked: storable(asked.target.encode(), until=int(time.time()) + 60)

    answers = [nginx.get(path), nginx.get(path), httpx.head(nginx.url + path, headers={"x-api-key": KEY})]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.text for answer in answers] == [path, path, ""]
    assert answers[0].headers["etag"] == answers[2].headers["etag"] == '"v1"'
    assert answers[0].headers.get_list("cache-control")[-1] == "private, max-age=900"
    assert "x-accel-expires" not in answers[0].headers
    assert len(app.asked) == 1


def test_a_client_that_has_the_answer_gets_304_without_the_application(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)

    first = nginx.get(path, if_none_match='"v1"')
    other = nginx.get(path, if_none_match='"v0"')

    assert (first.status_code, first.content) == (304, b"")
    assert (other.status_code, other.content) == (200, b"{}")
    assert len(app.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"x-api-key": "another"},
        {"x-api-key": ""},
        {"x-api-key": KEY, "authorization": f"Bearer {KEY}"},
        {"authorization": f"Bearer {KEY}"},
        {"authorization": KEY},
        {"x-api-key": KEY, "origin": "https://a.example"},
        {"x-api-key": KEY, "accept-encoding": "br"},
        {"x-api-key": KEY, "accept-encoding": "gzip;q=0"},
        {"x-api-key": f"{KEY}|", "origin": ""},
        {"x-api-key": KEY + "\x0b"},
    ],
)
def test_an_answer_is_stored_for_one_key_origin_and_encoding(
    nginx: Nginx, app: UnixApp, path: str, other: dict[str, str]
) -> None:
    app.answer = lambda asked: storable(repr(asked.headers).encode(), until=int(time.time()) + 60)
    mine = httpx.Client(headers={"x-api-key": KEY, "accept-encoding": "gzip"})

    def ask(headers: dict[str, str]) -> str:
        lines = "".join(f"{name}: {value}\r\n" for name, value in ({"accept-encoding": "gzip"} | headers).items())
        return raw(nginx.port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n".encode()).text

    mine_first = ask({"x-api-key": KEY})
    theirs = ask(other)
    mine_again = ask({"x-api-key": KEY})
    mine.close()

    assert mine_again == mine_first != theirs
    assert len(app.asked) == 2


@pytest.mark.parametrize("suffix", ["/", "?", "?limit=1", "?limit=1&limit=1", "?limit=01", "%2F", "?LIMIT=1", "/../b"])
def test_an_answer_is_stored_for_one_path_and_query_as_sent(nginx: Nginx, app: UnixApp, path: str, suffix: str) -> None:
    app.answer = lambda asked: storable(asked.target.encode(), until=int(time.time()) + 60)
    head = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: k\r\n\r\n"

    answers = [raw(nginx.port, f"GET {target}{head}".encode()).text for target in (path, path + suffix) * 2]

    assert answers == [path, path + suffix] * 2
    assert len(app.asked) == 2


@pytest.mark.parametrize(
    "question",
    [
        ("POST", MODELS),
        ("OPTIONS", MODELS),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("POST", "/mcp"),
        ("GET", f"/{MODELS}"),
    ],
)
def test_only_questions_about_the_catalog_are_stored(nginx: Nginx, app: UnixApp, question: tuple[str, str]) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)

    for _ in range(3):
        httpx.request(question[0], nginx.url + question[1], headers={"x-api-key": KEY})

    assert [asked.method for asked in app.asked] == [question[0]] * 3


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 404, 405, 429, 500, 503])
def test_only_answers_that_the_application_lets_nginx_keep_are_stored(
    nginx: Nginx, app: UnixApp, path: str, status: int
) -> None:
    app.answer = lambda asked: Answer(status=status)

    answers = [nginx.get(path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status] * 3
    assert len(app.asked) == 3


def test_a_refused_key_is_refused_anew_each_time_and_stored_never(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=PAST) if asked.header("x-api-key") == KEY else Answer(status=401)

    answers = [nginx.get(path, key=key).status_code for key in (KEY, "bad", KEY, "bad", KEY)]
    app.answer = lambda asked: storable(b"{}") if asked.header("x-api-key") == "bad" else Answer(status=401)

    assert answers == [200, 401, 200, 401, 200]
    assert [nginx.get(path, key=key).status_code for key in (KEY, "bad")] == [401, 200]


def test_a_revalidation_asks_by_tag_and_every_other_time_for_the_whole(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}", until=PAST)

    answers = [nginx.get(path, if_none_match='"of-the-client"') for _ in range(65)]

    tags = [asked.header("if-none-match") for asked in app.asked]
    assert tags[0] is None and set(tags[1:]) == {None, '"v1"'}
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"{}")}


@contextmanager
def constant_load(nginx: Nginx, path: str, clients: int = 4) -> Iterator[list[tuple[float, int, str]]]:
    """Clients that ask the same without a pause; gives (when asked, status, body) of every answer so far."""
    seen: list[tuple[float, int, str]] = []

    def ask(place: int, over: threading.Event) -> None:
        with httpx.Client(headers={"x-api-key": KEY}, timeout=15) as client:
            while not over.is_set():
                asked_at = time.time()
                answer = client.get(nginx.url + path)
                seen.append((asked_at, answer.status_code, answer.text))

    with asking_without_pause(ask, clients):
        yield seen


def test_a_revoked_key_is_refused_within_two_seconds_under_constant_load(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}")
    with constant_load(nginx, path) as seen:
        eventually(lambda: len(seen) > 100)
        app.answer = lambda asked: Answer(status=401)
        revoked_at = time.time()
        eventually(lambda: seen[-1][0] > revoked_at + AT_MOST_S + 0.5)

    assert {status for at, status, _ in seen if at < revoked_at} == {200}
    assert {status for at, status, _ in seen if at > revoked_at + AT_MOST_S} == {401}


def test_a_new_catalog_is_seen_within_two_seconds_under_constant_load(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"old", tag='"old"')
    with constant_load(nginx, path) as seen:
        eventually(lambda: len(seen) > 100)
        app.answer = lambda asked: storable(b"new", tag='"new"')
        refreshed_at = time.time()
        eventually(lambda: seen[-1][0] > refreshed_at + AT_MOST_S + 0.5)

    assert {body for _, _, body in seen} == {"old", "new"}
    assert {body for at, _, body in seen if at > refreshed_at + AT_MOST_S} == {"new"}


def test_while_one_request_revalidates_the_others_do_not_wait(nginx: Nginx, app: UnixApp, path: str) -> None:
    held, let_go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Answer:
        held.set()
        let_go.wait(10)
        return storable(b"{}")

    for _ in range(20):  # The second may end at any point on a machine that is busy: then the try tells nothing.
        app.answer = lambda asked: storable(b"{}")
        nginx.get(path)
        second = int(app_second := time.time())
        time.sleep(second + 1.05 - app_second)
        held.clear()
        let_go.clear()
        app.answer = answer
        app.asked.clear()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(nginx.get, path)
            held.wait(10)
            others = [nginx.get(path).status_code for _ in range(5)] if time.time() < second + 1.8 else []
            in_time = others and time.time() < second + 2
            let_go.set()
            assert first.result().status_code == 200
        if in_time:
            assert others == [200] * 5
            assert len(app.asked) == 1
            return
    pytest.fail("the machine was too busy for this test, twenty times")


def test_a_new_question_of_many_clients_is_one_request_to_the_application(tmp_path: Path) -> None:
    # With the shipped time for waiting some would ask for themselves on a machine that is busy.
    patient = {"cache.conf": {"lock_timeout 50ms": "lock_timeout 10s", "lock_age 1s": "lock_age 10s"}}
    with behind_nginx(tmp_path, patient) as (nginx, app), ThreadPoolExecutor(8) as pool:

        def answer(asked: Asked) -> Answer:
            time.sleep(0.3)
            return storable(b"{}", until=int(time.time()) + 60)

        app.answer = answer
        answers = list(pool.map(lambda _: nginx.get(MODELS).status_code, range(8)))

    assert answers == [200] * 8
    assert len(app.asked) == 1


def test_nobody_waits_long_for_an_answer_that_another_client_asked_for(nginx: Nginx, app: UnixApp, path: str) -> None:
    let_go = threading.Event()
    app.answer = once(let_go)
    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(nginx.get, path) for _ in range(2)]
        eventually(lambda: len(app.asked) == 2)
        let_go.set()

    assert [client.result().status_code for client in clients] == [200, 200]


def test_a_stored_answer_stands_in_while_the_application_is_down(tmp_path: Path) -> None:
    with behind_nginx(tmp_path) as (nginx, app):
        app.answer = lambda asked: storable(b"{}", until=int(time.time()) - 60)
        fresh = nginx.get(MODELS)
        assert (fresh.status_code, fresh.headers.get("cache-status")) == (200, None)
        app.stop()
        stale, unknown = nginx.get(MODELS), nginx.get(MODELS, key="another")

        assert (stale.status_code, stale.content) == (200, b"{}")
        assert stale.headers["cache-status"] == "nginx; fwd=stale"
        assert nginx.logged(request_id_of(stale))["cache"] == "STALE"
        assert_error(unknown, 502)

        app.start()
        app.answer = lambda asked: storable(b"back", tag='"back"')
        assert nginx.get(MODELS).text == "back"


def test_a_stored_answer_stands_in_for_an_application_that_is_silent(tmp_path: Path) -> None:
    with behind_nginx(tmp_path, {"proxy.conf": {"proxy_read_timeout 10s": "proxy_read_timeout 300ms"}}) as (nginx, app):
        app.answer = lambda asked: storable(b"{}", until=PAST, stale_if_error_s=2_000_000_000)
        nginx.get(MODELS)
        silent = threading.Event()
        app.answer = once(silent)

        assert nginx.get(MODELS).text == "{}"
        silent.set()


def test_a_stored_answer_stands_in_no_longer_than_the_application_allows(tmp_path: Path) -> None:
    with behind_nginx(tmp_path) as (nginx, app):
        app.answer = lambda asked: storable(b"{}", until=int(time.time()) - 60, stale_if_error_s=30)
        nginx.get(MODELS)
        app.stop()

        assert_error(nginx.get(MODELS), 502)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_stored_answer_never_hides_an_error_of_the_application(
    nginx: Nginx, app: UnixApp, path: str, status: int
) -> None:
    app.answer = lambda asked: storable(b"{}", until=int(time.time()) - 60)
    nginx.get(path)
    app.answer = lambda asked: Answer(status=status)

    assert nginx.get(path).status_code == status


def test_the_cache_is_readable_by_nginx_alone(nginx: Nginx, app: UnixApp, path: str) -> None:
    app.answer = lambda asked: storable(b"{}")
    nginx.get(path)

    assert stat.S_IMODE(nginx.cache.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in nginx.cache.rglob("*") if file.is_file()} == {0o600}


# ---- TLS ------------------------------------------------------------------------------------------------------------


def test_the_tls_block_serves_once_it_is_filled_in(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    write_certificate(folder)
    trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with behind_nginx(tmp_path, tls=True) as (nginx, app), httpx.Client(verify=trusted) as client:
        answer = client.get(f"https://localhost:{nginx.tls_port}{MODELS}", headers={"x-api-key": KEY})
        assert nginx.tls_port is not None
        plain = raw(nginx.tls_port, b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        negotiated = negotiate(trusted, nginx.tls_port)

    assert answer.status_code == 200
    assert app.asked[-1].header("x-forwarded-proto") == "https"
    assert request_id_of(answer) == app.asked[-1].header("x-request-id")
    assert_error(plain, 400, "openai")
    assert negotiated == ("h2", "TLSv1.3")


def negotiate(context: ssl.SSLContext, port: int) -> tuple[str | None, str | None]:
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as tls,
    ):
        return tls.selected_alpn_protocol(), tls.version()


def write_certificate(folder: Path) -> None:
    """A self-signed certificate for localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


# ---- Before gunicorn ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, Service]]:
    folder = tmp_path_factory.mktemp("service")
    socket_path = folder / "gunicorn.sock"
    with running_service(folder, socket=socket_path) as service, running_nginx(folder / "nginx", socket_path) as nginx:
        yield nginx, service


def test_the_official_clients_list_through_nginx(service: tuple[Nginx, Service]) -> None:
    url = service[0].url
    claude = anthropic.Anthropic(api_key=KEY, base_url=f"{url}/anthropic", max_retries=0)
    gpt = openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)

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
    where = tmp_path / "gunicorn.sock"
    with (
        running_service(
            tmp_path, socket=where, API_KEYS="", API_KEYS_FILE=str(keys), CATALOG_REFRESH_SECONDS="1"
        ) as service,
        running_nginx(tmp_path / "nginx", where) as nginx,
        constant_load(nginx, MODELS, clients=2) as seen,
    ):
        eventually(lambda: len(seen) > 20)
        keys.write_text("another\n")
        eventually(lambda: service.get(MODELS).status_code == 401)
        refused_at = time.time()
        eventually(lambda: seen[-1][0] > refused_at + AT_MOST_S + 0.5)
        other = nginx.get(MODELS, key="another")

    assert {status for at, status, _ in seen if at > refused_at + AT_MOST_S} == {401}
    assert seen[0][1] == other.status_code == 200


def test_what_was_asked_before_is_answered_while_gunicorn_is_away(tmp_path: Path) -> None:
    where = tmp_path / "gunicorn.sock"
    with running_nginx(tmp_path / "nginx", where) as nginx:
        with running_service(tmp_path, socket=where):
            before = nginx.get(MODELS)
        stale, unasked = nginx.get(MODELS), nginx.get(f"{MODELS}?limit=1")

    assert (stale.status_code, stale.content) == (before.status_code, before.content) == (200, before.content)
    assert_error(unasked, 502)
