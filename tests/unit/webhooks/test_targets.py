"""`[[webhooks]]` of the operator's file: read whole, or refused with the key, the value and what is allowed."""

import base64
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.catalog.event_changes import ADDED, EVENT_TYPES, RETIREMENT_NEAR
from app.catalog.records import CatalogEvent
from app.catalog.tables import InvalidValue
from app.webhooks.targets import Target, read_webhooks
from tests.support.builders import NOW

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "url").write_text("https://hooks.example.com/services/T/B/very-secret\n")
    return tmp_path


def read(folder: Path, text: str, **options: Any) -> tuple[Target, ...]:
    tables = tomllib.loads(text).get("webhooks", [])
    return read_webhooks(tables, folder, **options)


PLAIN = '[[webhooks]]\nurl = "https://example.com/hook?a=b"\nsecret_file = "secret"\n'
SLACK = '[[webhooks]]\nurl_file = "url"\nformat = "slack"\n'


def test_a_target_needs_no_more_than_its_address_and_secret(folder: Path) -> None:
    (target,) = read(folder, PLAIN)

    assert (target.name, target.host, target.port, target.path) == ("example.com", "example.com", 443, "/hook?a=b")
    assert (target.secret, target.format, target.allow_private) == (b"s" * 32, "standard", False)
    assert (target.types, target.models, target.within_days) == (EVENT_TYPES, None, (90, 30, 7))


def test_a_slack_target_needs_no_secret_and_its_address_may_stand_in_a_file(folder: Path) -> None:
    (target,) = read(folder, SLACK)

    assert (target.host, target.path, target.secret) == ("hooks.example.com", "/services/T/B/very-secret", None)


def test_what_is_secret_is_not_in_the_text_of_a_target(folder: Path) -> None:
    shown = str(read(folder, PLAIN + 'name = "one"\n' + SLACK))

    assert "very-secret" not in shown and "sss" not in shown and "a=b" not in shown


def test_a_target_chooses_types_models_and_thresholds(folder: Path) -> None:
    (target,) = read(
        folder,
        PLAIN
        + 'types = ["model.added", "model.retirement_near"]\nmodels = ["Anthropic.*"]\nwithin_days = [30]\n'
        + 'name = "ops-team"\nallow_private = true\n',
    )

    def event(type_: str, model_id: str, within_days: int | None = None) -> CatalogEvent:
        return CatalogEvent(id="1", at=NOW, type=type_, model_id=model_id, name="A", within_days=within_days)

    assert (target.name, target.allow_private) == ("ops-team", True)
    assert target.wants(event(ADDED, "anthropic.a"))
    assert not target.wants(event(ADDED, "amazon.a"))
    assert not target.wants(event("model.removed", "anthropic.a"))
    assert target.wants(event(RETIREMENT_NEAR, "ANTHROPIC.a", 30))
    assert not target.wants(event(RETIREMENT_NEAR, "anthropic.a", 90))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[[webhooks]]\nsecret_file = "secret"\n', "webhooks[0] must be a table with either url or url_file"),
        (PLAIN + 'url_file = "url"\n', "webhooks[0] must be a table with either url or url_file"),
        (PLAIN + 'secret = "x"\n', "webhooks[0].secret must be left out"),
        (PLAIN + 'types = ["model.gone"]\n', "webhooks[0].types must be a list of model.added, "),
        (PLAIN + "types = []\n", "webhooks[0].types must be a list of at least one"),
        (PLAIN + "models = []\n", "webhooks[0].models must be a list of at least one"),
        (PLAIN + "within_days = [60]\n", "webhooks[0].within_days must be a list of at least one of 90, 30, 7, got 60"),
        (PLAIN + "within_days = [true]\n", "webhooks[0].within_days must be"),
        (PLAIN + "within_days = 7\n", "webhooks[0].within_days must be"),
        (PLAIN + 'format = "teams"\n', "webhooks[0].format must be one of standard, slack, got 'teams'"),
        (PLAIN + 'allow_private = "yes"\n', "webhooks[0].allow_private must be true or false"),
        (PLAIN + 'name = "a b"\n', "webhooks[0].name must be at most 64 letters"),
        (PLAIN + PLAIN, "webhooks[1].name must be another name than that of every other target, got 'example.com'"),
        ('[[webhooks]]\nurl = "https://e.com"\n', "webhooks[0].secret_file must be there"),
        (PLAIN.replace('"secret"', '"none"'), "webhooks[0].secret_file must be a file that can be read (No such file"),
        (PLAIN.replace('"secret"', '"url"'), "webhooks[0].secret_file must be a file with whsec_"),
        (SLACK.replace('"url"', '"none"'), "webhooks[0].url_file must be a file that can be read"),
        ('webhooks = "x"\n', "webhooks must be at most 32 tables, each headed [[webhooks]]"),
        ("webhooks = [1]\n", "webhooks[0] must be a table"),
        (PLAIN * 33, "webhooks must be at most 32 tables"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(folder: Path, text: str, error: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        read(folder, text)

    assert str(raised.value).startswith(error)
    assert "very-secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/secret", "ftp://example.com/secret", "example.com/secret", "https:///secret"),
        *("https://user:secret@example.com/", "https://example.com/#secret", "https://example.com/a secret"),
        *("https://example.com:0/secret", "https://example.com:99999/secret", "https://[::1/secret", "https://é.com/"),
        "https://example.com\\@evil.com/secret",
    ],
)
def test_an_address_that_is_not_https_is_refused_and_not_shown(folder: Path, url: str) -> None:
    (folder / "url").write_text(url)
    for text in (SLACK, f"[[webhooks]]\nurl = '''{url}'''\nformat = \"slack\"\n"):
        with pytest.raises(InvalidValue, match="an https:// address") as raised:
            read(folder, text)

        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "secret",
    [
        b"",
        b"whsec_",
        b"whsec_!!!!",
        base64.b64encode(b"s" * 32),
        b"whsec_" + base64.b64encode(b"s" * 23),
        b"whsec_" + base64.b64encode(b"s" * 65),
        b"whsec_\xff",
        b"whsec_" + b"A" * 5000,
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_shown(folder: Path, secret: bytes) -> None:
    (folder / "secret").write_bytes(secret)

    with pytest.raises(InvalidValue, match=r"webhooks\[0\].secret_file must be") as raised:
        read(folder, PLAIN)

    assert len(secret) < 8 or secret.decode(errors="replace") not in str(raised.value)


def test_a_secret_without_padding_is_one(folder: Path) -> None:
    (folder / "secret").write_text(SECRET.rstrip("="))

    assert read(folder, PLAIN)[0].secret == b"s" * 32


def test_a_revision_changes_with_the_table_its_files_and_the_whole_file(folder: Path) -> None:
    revisions = [read(folder, PLAIN)[0].revision, read(folder, PLAIN)[0].revision]
    others = [
        read(folder, PLAIN + 'format = "standard"\n')[0].revision,
        read(folder, PLAIN, file_digest="x")[0].revision,
    ]
    (folder / "secret").write_text("whsec_" + base64.b64encode(b"t" * 32).decode())
    others.append(read(folder, PLAIN)[0].revision)

    assert len(set(revisions)) == 1
    assert len({*revisions, *others}) == 4
