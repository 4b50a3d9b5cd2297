"""What a refresh logs and keeps of projects."""

from dataclasses import replace

from structlog.testing import capture_logs

from app.catalog.records import DATA_RETENTION, PROGRAMS, PROJECT_MODELS, PROJECT_PROFILES, PROVISIONED
from tests.support.builders import failure, failures, listing, model
from tests.unit.refresh.world import EAST, WEST, World


def test_regions_that_fail_alike_for_a_project_are_one_line_and_no_failed_region(world: World) -> None:
    refused = [failure(region, PROJECT_MODELS, "ThrottlingException") for region in (EAST, WEST)]
    kept_quiet = [failure(region, part) for region in (EAST, WEST) for part in (DATA_RETENTION, PROGRAMS)]
    world.answer = lambda: (*(listing(region, model("a")) for region in (EAST, WEST)), (*refused, *kept_quiet))
    with capture_logs() as logs:
        world.worker(regions=(EAST, WEST), projects=("proj_a",))[0].refresh_if_due()

    warned = {(it["event"], it["part"]): it for it in logs if it["log_level"] != "info"}
    assert set(warned) == {("project_failed", PROJECT_MODELS), ("project_failed", PROJECT_PROFILES)}
    line = warned["project_failed", PROJECT_MODELS]
    assert (line["code"], line["regions"]) == ("ThrottlingException", [EAST, WEST])
    [ended] = [it for it in logs if it["event"] == "catalog_refreshed"]
    assert (ended["regions_listed"], ended["regions_failed"]) == (2, 0)


def test_a_project_that_fails_leaves_no_region_to_be_tried_again(world: World) -> None:
    world.answer = lambda: (listing(EAST, model("a")), (failure(EAST, PROJECT_MODELS),))
    refresher, catalog = world.worker(regions=(EAST,), projects=("proj_a",))
    refresher.refresh_if_due()
    world.wait(seconds=60)
    refresher.refresh_if_due()

    assert world.visits == 1
    assert catalog.latest is not None and catalog.latest.state.projects == ("proj_a",)


def test_a_project_that_no_region_knows_is_one_line(world: World) -> None:
    unknown = [replace(listing(it, at=world.now)[0], part=PROJECT_MODELS, is_offered=False) for it in (EAST, WEST)]
    world.answer = lambda: (*(listing(it, model("a")) for it in (EAST, WEST)), unknown)
    refresher, _ = world.worker(regions=(EAST, WEST), projects=("proj_typo",))
    with capture_logs() as logs:
        refresher.refresh_now()
        refresher.refresh_now()

    [line] = [it for it in logs if it["event"] == "project_unknown"]
    assert (line["projects"], line["regions"]) == (["proj_typo"], [WEST, EAST])


def test_a_retry_of_some_regions_says_nothing_again_and_nothing_wrong_of_the_others(world: World) -> None:
    refused = [failure(it, PROVISIONED, action="bedrock:ListProvisionedModelThroughputs") for it in (EAST, WEST)]
    known, unknown = (
        replace(listing(it, at=world.now)[0], part=PROJECT_MODELS, is_offered=it == EAST) for it in (EAST, WEST)
    )
    world.answer = lambda: (listing(EAST, model("a"), at=world.now), failures(WEST), refused, [known, unknown])
    refresher, _ = world.worker(regions=(EAST, WEST), projects=("proj_a",), parts=("models", "profiles", "provisioned"))
    with capture_logs() as logs:
        for _ in range(4):
            refresher.refresh_if_due()
            world.wait(seconds=60)

    assert len(world.asked) > 1 and world.asked[-1] == (WEST,)
    assert [it["regions"] for it in logs if it["event"] == "part_not_permitted"] == [[WEST, EAST]]
    assert [it for it in logs if it["event"] == "project_unknown"] == []
