"""Three ways for keys beside a gateway: one store each, the catalog's keys for both, or the gateway's for both."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.builders import KEY
from tests.support.gateway_stub import GatewayStub, Reply, running_gateway
from tests.support.nginx_checks import MODELS, assert_error, behind_nginx, raw
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import running_service
from tests.support.unix_app import Answer, Asked, UnixApp, storable
from tests.system.nginx.test_outages import ATTEMPTS, status_of

GATEWAY_KEY = "sk-of-the-gateway"
KEY_FILE = "bedrock-model-catalog-gateway-key.conf"
SHORT = {"204 401 10s": "204 401 1s", "401 403 10s": "401 403 1s"}
DIALECTS = [("/v1/messages", "anthropic"), ("/anthropic/v1/messages", "anthropic"), ("/v1/chat/completions", "openai")]
Site = tuple[Nginx, UnixApp, GatewayStub]


@contextmanager
def keys_of(way: int, folder: Path, changes: dict[str, dict[str, str]] | None = None) -> Iterator[Site]:
    (folder / "nginx").mkdir()
    (folder / "nginx" / KEY_FILE).write_text(f'proxy_set_header Authorization "Bearer {GATEWAY_KEY}";\n')
    chosen = {"gateway.conf": {f"#keys-{way}#": ""}}
    with (
        running_gateway(GatewayStub()) as gateway,
        behind_nginx(folder, chosen | (changes or {}), gateway_port=gateway.port) as (nginx, app),
    ):
        yield nginx, app, gateway


def as_the_catalog(asked: Asked) -> Answer:
    """What the service answers to /auth, and an answer that may be kept to all else."""
    presented = {asked.header("x-api-key"), (asked.header("authorization") or "").removeprefix("Bearer ")}
    if asked.target != "/auth":
        return storable(b'{"from":"app"}')
    if KEY in presented:
        return Answer(status=204, body=b"", headers=(("Cache-Control", "no-store"),))
    return Answer(status=401, headers=(("WWW-Authenticate", "Bearer"), ("x-should-retry", "false")))


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with keys_of(2, tmp_path_factory.mktemp("keys-2")) as site:
        yield site


@pytest.fixture
def with_catalogs_keys(catalogs: Site, request: pytest.FixtureRequest) -> Site:
    _, app, gateway = catalogs
    app.answer = as_the_catalog
    app.asked.clear()
    gateway.reset()
    gateway.keys = {GATEWAY_KEY}
    return catalogs


@pytest.mark.parametrize(
    "headers", [{"x_api_key": KEY}, {"authorization": f"Bearer {KEY}"}, {"x_api_key": KEY, "authorization": "Bearer b"}]
)
def test_the_gateway_gets_its_own_key_and_never_the_clients(with_catalogs_keys: Site, headers: dict[str, str]) -> None:
    nginx, _, gateway = with_catalogs_keys

    answer = nginx.get("/v1/files", key=None, **headers)

    assert answer.json() == {"from": "gateway"}
    [received] = gateway.received
    assert received.values("authorization") == [f"Bearer {GATEWAY_KEY}"]
    assert received.values("x-api-key") == []
    assert KEY not in repr(received)


@pytest.mark.parametrize("key", [None, "wrong"])
@pytest.mark.parametrize(("target", "dialect"), DIALECTS)
def test_a_key_that_the_catalog_refuses_reaches_no_gateway(
    with_catalogs_keys: Site, key: str | None, target: str, dialect: str
) -> None:
    nginx, _, gateway = with_catalogs_keys

    answer = nginx.get(target, key=key)

    assert_error(answer, 401, dialect)
    assert answer.json()["error"]["type"] == (
        "authentication_error" if dialect == "anthropic" else "invalid_request_error"
    )
    assert answer.headers.get_list("www-authenticate") == ["Bearer"]
    assert answer.headers.get_list("x-should-retry") == ["false"]
    assert gateway.received == []


def test_the_body_of_a_refused_request_is_not_waited_for(with_catalogs_keys: Site) -> None:
    nginx, _, gateway = with_catalogs_keys

    answer = raw(
        nginx.port, b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n"
    )

    assert_error(answer, 401)
    assert gateway.received == []


def test_a_body_of_8_mebibytes_passes_the_question(with_catalogs_keys: Site) -> None:
    nginx, _, gateway = with_catalogs_keys

    answer = httpx.post(f"{nginx.url}/v1/files", content=b"x" * (8 << 20), headers={"x-api-key": KEY}, timeout=30)

    assert answer.status_code == 200
    assert len(gateway.received[-1].body) == 8 << 20


def test_the_question_holds_nothing_but_the_keys(with_catalogs_keys: Site) -> None:
    nginx, app, gateway = with_catalogs_keys
    lines = f"Host: a\r\nConnection: close\r\nx-api-key: {KEY}\r\nauthorization: Basic nothing\r\nx-bad: \x01\r\n"
    lines += "Range: bytes=0-1\r\nIf-None-Match: *\r\nTransfer-Encoding: chunked\r\n"

    answer = raw(nginx.port, f"POST /v1/files?a=b HTTP/1.1\r\n{lines}\r\n3\r\nabc\r\n0\r\n\r\n".encode())

    assert answer.json() == {"from": "gateway"}
    assert gateway.received[-1].body == b"abc"
    [asked] = app.asked
    assert (asked.method, asked.target, asked.body) == ("GET", "/auth", b"")
    assert {name for name, _ in asked.headers} == {
        "host",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-api-key",
        "authorization",
    }


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_wrong_key_is_refused_whatever_its_request_has_on_top(with_catalogs_keys: Site, name: str) -> None:
    nginx, _, gateway = with_catalogs_keys
    attempt = replace(ATTEMPTS[name], target="/v1/files")

    statuses = {status_of(nginx.port, attempt.request("wrong"), hangs_up=attempt.hangs_up) for _ in range(5)}

    assert statuses <= attempt.statuses | {401}
    assert gateway.received == []


def test_a_key_is_asked_about_once_in_ten_seconds(with_catalogs_keys: Site) -> None:
    nginx, app, gateway = with_catalogs_keys
    keys = [{"x_api_key": key, "authorization": f"Bearer {KEY}"} for key in ("one", "two")]

    statuses = [nginx.get("/v1/files", key=None, **headers).status_code for headers in keys * 10]
    refused = [nginx.get("/v1/files", key="never heard of").status_code for _ in range(10)]

    assert (set(statuses), set(refused)) == ({200}, {401})
    assert [asked.target for asked in app.asked] == ["/auth"] * 3
    assert len(gateway.received) == 20


def test_the_lists_are_asked_for_with_the_clients_own_key(with_catalogs_keys: Site) -> None:
    nginx, app, gateway = with_catalogs_keys

    for target in ("/v1/models?own", f"{MODELS}?own"):
        nginx.get(target)

    assert [(asked.target, asked.header("x-api-key")) for asked in app.asked] == [
        ("/v1/models?own", KEY),
        (f"{MODELS}?own", KEY),
    ]
    assert gateway.received == []


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_a_catalog_that_cannot_tell_is_503_and_asked_again(with_catalogs_keys: Site, status: int) -> None:
    """503 is what the service answers before it has read its keys; the others it never does."""
    nginx, app, gateway = with_catalogs_keys
    app.answer = lambda asked: Answer(status=status)

    answers = [nginx.get("/v1/messages", key=f"key-{status}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert len(app.asked) == 2
    assert gateway.received == []


@pytest.mark.parametrize(("target", "dialect"), DIALECTS)
def test_an_unreachable_catalog_is_503_until_it_is_back(tmp_path: Path, target: str, dialect: str) -> None:
    with keys_of(2, tmp_path, {"auth.conf": SHORT}) as (nginx, app, gateway):
        app.answer = as_the_catalog
        assert nginx.get("/v1/files").status_code == 200
        app.stop()
        time.sleep(2.1)  # What was kept of the key is over.

        answer = nginx.get(target)
        assert_error(answer, 503, dialect)
        assert answer.headers["retry-after"] == "5"
        assert len(gateway.received) == 1

        app.start()
        assert nginx.get("/v1/files").status_code == 200


def test_a_catalog_that_is_away_for_a_moment_costs_a_known_key_nothing(tmp_path: Path) -> None:
    with keys_of(2, tmp_path) as (nginx, app, _):
        app.answer = as_the_catalog
        assert nginx.get("/v1/files").status_code == 200
        app.stop()

        assert nginx.get("/v1/files").status_code == 200
        assert nginx.get("/v1/files", key="another").status_code == 503


def test_a_revoked_key_is_refused_though_it_keeps_asking(tmp_path: Path) -> None:
    with keys_of(2, tmp_path, {"auth.conf": SHORT}) as (nginx, app, _):
        app.answer = as_the_catalog
        revoked_at = float("inf")
        seen: list[tuple[float, int]] = []
        over = threading.Event()

        def ask() -> None:
            with httpx.Client(headers={"x-api-key": KEY}) as client:
                while not over.is_set():
                    at = time.time()
                    seen.append((at, client.get(f"{nginx.url}/v1/files").status_code))

        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(ask) for _ in range(2)]
            time.sleep(0.5)
            app.answer = lambda asked: Answer(status=401)
            revoked_at = time.time()
            time.sleep(3)
            over.set()
        for client in running:
            client.result()

    assert {status for at, status in seen if at < revoked_at} == {200}
    assert {status for at, status in seen if at > revoked_at + 2.1} == {401}


def test_the_services_own_keys_open_the_gateway(tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx" / KEY_FILE).write_text(f'proxy_set_header Authorization "Bearer {GATEWAY_KEY}";\n')
    where = tmp_path / "gunicorn.sock"
    with (
        running_service(tmp_path, socket=where),
        running_gateway(GatewayStub(keys={GATEWAY_KEY})) as gateway,
        running_nginx(
            tmp_path / "nginx", where, changes={"gateway.conf": {"#keys-2#": ""}}, gateway_port=gateway.port
        ) as nginx,
    ):
        good = [
            nginx.get("/v1/files", key=None, **{name: value})
            for name, value in (("x_api_key", KEY), ("authorization", f"bearer {KEY}"))
        ]
        bad = [nginx.get("/v1/files", key=key) for key in (None, "wrong", KEY[:-1], f"{KEY}\t\x01")]
        listed = nginx.get("/v1/models")

    assert [answer.status_code for answer in good] == [200, 200]
    assert [answer.status_code for answer in bad] == [401] * 4
    assert listed.status_code == 200


# ---- The gateway's keys --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with keys_of(3, tmp_path_factory.mktemp("keys-3")) as site:
        yield site


@pytest.fixture
def with_gateways_keys(gateways: Site) -> Site:
    _, app, gateway = gateways
    app.answer = lambda asked: Answer()
    app.asked.clear()
    gateway.reset()
    gateway.keys = {KEY}
    return gateways


CATALOGS_OWN: list[dict[str, str]] = [{}, {"host": "catalog.example.com"}]


@pytest.mark.parametrize("host", CATALOGS_OWN, ids=["gateway's name", "catalog's name"])
@pytest.mark.parametrize("target", ["/v1/models", MODELS, "/search_models"])
def test_lists_are_for_those_whom_the_gateway_knows(
    with_gateways_keys: Site, host: dict[str, str], target: str
) -> None:
    nginx, app, _ = with_gateways_keys
    dialect = "openai" if target == "/v1/models" else "anthropic"

    assert nginx.get(target, **host).json() == {"from": "app"}
    for key in (None, "wrong"):
        answer = nginx.get(target, key=key, **host)
        assert_error(answer, 401, dialect)
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers.get_list("www-authenticate") == ["Bearer"]
    assert [asked.target for asked in app.asked] == [target]


def test_a_gateway_that_answers_400_to_a_wrong_key_and_500_to_none_is_understood(with_gateways_keys: Site) -> None:
    """As LiteLLM without a database does."""
    nginx, app, gateway = with_gateways_keys
    gateway.keys = None
    gateway.reply = lambda received: Reply(status=400 if received.values("x-api-key") else 500)

    for key in ("wrong at LiteLLM", None):
        assert_error(nginx.get(MODELS, key=key), 401)
    assert app.asked == []


@pytest.mark.parametrize("target", ["/", "/mcp", "/docs/", "/readyz", "/auth", "/metrics", "/v1/x"])
def test_no_path_of_the_open_catalog_is_open(with_gateways_keys: Site, target: str) -> None:
    nginx, app, _ = with_gateways_keys

    refused = nginx.get(target, key="wrong", host="catalog.example.com")
    opened = nginx.get(target, host="catalog.example.com")

    assert (refused.status_code, opened.status_code) == (401, 200)
    assert [asked.target for asked in app.asked] == [target]


def test_a_stored_list_is_not_sent_to_a_key_that_the_gateway_refuses_now(tmp_path: Path) -> None:
    with keys_of(3, tmp_path, {"auth.conf": SHORT}) as (nginx, app, gateway):
        gateway.keys = {KEY}
        app.answer = lambda asked: storable(b"{}", until=int(time.time()) + 60)
        assert nginx.get(MODELS).status_code == 200
        gateway.keys = {"another"}
        time.sleep(2.1)

        assert nginx.get(MODELS).status_code == 401
        app.stop()
        assert nginx.get(MODELS).status_code == 401


def test_the_gateway_is_asked_about_a_key_once_in_ten_seconds_and_not_for_its_own_paths(
    with_gateways_keys: Site,
) -> None:
    nginx, _, gateway = with_gateways_keys
    gateway.keys = {"often"}

    for _ in range(5):
        assert nginx.get("/v1/models", key="often").status_code == 200
        assert nginx.get("/v1/files", key="often").status_code == 200

    assert sorted(received.target for received in gateway.received) == ["/v1/files"] * 5 + ["/v1/models"]


@pytest.mark.parametrize("host", CATALOGS_OWN, ids=["gateway's name", "catalog's name"])
def test_a_gateway_that_cannot_be_asked_is_503(with_gateways_keys: Site, host: dict[str, str]) -> None:
    nginx, app, gateway = with_gateways_keys
    gateway.keys = None
    gateway.reply = lambda received: Reply(status=500)

    answer = nginx.get(MODELS, key="not asked about yet", **host)

    assert_error(answer, 503)
    assert answer.headers["retry-after"] == "5"
    assert app.asked == []


def test_the_same_keys_in_both_stores_need_nothing(tmp_path: Path) -> None:
    where = tmp_path / "gunicorn.sock"
    with (
        running_service(tmp_path, socket=where),
        running_gateway(GatewayStub(keys={KEY})) as gateway,
        running_nginx(tmp_path / "nginx", where, gateway_port=gateway.port) as nginx,
    ):
        answers = {
            key: [nginx.get(target, key=key) for target in ("/v1/models", "/v1/files")] for key in (KEY, "wrong")
        }

    assert [answer.status_code for answer in answers[KEY]] == [200, 200]
    assert [answer.status_code for answer in answers["wrong"]] == [401, 401]
    assert answers["wrong"][1].json() == {"error": {"message": "the gateway does not know this key"}}
