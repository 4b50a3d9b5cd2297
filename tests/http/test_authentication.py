"""API-key authentication over HTTP."""

import json
from pathlib import Path

import pytest

from tests.conftest import MakeApp, client_of
from tests.support.builders import listing, model, snapshot


def test_an_unknown_key_is_503_until_every_source_has_been_read(make_app: MakeApp) -> None:
    app = make_app(snapshot(), api_keys=("known",), api_keys_secret_id="keys")

    known, unknown, none = (client_of(app, text).get("/v1/models").status_code for text in ("known", "unknown", None))

    assert (known, unknown, none) == (503, 503, 401)  # There is no catalog for the known key.
    answer = client_of(app, "unknown").get("/livez")
    assert answer.status_code == 200
    assert client_of(app, "unknown").get("/anthropic/v1/models").headers["retry-after"] == "5"


def test_the_name_of_the_key_is_logged_and_the_key_is_not(make_app: MakeApp, capfd: pytest.CaptureFixture[str]) -> None:
    app = make_app(snapshot(), api_keys=("ci:s3cret",))
    client_of(app, "s3cret").get("/v1/models")
    client_of(app, "wr0ng").get("/v1/models")

    written = capfd.readouterr().err
    assert [json.loads(line)["key"] for line in written.splitlines()] == ["ci", None]
    assert "s3cret" not in written
    assert "wr0ng" not in written


@pytest.mark.parametrize("text", ["voil\u00e0", "\u00c5", "a\u0085", "\u00a0a"])
@pytest.mark.parametrize("form", ["{}", " \t{}\t"])
def test_keys_are_compared_as_bytes_and_trimmed_by_blanks_alone(make_app: MakeApp, text: str, form: str) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model())), api_keys=(text,)), key=None)
    sent = form.format(text).encode().decode("latin-1")

    def statuses(value: str) -> list[int]:
        given = [{"HTTP_X_API_KEY": value}, {"HTTP_AUTHORIZATION": f"Bearer {value}"}]
        return [client.get("/v1/models", environ_overrides=environ).status_code for environ in given]

    assert statuses(sent) == [200, 200]
    assert statuses(sent.strip()[:-1]) == [401, 401]


# WSGI joins a repeated header with commas; nginx up to 1.22 sends the first alone, later ones join them, too.
@pytest.mark.parametrize(
    ("value", "status"),
    [("k", 200), ("k,k", 200), ("k, wrong", 200), ("k,wrong", 200), ("wrong,k", 401), (",k", 401), ("k k", 401)],
)
def test_of_a_repeated_api_key_header_the_first_counts(make_app: MakeApp, value: str, status: int) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model())), api_keys=("k",)), key=None)

    assert client.get("/v1/models", environ_overrides={"HTTP_X_API_KEY": value}).status_code == status


def test_a_repeated_authorization_header_opens_nothing(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot(listing("us-east-1", model())), api_keys=("k",)), key=None)

    assert client.get("/v1/models", headers={"authorization": "Bearer k,Bearer k"}).status_code == 401


def test_a_key_with_a_comma_is_one_key(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("a,b\n")
    app = make_app(snapshot(listing("us-east-1", model())), api_keys=(), api_keys_file=str(file))

    assert [client_of(app, key).get("/v1/models").status_code for key in ("a,b", "a")] == [200, 401]


@pytest.mark.parametrize("path", ["/auth", "/auth/"])
def test_a_reverse_proxy_learns_whether_a_key_is_good(make_app: MakeApp, path: str) -> None:
    app = make_app(None, api_keys=("k",))

    answers = [client_of(app, key).get(path) for key in ("k", "wrong", None)]

    assert [(answer.status_code, answer.text == "") for answer in answers] == [(204, True), (401, False), (401, False)]
    assert answers[0].headers["cache-control"] == "no-store"
    assert client_of(app, "k").head(path).status_code == 204


def test_without_keys_every_request_is_good(make_app: MakeApp) -> None:
    app = make_app(None, api_keys=(), auth_disabled=True)

    assert client_of(app, None).get("/auth").status_code == 204


def test_a_key_that_may_be_of_a_source_not_read_yet_is_neither_good_nor_wrong(make_app: MakeApp) -> None:
    app = make_app(None, api_keys=("known",), api_keys_secret_id="keys")

    assert [client_of(app, key).get("/auth").status_code for key in ("known", "unknown")] == [204, 503]
