"""The operator's file under a running service: changed, broken, and bad at a start."""

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.support.servers import (
    GUNICORN,
    PROJECT,
    Service,
    eventually,
    free_port,
    running_service,
    service_environ,
    wait_for_answer,
)
from tests.system.test_workers import workers_of

KEYS = "team-a:secret-a,team-b:secret-b"
FILE = '[scopes.a]\nkeys = ["team-a"]\nmodels = ["{}.*"]\n'


def makers(service: Service, key: str) -> set[str]:
    return {it["id"].partition(".")[0] for it in service.get("/v1/models", key=key).json()["data"]}


def kill_worker(service: Service) -> None:
    """Kill the only worker, and wait for the next one."""
    [worker] = workers_of(service)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: workers_of(service) not in (set(), {worker}))
    wait_for_answer(service, "/readyz")


def test_a_changed_scope_is_seen_within_two_seconds_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text(FILE.format("anthropic"))
    with running_service(tmp_path, API_KEYS=KEYS, CATALOG_CONFIG_FILE=str(file), WEB_CONCURRENCY="2") as service:
        for _ in range(5):
            assert makers(service, "secret-a") == {"anthropic"}
            assert len(makers(service, "secret-b")) > 2
        file.write_text(FILE.format("amazon") + "# longer than before\n")
        changed_at = time.monotonic()
        # Each worker looks for itself, and ten answers in a row may all be of one.
        eventually(lambda: len(service.events("operator_file_reloaded")) == 2)
        took_s = time.monotonic() - changed_at
        assert all(makers(service, "secret-a") == {"amazon"} for _ in range(10))
        file.write_text(FILE.format("meta") + "[scopes.b]\nmodel = []\n" + "# longer still, and wrong\n")
        eventually(lambda: service.events("operator_file_rejected"))
        [rejected, *_] = service.events("operator_file_rejected")

        assert took_s < 2.5
        assert all(makers(service, "secret-a") == {"amazon"} for _ in range(10))
        assert "scopes.b" in rejected["reason"]


def test_a_worker_that_starts_anew_has_the_last_good_file_where_the_file_has_become_bad(tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text(FILE.format("anthropic"))
    with running_service(tmp_path, API_KEYS=KEYS, CATALOG_CONFIG_FILE=str(file)) as service:
        # Not what the master has read before it forks.
        file.write_text(FILE.format("amazon") + "# longer than before\n")
        eventually(lambda: service.events("operator_file_reloaded"))
        file.write_text(FILE.format("meta") + "[scopes.b]\nmodel = []\n" + "# longer still, and wrong\n")
        eventually(lambda: service.events("operator_file_rejected"))
        kill_worker(service)

        assert makers(service, "secret-a") == {"amazon"}
        file.unlink()
        kill_worker(service)

        assert makers(service, "secret-a") == {"amazon"}
        assert "cannot be read" in service.events("operator_file_rejected")[-1]["reason"]
        file.write_text(FILE.format("meta"))
        eventually(lambda: makers(service, "secret-a") == {"meta"})


def test_a_bad_file_is_no_start_and_one_line_says_why(tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text("[scopes.a]\nmodel = []\n")
    environ = service_environ(tmp_path, BIND=f"127.0.0.1:{free_port()}", CATALOG_CONFIG_FILE=str(file))

    ended = subprocess.run(
        [GUNICORN, "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ended.returncode != 0
    [line] = [it for it in ended.stderr.splitlines() if "Not started" in it]
    assert "CATALOG_CONFIG_FILE" in line
    assert "scopes.a" in line
