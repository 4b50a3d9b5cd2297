"""A real service with the part `access`: what it shows, how often it asks, and that a restart goes on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from moto import mock_aws

from tests.support.access_standin import FORM_OPERATION, OPERATION, availability
from tests.support.bedrock_standin import ACCOUNT, BedrockStandin
from tests.support.servers import ANSWERS_IN_A_ROW, PROJECT, Service, eventually, running_service, service_environ

EAST, WEST = "us-east-1", "eu-west-1"
REFUSED = "maker.common-1-v1:0"
PARTS = "models,profiles,access"


def states(service: Service) -> dict[str, str | None]:
    entries = service.get("/v1/models").json()["data"]
    return {it["id"]: it["aws_bedrock"]["access"] and it["aws_bedrock"]["access"]["state"] for it in entries}


def status_of(folder: Path, environ: dict[str, Any]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "catalog", "status", "--json"],
        cwd=PROJECT,
        env=service_environ(folder, **environ),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["access"]


def test_a_service_asks_for_each_model_once_and_a_restart_for_none(tmp_path: Path) -> None:
    with mock_aws(), BedrockStandin([EAST, WEST]) as standin:
        for region in standin.regions.values():
            region.access.answers[REFUSED] = availability(REFUSED, authorization="NOT_AUTHORIZED")
            region.access.form = None
        environ: dict[str, Any] = standin.environ | {"CATALOG_PARTS": PARTS, "WEB_CONCURRENCY": "2"}
        count = len(standin.model_ids())
        for _ in range(2):
            with running_service(tmp_path, **environ) as service:
                # Of both workers.
                eventually(lambda: all(None not in states(service).values() for _ in range(ANSWERS_IN_A_ROW)))

                assert states(service) == {it: "denied" if it == REFUSED else "granted" for it in standin.model_ids()}
                assert len(service.get("/v1/models?access=denied").json()["data"]) == 1
                assert service.events("job_failed") == []
        asked = sum(number for (_, operation), number in standin.calls.items() if operation == OPERATION)
        forms = sum(number for (_, operation), number in standin.calls.items() if operation == FORM_OPERATION)

        assert (asked, forms) == (count, 1)
        status = status_of(tmp_path, environ)
        assert status["models"] == {"granted": count - 1, "denied": 1}
        assert status["anthropic_form"]["state"] == "never_sent"


def test_without_permission_all_is_served_and_the_action_is_named_once(tmp_path: Path) -> None:
    with mock_aws(), BedrockStandin([EAST, WEST]) as standin:
        for region in standin.regions.values():
            region.faults["access"] = "denied"
        environ: dict[str, Any] = standin.environ | {"CATALOG_PARTS": PARTS}
        with running_service(tmp_path, **environ) as service:
            eventually(lambda: service.events("access_check_failed"))
            named = [it["missing_permission"] for it in service.events("access_not_permitted")]

            assert sorted(named) == [f"bedrock:{OPERATION}", f"bedrock:{FORM_OPERATION}"]
            assert set(states(service)) == standin.model_ids()
            assert service.get("/readyz", key=None).json()["status"] == "ready"
            assert ACCOUNT not in service.log()
