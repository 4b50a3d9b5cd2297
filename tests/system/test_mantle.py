"""What is asked of Mantle's endpoint, and what becomes of its answers: over real HTTP, against the stand-in."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, EndpointConnectionError, ReadTimeoutError, SSLError

from app.catalog.reading import Malformed
from app.discovery.mantle import LIST_MODELS, InvalidToken, Mantle, MantleRefused
from tests.support.certificates import Authority
from tests.support.mantle_standin import ACCESS_KEY, BEARER_KEY, CREDENTIALS, MantleStandin, mantle_row

EAST, WEST = "us-east-1", "us-west-2"
READ_TIMEOUT_S = 0.4


@pytest.fixture
def standin() -> Iterator[MantleStandin]:
    with MantleStandin(EAST, WEST) as server:
        yield server


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)


def mantle(endpoint: str, **changes: Any) -> Mantle:
    arguments: dict[str, Any] = {
        "endpoint": endpoint,
        "connect_timeout_s": READ_TIMEOUT_S,
        "read_timeout_s": READ_TIMEOUT_S,
    }
    credentials = changes.pop("credentials", CREDENTIALS.get_frozen_credentials)
    return Mantle(credentials, **(arguments | changes))


def no_credentials() -> ReadOnlyCredentials:
    raise AssertionError("a bearer key needs no credentials of AWS")


def test_a_request_is_signed_for_mantle_in_the_region_that_is_asked(standin: MantleStandin) -> None:
    standin.rows[WEST] = [mantle_row("maker.west")]

    assert mantle(standin.url).list_models(WEST) == [mantle_row("maker.west")]
    [(path, headers)] = standin.seen
    assert path == "/v1/models"
    assert f"Credential={ACCESS_KEY}/" in headers["authorization"]
    assert f"/{WEST}/bedrock-mantle/aws4_request" in headers["authorization"]


def test_a_signature_by_another_secret_is_refused(standin: MantleStandin) -> None:
    other = Credentials(ACCESS_KEY, "another secret", "session-token").get_frozen_credentials

    with pytest.raises(MantleRefused):
        mantle(standin.url, credentials=other).list_models(EAST)


def test_a_bearer_key_is_read_from_its_file_at_each_visit(standin: MantleStandin, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("an-old-key")
    source = mantle(standin.url, token_file=str(file), credentials=no_credentials)

    with pytest.raises(MantleRefused):
        source.list_models(EAST)
    file.write_text(f"{BEARER_KEY}\n")

    assert source.list_models(EAST) == standin.rows[EAST]
    assert not any("x-amz" in name for _, headers in standin.seen for name in headers)


def test_the_sdks_bearer_key_is_used_where_no_file_is_named(
    standin: MantleStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER_KEY)

    assert mantle(standin.url, credentials=no_credentials).list_models(EAST) == standin.rows[EAST]


@pytest.mark.parametrize("content", ["", "  \n", "two keys", "a\nb", "a\r\nX-Other: b", "k\x00", "kéy", "k" * 20_000])
def test_a_file_that_holds_no_key_is_an_error_without_its_content(
    content: str, standin: MantleStandin, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(InvalidToken) as caught:
        mantle(standin.url, token_file=str(file)).list_models(EAST)

    assert not content.strip() or content.strip() not in str(caught.value)
    assert standin.seen == []


@pytest.mark.parametrize("value", ["two keys", "a\r\nX-Other: b"])
def test_an_environment_without_a_key_is_an_error_without_its_content(
    value: str, standin: MantleStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", value)

    with pytest.raises(InvalidToken) as caught:
        mantle(standin.url).list_models(EAST)

    assert value not in str(caught.value)
    assert standin.seen == []


def test_what_is_sent_without_tls_goes_by_no_proxy(standin: MantleStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    assert mantle(standin.url).list_models(EAST) == standin.rows[EAST]


def test_a_file_that_is_missing_is_an_error_and_no_other_credential_is_used(
    standin: MantleStandin, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        mantle(standin.url, token_file=str(tmp_path / "none")).list_models(EAST)

    assert standin.seen == []


@pytest.mark.parametrize(
    ("fault", "code", "action"),
    [
        ("401", "access_denied", LIST_MODELS),
        ("403", "access_denied", LIST_MODELS),
        ("500", "server_error", ""),
        ("429", "server_error", ""),
        ("redirect", "HTTP302", ""),
    ],
)
def test_a_refusal_has_its_code_and_the_permission_that_is_missing(
    fault: str, code: str, action: str, standin: MantleStandin
) -> None:
    standin.faults[EAST] = fault

    with pytest.raises(MantleRefused) as caught:
        mantle(standin.url).list_models(EAST)

    assert (caught.value.code, caught.value.action) == (code, action)


def test_the_credentials_go_over_tls_to_a_server_that_is_trusted_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with MantleStandin(EAST, certificate=authority.sign("localhost")) as standin:
        listed = mantle(standin.url, verify=str(authority.file), read_timeout_s=5).list_models(EAST)
        with pytest.raises(SSLError):
            mantle(standin.url, read_timeout_s=5).list_models(EAST)

    assert listed == standin.rows[EAST]
    assert len(standin.seen) == 1


def test_a_redirect_is_not_followed_with_the_credentials(standin: MantleStandin) -> None:
    standin.faults[EAST] = "redirect"

    with pytest.raises(MantleRefused):
        mantle(standin.url).list_models(EAST)

    assert [path for path, _ in standin.seen] == ["/v1/models"]


def test_an_error_that_repeats_the_bearer_key_does_not_show_it(standin: MantleStandin, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(BEARER_KEY)
    standin.faults[EAST] = "echo"

    with pytest.raises(MantleRefused) as caught:
        mantle(standin.url, token_file=str(file)).list_models(EAST)

    assert BEARER_KEY not in f"{caught.value} {caught.value.code}"
    assert "Bearer [redacted]" in str(caught.value)


def test_an_answer_is_read_up_to_a_limit(standin: MantleStandin) -> None:
    standin.faults[EAST] = "huge"

    with pytest.raises(Malformed, match="longer than 4 MiB"):
        mantle(standin.url, read_timeout_s=5).list_models(EAST)


@pytest.mark.parametrize("fault", ["html", "garbage", "no_data", "half"])
def test_an_answer_that_is_no_list_is_malformed(fault: str, standin: MantleStandin) -> None:
    standin.faults[EAST] = fault

    with pytest.raises(Malformed):
        mantle(standin.url, read_timeout_s=5).list_models(EAST)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_an_answer_that_does_not_end_is_given_up_in_the_time_of_one_read(fault: str, standin: MantleStandin) -> None:
    standin.faults[EAST] = fault

    with pytest.raises(ReadTimeoutError):
        mantle(standin.url).list_models(EAST)


def test_a_connection_that_is_closed_is_a_failure_of_the_sdks(standin: MantleStandin) -> None:
    standin.faults[EAST] = "reset"

    with pytest.raises(BotoCoreError):
        mantle(standin.url).list_models(EAST)


def test_the_host_is_the_regions_own_over_tls_and_a_name_that_does_not_exist_is_no_mantle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = resolving_to(monkeypatch, socket.EAI_NONAME)

    assert mantle("").list_models("eu-west-9") == []
    assert wanted == [("bedrock-mantle.eu-west-9.api.aws", 443)]


def test_a_resolver_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, socket.EAI_AGAIN)

    with pytest.raises(EndpointConnectionError):
        mantle("").list_models(EAST)


def test_a_configured_endpoint_that_does_not_exist_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, socket.EAI_NONAME)

    with pytest.raises(EndpointConnectionError):
        mantle("https://mantle.example.com").list_models(EAST)


def resolving_to(monkeypatch: pytest.MonkeyPatch, error: int) -> list[tuple[str, int]]:
    """Let no name resolve; the names that were looked up."""
    wanted: list[tuple[str, int]] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> None:
        wanted.append((host, port))
        raise socket.gaierror(error, "no address")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return wanted
