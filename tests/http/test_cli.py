"""`flask catalog ...` as an operator calls it."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from app.catalog.records import MODELS, PROFILES, PartFailure, PartListing, PartResult
from app.discovery.parent import Visits
from app.refresh.file_store import file_store
from app.refresh.refresher import utc_now
from app.services import services_of
from config import ConfigError, Settings
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, day, listing, model, profile

REGIONS = ("us-east-1", "eu-west-1")
# As many as there are, with codes as long as they get.
MANY = tuple(f"ap-southeast-{number}" for number in range(1, 32))
# Limits and prices.
UNKNOWN_CARD = ("-", "-", "-", "-")
LONG_ID = "anthropic.claude-some-very-long-model-name-20251001-v1:0:200k"


def discovery_of(*visits: tuple[PartResult, ...], fault: str | None = None) -> Callable[..., Visits]:
    """A discovery that brings the parts of these visits."""
    results = tuple(result for visit in visits for result in visit)

    def discover(*_: Any, on_result: Callable[[PartResult], None], **__: Any) -> Visits:
        for result in results:
            on_result(result)
        return Visits(regions=tuple(dict.fromkeys(it.region for it in results)), results=results, fault=fault)

    return discover


def fresh(region: str, *rows: Any, **changes: Any) -> tuple[PartListing, ...]:
    return listing(region, *rows, at=utc_now(), **changes)


def failed(region: str) -> tuple[PartFailure, ...]:
    return tuple(
        PartFailure(
            region=region,
            part=part,
            failed_at=utc_now(),
            code="AccessDeniedException",
            action=action,
            detail="not authorized",
            duration_ms=81,
        )
        for part, action in ((MODELS, "bedrock:ListFoundationModels"), (PROFILES, "bedrock:ListInferenceProfiles"))
    )


STARTED = utc_now()
GOOD = (
    fresh("us-east-1", model("a", start_of_life_at=day(2)), model("b"), profile("us.a", "a"), duration_ms=120),
    fresh("eu-west-1", model("a", start_of_life_at=day(2)), model("c", lifecycle_status="LEGACY"), duration_ms=95),
)


@pytest.fixture
def make(make_app: MakeApp) -> Callable[..., Flask]:
    """An app whose refreshes bring the given visits; each call is another process over the same folder.

    No time passes: every age that is printed is 0.
    """

    def make(*visits: tuple[PartResult, ...], fault: str | None = None, **changes: Any) -> Flask:
        fields: dict[str, Any] = {
            "regions": tuple(visit[0].region for visit in visits) or REGIONS,
            "clock": lambda: STARTED,
        }
        return make_app(discover=discovery_of(*visits, fault=fault), **(fields | changes))

    return make


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *arguments])


def line_of(result: Result, start: str) -> list[str]:
    """The words of the one line that begins with these."""
    words = start.split()
    [line] = [line for line in result.stdout.splitlines() if line.split()[: len(words)] == words]
    return line.split()


# What holds for every command.


def test_commands_need_no_keys_and_read_none(tmp_path: Path) -> None:
    settings = Settings(api_keys_file=str(tmp_path / "nowhere"), regions=REGIONS, catalog_dir=tmp_path / "catalog")
    app = create_app(settings, discover=discovery_of(*GOOD), for_commands=True)

    assert run(app, "refresh").exit_code == 0
    assert run(app, "status").exit_code == 0
    assert run(app, "show").exit_code == 0


def test_the_app_of_the_commands_admits_no_request(tmp_path: Path) -> None:
    app = create_app(Settings(api_keys=(KEY,), catalog_dir=tmp_path), for_commands=True)

    assert client_of(app).get("/v1/models").status_code == 401


def test_an_app_that_serves_needs_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AUTH_DISABLED=true"):
        create_app(Settings(catalog_dir=tmp_path))


@pytest.mark.parametrize("level", ["debug", "info"])
def test_commands_log_warnings_alone_as_text_on_standard_error(make: Callable[..., Flask], level: str) -> None:
    good = run(make(*GOOD, log_level=level), "refresh", "--json")
    partial = run(make(GOOD[0], failed("eu-west-1"), log_level=level), "refresh", "--json")

    assert good.stderr == ""
    assert "region_failed" in partial.stderr and "{" not in partial.stderr
    assert json.loads(partial.stdout)["status"] == "ready"


def test_commands_log_errors_alone_where_the_level_says_so(make: Callable[..., Flask]) -> None:
    assert run(make(GOOD[0], failed("eu-west-1"), log_level="error"), "refresh").stderr == ""


# refresh


def test_a_refresh_that_every_region_answers_ends_with_0_and_a_table(make: Callable[..., Flask]) -> None:
    done = run(make(*GOOD), "refresh")

    assert done.exit_code == 0, done.output
    assert "ready: 3 models from 2 regions (0 failed), refreshed 0 s ago, source aws" in done.stdout
    assert line_of(done, "region") == ["region", "part", "state", "rows", "age", "s", "ms", "why"]
    assert line_of(done, "us-east-1  models") == ["us-east-1", "models", "fresh", "2", "0", "120"]
    assert line_of(done, "us-east-1  profiles") == ["us-east-1", "profiles", "fresh", "1", "0", "120"]


def test_a_refresh_that_some_regions_fail_ends_with_3_and_says_why(make: Callable[..., Flask]) -> None:
    done = run(make(GOOD[0], failed("eu-west-1")), "refresh")

    assert done.exit_code == 3
    assert "(1 failed)" in done.stdout
    assert line_of(done, "eu-west-1  models") == [
        *("eu-west-1", "models", "missing", "0", "-", "81"),
        *["AccessDeniedException:", "bedrock:ListFoundationModels", "is", "not", "permitted.", "not", "authorized"],
    ]


def test_a_refresh_that_no_region_answers_ends_with_1(make: Callable[..., Flask]) -> None:
    done = run(make(failed("us-east-1"), failed("eu-west-1")), "refresh")

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "Nothing published: no region answered"


def test_a_refresh_that_fails_leaves_what_was_published_before(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    done = run(make(failed("us-east-1"), failed("eu-west-1"), fault="the child died"), "refresh")

    assert done.exit_code == 1
    assert "Nothing published: the child died" in done.stderr
    assert "us-east-1" in done.stdout and "stale" in done.stdout
    assert [found["id"] for found in json.loads(run(make(), "show", "--json").stdout)] == ["a", "b", "c"]


def test_a_refresh_in_json_is_json_alone_with_every_reason(make: Callable[..., Flask]) -> None:
    done = run(make(GOOD[0], failed("eu-west-1")), "refresh", "--json")

    told = json.loads(done.stdout)
    assert done.exit_code == 3
    assert (told["status"], told["models"]) == ("ready", 2)
    assert [(region["region"], region["state"]) for region in told["regions"]] == [
        ("eu-west-1", "missing"),
        ("us-east-1", "fresh"),
    ]
    assert [part["failure"]["detail"] for part in told["regions"][0]["parts"]] == ["not authorized"] * 2


@pytest.mark.parametrize(
    "settings",
    [{"regions": ("us-east-1",)}, {"regions": ("us-east-1", "us-west-2")}, {"regions": ("all",)}, {"source": "demo"}],
)
def test_a_refresh_with_settings_that_no_service_has_takes_force_and_replaces_nothing(
    make: Callable[..., Flask], settings: dict[str, Any]
) -> None:
    run(make(*GOOD), "refresh")

    refused = run(make(GOOD[0], **settings), "refresh")
    forced = run(make(GOOD[0], **settings), "refresh", "--force")
    kept = json.loads(run(make(), "show", "--json").stdout)

    assert refused.exit_code == 1
    assert "is from CATALOG_SOURCE=aws AWS_BEDROCK_REGIONS=us-east-1,eu-west-1, which" in refused.stderr
    assert forced.exit_code == 0
    assert [found["id"] for found in kept] == ["a", "b", "c"]


def test_a_refresh_of_the_same_regions_in_another_order_needs_no_force(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    assert run(make(*GOOD, regions=REGIONS[::-1]), "refresh").exit_code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder to another user takes root")
def test_a_refresh_as_another_user_than_the_services_says_so(make: Callable[..., Flask], tmp_path: Path) -> None:
    run(make(*GOOD), "refresh")
    [folder] = (tmp_path / "catalog").iterdir()
    os.chown(folder, 12345, -1)

    done = run(make(*GOOD), "refresh")

    assert done.exit_code == 1
    assert "belongs to the user 12345, and this process runs as root: run it as that user" in done.stderr


def test_a_refresh_into_a_folder_that_cannot_be_says_which(make: Callable[..., Flask], tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run(make(*GOOD, catalog_dir=tmp_path / "file" / "catalog"), "refresh")

    assert done.exit_code == 1
    assert f"Nothing published: {tmp_path}/file" in done.stderr and "Not a directory" in done.stderr


def test_a_refresh_waits_for_one_under_way_but_not_for_ever(
    make: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.refresh.refresher.STOP_TIMEOUT_S", -0.5)
    app = make(*GOOD, refresh_timeout_s=1)

    with file_store(services_of(app).settings).lease():
        done = run(app, "refresh")

    assert done.exit_code == 1
    assert "Nothing published: another refresh holds the lease" in done.stderr
    assert run(app, "refresh").exit_code == 0


# status


def test_the_status_without_a_catalog_ends_with_1(make: Callable[..., Flask]) -> None:
    told = run(make(), "status")

    assert told.exit_code == 1
    assert "unavailable: no catalog is stored" in told.stdout
    assert json.loads(run(make(), "status", "--json").stdout)["status"] == "unavailable"


def test_the_status_is_that_of_the_stored_catalog(make: Callable[..., Flask]) -> None:
    run(make(GOOD[0], failed("eu-west-1")), "refresh")

    told = run(make(), "status")

    assert told.exit_code == 0
    assert "ready: 2 models from 2 regions (1 failed)" in told.stdout
    assert "AccessDeniedException: bedrock:ListInferenceProfiles is not permitted. not authorized" in told.stdout


def test_the_status_of_a_catalog_that_no_region_ever_answered_ends_with_1(make: Callable[..., Flask]) -> None:
    run(make(failed("us-east-1")), "refresh")

    told = run(make(regions=("us-east-1",)), "status")

    assert told.exit_code == 1
    assert "unavailable: 0 models from 1 regions (1 failed), refreshed - s ago" in told.stdout


# show


def test_there_is_nothing_to_show_before_the_first_refresh(make: Callable[..., Flask]) -> None:
    shown = run(make(), "show")

    assert shown.exit_code == 1
    assert "flask catalog refresh" in shown.stderr


def test_the_catalog_is_shown_as_models_by_regions(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show")

    assert shown.exit_code == 0
    assert line_of(shown, "a") == ["a", "++", *UNKNOWN_CARD]
    assert line_of(shown, "b") == ["b", "+.", *UNKNOWN_CARD]
    assert line_of(shown, "c") == ["c", "d", ".+", *UNKNOWN_CARD]
    # The regions' codes, written downwards: use1, euw1.
    assert [line.strip() for line in shown.stdout.splitlines()[:4]] == [
        "ue",
        "su",
        "ew",
        "model   11 input output $ in $ out",
    ]
    assert "3 entries, 2 regions" in shown.stdout


def test_one_region_shows_what_is_callable_from_it(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", "--region", "eu-west-1", "--json")
    both = run(make(), "show", "--region", "eu-west-1", "--region", "us-east-1", "--json")

    assert [found["id"] for found in json.loads(shown.stdout)] == ["a", "c"]
    assert [found["id"] for found in json.loads(both.stdout)] == ["a", "b", "c"]


def test_a_region_that_is_not_in_the_catalog_is_a_usage_error(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", "--region", "mars-1")

    assert shown.exit_code == 2
    assert "not in this catalog, which has eu-west-1, us-east-1" in shown.stderr


def test_one_profile_is_shown_as_what_it_is(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", "us.a")

    assert line_of(shown, "id") == ["id", "us.a"]
    assert line_of(shown, "model_id") == ["model_id", "a"]
    assert line_of(shown, "invoke us-east-1") == ["invoke", "us-east-1", "us.a"]


def test_what_is_processed_within_a_region_is_shown_alone(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", "--within", "eu-*", "--view", "all", "--json")

    assert [found["id"] for found in json.loads(shown.stdout)] == ["a", "c"]


@pytest.mark.parametrize("name", ["a", "arn:aws:bedrock:us-east-1::foundation-model/a", "a[1m]"])
def test_one_model_is_shown_by_any_of_its_names(make: Callable[..., Flask], name: str) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", name)

    assert shown.exit_code == 0
    assert line_of(shown, "id") == ["id", "a"]
    assert line_of(shown, "regions") == ["regions", "eu-west-1,", "us-east-1"]
    assert line_of(shown, "inference_profiles us.a") == ["inference_profiles", "us.a", "us-east-1"]
    assert json.loads(run(make(), "show", name, "--json").stdout)["id"] == "a"


def test_a_model_that_is_not_there_is_named(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", "ghost")

    assert shown.exit_code == 1
    assert "'ghost'" in shown.stderr


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_a_model_that_is_not_callable_from_the_region_is_named_with_it(
    make: Callable[..., Flask], json_too: tuple[str, ...]
) -> None:
    run(make(*GOOD), "refresh")

    shown = run(make(), "show", "b", "--region", "eu-west-1", *json_too)

    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "'b' is not callable from eu-west-1" in shown.stderr


def test_every_region_there_is_fits_a_terminal_of_80_columns(
    make: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [fresh(region, model(LONG_ID), model("short", lifecycle_status="LEGACY")) for region in MANY]
    app = make(*rows, GOOD[0])
    refreshed, shown, one = run(app, "refresh"), run(app, "show"), run(app, "show", LONG_ID)

    for result in (refreshed, shown, one):
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= 80
    assert line_of(shown, "short") == ["short", "d", "+" * len(MANY) + "."]
    # Folded, but whole.
    assert LONG_ID in "".join(line.partition(" ")[0] for line in shown.stdout.splitlines())


def test_the_lines_of_a_pipe_are_not_folded(make: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    app = make(*(fresh(region, model(LONG_ID)) for region in MANY))
    run(app, "refresh")

    assert line_of(run(app, "show"), LONG_ID) == [LONG_ID, "+" * len(MANY), *UNKNOWN_CARD]


def test_a_stored_catalog_of_another_source_is_not_shown(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    assert run(make(source="demo"), "show").exit_code == 1


def test_a_reason_is_printed_as_it_is_whatever_signs_are_in_it(make: Callable[..., Flask]) -> None:
    reason = "[redacted] may not [/list] :100: models"
    refused = PartFailure(region="eu-west-1", part=MODELS, failed_at=utc_now(), code="AccessDenied", detail=reason)

    assert f"AccessDenied: {reason}" in run(make(GOOD[0], (refused,)), "refresh").stdout


def test_an_old_catalog_is_called_stale(make: Callable[..., Flask]) -> None:
    run(make(*GOOD), "refresh")

    told = run(make(refresh_s=900, clock=lambda: STARTED + timedelta(minutes=31)), "status")

    assert told.exit_code == 0
    assert told.stdout.startswith("stale: 3 models from 2 regions (0 failed), refreshed 18")
