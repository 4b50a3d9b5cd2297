"""What a load balancer and an operator are told: /livez, /readyz."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.catalog.next_snapshot import next_snapshot
from app.catalog.records import MODELS, PROFILES, PartFailure
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.status import status_of
from tests.conftest import MakeApp, client_of
from tests.support.builders import NOW, listing, model, profile, snapshot

ACCOUNT = "123456789012"
REFUSED = tuple(
    PartFailure(
        region="sa-east-1",
        part=part,
        failed_at=NOW,
        code="AccessDeniedException",
        action=action,
        detail=f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Secret is not authorized",
        duration_ms=80,
    )
    for part, action in ((MODELS, "bedrock:ListFoundationModels"), (PROFILES, "bedrock:ListInferenceProfiles"))
)


def readiness(make_app: MakeApp, catalog: CatalogSnapshot | None, at: datetime, **changes: Any) -> tuple[int, Any]:
    """The status and the body of /readyz at a moment."""
    app = make_app(catalog, clock=lambda: at, **changes)
    answer = client_of(app, key=None).get("/readyz")
    return answer.status_code, answer.json


@pytest.mark.parametrize("catalog", [None, snapshot(listing("us-east-1", model("a")))])
def test_a_process_without_a_catalog_is_alive(make_app: MakeApp, catalog: CatalogSnapshot | None) -> None:
    answer = client_of(make_app(catalog), key=None).get("/livez")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def part(name: str, state: str, **changes: Any) -> dict[str, Any]:
    """A part in the answer, fresh as `readiness` asks for it unless the changes say otherwise."""
    fields = {
        "part": name,
        "state": state,
        "listed_at": "2026-11-22T12:00:00Z",
        "age_seconds": 60,
        "rows": 0,
        "skipped_rows": 0,
        "unread_fields": 0,
        "backfilled_rows": 0,
        "duration_ms": 0,
        "failure": None,
    }
    return fields | changes


def test_readiness_has_the_catalogs_age_and_the_state_of_every_part_of_every_region(make_app: MakeApp) -> None:
    old = NOW - timedelta(minutes=45)
    timeout = PartFailure(region="eu-west-1", part=MODELS, failed_at=NOW, code="Timeout", duration_ms=30_000)
    catalog = snapshot(
        listing("us-east-1", model("a"), model("b"), profile("us.a", "a"), duration_ms=120, skipped_rows=1),
        listing("eu-west-1", model("a"), at=old),
        failures=(timeout, *REFUSED),
        regions=("us-east-1", "eu-west-1", "sa-east-1"),
    )

    status, body = readiness(make_app, catalog, NOW + timedelta(seconds=60.9))

    failed_at = "2026-11-22T12:00:00Z"
    stale = {"listed_at": "2026-11-22T11:15:00Z", "age_seconds": 2760}
    missing = {"listed_at": None, "age_seconds": None, "duration_ms": 80}
    denied = {"code": "AccessDeniedException", "failed_at": failed_at}
    assert status == 200
    assert {name: body[name] for name in body if name != "regions"} == {
        "status": "ready",
        "source": "aws",
        "models": 2,
        "orphan_profiles": 0,
        "aliases_gone": 0,
        "aliases_ambiguous": 0,
        "attempted_at": "2026-11-22T12:00:00Z",
        "refreshed_at": "2026-11-22T12:00:00Z",
        "age_seconds": 60,
    }
    assert body["regions"] == [
        {
            "region": "eu-west-1",
            "state": "partial",
            "age_seconds": 2760,
            "models": 1,
            "inference_profiles": 0,
            "parts": [
                part(
                    MODELS,
                    "stale",
                    rows=1,
                    duration_ms=30_000,
                    failure={"code": "Timeout", "action": None, "failed_at": failed_at},
                    **stale,
                ),
                part(PROFILES, "fresh", **stale),
            ],
        },
        {
            "region": "sa-east-1",
            "state": "missing",
            "age_seconds": None,
            "models": 0,
            "inference_profiles": 0,
            "parts": [
                part(MODELS, "missing", failure=denied | {"action": "bedrock:ListFoundationModels"}, **missing),
                part(PROFILES, "missing", failure=denied | {"action": "bedrock:ListInferenceProfiles"}, **missing),
            ],
        },
        {
            "region": "us-east-1",
            "state": "fresh",
            "age_seconds": 60,
            "models": 2,
            "inference_profiles": 1,
            "parts": [
                part(MODELS, "fresh", rows=2, duration_ms=120, skipped_rows=1),
                part(PROFILES, "fresh", rows=1, duration_ms=120, skipped_rows=1),
            ],
        },
    ]


def test_readiness_never_holds_what_aws_says_of_accounts_and_roles(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing("us-east-1", model("a")), failures=REFUSED))

    answer = client_of(app, key=None).get("/readyz")

    assert ACCOUNT not in answer.text and "Secret" not in answer.text


def test_a_catalog_older_than_two_intervals_is_served_and_called_stale(make_app: MakeApp) -> None:
    catalog = snapshot(listing("us-east-1", model("a")))

    at_the_limit = readiness(make_app, catalog, NOW + timedelta(seconds=200), refresh_s=100)
    past_it = readiness(make_app, catalog, NOW + timedelta(seconds=201), refresh_s=100)

    assert (at_the_limit[0], at_the_limit[1]["status"]) == (200, "ready")
    assert (past_it[0], past_it[1]["status"]) == (200, "stale")


def test_without_a_catalog_the_service_is_not_ready(make_app: MakeApp) -> None:
    status, body = readiness(make_app, None, NOW)

    assert status == 503
    assert body == {
        "status": "unavailable",
        "source": None,
        "models": 0,
        "orphan_profiles": 0,
        "aliases_gone": 0,
        "aliases_ambiguous": 0,
        "attempted_at": None,
        "refreshed_at": None,
        "age_seconds": None,
        "regions": [],
    }


def test_while_no_region_ever_answered_readiness_says_why(make_app: MakeApp) -> None:
    only_failures = next_snapshot(
        None, REFUSED, source="aws", regions=("sa-east-1",), at=NOW, max_stale=timedelta(days=1)
    )

    status, body = readiness(make_app, only_failures, NOW)

    assert (status, body["status"]) == (503, "unavailable")
    assert [(region["region"], region["parts"][0]["failure"]["code"]) for region in body["regions"]] == [
        ("sa-east-1", "AccessDeniedException")
    ]


def test_no_age_is_negative_where_the_clock_was_set_back() -> None:
    told = status_of(snapshot(listing("us-east-1", model("a"))), at=NOW - timedelta(days=1), refresh_s=900)

    assert (told.state, told.age_s, told.regions[0].age_s) == ("ready", 0, 0)


@pytest.mark.parametrize("path", ["/livez", "/livez/", "/readyz", "/readyz/"])
def test_nobody_needs_a_key_to_ask_for_health(make_app: MakeApp, path: str) -> None:
    app = make_app(snapshot(listing("us-east-1", model("a"))))

    assert client_of(app, key=None).get(path).status_code == 200
    assert client_of(app, "wrong").head(path).status_code == 200
