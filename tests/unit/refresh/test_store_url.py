"""`CATALOG_STORE` and what belongs to it: what is taken, and no secret in any error."""

from typing import Any

import pytest

from config import ConfigError, Settings, child_environ, read_settings
from config.store_url import StoreUrl, store_url


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("redis://engine", {"tls": False, "host": "engine", "port": 6379, "database": 0}),
        ("rediss://engine:6380/2", {"tls": True, "host": "engine", "port": 6380, "database": 2}),
        ("redis://user:p%40ss@[::1]:1", {"host": "::1", "port": 1, "user": "user", "password": "p@ss"}),
        ("redis://:pw@engine/", {"user": None, "password": "pw", "database": 0}),
        ("redis://user@engine", {"user": "user", "password": None}),
    ],
)
def test_the_parts_of_a_store_are_read(value: str, parts: dict[str, Any]) -> None:
    url = store_url(value)

    assert {name: getattr(url, name) for name in parts} == parts


@pytest.mark.parametrize("value", ["redis://engine", "rediss://u:pw@engine:7", "redis://[::1]:7"])
def test_as_text_it_has_the_scheme_and_the_port_and_no_secret(value: str) -> None:
    url = store_url(value)

    assert str(store_url(str(url))) == str(url)
    assert "pw" not in f"{url} {url!r}"


@pytest.mark.parametrize(
    "value",
    [
        *("engine:6379", "http://engine", "redis://", "redis://:secret@", "redis://secret@engine:0"),
        *("redis://:secret@engine:70000", "redis://:secret@engine:port", "redis://:secret@engine/name"),
        *("redis://:secret@engine/0?ssl=no", "redis://:secret@engine/-1", "redis://:secret@[::1", "unix:///secret"),
        *("redis://:sec/ret@engine", "redis://:secret@engine/0#secret"),
    ],
)
def test_a_store_that_cannot_be_one_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match=r"CATALOG_STORE.*redis:// or rediss://") as refused:
        read_settings({"CATALOG_STORE": value})

    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CATALOG_STORE_PASSWORD_FILE": "/f"}, "CATALOG_STORE_PASSWORD_FILE must be empty where CATALOG_STORE is"),
        ({"CATALOG_STORE_CA_FILE": "/f"}, "CATALOG_STORE_CA_FILE must be empty where CATALOG_STORE is"),
        (
            {"CATALOG_STORE": "redis://:secret@engine", "CATALOG_STORE_PASSWORD_FILE": "/f"},
            "CATALOG_STORE_PASSWORD_FILE must be empty where CATALOG_STORE has a password, got '/f'",
        ),
        (
            {"CATALOG_STORE": "redis://engine", "CATALOG_STORE_CA_FILE": "/f"},
            "CATALOG_STORE_CA_FILE must be empty where CATALOG_STORE is not rediss://, got '/f'",
        ),
        ({"CATALOG_FLEET": "my fleet"}, "letters, digits"),
        ({"CATALOG_FLEET": "a}b"}, "letters, digits"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        read_settings(environ)

    assert "secret" not in str(refused.value)


def test_the_settings_as_text_hold_no_secret() -> None:
    settings = Settings(api_keys=("hunter2",), store=StoreUrl(tls=True, host="engine", password="hunter2"))

    assert "hunter2" not in repr(settings)


def test_a_child_learns_nothing_of_the_store() -> None:
    environ = {"CATALOG_STORE": "redis://:secret@engine", "CATALOG_FLEET": "f", "PATH": "/bin"}

    assert "secret" not in str(child_environ(read_settings(environ), environ))
