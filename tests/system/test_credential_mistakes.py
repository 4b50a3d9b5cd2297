"""The commonest mistakes with credentials, and what the operator reads: one reason for all regions, in words."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.catalog.records import PartFailure
from app.discovery.parent import Visits, discover
from config import read_settings

REGIONS = ("us-east-1", "eu-west-1", "us-west-2")
TIMEOUT_S = 6

# The variables, the SDK's configuration file, and the code and the words that the operator reads.
MISTAKES: dict[str, tuple[dict[str, str], str, str, str]] = {
    "the secret key is missing": (
        {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
        "",
        "PartialCredentialsError",
        "credentials: Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
    ),
    "the key's id is missing": (
        {"AWS_SECRET_ACCESS_KEY": "secret"},
        "",
        "PartialCredentialsError",
        "credentials: Partial credentials found in env, missing: AWS_ACCESS_KEY_ID",
    ),
    "the web identity's token is missing": (
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token", "AWS_ROLE_ARN": "arn:aws:iam::112233445566:role/reader"},
        "",
        "FileNotFoundError",
        "credentials: [Errno 2] No such file or directory: '/nowhere/token'",
    ),
    "the credential process fails": (
        {},
        "credential_process = sh -c 'echo The vault of 112233445566 is sealed >&2; exit 3'",
        "CredentialRetrievalError",
        "credentials: Error when retrieving credentials from custom-process: The vault of [redacted] is sealed",
    ),
    "the credential process writes no JSON": (
        {},
        "credential_process = echo hello",
        "JSONDecodeError",
        "credentials: Expecting value: line 1 column 1 (char 0)",
    ),
    "the source profile is unknown": (
        {},
        "role_arn = arn:aws:iam::112233445566:role/reader\nsource_profile = base",
        "InvalidConfigError",
        'credentials: The source_profile "base" referenced in the profile "default" does not exist.',
    ),
    "the profile is unknown": (
        {"AWS_PROFILE": "production"},
        "",
        "ProfileNotFound",
        "credentials: The config profile (production) could not be found",
    ),
    "there are none": ({}, "", "NoCredentialsError", "credentials: Unable to locate credentials"),
    "the endpoint has no scheme": (
        {
            "AWS_ENDPOINT_URL_BEDROCK": "bedrock.example.com",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        "",
        "ValueError",
        "Invalid endpoint: bedrock.example.com",
    ),
}


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        listening.setblocking(False)
        yield listening


def connections_to(server: socket.socket) -> int:
    """How many have been made so far."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def visits_with(folder: Path, variables: dict[str, str], profile: str = "") -> Visits:
    config = folder / "config"
    config.write_text(f"[default]\n{profile}\n")
    environ = {
        "AWS_BEDROCK_REGIONS": ",".join(REGIONS),
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        # The discard port, which is closed: no mistake gets as far as AWS.
        "AWS_ENDPOINT_URL_BEDROCK": "http://127.0.0.1:9",
        "CATALOG_REFRESH_TIMEOUT_SECONDS": str(TIMEOUT_S),
    } | variables
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name, raising=False)  # moto sets them, and wants them back.
        for name, value in environ.items():
            patch.setenv(name, value)
        return discover(read_settings(os.environ))


def reasons(visits: Visits) -> set[tuple[str, str]]:
    """Each reason for which a part failed; all parts of all regions have."""
    failures = [it for it in visits.results if isinstance(it, PartFailure)]
    assert {it.region for it in failures} == set(REGIONS) and len(failures) == 2 * len(REGIONS)
    return {(it.code, it.detail) for it in failures}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_reason_for_all_regions_in_words(mistake: str, tmp_path: Path) -> None:
    variables, profile, code, detail = MISTAKES[mistake]
    visits = visits_with(tmp_path, {"AWS_EC2_METADATA_DISABLED": "true"} | variables, profile)

    assert reasons(visits) == {(code, detail)}


def test_a_metadata_service_that_hangs_costs_one_wait(tmp_path: Path, silent_server: socket.socket) -> None:
    url = f"http://127.0.0.1:{silent_server.getsockname()[1]}"
    visits = visits_with(tmp_path, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url})

    assert reasons(visits) == {("NoCredentialsError", "credentials: Unable to locate credentials")}
    # One for a token, and one for the credentials without it; another client's look would be two more.
    assert connections_to(silent_server) == 2


def test_credentials_that_never_come_are_the_reason_before_the_deadline(tmp_path: Path) -> None:
    profile = "credential_process = sleep 60"
    visits = visits_with(tmp_path, {}, profile)

    assert reasons(visits) == {("CredentialsTimeout", "credentials: none within 3.6 s")}
    assert visits.fault is None


def test_a_bearer_key_needs_no_other_credentials(tmp_path: Path) -> None:
    variables = {
        "AWS_BEARER_TOKEN_BEDROCK": "bearer",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_BEDROCK": "https://127.0.0.1:9",
    }

    assert {code for code, _ in reasons(visits_with(tmp_path, variables))} == {"EndpointConnectionError"}
