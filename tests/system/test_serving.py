"""The whole service as an operator starts it."""

from pathlib import Path

from tests.support.servers import running_service


def test_the_demo_serves_its_catalog_with_four_workers(tmp_path: Path) -> None:
    with running_service(tmp_path, WEB_CONCURRENCY="4") as service:
        answer = service.get("/anthropic/v1/models?limit=1000")

    assert answer.status_code == 200
    assert "anthropic.claude-opus-5" in [model["id"] for model in answer.json()["data"]]
