"""The manifests for Kubernetes and ECS are ones that those take, and set what the service reads."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.validate import ParamValidator

from config import ServerSettings, Settings, read_server_settings, read_settings
from tests.support.servers import PROJECT

KUBERNETES = sorted((PROJECT / "deploy" / "kubernetes").glob("*.yaml"))
ECS = json.loads((PROJECT / "deploy" / "ecs" / "task-definition.json").read_text())
CONTAINERFILE = (PROJECT / "deploy" / "Containerfile").read_text()
NAME = "bedrock-model-catalog"
SETTINGS = {setting.metadata["name"] for setting in (*fields(Settings), *fields(ServerSettings))}
# The oldest version that is kept up, and the newest that the schemas know.
VERSIONS = ("1.31", kubernetes_validate.latest_version())


def manifests() -> dict[str, Any]:
    return {manifest["kind"]: manifest for file in KUBERNETES for manifest in yaml.safe_load_all(file.read_text())}


def container() -> dict[str, Any]:
    [found] = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.stem)
def test_kubernetes_takes_each_manifest(file: Path, version: str) -> None:
    for manifest in yaml.safe_load_all(file.read_text()):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_mistake_in_a_manifest_is_seen() -> None:
    manifest = manifests()["Deployment"]
    manifest["spec"]["replica"] = 2

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_the_manifests_name_each_other() -> None:
    found = manifests()
    spec = found["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]

    assert set(found) == {"Deployment", "PodDisruptionBudget", "Secret", "Service", "ServiceAccount"}
    assert {manifest["metadata"]["name"] for manifest in found.values()} == {NAME}
    assert spec["selector"]["matchLabels"] == labels == found["Service"]["spec"]["selector"]
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < spec["replicas"]
    assert spec["template"]["spec"]["serviceAccountName"] == NAME
    mounts = {it["mountPath"] for it in container()["volumeMounts"]}
    secret = found["Secret"]["stringData"]
    for variable in container()["env"]:
        folder, _, name = variable["value"].rpartition("/")
        if variable["name"].endswith("_FILE"):
            assert folder in mounts and name in secret


def test_the_environments_are_settings_that_the_service_takes() -> None:
    ecs = ECS["containerDefinitions"][0]
    store = {"CATALOG_STORE": "rediss://catalog:password@redis.example.com"}
    for environ in (
        {it["name"]: it["value"] for it in container()["env"]},
        {it["name"]: it["value"] for it in ecs["environment"]} | store,
    ):
        assert set(environ) <= SETTINGS
        assert read_settings(environ).store is not None
        assert read_server_settings(environ).workers == 2
    assert {it["name"] for it in ecs["secrets"]} == set(store)


def test_the_manifests_fit_the_image() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", CONTAINERFILE, re.MULTILINE)
    assert user is not None
    spec = manifests()["Deployment"]["spec"]["template"]["spec"]
    security = spec["securityContext"]

    assert (str(security["runAsUser"]), str(security["runAsGroup"])) == user.groups()
    assert ECS["containerDefinitions"][0]["user"] == ":".join(user.groups())
    assert f"EXPOSE {container()['ports'][0]['containerPort']}" in CONTAINERFILE
    assert f"EXPOSE {ECS['containerDefinitions'][0]['portMappings'][0]['containerPort']}" in CONTAINERFILE
    folder = re.search(r"CATALOG_DIR=(\S+)", CONTAINERFILE)
    assert folder is not None
    assert folder[1] in {it["mountPath"] for it in container()["volumeMounts"]}


def test_ecs_takes_the_task_definition() -> None:
    ecs = botocore.session.get_session().get_service_model("ecs")
    shape = ecs.operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None

    report = ParamValidator().validate(ECS, shape)

    assert not report.has_errors(), report.generate_report()
