"""Services with other settings on one folder: each keeps its catalog and its interval."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from app.catalog.codec import encode_state
from app.refresh.file_store import file_store
from app.refresh.fingerprint import fingerprint
from app.refresh.refresher import SettingsMismatch
from config import PARTS, Settings
from tests.support.builders import listing, model, snapshot
from tests.unit.refresh.world import EAST, INTERVAL_S, WEST, World, ids, save

SOUTH = "us-west-2"


def of(*regions: str, source: str = "aws", **changes: Any) -> str:
    return fingerprint(Settings(regions=regions, source=source, **changes))


def test_the_fingerprint_is_that_of_what_a_refresh_stores() -> None:
    different = [of(EAST), of(EAST, WEST), of("all"), of(EAST, source="demo")]
    different += [of(EAST, parts=PARTS), of(EAST, parts=("models",)), of("all", aws_region="us-gov-west-1")]
    different += [of(EAST, projects=("proj_a",)), of(EAST, projects=("us-east-1=proj_a",))]

    assert len(set(different)) == len(different)
    assert of(EAST, WEST) == of(WEST, EAST)
    assert of(EAST, parts=("models", "profiles")) == of(EAST, parts=("profiles", "models")) == of(EAST)
    assert of(EAST) == of(EAST, refresh_s=1, default_limit=7, list_view="all", invoke_order=("global",))


def test_the_partition_counts_for_all_alone_and_the_region_in_it_does_not() -> None:
    assert of(EAST, aws_region="us-gov-west-1") == of(EAST)
    assert of("all", aws_region="eu-west-1") == of("all", aws_region="ap-northeast-1") == of("all")
    assert of("all", aws_region="us-gov-west-1") == of("all", aws_region="us-gov-east-1")


def test_the_fingerprint_stays_what_it_was_in_earlier_versions() -> None:
    assert (of(EAST), of("all"), of("all", source="demo")) == (
        "0a99523971a7",
        "350c1f57ecb6",
        "b46d9ba8611d",
    )


def test_services_of_other_regions_refresh_once_an_interval_each(world: World) -> None:
    settings = ((EAST, WEST), (EAST, SOUTH), ("all",))
    world.answer = lambda: (listing(it, model("a"), at=world.now) for it in (EAST, WEST, SOUTH))
    services = [world.worker(regions=regions) for regions in settings]
    ticks_of_half_a_second = 2 * 20
    for _ in range(3):
        for _ in range(ticks_of_half_a_second):
            for refresher, _ in services:
                refresher.reload_if_changed()
                refresher.refresh_if_due()
            world.wait(seconds=0.5)
        world.wait(seconds=INTERVAL_S)

    assert world.visits == 3 * len(services)


def test_a_service_loses_no_region_to_what_another_stores(world: World) -> None:
    world.answer = lambda: tuple(listing(region, model(region), at=world.now) for region in (EAST, WEST))
    refresher, catalog = world.worker(regions=(EAST, WEST))
    refresher.refresh_if_due()
    before = ids(catalog)
    for regions in ((EAST,), (EAST, SOUTH), ("all",)):
        world.wait(seconds=1)
        world.worker(regions=regions)[0].refresh_now(force=True)
        refresher.reload_if_changed()

        assert ids(catalog) == before
        assert refresher.refresh_if_due() is None


def test_a_catalog_of_other_regions_in_a_services_own_place_is_ignored(world: World) -> None:
    world.answer = lambda: tuple(listing(region, model(region), at=world.now) for region in (EAST, WEST))
    refresher, catalog = world.worker(regions=(EAST, WEST))
    refresher.refresh_if_due()
    foreign = snapshot(listing(EAST, model("foreign")), at=world.now, configured_regions=(EAST,)).state
    with capture_logs() as logs:
        for _ in range(5):
            save(file_store(Settings(regions=(EAST, WEST), catalog_dir=world.folder)), encode_state(foreign))
            refresher.reload_if_changed()
            assert refresher.refresh_if_due() is None

    assert sorted(ids(catalog)) == [WEST, EAST]
    assert {line["event"] for line in logs} == {"snapshot_ignored"}
    assert logs[0]["stored"] == "CATALOG_SOURCE=aws AWS_BEDROCK_REGIONS=us-east-1"


def test_a_region_newly_configured_is_asked_at_once_and_the_others_served_meanwhile(world: World) -> None:
    world.worker()[0].refresh_if_due()
    refresher, catalog = world.worker(regions=(EAST, WEST))
    refresher.reload_if_changed()

    assert ids(catalog) == ["a"]
    assert refresher.refresh_if_due() is not None
    assert refresher.refresh_if_due() is None


def test_after_a_change_of_the_regions_only_those_configured_are_served(world: World) -> None:
    world.answer = lambda: (listing(EAST, model("a")), listing(WEST, model("b")))
    world.worker(regions=(EAST, WEST))[0].refresh_if_due()
    refresher, catalog = world.worker(regions=(WEST,))
    refresher.reload_if_changed()

    assert ids(catalog) == ["b"]


def test_of_several_catalogs_of_other_settings_that_with_most_of_the_regions_is_served(world: World) -> None:
    world.answer = lambda: (listing(EAST, model("a")), listing(WEST, model("b")))
    world.worker(regions=(EAST, WEST))[0].refresh_if_due()
    world.answer = lambda: (listing(SOUTH, model("c")), listing(WEST, model("b")))
    world.worker(regions=(SOUTH, WEST))[0].refresh_if_due()
    refresher, catalog = world.worker(regions=(EAST, WEST, "eu-north-1"))
    refresher.reload_if_changed()

    assert sorted(ids(catalog)) == ["a", "b"]


def test_a_catalog_of_another_source_is_not_served(world: World) -> None:
    world.worker(source="demo")[0].refresh_if_due()
    refresher, catalog = world.worker(source="aws")
    refresher.reload_if_changed()

    assert catalog.latest is None


def test_an_operators_refresh_of_settings_that_no_service_has_is_refused(world: World) -> None:
    world.worker(regions=(EAST, WEST))[0].refresh_if_due()
    operator, _ = world.worker()
    with pytest.raises(SettingsMismatch, match=r"^CATALOG_SOURCE=aws AWS_BEDROCK_REGIONS=us-east-1,eu-west-1$"):
        operator.refresh_now()

    assert operator.refresh_now(force=True) is not None


def test_an_operators_refresh_beside_two_live_services_needs_no_force(world: World) -> None:
    world.worker(regions=(EAST, WEST))[0].refresh_if_due()
    world.worker()[0].refresh_if_due()

    assert world.worker()[0].refresh_now() is not None
    assert world.worker(regions=(WEST, EAST))[0].refresh_now() is not None


def test_an_operators_refresh_of_settings_that_the_service_no_longer_has_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.worker()[0].refresh_if_due()
    with monkeypatch.context() as later:
        later.setattr("app.refresh.file_store.time.time_ns", lambda: 4_000_000_000 * 10**9)
        world.worker(regions=(EAST, WEST))[0].refresh_if_due()

    with pytest.raises(SettingsMismatch):
        world.worker()[0].refresh_now()
