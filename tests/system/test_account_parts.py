"""A real service that asks for all that the account made, while each of these parts fails in its own way."""

from pathlib import Path
from typing import Any

from app.catalog.parts import OWN_PARTS
from app.catalog.records import BASE_PARTS
from tests.support.bedrock_standin import ACCOUNT, BedrockStandin, account_row, model_row
from tests.support.servers import eventually, running_service

EAST, WEST = "us-east-1", "eu-west-1"
# No permission, no such part, the page of a proxy, a lie, no answer: one each.
FAULTS = dict(zip(OWN_PARTS, ("denied", "unknown", "html", "mistyped", "hang"), strict=True))


def test_whatever_the_accounts_parts_do_the_base_parts_are_served_the_same_and_as_fresh(tmp_path: Path) -> None:
    with BedrockStandin([EAST, WEST]) as standin:
        rows = {part: account_row(part, f"{part}-x", region=EAST) for part in OWN_PARTS}
        for part in OWN_PARTS:
            for region in standin.regions.values():
                setattr(region, part, [account_row(part, f"{part}-x", region=EAST)])
            standin[WEST].faults[part] = FAULTS[part]
        base: dict[str, Any] = standin.environ | {
            "CATALOG_REFRESH_SECONDS": "5",
            "CATALOG_REFRESH_TIMEOUT_SECONDS": "3",
        }
        folders = [tmp_path / "without", tmp_path / "with"]
        for folder in folders:
            folder.mkdir()
        with (
            running_service(folders[0], **base) as without,
            running_service(folders[1], **base, CATALOG_PARTS=",".join((*BASE_PARTS, *OWN_PARTS))) as service,
        ):
            eventually(lambda: service.events("catalog_refreshed") and without.events("catalog_refreshed"))
            for path in ("/v1/models?limit=1000", "/v1/models?limit=1000&view=profiles"):
                assert service.get(path).content == without.get(path).content
            every = {it["id"]: it for it in service.get("/search_models?view=all&limit=100").json()["data"]}
            kinds = {it["kind"] for it in every.values()}
            found = service.get(f"/v1/models/{rows['provisioned']['provisionedModelArn']}").json()

            standin[WEST].models.append(model_row("maker.new-v1:0"))
            eventually(lambda: "maker.new-v1:0" in service.get("/v1/models?limit=1000").text)
            readiness = service.get("/readyz").json()
            metrics = service.get("/metrics").text

    assert kinds >= {"provisioned_model", "model_deployment", "imported_model", "marketplace_endpoint", "prompt_router"}
    assert found["aws_bedrock"]["base_model_id"] == "maker.common-0-v1:0"
    assert {it["region"]: it["state"] for it in readiness["regions"]} == {EAST: "fresh", WEST: "fresh"}
    refused = service.events("part_not_permitted")[0]
    assert (refused["regions"], refused["missing_permission"]) == ([WEST], "bedrock:ListProvisionedModelThroughputs")
    assert ACCOUNT not in service.log() + metrics + str(readiness)
