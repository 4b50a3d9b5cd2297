"""`flask catalog changes` and `flask catalog retirements` as an operator calls them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.discovery.parent import Visits
from tests.conftest import MakeApp
from tests.support.builders import NOW, listing, model

EAST, WEST = "us-east-1", "eu-west-1"
OPERATOR_FILE = '[scopes.west]\nregions = ["eu-*"]\nkeys = ["team-west"]\n[aliases]\nfast = "soon"\n'


class Days:
    """A catalog that is refreshed now and then; `now` is the clock of every process."""

    def __init__(self, make_app: MakeApp, file: Path) -> None:
        self.now = NOW
        self._make_app = make_app
        self._file = file

    def app(self, *listings: Any) -> Flask:
        results = tuple(part for region in listings for part in region)

        def discover(*_: Any, on_result: Callable[[Any], None], **__: Any) -> Visits:
            return Visits(regions=(EAST, WEST), results=results)

        return self._make_app(
            discover=discover, regions=(EAST, WEST), clock=lambda: self.now, operator_file=str(self._file), source="aws"
        )

    def refresh(self, at: datetime, *rows: Any, west: Any = ()) -> None:
        self.now = at
        done = run(self.app(listing(EAST, *rows, at=at), listing(WEST, *west, at=at)), "refresh")
        assert done.exit_code == 0, done.output


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *arguments])


def ends(model_id: str, days: int | None) -> Any:
    end = None if days is None else NOW + timedelta(days=days)
    return model(model_id, name=model_id.title(), lifecycle_status="LEGACY", end_of_life_at=end)


@pytest.fixture
def days(make_app: MakeApp, tmp_path: Path) -> Days:
    """`old` comes on the first day, `new` on the tenth, in the east; today is the eleventh."""
    file = tmp_path / "operator.toml"
    file.write_text(OPERATOR_FILE)
    days = Days(make_app, file)
    rows = [ends("soon", 200), ends("late", 300)]
    west = [ends("soon", 250), ends("undated", None)]
    days.refresh(NOW, *rows, west=west)
    days.refresh(NOW + timedelta(days=1), *rows, model("old"), west=west)
    days.refresh(NOW + timedelta(days=10), *rows, model("old"), model("new", name="New One"), west=west)
    days.now = NOW + timedelta(days=11)
    return days


def test_changes_of_a_week_stand_as_text_with_the_newest_last(days: Days) -> None:
    done = run(days.app(), "changes")

    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "2026-12-02 12:00  New One is new in us-east-1"
    assert lines[1] == "    Model: new"
    assert lines[-1] == "1 changes since 2026-11-26 12:00 UTC"


@pytest.mark.parametrize(
    ("since", "found"), [("24h", ["new"]), ("23h", []), ("2w", ["old", "new"]), ("400D", ["old", "new"])]
)
def test_since_chooses_how_far_back(days: Days, since: str, found: list[str]) -> None:
    done = run(days.app(), "changes", "--since", since, "--json")

    events = json.loads(done.stdout)
    assert [it["model_id"] for it in events] == found
    assert all(set(it) == {"id", "at", "type", "model_id", "before", "after"} for it in events)


@pytest.mark.parametrize("since", ["", "7", "d", "0d", "-1d", "401d", "9601h", "1y", "1.5d", "٣d", "99999999d"])
def test_a_bad_since_names_what_is_allowed(days: Days, since: str) -> None:
    done = run(days.app(), "changes", "--since", since)

    assert done.exit_code == 2
    assert "must be hours, days or weeks from 1h to 400d, such as 24h, 7d or 2w, got" in done.stderr


def test_a_scope_or_a_keys_name_shows_what_it_sees(days: Days) -> None:
    for option in (("--scope", "west"), ("--key-name", "team-west")):
        assert json.loads(run(days.app(), "changes", "--since", "400d", "--json", *option).stdout) == []
        found = json.loads(run(days.app(), "retirements", "--json", *option).stdout)
        assert [(it["model_id"], it["days_left"]) for it in found] == [("soon", 239), ("undated", None)]
    unknown = run(days.app(), "changes", "--scope", "north")
    assert unknown.exit_code == 2 and "west" in unknown.stderr


def test_retirements_stand_with_the_next_one_first_by_region_with_aliases(days: Days) -> None:
    done = run(days.app(), "retirements")

    assert done.exit_code == 0
    _, soon, late, undated, count = done.stdout.splitlines()
    assert soon.split()[:4] == ["soon", "deprecated", "2027-07-30", "239"]
    assert "2027-06-10 us-east-1; 2027-07-30 eu-west-1" in soon and soon.split()[-1] == "fast"
    assert late.split() == ["late", "deprecated", "2027-09-18", "289"]
    assert undated.split() == ["undated", "deprecated", "-", "-"]
    assert count == "3 models end or are legacy"


@pytest.mark.parametrize(("within", "found"), [("189", ["soon"]), ("188", []), ("289", ["soon", "late"])])
def test_within_days_counts_a_models_first_end(days: Days, within: str, found: list[str]) -> None:
    done = run(days.app(), "retirements", "--within-days", within, "--json")

    assert [it["model_id"] for it in json.loads(done.stdout)] == found


@pytest.mark.parametrize("within", ["0", "-1", "many", "3651"])
def test_a_bad_number_of_days_is_refused(days: Days, within: str) -> None:
    assert run(days.app(), "retirements", "--within-days", within).exit_code == 2


@pytest.mark.parametrize("command", ["changes", "retirements"])
def test_without_a_catalog_the_commands_say_so(make_app: MakeApp, command: str) -> None:
    done = run(make_app(discover=lambda *_, **__: Visits(regions=(), results=()), source="aws"), command)

    assert done.exit_code == 1
    assert "no catalog is stored" in done.stderr
