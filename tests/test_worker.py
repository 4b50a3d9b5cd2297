"""gunicorn as it is configured here."""

from pathlib import Path

import httpx2 as httpx

from tests.builders import KEY
from tests.servers import running_service


def test_gunicorn_believes_nobody_about_another_path_or_scheme(tmp_path: Path) -> None:
    headers = {"x-api-key": KEY, "SCRIPT_NAME": "/anthropic", "PATH_INFO": "/livez", "X-Forwarded-Proto": "https"}
    with running_service(tmp_path) as service:
        answer = httpx.get(f"{service.url}/anthropic/v1/models?limit=1", headers=headers)

    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 1
