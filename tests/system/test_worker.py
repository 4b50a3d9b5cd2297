"""gunicorn as it is configured here."""

import subprocess
import sys
from pathlib import Path

import httpx2 as httpx

from tests.support.builders import KEY
from tests.support.servers import PROJECT, running_service, service_environ


def test_gunicorn_takes_no_path_or_scheme_from_a_header(tmp_path: Path) -> None:
    headers = {"x-api-key": KEY, "SCRIPT_NAME": "/anthropic", "PATH_INFO": "/livez", "X-Forwarded-Proto": "https"}
    with running_service(tmp_path) as service:
        answer = httpx.get(f"{service.url}/anthropic/v1/models?limit=1", headers=headers)

    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 1


def test_what_is_loaded_before_the_fork_is_not_garbage_collected(tmp_path: Path) -> None:
    code = (
        "import gc, runpy, types\n"
        "hooks = runpy.run_path('gunicorn.conf.py')\n"
        "hooks['pre_fork'](types.SimpleNamespace(WORKERS={}, num_workers=1), types.SimpleNamespace())\n"
        "print(gc.get_freeze_count() > 1000, len(gc.get_objects()) < 1000)"
    )
    environ = service_environ(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environ, capture_output=True, text=True)

    assert done.stdout == "True True\n", done.stderr
