"""What only a project opens, in every dialect, and nothing of it without a project."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.catalog.records import DATA_RETENTION, PROGRAMS, PROJECT_MODELS, PROJECT_PROFILES, PartListing
from app.catalog.snapshot import CatalogSnapshot
from tests.conftest import MakeApp, client_of, json_of
from tests.support.builders import NOW, failure, listing, model, profile, snapshot

EAST, WEST = "us-east-1", "eu-west-1"
PATHS = ["/anthropic/v1/models", "/v1/models", "/search_models"]


def catalog(**changes: Any) -> CatalogSnapshot:
    base = (*listing(EAST, model("a", name="A"), profile("us.a", "a")), *listing(WEST, model("b", name="B")))
    gated = (model("a"), model("gated", provider="Maker"))
    opened = (
        PartListing(region=EAST, part=PROJECT_MODELS, listed_at=NOW, rows=gated),
        PartListing(region=EAST, part=PROJECT_PROFILES, listed_at=NOW, rows=(profile("us.gated", "gated"),)),
        PartListing(region=WEST, part=PROJECT_MODELS, listed_at=NOW, rows=(model("a"),)),
    )
    return snapshot(base, opened if changes else (), **changes)


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(catalog(projects=("proj_a",))))


@pytest.fixture
def without(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(catalog()))


def listed(client: FlaskClient, path: str) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in json_of(client.get(path))["data"]}


@pytest.mark.parametrize("path", PATHS[:2])
def test_what_only_a_project_opens_is_listed_with_it_and_without_an_id_to_send(client: FlaskClient, path: str) -> None:
    entries = {name: it["aws_bedrock"] for name, it in listed(client, f"{path}?view=all").items()}

    assert {name: it["projects"] for name, it in entries.items()} == {
        "a": {WEST: "proj_a"},
        "us.a": {},
        "b": {},
        "gated": {EAST: "proj_a"},
        "us.gated": {EAST: "proj_a"},
    }
    assert (entries["a"]["invoke"], entries["gated"]["invoke"], entries["gated"]["regions"]) == ({EAST: "a"}, {}, [])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("view", ["", "?view=models", "?view=profiles"])
def test_it_stands_in_no_other_list(client: FlaskClient, without: FlaskClient, path: str, view: str) -> None:
    assert list(listed(client, path + view)) == list(listed(without, path + view))


@pytest.mark.parametrize("path", PATHS)
def test_the_accounts_entries_are_the_same_but_for_the_key(
    client: FlaskClient, without: FlaskClient, path: str
) -> None:
    entries = listed(client, f"{path}?view=all")
    for entry in entries.values():
        entry.get("aws_bedrock", entry).pop("projects", None)

    assert {name: it for name, it in entries.items() if "gated" not in name} == listed(without, f"{path}?view=all")


def test_it_is_retrieved_and_says_what_it_needs(client: FlaskClient) -> None:
    entry = json_of(client.get("/anthropic/v1/models/us.gated"))

    assert (entry["aws_bedrock"]["kind"], entry["aws_bedrock"]["projects"]) == (
        "inference_profile",
        {EAST: "proj_a"},
    )
    assert json_of(client.get("/anthropic/v1/models/gated"))["description"] == f"Maker, with a project in {EAST}"


def test_without_a_project_no_entry_has_the_key(without: FlaskClient) -> None:
    assert b"projects" not in without.get("/anthropic/v1/models?view=all").data


def test_readiness_names_no_project(client: FlaskClient) -> None:
    assert b"proj_a" not in client.get("/readyz").data


def test_the_metrics_have_the_projects_listings_and_nothing_of_the_accounts_settings(make_app: MakeApp) -> None:
    failed = tuple(failure(EAST, part) for part in (PROJECT_PROFILES, DATA_RETENTION, PROGRAMS))
    page = client_of(make_app(snapshot(listing(EAST, model("a")), failures=failed, projects=("proj_a",)))).get(
        "/metrics"
    )

    assert f'part="{PROJECT_PROFILES}"' in page.text
    assert DATA_RETENTION not in page.text and PROGRAMS not in page.text
