"""Keys that change under a running service, and what a worker knows that starts meanwhile."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.support.builders import KEY
from tests.support.servers import PROJECT, eventually, running_service


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Systems Manager and Secrets Manager over HTTP, and the variables that lead the SDK to them."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield variables
    server.stop()


def test_a_worker_that_starts_while_sources_fail_knows_what_others_read_last(tmp_path: Path) -> None:
    service = tmp_path / "service"
    service.mkdir()
    file = tmp_path / "keys"
    file.write_text("old-1\nold-2\n")
    with running_service(service, API_KEYS="", API_KEYS_FILE=str(file), TMPDIR=str(tmp_path)) as running:

        def statuses() -> list[int]:
            return [running.get("/v1/models", key).status_code for key in ("old-1", "old-2", "new-1")]

        file.write_text("old-2\nnew-1\n")
        eventually(lambda: statuses() == [401, 200, 200])
        file.unlink()
        eventually(lambda: running.events("key_source_failed"))
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(running.events("key_source_failed")) == 2)
        eventually(lambda: "Worker exiting" in running.log())

        assert statuses() == [401, 200, 200]
        [memory] = tmp_path.glob("model-catalog-run-*/keys-API_KEYS_FILE.json")
        assert "old-2" not in memory.read_text()
        assert stat.S_IMODE(memory.stat().st_mode) == 0o600
        memory.write_text('[{"name": 7}]')
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.events("key_cache_failed"))
        assert running.get("/livez").status_code == 200


def test_a_serving_process_reads_keys_from_aws_without_boto3(aws: dict[str, str]) -> None:
    boto3.client("ssm").put_parameter(Name="/keys", Value="ci:b", Type="SecureString")
    script = """
        import sys
        from app import create_app
        from app.services import services_of
        from config import Settings
        app = create_app(Settings(api_keys_ssm_parameter="/keys"))
        services = services_of(app)
        services.key_refresher.refresh()
        assert services.key_ring.name_of(["b"]) == "ci"
        assert not {"boto3", "botocore"} & sys.modules.keys()
    """
    environ = {"PATH": os.environ["PATH"]} | aws

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=PROJECT, env=environ, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_a_secret_rotates_under_every_worker_of_a_running_service(tmp_path: Path, aws: dict[str, str]) -> None:
    manager = boto3.client("secretsmanager")
    manager.create_secret(Name="keys", SecretString='{"old": "old-key", "both": "both-key"}')
    file = tmp_path / "keys"
    file.write_text(f"test:{KEY}\n")
    settings: dict[str, Any] = {
        "API_KEYS": "",
        "API_KEYS_FILE": str(file),
        "API_KEYS_SECRET_ID": "keys",
        "CATALOG_REFRESH_SECONDS": "3",
        "WEB_CONCURRENCY": "2",
    }
    with running_service(tmp_path, **settings | aws) as service:

        def statuses(text: str) -> set[int]:
            # Each request is a connection of its own, so that both workers are asked.
            return {service.get("/livez/no", text).status_code for _ in range(12)}

        assert statuses("old-key") == statuses("both-key") == {404}
        assert statuses("new-key") == {401}
        manager.put_secret_value(SecretId="keys", SecretString='{"new": "new-key", "both": "both-key"}')
        eventually(lambda: statuses("old-key") == {401} and statuses("new-key") == {404})
        assert statuses("both-key") == {404}

        manager.delete_secret(SecretId="keys", ForceDeleteWithoutRecovery=True)
        eventually(lambda: 'model_catalog_key_source_failing{source="API_KEYS_SECRET_ID"} 1.0' in metrics_of(service))
        assert statuses("new-key") == {404}

        file.write_text("another\n")
        eventually(lambda: statuses(KEY) == {401}, timeout_s=3)
    assert "key_source_failed" in service.log()
    assert not [text for text in ("old-key", "new-key", "both-key", KEY) if text in service.log()]


def metrics_of(service: Any) -> str:
    text: str = service.get("/metrics").text
    return text
