"""Entries of every kind in every dialect: their keys, their names, and what the settings make of them."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import anthropic
import httpx2 as httpx
import jsonschema
import openai
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.catalog.records import PartResult
from app.discovery.parent import Visits
from app.services import services_of
from config import Settings
from tests.conftest import MakeApp, client_of, json_of
from tests.http.kinds import ACCOUNT, KINDS, LISTINGS, OWN_ARN
from tests.support.builders import KEY, NOW, day, listing, model, profile, snapshot

ANTHROPIC, OPENAI, SEARCH = "/anthropic/v1/models", "/v1/models", "/search_models"
REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")

FACTS = {
    "provider": "Maker",
    "input_modalities": ["TEXT", "IMAGE"],
    "output_modalities": ["TEXT"],
    "response_streaming": True,
    "card": None,
    "aliases": [],
}
MODEL = FACTS | {
    "kind": "model",
    "regions": ["eu-west-1", "us-east-1"],
    "on_demand_regions": ["us-east-1"],
    "invoke": {"eu-west-1": "eu.maker.both", "us-east-1": "maker.both"},
    "inference_profiles": {
        "eu.maker.both": ["eu-west-1"],
        "global.maker.both": ["eu-west-1", "us-east-1"],
        "us.maker.both": ["us-east-1"],
    },
}
PROFILE = FACTS | {
    "kind": "inference_profile",
    "regions": ["us-east-1"],
    "on_demand_regions": [],
    "invoke": {"us-east-1": "us.maker.both"},
    "model_id": "maker.both",
    "geography": "us",
    "destinations": {"us-east-1": ["us-east-1", "us-west-2"]},
}
WORLDWIDE = PROFILE | {
    "regions": ["eu-west-1", "us-east-1"],
    "invoke": dict.fromkeys(["eu-west-1", "us-east-1"], "global.maker.both"),
    "geography": "global",
    "destinations": {"eu-west-1": ["eu-west-1", "global"], "us-east-1": ["global", "us-east-1"]},
}
OWN = PROFILE | {"invoke": {"us-east-1": OWN_ARN}, "geography": "application"}
# Its region's profiles were never listed.
UNKNOWN: dict[str, Any] = {
    "kind": "model",
    "provider": None,
    "regions": ["ap-south-1"],
    "on_demand_regions": [],
    "invoke": {},
    "inference_profiles": {},
    "input_modalities": ["TEXT"],
    "output_modalities": ["TEXT"],
    "response_streaming": None,
    "card": None,
    "aliases": [],
}
ENDED = UNKNOWN | {"regions": []}

# By id: the name, the line for pickers, and `aws_bedrock`.
ENTRIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "maker.both": ("Both", "Maker, 2 regions", MODEL),
    "us.maker.both": ("US Both", "US profile of maker.both", PROFILE),
    "global.maker.both": ("Both (Global)", "Global profile of maker.both", WORLDWIDE),
    OWN_ARN: ("Team A", "Application profile of maker.both in us-east-1", OWN),
    "maker.unknown": ("maker.unknown", "ap-south-1", UNKNOWN),
    "maker.ended": ("maker.ended", "ended 2026-01-11", ENDED),
}
VIEWS = {
    "models": ["maker.both", "maker.unknown"],
    "profiles": [OWN_ARN, "eu.maker.both", "global.maker.both", "maker.both", "us.maker.both"],
    "all": [OWN_ARN, "eu.maker.both", "global.maker.both", "maker.both", "us.maker.both", "maker.unknown"],
}
PICTURE = "maker.picture"


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(KINDS))


def ids(client: FlaskClient, path: str) -> list[str]:
    return [entry["id"] for entry in json_of(client.get(path))["data"]]


def discovery_of(listings: Iterable[Iterable[PartResult]]) -> Callable[..., Visits]:
    """A discovery that brings of these the parts that are asked for."""

    def discover(settings: Settings, *, on_result: Callable[[PartResult], None], **_: Any) -> Visits:
        results = tuple(it for region in listings for it in region if it.part in settings.parts)
        for result in results:
            on_result(result)
        return Visits(regions=settings.regions, results=results)

    return discover


def refreshed(make_app: MakeApp, **settings: Any) -> Flask:
    """An app that has refreshed as its settings say."""
    fields: dict[str, Any] = {"regions": REGIONS, "clock": lambda: NOW}
    app = make_app(discover=discovery_of(LISTINGS), **(fields | settings))
    assert services_of(app).refresher.refresh_now(force=True) is not None
    return app


# Keys.


@pytest.mark.parametrize("entry_id", ENTRIES)
def test_an_anthropic_entry_has_every_key_of_its_kind(client: FlaskClient, entry_id: str) -> None:
    entry = json_of(client.get(f"{ANTHROPIC}/{entry_id}"))

    name, description, aws_bedrock = ENTRIES[entry_id]
    assert (entry["type"], entry["id"]) == ("model", entry_id)
    assert (entry["display_name"], entry["description"]) == (name, description)
    assert entry["aws_bedrock"] == aws_bedrock


@pytest.mark.parametrize("entry_id", ENTRIES)
def test_an_openai_entry_has_the_same_beside_its_own_keys(client: FlaskClient, entry_id: str) -> None:
    entry = json_of(client.get(f"{OPENAI}/{entry_id}"))

    assert list(entry) == ["id", "object", "created", "owned_by", "shutdown_date", "name", "aws_bedrock"]
    name, _, aws_bedrock = ENTRIES[entry_id]
    assert (entry["id"], entry["object"], entry["name"]) == (entry_id, "model", name)
    assert entry["owned_by"] == (aws_bedrock["provider"] or "unknown")
    assert entry["aws_bedrock"] == aws_bedrock


@pytest.mark.parametrize("entry_id", ["maker.both", "us.maker.both", OWN_ARN])
def test_a_found_entry_has_the_same_without_nesting(client: FlaskClient, entry_id: str) -> None:
    [entry] = [it for it in json_of(client.get(f"{SEARCH}?view=all"))["data"] if it["id"] == entry_id]

    aws_bedrock = dict(ENTRIES[entry_id][2])
    aws_bedrock["streaming"] = aws_bedrock.pop("response_streaming")
    others = {name: entry.pop(name) for name in ("id", "name", "lifecycle", "created_at", "deprecated_at")}
    limits = [entry.pop(name) for name in ("line", "max_input_tokens", "max_tokens", "capabilities")]
    assert limits == [None] * 4
    assert others["name"] == ENTRIES[entry_id][0]
    assert entry == aws_bedrock | {"retires_at": None}


def test_a_worldwide_profile_is_processed_in_the_source_region_or_anywhere(client: FlaskClient) -> None:
    entry = json_of(client.get(f"{ANTHROPIC}/global.maker.both"))

    # AWS has no name of it.
    assert entry["display_name"] == "Both (Global)"
    assert entry["aws_bedrock"] == WORLDWIDE


def test_a_profile_has_the_dates_and_the_lifecycle_of_its_model(make_app: MakeApp) -> None:
    row = model("a", lifecycle_status="LEGACY", legacy_at=day(1), end_of_life_at=day(900), start_of_life_at=day(0))
    client = client_of(make_app(snapshot(listing("us-east-1", row, profile("us.a", "a")))))
    own, its_profile = (json_of(client.get(f"{ANTHROPIC}/{name}")) for name in ("a", "us.a"))

    assert own["lifecycle"] == "deprecated"
    for name in ("created_at", "lifecycle", "deprecated_at", "retires_at"):
        assert own[name] == its_profile[name]


def test_a_profile_whose_id_is_not_built_of_its_models_has_no_geography(make_app: MakeApp) -> None:
    rows = (model("maker.a"), profile("custom-name", "maker.a"), profile("us.other", "maker.a"))
    client = client_of(make_app(snapshot(listing("us-east-1", *rows))))

    for profile_id in ("custom-name", "us.other"):
        entry = json_of(client.get(f"{ANTHROPIC}/{profile_id}"))
        assert entry["aws_bedrock"]["geography"] is None
        assert (entry["description"], entry["display_name"]) == (
            "Profile of maker.a",
            f"maker.a ({profile_id})",
        )


def test_names_are_unique_within_a_list(make_app: MakeApp) -> None:
    rows = (
        model("maker.a", name="A"),
        profile("us.maker.a", "maker.a", name="A"),
        profile("eu.maker.a", "maker.a", name="Same"),
        profile("ap.maker.a", "maker.a", name="Same"),
    )
    own = (profile(OWN_ARN, "maker.a", name="A", type="APPLICATION"),)
    client = client_of(make_app(snapshot(listing("us-east-1", *rows, application_profiles=own))))

    for view in VIEWS:
        for path, key in ((ANTHROPIC, "display_name"), (OPENAI, "name"), (SEARCH, "name")):
            names = [entry[key] for entry in json_of(client.get(f"{path}?view={view}"))["data"]]
            assert len(names) == len(set(names)), (view, path)
    assert len(ids(client, f"{ANTHROPIC}?view=all")) == 5


@pytest.mark.parametrize("view", VIEWS)
def test_without_extensions_both_dialects_have_the_real_apis_keys_alone(make_app: MakeApp, view: str) -> None:
    client = client_of(make_app(KINDS, extensions=False))
    theirs = json_of(client.get(f"{ANTHROPIC}?view={view}"))["data"]
    others = json_of(client.get(f"{OPENAI}?view={view}"))["data"]

    assert [entry["id"] for entry in theirs] == VIEWS[view]
    assert {key for entry in theirs for key in entry} == {
        *("type", "id", "display_name", "created_at", "lifecycle", "deprecated_at", "retires_at"),
        *("line", "max_input_tokens", "max_tokens", "capabilities"),
    }
    assert {key for entry in others for key in entry} == {"id", "object", "created", "owned_by", "shutdown_date"}
    assert json_of(client.get(f"{ANTHROPIC}/us.maker.both")).keys() == theirs[0].keys()


# Lists.


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_holds_its_kinds_in_every_dialect(client: FlaskClient, view: str) -> None:
    in_text, any_modality = VIEWS[view], sorted([*VIEWS[view], PICTURE])

    assert ids(client, f"{ANTHROPIC}?view={view}") == in_text
    for path in (OPENAI, SEARCH):
        assert sorted(ids(client, f"{path}?view={view}")) == any_modality


@pytest.mark.parametrize("view", VIEWS)
def test_the_setting_chooses_the_view_and_a_query_overrules_it(make_app: MakeApp, view: str) -> None:
    client = client_of(make_app(KINDS, list_view=view))

    assert ids(client, ANTHROPIC) == VIEWS[view]
    for path in (OPENAI, SEARCH):
        assert sorted(ids(client, path)) == sorted([*VIEWS[view], PICTURE])
    assert ids(client, f"{ANTHROPIC}?view=models") == VIEWS["models"]


@pytest.mark.parametrize("view", VIEWS)
def test_what_has_ended_is_listed_only_where_it_is_asked_for(client: FlaskClient, view: str) -> None:
    assert ids(client, f"{ANTHROPIC}?view={view}&lifecycle[]=retired") == ["maker.ended"]
    assert "maker.ended" not in ids(client, f"{OPENAI}?view={view}")
    assert json_of(client.get(f"{OPENAI}/maker.ended"))["shutdown_date"] == "2026-01-11"


def test_every_id_of_the_profiles_view_can_be_sent_as_it_is(client: FlaskClient) -> None:
    for entry in json_of(client.get(f"{SEARCH}?view=profiles"))["data"]:
        assert entry["invoke"] == dict.fromkeys(entry["regions"], entry["id"])
        assert entry["regions"]


@pytest.mark.parametrize("path", [ANTHROPIC, SEARCH])
@pytest.mark.parametrize("view", VIEWS)
def test_pages_of_a_view_hold_every_entry_once(client: FlaskClient, path: str, view: str) -> None:
    whole = ids(client, f"{path}?view={view}")
    seen: list[str] = []
    query = {"view": view, "limit": "2"}
    while True:
        page = json_of(client.get(path, query_string=query))
        seen += [entry["id"] for entry in page["data"]]
        if not page["has_more"]:
            break
        query["after_id"] = page["last_id"]

    assert seen == whole


# Names.

PROFILE_ARN = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.maker.both"


@pytest.mark.parametrize("prefix", ["", "bedrock/", "converse/", "anthropic/", "bedrock/converse/"])
@pytest.mark.parametrize("suffix", ["", "%5B1m%5D", "%5B1M%5D", "[1m]"])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("maker.both", "maker.both"),
        ("us.maker.both", "us.maker.both"),
        ("arn:aws:bedrock:eu-west-1::foundation-model/maker.both", "maker.both"),
        (PROFILE_ARN, "us.maker.both"),
        (PROFILE_ARN.replace("/", "%2F"), "us.maker.both"),
        (OWN_ARN, OWN_ARN),
        (OWN_ARN.replace("/", "%2F"), OWN_ARN),
    ],
)
@pytest.mark.parametrize("path", [ANTHROPIC, OPENAI])
def test_retrieve_answers_with_the_thing_asked_for(
    client: FlaskClient, path: str, name: str, found: str, prefix: str, suffix: str
) -> None:
    assert json_of(client.get(f"{path}/{prefix}{name}{suffix}"))["id"] == found


@pytest.mark.parametrize(
    "name",
    [
        "eu.maker.picture",
        "maker.both[2m]",
        "openai/maker.both",
        f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/maker.both",
        "arn:aws:bedrock:us-east-1::foundation-model/us.maker.both",
        f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/another",
        # Another account's, or another region's, is another profile.
        OWN_ARN.replace(ACCOUNT, "210987654321"),
        OWN_ARN.replace("us-east-1", "us-west-2"),
        "abc123",
        "bedrock/",
        "[1m]",
    ],
)
@pytest.mark.parametrize("path", [ANTHROPIC, OPENAI])
def test_a_name_of_nothing_is_not_found(client: FlaskClient, path: str, name: str) -> None:
    assert client.get(f"{path}/{name}").status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("us.maker", ["maker.both"]),
        ("us.maker&view=profiles", ["us.maker.both"]),
        ("team&view=all", [OWN_ARN]),
        ("abc123&view=all", [OWN_ARN]),
        # The account's own profiles belong to no model's names.
        ("abc123", []),
    ],
)
def test_profiles_are_found_by_their_ids(client: FlaskClient, query: str, expected: list[str]) -> None:
    assert ids(client, f"{SEARCH}?query={query}") == expected


# What the settings ask AWS for.


def test_without_their_part_there_is_no_application_profile(make_app: MakeApp) -> None:
    client = client_of(refreshed(make_app))

    assert OWN_ARN not in ids(client, f"{OPENAI}?view=all")
    assert client.get(f"{ANTHROPIC}/{OWN_ARN}").status_code == 404


def test_with_their_part_application_profiles_stand_where_profiles_do(make_app: MakeApp) -> None:
    client = client_of(refreshed(make_app, parts=("models", "profiles", "application_profiles")))

    for view, expected in VIEWS.items():
        assert ids(client, f"{ANTHROPIC}?view={view}") == expected
    assert json_of(client.get(f"{ANTHROPIC}/maker.both"))["aws_bedrock"] == MODEL
    assert json_of(client.get(f"{ANTHROPIC}/{OWN_ARN}"))["aws_bedrock"] == OWN


def test_no_account_stands_in_the_log_in_metrics_or_in_readiness(
    make_app: MakeApp, capfd: pytest.CaptureFixture[str]
) -> None:
    client = client_of(refreshed(make_app, parts=("models", "profiles", "application_profiles"), list_view="all"))
    assert OWN_ARN in client.get(ANTHROPIC).text
    for path in (f"{ANTHROPIC}/{OWN_ARN}", f"{OPENAI}/{OWN_ARN}", f"{ANTHROPIC}/{OWN_ARN}-ghost"):
        client.get(path)
    shown = client.get("/metrics").text + client.get("/readyz").text

    assert ACCOUNT not in shown
    assert ACCOUNT not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("order", "invoke"),
    [
        (("on_demand", "geographic", "global"), {"eu-west-1": "eu.maker.both", "us-east-1": "maker.both"}),
        (("global", "geographic", "on_demand"), dict.fromkeys(["eu-west-1", "us-east-1"], "global.maker.both")),
        (("geographic", "on_demand"), {"eu-west-1": "eu.maker.both", "us-east-1": "us.maker.both"}),
        (("on_demand",), {"us-east-1": "maker.both"}),
        (("global",), dict.fromkeys(["eu-west-1", "us-east-1"], "global.maker.both")),
    ],
)
def test_the_order_of_invocations_chooses_the_id_and_what_it_leaves_out_is_not_there(
    make_app: MakeApp, order: tuple[str, ...], invoke: dict[str, str]
) -> None:
    client = client_of(refreshed(make_app, invoke_order=order))
    aws_bedrock = json_of(client.get(f"{ANTHROPIC}/maker.both"))["aws_bedrock"]

    assert aws_bedrock["invoke"] == invoke
    assert aws_bedrock["regions"] == sorted(invoke)
    assert aws_bedrock["on_demand_regions"] == (["us-east-1"] if "on_demand" in order else [])
    assert ("us.maker.both" in aws_bedrock["inference_profiles"]) == ("geographic" in order)
    assert ("global.maker.both" in aws_bedrock["inference_profiles"]) == ("global" in order)
    assert client.get(f"{ANTHROPIC}/us.maker.both").status_code == (200 if "geographic" in order else 404)
    assert (PICTURE in ids(client, OPENAI)) == ("on_demand" in order)


# The official SDKs, and the service's own description.


@pytest.mark.parametrize("extensions", [True, False])
@pytest.mark.parametrize("view", VIEWS)
def test_the_official_sdks_read_every_kind(make_app: MakeApp, view: str, extensions: bool) -> None:
    app = make_app(KINDS, list_view=view, extensions=extensions)
    http_client = httpx.Client(transport=httpx.WSGITransport(app=app))
    fields: dict[str, Any] = {"api_key": KEY, "http_client": http_client, "_strict_response_validation": True}
    with (
        anthropic.Anthropic(base_url="http://catalog.test/anthropic", **fields) as theirs,
        openai.OpenAI(base_url="http://catalog.test/v1", **fields) as other,
    ):
        paged = [found.id for found in theirs.models.list(limit=1)]
        listed = [found.id for found in other.models.list()]
        for name in ENTRIES:
            assert theirs.models.retrieve(name).id == other.models.retrieve(name).id == name

    assert paged == VIEWS[view]
    assert sorted(listed) == sorted([*VIEWS[view], PICTURE])


def test_answers_of_every_kind_are_what_the_description_says(client: FlaskClient) -> None:
    document = json_of(client.get("/openapi.json"))
    paths = {
        ANTHROPIC: [f"{ANTHROPIC}?view=all&lifecycle[]=active&lifecycle[]=retired"],
        OPENAI: [f"{OPENAI}?view=all"],
        SEARCH: [f"{SEARCH}?view=all"],
        f"{ANTHROPIC}/{{model_id}}": [f"{ANTHROPIC}/{name}" for name in ENTRIES],
        f"{OPENAI}/{{model_id}}": [f"{OPENAI}/{name}" for name in ENTRIES],
    }
    for path, examples in paths.items():
        content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        # Closed, so that a key that is not described is found.
        whole = {"allOf": [content["schema"]], "components": closed(document["components"])}
        for example in examples:
            jsonschema.Draft202012Validator(whole).validate(json_of(client.get(example)))


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items()}
    return parts | {"additionalProperties": False} if isinstance(parts.get("properties"), dict) else parts


def test_the_description_names_every_key_with_its_meaning_and_each_list_argument(client: FlaskClient) -> None:
    document = json_of(client.get("/openapi.json"))
    described = json.dumps(document["components"]["schemas"])
    for schema in document["components"]["schemas"].values():
        of_one_kind = schema["properties"].keys() - schema["required"] - {"mantle", "endpoints", "data_retention"}
        of_profiles = {"inference_profiles", "model_id", "geography", "destinations", "alias_of", "projects"}
        assert of_one_kind <= of_profiles | {"base_model_id", "status", "updated_at", "commitment_ends_at"}

    for key in {*MODEL, *PROFILE, "description", "name"}:
        assert f'"{key}": {{' in described, key
    for path in (ANTHROPIC, OPENAI, SEARCH):
        arguments = {it["name"]: it for it in document["paths"][path]["get"]["parameters"] if it["in"] == "query"}
        assert {"view", "region", "within"} <= set(arguments)
        assert arguments["view"]["schema"]["enum"] == list(VIEWS)
        assert "400" in document["paths"][path]["get"]["responses"], path
