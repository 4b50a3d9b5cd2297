"""Changes and retirements as JSON."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from app.api.catalog_query import CatalogQuery
from app.api.feeds.queries import changes_atom, list_changes, list_retirements
from app.api.feeds.schemas import (
    ChangePageSchema,
    EventArguments,
    ListChangesArguments,
    RetirementArguments,
    RetirementListSchema,
)
from app.catalog.view import CatalogView
from tests.support.builders import NOW, listing, model, snapshot, view
from tests.unit.catalog.test_changes import EAST, LATER, following

CHANGES = CatalogQuery(arguments=ListChangesArguments(), run=list_changes, result=ChangePageSchema())
RETIREMENTS = CatalogQuery(arguments=RetirementArguments(), run=list_retirements, result=RetirementListSchema())


@pytest.fixture
def changed() -> CatalogView:
    before = snapshot(listing(EAST, model("a"), model("b")))
    rows = model("b", lifecycle_status="LEGACY", end_of_life_at=LATER + timedelta(days=8)), model("c")
    return view(following(before, listing(EAST, *rows), regions=(EAST,)))


def ask(view: CatalogView, query: str = "") -> dict[str, Any]:
    given: MultiDict[str, str] = MultiDict(parse_qsl(query, keep_blank_values=True))
    return CHANGES.answer(view, CHANGES.validate(given))


def test_a_page_of_changes_has_the_newest_last(changed: CatalogView) -> None:
    body = ask(changed)

    types = [it["type"].partition(".")[2] for it in body["data"]]
    assert types == [
        *("removed", "lifecycle_changed", "dates_changed", "retirement_near", "retirement_near", "added"),
    ]
    first, last = body["data"][0], body["data"][-1]
    assert first == {
        "id": body["first_id"],
        "at": "2026-11-22T12:15:00Z",
        "type": "model.removed",
        "model_id": "a",
        "before": {
            "lifecycle": "active",
            "retires_at": None,
            "lifecycles": {"active": [EAST]},
            "regions": [EAST],
            "invocations": [{"on_demand": True, "profile": None, "regions": [EAST], "destinations": []}],
        },
        "after": None,
    }
    assert (last["before"], last["id"]) == (None, body["last_id"])
    assert (body["has_more"], body["oldest_id"], body["truncated"]) == (False, first["id"], False)


def test_pages_go_on_at_the_last_id(changed: CatalogView) -> None:
    seen: list[str] = []
    query = "limit=4"
    while True:
        body = ask(changed, query)
        seen += [it["id"] for it in body["data"]]
        if not body["has_more"]:
            break
        query = f"limit=4&after={body['last_id']}"

    assert seen == [it.id for it in changed.snapshot.state.events]
    assert ask(changed, f"after={seen[-1]}")["data"] == []


def test_changes_are_filtered(changed: CatalogView) -> None:
    near = ask(changed, "type=model.retirement_near&model=B&region=us-*")

    assert [it["after"]["within_days"] for it in near["data"]] == [90, 30]
    assert [it["type"] for it in ask(changed, "type[]=model.added&type[]=model.removed")["data"]] == [
        "model.removed",
        "model.added",
    ]
    assert ask(changed, "type=&region=&model=&after=") == ask(changed)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "type=added", f"region={'a' * 201}", f"after={'0' * 201}"]
)
def test_arguments_that_are_wrong_are_refused(changed: CatalogView, query: str) -> None:
    with pytest.raises(ValidationError):
        ask(changed, query)


def test_the_feed_takes_the_same_filters(changed: CatalogView) -> None:
    feed = CatalogQuery(arguments=EventArguments(), run=changes_atom, result=ChangePageSchema())
    arguments = feed.validate(MultiDict([("type", "model.added"), ("after", "ignored")]))

    assert changes_atom(changed, **arguments).count(b"<entry>") == 1


def test_a_retirement_in_full() -> None:
    legacy = model(
        "a", name="A", provider="P", lifecycle_status="LEGACY", legacy_at=NOW, end_of_life_at=NOW + timedelta(3)
    )

    body = RETIREMENTS.answer(view(snapshot(listing(EAST, legacy))), RETIREMENTS.validate({}))

    dates = {
        "legacy_at": "2026-11-22T12:00:00Z",
        "extended_access_at": None,
    }
    assert body == {
        "data": [
            {
                "model_id": "a",
                "name": "A",
                "provider": "P",
                "lifecycle": "deprecated",
                **dates,
                "retires_at": "2026-11-25T12:00:00Z",
                "days_left": 3,
                "regions": [{"regions": [EAST], **dates, "end_of_life_at": "2026-11-25T12:00:00Z"}],
                "aliases": [],
                "replacement_hint": None,
            }
        ]
    }
