"""A lease whose holder does not end, in front of a real service: refreshing goes on, in one process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.refresh.file_lock import LockHolder, lock_holder
from tests.support.bedrock_standin import BedrockStandin
from tests.support.servers import PROJECT, eventually, running_service, service_environ

REGIONS = ("us-east-1", "eu-west-1")
# A refresh may last for so long and ten seconds more.
TIMEOUT_S = "3"


@contextmanager
def operators_refresh(folder: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """`flask catalog refresh`, killed if it is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "catalog", "refresh"],
        cwd=PROJECT,
        env=service_environ(folder, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def holder_of_lease(folder: Path) -> LockHolder | None:
    [lease] = (folder / "catalog").glob("*/lease")
    return lock_holder(lease.stat())


def test_an_operators_refresh_that_was_stopped_does_not_end_refreshing_and_stores_nothing_later(tmp_path: Path) -> None:
    with BedrockStandin(REGIONS) as standin:
        settings: dict[str, Any] = standin.environ | {
            "CATALOG_REFRESH_SECONDS": "1",
            "CATALOG_REFRESH_TIMEOUT_SECONDS": TIMEOUT_S,
        }
        with running_service(tmp_path, WEB_CONCURRENCY="2", **settings) as service:
            standin["eu-west-1"].fault = "hang"
            with operators_refresh(tmp_path, **settings | {"CATALOG_REFRESH_TIMEOUT_SECONDS": "60"}) as operator:
                eventually(lambda: (holder := holder_of_lease(tmp_path)) and holder.pid == operator.pid, timeout_s=30)
                os.kill(operator.pid, signal.SIGSTOP)
                standin["eu-west-1"].fault = None
                eventually(lambda: service.events("lease_replaced"), timeout_s=40)
                refreshed = len(service.events("catalog_refreshed"))
                eventually(lambda: len(service.events("catalog_refreshed")) >= refreshed + 2)
                os.kill(operator.pid, signal.SIGCONT)
                _, said = operator.communicate(timeout=30)
            health = service.get("/readyz")

    [replaced] = service.events("lease_replaced")
    assert (replaced["level"], replaced["holder_pid"]) == ("error", operator.pid)
    assert replaced["holder_command"].endswith("flask --app wsgi catalog refresh")
    assert operator.returncode == 1
    assert "Nothing published: another process took the lease over" in said
    assert health.status_code == 200
    assert "Traceback" not in service.log() + said
