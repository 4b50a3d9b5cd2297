"""The settings: each one's default, what it allows, and the error of a start with a bad one."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from config import ConfigError, ServerSettings, Settings, child_environ, read_server_settings, read_settings
from config.store_url import StoreUrl
from tests.support.servers import PROJECT, service_environ

SETTINGS = {setting.metadata["name"]: setting for setting in fields(Settings)}

# What runs in a child process that talks to AWS.
CHILDREN = [
    *(f"app/discovery/{file.name}" for file in PROJECT.glob("app/discovery/*.py") if not file.stem.endswith("parent")),
    "app/auth/aws_child.py",
]
# The names of the sources of keys, which the parent of that child passes on itself, and to no other child.
FROM_AUTH = {"api_keys_ssm_parameter", "api_keys_secret_id"}

# For every setting: values that are taken with what they mean, and values that are not.
GOOD: dict[str, list[tuple[str, Any]]] = {
    "AWS_BEDROCK_REGIONS": [
        ("us-east-1", ("us-east-1",)),
        (" us-east-1 , eu-west-1,us-east-1,, ", ("us-east-1", "eu-west-1")),
        ("us-gov-west-1,cn-north-1,us-iso-east-1", ("us-gov-west-1", "cn-north-1", "us-iso-east-1")),
        ("all", ("all",)),
    ],
    "AWS_REGION": [("us-gov-west-1", "us-gov-west-1"), (" eu-west-1 ", "eu-west-1")],
    "ANTHROPIC_ROUTES_PREFIX": [("/a", "/a"), ("/a/b.c-d_e~f", "/a/b.c-d_e~f"), ("", ""), (" /a ", "/a")],
    "OPENAI_ROUTES_PREFIX": [("/openai", "/openai"), ("", "")],
    "API_KEYS": [("one", ("one",)), (" one , two ,,one", ("one", "two")), ("", ())],
    "API_KEYS_FILE": [("/run/keys", "/run/keys"), ("", "")],
    "API_KEYS_SSM_PARAMETER": [("/catalog/keys", "/catalog/keys"), ("", "")],
    "API_KEYS_SECRET_ID": [("catalog/keys", "catalog/keys"), ("", "")],
    "AUTH_DISABLED": [("true", True), ("1", True), (" Yes ", True), ("ON", True), ("false", False), ("0", False)],
    "TRUSTED_PROXIES": [("10.0.0.0/8,unix,::1", ("10.0.0.0/8", "unix", "::1"))],
    "CATALOG_SOURCE": [("demo", "demo"), (" AWS ", "aws")],
    "CATALOG_PARTS": [
        ("models", ("models",)),
        (" Profiles, models,,models", ("models", "profiles")),
        ("application_profiles,profiles,models", ("models", "profiles", "application_profiles")),
        ("access,models", ("models", "access")),
        ("mantle,models", ("models", "mantle")),
    ],
    "CATALOG_MANTLE_REGIONS": [("us-east-1", ("us-east-1",)), ("all", ("all",)), ("", ())],
    "AWS_ENDPOINT_URL_BEDROCK_MANTLE": [
        ("https://mantle.example.com", "https://mantle.example.com"),
        (" https://10.0.0.1:8443/ ", "https://10.0.0.1:8443"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://localhost:9000", "http://localhost:9000"),
    ],
    "CATALOG_MANTLE_TOKEN_FILE": [("/run/mantle-key", "/run/mantle-key"), ("", "")],
    "CATALOG_LIST": [("models", "models"), ("profiles", "profiles"), (" ALL ", "all")],
    "CATALOG_INVOKE_ORDER": [
        ("global,on_demand,geographic", ("global", "on_demand", "geographic")),
        (" Geographic ", ("geographic",)),
    ],
    "CATALOG_DIR": [("/var/lib/catalog", Path("/var/lib/catalog"))],
    "CATALOG_REFRESH_SECONDS": [("1", 1), ("86400", 86_400), (" 60 ", 60)],
    "CATALOG_REFRESH_TIMEOUT_SECONDS": [("1", 1), ("3600", 3600)],
    "CATALOG_MAX_STALE_SECONDS": [("1", 1), ("31536000", 31_536_000)],
    "CATALOG_ACCESS_SECONDS": [("60", 60), ("31536000", 31_536_000)],
    "CATALOG_STORE": [("redis://engine", StoreUrl(tls=False, host="engine")), ("", None)],
    "CATALOG_STORE_PASSWORD_FILE": [("", "")],
    "CATALOG_STORE_CA_FILE": [("", "")],
    "AWS_BEDROCK_PROJECT": [
        (" proj_1a2B ", ("proj_1a2B",)),
        ("us-east-1=proj_a,us-east-1=proj_a", ("us-east-1=proj_a",)),
    ],
    "CATALOG_FLEET": [("prod-1.a_b", "prod-1.a_b")],
    "CATALOG_DEFAULT_LIMIT": [("1", 1), ("1000", 1000)],
    "CATALOG_INCLUDE_PROVISIONED": [("true", True), ("off", False)],
    "CATALOG_EXTENSIONS": [("no", False), ("on", True)],
    "CATALOG_PAGE_ENABLED": [("false", False)],
    "MCP_ENABLED": [("false", False)],
    "CATALOG_CONFIG_FILE": [("/etc/catalog.toml", "/etc/catalog.toml"), ("", "")],
    "LOG_FORMAT": [("json", "json")],
    "LOG_LEVEL": [("info", "info")],
    "ACCESS_LOG": [("off", False)],
    "CORS_ALLOW_ORIGINS": [
        ("https://App.example.com, http://localhost:3000,", ("https://app.example.com", "http://localhost:3000")),
        ("capacitor://localhost", ("capacitor://localhost",)),
        ("*", ("*",)),
        ("", ()),
    ],
}
BAD: dict[str, list[str]] = {
    "AWS_BEDROCK_REGIONS": ["us east 1", "US-EAST-1", "us-east", "all,us-east-1", ",", "us-east-1;eu-west-1", "*"],
    "AWS_REGION": ["nowhere", "all", "us-east-1,eu-west-1"],
    "ANTHROPIC_ROUTES_PREFIX": ["a", "/", "/a/", "//a", "/a//b", "/a b", "/a?b", "/%41", "/..", "/a/./b", "/livez/a"],
    "OPENAI_ROUTES_PREFIX": ["openai", "/openai/", "/mcp", "/metrics/x", "/readyz", "/docs", "/openapi.json", "/é"],
    "API_KEYS": [],
    "API_KEYS_FILE": [],
    "API_KEYS_SSM_PARAMETER": [],
    "API_KEYS_SECRET_ID": [],
    "AUTH_DISABLED": ["maybe", "2", "truee"],
    "TRUSTED_PROXIES": ["proxy.example.org", "10.0.0.0/33", "10.0.0.1/8", "unix,all"],
    "CATALOG_SOURCE": ["redis", "aws,demo"],
    "CATALOG_PARTS": ["models,all", "profile", ",", "profiles", "application_profiles"],
    "CATALOG_MANTLE_REGIONS": ["us east 1", "us-east", "all,us-east-1", ","],
    "AWS_ENDPOINT_URL_BEDROCK_MANTLE": [
        "mantle.example.com",
        "http://mantle.example.com",
        "http://127.0.0.1.example.com",
        "https://",
        "https://mantle.example.com/v1",
        "https://mantle.example.com?a=b",
        "https://user:password@mantle.example.com",
        "https://mantle.example.com:0",
        "https://a b",
        "ftp://127.0.0.1",
    ],
    "CATALOG_MANTLE_TOKEN_FILE": [],
    "CATALOG_LIST": ["model", "models,profiles"],
    "CATALOG_INVOKE_ORDER": ["regional", "global,global", "on_demand,,global", ","],
    "CATALOG_DIR": [],
    "CATALOG_REFRESH_SECONDS": ["0", "86401", "-5", "1.5", "1_000", "15m", "٣", "9" * 5000],
    "CATALOG_REFRESH_TIMEOUT_SECONDS": ["0", "3601"],
    "CATALOG_MAX_STALE_SECONDS": ["0", "31536001"],
    "CATALOG_ACCESS_SECONDS": ["59", "31536001", "1d"],
    "CATALOG_STORE": [],
    "CATALOG_STORE_PASSWORD_FILE": [],
    "CATALOG_STORE_CA_FILE": [],
    "AWS_BEDROCK_PROJECT": [
        "default",
        "proj_",
        "proj_a b",
        "arn:aws:bedrock:us-east-1:1:project/proj_a",
        "proj_a,proj_b",
        "proj_a,us-east-1=proj_b",
        "us-east-1=proj_a,us-east-1=proj_b",
        "us-east-1=",
        "=proj_a",
        "east=proj_a",
        "eu-west-1=proj_a",
        ",",
    ],
    "CATALOG_FLEET": ["a b", "x" * 65],
    "CATALOG_DEFAULT_LIMIT": ["0", "1001", "twenty"],
    "CATALOG_INCLUDE_PROVISIONED": ["perhaps"],
    "CATALOG_EXTENSIONS": ["null"],
    "CATALOG_PAGE_ENABLED": ["maybe"],
    "MCP_ENABLED": ["maybe"],
    "CATALOG_CONFIG_FILE": [],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["loud"],
    "ACCESS_LOG": ["file"],
    "CORS_ALLOW_ORIGINS": ["app.example.com", "https://app.example.com/", "*,https://a.example", "https://*.a", "null"],
}


def read(**environ: str) -> Settings:
    return read_settings(environ)


def refusal(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(environ)
    return str(caught.value)


def test_every_setting_is_tried_here_with_good_and_with_bad_values() -> None:
    assert set(GOOD) == set(BAD) == set(SETTINGS), "add the new setting to GOOD and to BAD above"


def test_every_setting_has_a_name_and_a_meaning_and_a_default_of_its_own_kind() -> None:
    settings = Settings()
    for name, setting in SETTINGS.items():
        assert name.isupper() and setting.metadata["meaning"]
        assert getattr(settings, setting.name) == setting.default


@pytest.mark.parametrize(("name", "value", "meant"), [(name, *pair) for name, pairs in GOOD.items() for pair in pairs])
def test_a_good_value_is_taken(name: str, value: str, meant: Any) -> None:
    settings = read(**{"OPENAI_ROUTES_PREFIX": "/o", name: value})

    assert getattr(settings, SETTINGS[name].name) == meant


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_with_its_name_what_it_must_be_and_the_value(name: str, value: str) -> None:
    assert re.fullmatch(rf"{name} must be .{{8,}}, got {re.escape(repr(value))}", refusal(**{name: value}))


def test_without_any_variable_every_setting_has_its_default() -> None:
    assert read_settings({}) == Settings()


@pytest.mark.parametrize("name", [name for name in SETTINGS if not name.endswith("_PREFIX")])
def test_an_empty_variable_is_one_that_is_not_set(name: str) -> None:
    assert read(**{name: ""}) == read(**{name: "  "}) == Settings()


def test_an_empty_prefix_is_a_prefix() -> None:
    settings = read(ANTHROPIC_ROUTES_PREFIX="", OPENAI_ROUTES_PREFIX="/openai")

    assert (settings.anthropic_prefix, settings.openai_prefix) == ("", "/openai")
    assert settings.serves_anthropic


def test_variables_of_others_are_none_of_our_business() -> None:
    assert read(CATALOG_REFRESH="x", PATH="/bin", AWS_PROFILE="p") == Settings()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("CATALOG_REFRESH_SECONDS", "0", "CATALOG_REFRESH_SECONDS must be an integer from 1 to 86400, got '0'"),
        (
            "CATALOG_PARTS",
            "models,sorcery",
            "CATALOG_PARTS must be one or more of models, profiles, application_profiles, provisioned, deployments, "
            "imported, marketplace, routers, mantle, access, comma-separated, got 'models,sorcery'",
        ),
        ("LOG_LEVEL", "loud", "LOG_LEVEL must be debug, info, warning or error, got 'loud'"),
    ],
)
def test_an_error_reads_as_a_sentence(name: str, value: str, error: str) -> None:
    assert refusal(**{name: value}) == error


def test_mantle_is_asked_in_configured_regions_alone() -> None:
    error = "CATALOG_MANTLE_REGIONS must be regions of AWS_BEDROCK_REGIONS, got 'eu-west-1, eu-west-2'"
    wanted = "us-east-1,eu-west-1,eu-west-2"

    assert refusal(AWS_BEDROCK_REGIONS="us-east-1", CATALOG_MANTLE_REGIONS=wanted) == error
    assert read(AWS_BEDROCK_REGIONS="all", CATALOG_MANTLE_REGIONS=wanted).mantle_regions == tuple(wanted.split(","))


def test_a_key_is_never_shown() -> None:
    assert SETTINGS["API_KEYS"].metadata["secret"]

    assert "hush" not in refusal(API_KEYS="hush", CATALOG_DEFAULT_LIMIT="0")


@pytest.mark.parametrize(
    ("anthropic", "openai"), [("/v1/models", ""), ("", "/v1/models"), ("/a", "/a/v1/models/b"), ("/a/v1/models", "/a")]
)
def test_prefixes_that_put_one_dialect_inside_the_other_are_refused(anthropic: str, openai: str) -> None:
    error = refusal(ANTHROPIC_ROUTES_PREFIX=anthropic, OPENAI_ROUTES_PREFIX=openai)

    assert error.endswith(f", got {anthropic!r} and {openai!r}") and " must be " in error


@pytest.mark.parametrize(("anthropic", "openai"), [("", "/openai"), ("/v1", ""), ("/a", "/a/b"), ("/ab", "/a")])
def test_prefixes_that_only_look_alike_serve_both_dialects(anthropic: str, openai: str) -> None:
    assert read(ANTHROPIC_ROUTES_PREFIX=anthropic, OPENAI_ROUTES_PREFIX=openai).serves_anthropic


@pytest.mark.parametrize("prefix", ["", "/api", "/anthropic"])
def test_the_same_prefix_for_both_serves_the_openai_dialect_alone(prefix: str) -> None:
    assert not read(ANTHROPIC_ROUTES_PREFIX=prefix, OPENAI_ROUTES_PREFIX=prefix).serves_anthropic


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, pairs in GOOD.items() if SETTINGS[name].metadata["child"] for value, _ in pairs],
)
def test_a_child_reads_each_of_its_settings_as_the_service_does(name: str, value: str) -> None:
    settings = read(**{name: value})

    assert read_settings(child_environ(settings, {})) == settings


def test_a_child_gets_the_sdks_variables_no_key_and_no_setting_that_it_does_not_read() -> None:
    environ = {"API_KEYS": "hush", "API_KEYS_FILE": "/run/keys", "AWS_PROFILE": "p", "CATALOG_DEFAULT_LIMIT": "5"}
    environ |= {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_BEDROCK_PROJECT": "eu-west-1=proj_a"}
    child = child_environ(read_settings(environ), environ)

    assert (child["AWS_PROFILE"], child["AWS_BEDROCK_PROJECT"]) == ("p", "eu-west-1=proj_a")
    # What is empty is left out, for that is its default.
    assert {name for name in child if name in SETTINGS} == {
        name for name, setting in SETTINGS.items() if setting.metadata["child"] and child_value(setting.name, environ)
    }


def child_value(name: str, environ: dict[str, str]) -> Any:
    return getattr(read_settings(environ), name)


@pytest.mark.parametrize("child", CHILDREN)
def test_every_setting_that_a_child_reads_is_marked_so(child: str) -> None:
    tree = ast.parse((PROJECT / child).read_text())
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    read_there = {node.attr for node in attributes if ast.unparse(node.value) == "settings"}

    assert read_there <= {setting.name for setting in SETTINGS.values() if setting.metadata["child"]} | FROM_AUTH


def test_gunicorns_settings_are_checked_like_all_others() -> None:
    assert read_server_settings({}) == ServerSettings()
    assert read_server_settings({"WEB_THREADS": "8", "WEB_CONCURRENCY": ""}) == ServerSettings(threads=8)
    with pytest.raises(ConfigError, match=r"^WEB_CONCURRENCY must be an integer from 1 to 1024, got 'two'$"):
        read_server_settings({"WEB_CONCURRENCY": "two"})


@pytest.mark.parametrize("value", [":8000", "localhost:80", "[::1]:8000", "0.0.0.0:65535", "unix:/run/a.sock"])
def test_an_address_that_can_be_bound_is_taken(value: str) -> None:
    assert read_server_settings({"BIND": value}).bind == value


@pytest.mark.parametrize(
    "value", ["8000", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:0", "::1:8000", "unix:", "a b:80"]
)
def test_an_address_that_cannot_be_bound_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^BIND must be an address and a port .*, got {re.escape(repr(value))}$"):
        read_server_settings({"BIND": value})


def test_gunicorn_does_not_start_with_a_bad_setting_and_names_it(tmp_path: Path) -> None:
    environ = service_environ(tmp_path, WEB_THREADS="many")

    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    ended = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode != 0
    assert "Not started: WEB_THREADS must be an integer from 1 to 1024, got 'many'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_accounts_id_stands_in_no_error() -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({"AWS_BEDROCK_PROJECT": "arn:aws:bedrock:us-east-1:112233445566:project/proj_a"})

    assert "112233445566" not in str(caught.value)
    assert ":project/proj_a" in str(caught.value)
