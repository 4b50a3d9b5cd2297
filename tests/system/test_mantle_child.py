"""Discovery with Mantle, whole: whatever Mantle does, the base parts' entries are what they are without it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import BASE_PARTS, MANTLE, PartFailure, PartListing, PartResult
from app.discovery.parent import discover
from config import read_settings
from tests.conftest import MakeApp, client_of, json_of
from tests.support.bedrock_standin import BedrockStandin
from tests.support.builders import NOW
from tests.support.mantle_standin import (
    ACCESS_KEY,
    ACCOUNT,
    BEARER_KEY,
    FAULTS,
    LIES,
    SECRET_KEY,
    SESSION_TOKEN,
    MantleStandin,
    mantle_row,
)

# A region for each fault, so that one run of the child meets them all.
REGIONS = {fault: f"xx-fault-{place}" for place, fault in enumerate(FAULTS)}
GOOD = "xx-good-1"
COMMON = "maker.common-0-v1:0"
TIMEOUT_S = 4
KEYS = ("mantle", "endpoints", "data_retention")


@dataclass
class Visits:
    """What the child brought without Mantle and with it, and the stand-in that it asked."""

    base: tuple[PartResult, ...]
    whole: tuple[PartResult, ...]
    mantle: MantleStandin

    def of_mantle(self, region: str) -> PartResult:
        return next(it for it in self.whole if (it.region, it.part) == (region, MANTLE))


def visit(environ: dict[str, str]) -> tuple[PartResult, ...]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return discover(read_settings(environ)).results


def environ_of(bedrock: BedrockStandin, mantle: MantleStandin, **changes: str) -> dict[str, str]:
    return bedrock.environ | {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "AWS_ENDPOINT_URL_BEDROCK_MANTLE": mantle.url,
        "CATALOG_PARTS": "models,profiles,mantle",
        "CATALOG_REFRESH_TIMEOUT_SECONDS": str(TIMEOUT_S),
        **changes,
    }


@pytest.fixture(scope="module")
def visits() -> Iterator[Visits]:
    names = (GOOD, *REGIONS.values())
    with BedrockStandin(names) as bedrock, MantleStandin(*names) as mantle:
        mantle.rows = {it: [mantle_row(COMMON), mantle_row("maker.mantle-only")] for it in names}
        mantle.faults = {region: fault for fault, region in REGIONS.items()}
        base = visit(environ_of(bedrock, mantle, CATALOG_PARTS="models,profiles"))
        yield Visits(base=base, whole=visit(environ_of(bedrock, mantle)), mantle=mantle)


def test_what_mantle_does_in_a_region_is_a_listing_or_a_failure_of_that_part_alone(visits: Visits) -> None:
    found = {
        fault: it.code if isinstance(it, PartFailure) else len(it.rows)
        for fault, it in ((fault, visits.of_mantle(region)) for fault, region in REGIONS.items())
    }

    assert found == {
        "401": "access_denied",
        "403": "access_denied",
        "echo": "access_denied",
        "500": "server_error",
        "429": "server_error",
        "redirect": "HTTP302",
        "html": "Malformed",
        "garbage": "Malformed",
        "no_data": "Malformed",
        "huge": "Malformed",
        "half": "Malformed",
        "reset": "ConnectionClosedError",
        "hang": "Timeout",
        "drip": "Timeout",
        "empty": 0,
        "lies": 3,
    }
    good = visits.of_mantle(GOOD)
    assert isinstance(good, PartListing) and [it.id for it in good.rows] == [COMMON, "maker.mantle-only"]


def test_a_permission_that_is_missing_is_named(visits: Visits) -> None:
    named = {it.action for it in visits.whole if isinstance(it, PartFailure) and it.code == "access_denied"}

    assert named == {"bedrock-mantle:ListModels"}


def test_rows_without_a_readable_id_are_skipped_and_counted_and_other_values_left_out(visits: Visits) -> None:
    lies = visits.of_mantle(REGIONS["lies"])

    assert isinstance(lies, PartListing)
    readable = [it for it in LIES if isinstance(it, dict) and str(it.get("id", "")).startswith("maker.")]
    assert lies.skipped_rows == len(LIES) - len(readable)
    assert lies.unread_fields == 8
    assert {it.id for it in lies.rows} == {"maker.lies-1", "maker.lies-2", "maker.lies-3"}


def test_no_secret_and_no_account_is_in_a_failure(visits: Visits) -> None:
    text = " ".join(it.detail for it in visits.whole if isinstance(it, PartFailure))

    assert ACCOUNT not in text and SECRET_KEY not in text and SESSION_TOKEN not in text
    assert not any(path == "/stolen" for path, _ in visits.mantle.seen)


def app_of(make_app: MakeApp, results: tuple[PartResult, ...], parts: tuple[str, ...]) -> Flask:
    snapshot = next_snapshot(
        None,
        results,
        source="aws",
        regions=(GOOD, *REGIONS.values()),
        at=NOW,
        max_stale=timedelta(days=1),
        parts=parts,
    )
    return make_app(snapshot)


@pytest.mark.parametrize(
    "path", ["/anthropic/v1/models?limit=1000", "/v1/models?view=all", "/search_models?limit=1000"]
)
def test_the_base_parts_entries_are_byte_for_byte_what_they_are_without_mantle(
    path: str, visits: Visits, make_app: MakeApp
) -> None:
    without = json_of(client_of(app_of(make_app, visits.base, BASE_PARTS)).get(path))["data"]
    with_mantle = json_of(client_of(app_of(make_app, visits.whole, (*BASE_PARTS, MANTLE))).get(path))["data"]

    on_mantle_alone = {"maker.mantle-only", "maker.lies-1", "maker.lies-2", "maker.lies-3"}
    kept = [stripped(it) for it in with_mantle if it["id"] not in on_mantle_alone]
    assert [json.dumps(it) for it in kept] == [json.dumps(it) for it in without]
    assert len(without) > len(REGIONS)


def stripped(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry without the keys of Mantle's."""
    own = entry.get("aws_bedrock", entry)
    for name in KEYS:
        own.pop(name, None)
    return entry


def test_a_bearer_key_goes_to_mantle_alone_and_only_chosen_regions_are_asked(tmp_path: Any) -> None:
    file = tmp_path / "key"
    file.write_text(BEARER_KEY)
    with BedrockStandin([GOOD, "xx-other-1"]) as bedrock, MantleStandin(GOOD) as mantle:
        environ = environ_of(
            bedrock,
            mantle,
            CATALOG_MANTLE_TOKEN_FILE=str(file),
            CATALOG_MANTLE_REGIONS=GOOD,
            AWS_SECRET_ACCESS_KEY="no",
        )
        found = {(it.region, it.part): it for it in visit(environ)}

    assert [headers["authorization"] for _, headers in mantle.seen] == [f"Bearer {BEARER_KEY}"]
    assert all(isinstance(it, PartListing) for it in found.values())
    other = found["xx-other-1", MANTLE]
    assert isinstance(other, PartListing) and other.rows == ()
