"""What /metrics tells, in one process and added up over four workers."""

import collections
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.catalog.snapshot import CatalogSnapshot, RegionFailure
from app.server import runtime_dir as runtime_folder
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, NOW, listing, model, snapshot
from tests.support.nginx_server import NGINX, running_nginx
from tests.support.servers import Service, eventually, running_service

PATHS = ("/anthropic/v1/models", "/v1/models", "/anthropic/v1/models/unknown", "/nowhere", "/livez")

Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples(page: str) -> Samples:
    found: Samples = collections.defaultdict(list)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def page_of(service: Service) -> Samples:
    answer = service.get("/metrics")
    assert answer.status_code == 200
    return samples(answer.text)


def counts(found: Samples) -> dict[tuple[str, str, str], float]:
    """Requests by route, method and status; those for /metrics itself left out."""
    requests = {
        (labels["route"], labels["method"], labels["status"]): value
        for labels, value in found["model_catalog_http_requests_total"]
    }
    return {key: value for key, value in requests.items() if key[0] != "/metrics"}


def test_metrics_ask_for_a_key(make_app: MakeApp) -> None:
    answer = client_of(make_app(snapshot()), key=None).get("/metrics")

    assert answer.status_code == 401


@pytest.mark.parametrize("accept", ["text/plain; version=x", "application/openmetrics-text; version=x", "*/*"])
def test_the_page_is_prometheus_text_whatever_is_accepted(make_app: MakeApp, accept: str) -> None:
    answer = client_of(make_app(snapshot())).get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_ages_are_those_of_the_scrape(make_app: MakeApp) -> None:
    now = NOW
    client = client_of(make_app(snapshot(listing("us-east-1", model("a"), model("b"))), clock=lambda: now))
    for later_s in (0, 75):
        now = NOW + timedelta(seconds=later_s)

        found = samples(client.get("/metrics").text)

        assert found["model_catalog_age_seconds"] == [({}, later_s)]
        assert found["model_catalog_region_listing_age_seconds"] == [({"region": "us-east-1"}, later_s)]
        assert found["model_catalog_models"] == [({}, 2)]


@pytest.mark.parametrize(
    ("catalog", "up"),
    [
        (None, 0),
        (snapshot(listing("us-east-1", model())), 1),
        # Other regions are configured than those that once answered.
        (replace(snapshot(), state=replace(snapshot().state, listings=(), refreshed_at=NOW)), 0),
    ],
)
def test_a_catalog_that_cannot_be_served_is_not_up(make_app: MakeApp, catalog: CatalogSnapshot | None, up: int) -> None:
    client = client_of(make_app(catalog))

    assert samples(client.get("/metrics").text)["model_catalog_up"] == [({}, up)]
    assert client.get("/readyz").status_code == (200 if up else 503)


def test_a_failing_region_is_told_with_its_code_and_without_its_text(make_app: MakeApp) -> None:
    failure = RegionFailure(region="eu-west-1", failed_at=NOW, code="AccessDeniedException", detail="a role's name")
    client = client_of(make_app(snapshot(listing("us-east-1", model()), failures=(failure,))))

    page = client.get("/metrics").text

    found = samples(page)
    assert found["model_catalog_region_failure"] == [({"region": "eu-west-1", "code": "AccessDeniedException"}, 1)]
    assert sorted((labels["region"], value) for labels, value in found["model_catalog_region_up"]) == [
        ("eu-west-1", 0),
        ("us-east-1", 1),
    ]
    assert "a role's name" not in page


def test_without_a_catalog_the_page_says_so(make_app: MakeApp) -> None:
    found = samples(client_of(make_app(None)).get("/metrics").text)

    assert found["model_catalog_up"] == [({}, 0)]
    assert "model_catalog_age_seconds" not in found


def test_paths_and_methods_that_clients_invent_make_no_new_series(make_app: MakeApp) -> None:
    client = client_of(make_app(snapshot()))
    client.open("/invented/first", method="BREW")
    before = {key for key in counts(samples(client.get("/metrics").text)) if key[1] == "OTHER"}
    for place in range(20):
        client.open(f"/invented/{place}", method=f"BREW{place}")

    after = {key for key in counts(samples(client.get("/metrics").text)) if key[1] == "OTHER"}

    assert before == after != set()


def test_the_counts_of_four_workers_add_up_to_what_was_sent(tmp_path: Path) -> None:
    with running_service(tmp_path, WEB_CONCURRENCY="4", CATALOG_REFRESH_SECONDS="1") as service:
        # While the service starts, an unknown number of probes for readiness was answered.
        before = counts(page_of(service))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(service.get, PATHS * 60))
        after = page_of(service)
        workers = {labels["pid"] for labels, _ in after["model_catalog_worker_last_refresh_timestamp_seconds"]}

        sent = collections.Counter(answer.status_code for answer in answers)
        assert sent == {200: 180, 404: 120}
        grown = {key: value - before.get(key, 0) for key, value in counts(after).items()}
        assert {key: value for key, value in grown.items() if value} == {
            ("/anthropic/v1/models", "GET", "200"): 60,
            ("/v1/models", "GET", "200"): 60,
            ("/anthropic/v1/models/<path:model_id>", "GET", "404"): 60,
            ("unmatched", "GET", "404"): 60,
            ("/livez", "GET", "200"): 60,
        }
        durations = {
            labels["route"]: value for labels, value in after["model_catalog_http_request_duration_seconds_count"]
        }
        by_route: collections.Counter[str] = collections.Counter()
        for (route, _, _), value in counts(after).items():
            by_route[route] += int(value)
        assert {route: value for route, value in durations.items() if route != "/metrics"} == by_route
        assert len(workers) >= 2

        # A worker that was killed has served all the same, and holds nothing any longer.
        killed = _worker_pids(service)[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in _worker_pids(service))
        eventually(
            lambda: (
                str(killed) not in {labels["pid"] for labels, _ in page_of(service).get("model_catalog_lease_held", [])}
            )
        )
        counted = counts(page_of(service))
        assert {key: counted[key] for key in grown} == {key: counts(after)[key] for key in grown}


def test_the_folder_of_the_counts_is_gone_after_the_service(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        files = tmp_path.glob("model-catalog-run-*/*.db")
        assert {file.name.rpartition("_")[0] for file in files} == set(runtime_folder.KINDS)
        os.kill(service.process.pid, signal.SIGHUP)
        eventually(lambda: "Hang up" in service.log() and service.log().count("Booting worker") == 2)
        assert len(list(tmp_path.glob("model-catalog-run-*"))) == 1

    assert not list(tmp_path.glob("model-catalog-run-*"))


def test_a_folder_of_the_counts_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        (folder,) = tmp_path.glob("model-catalog-run-*")
        shutil.rmtree(folder)
        assert page_of(service)["model_catalog_up"] == [({}, 1)]

        old = _worker_pids(service)
        os.kill(old[0], signal.SIGKILL)
        eventually(lambda: _worker_pids(service) not in ([], old))
        assert service.get("/livez").status_code == 200

        assert counts(page_of(service))["/livez", "GET", "200"] == 1


def test_workers_that_end_are_counted(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        assert page_of(service)["model_catalog_worker_exits_total"] == [({}, 0)]
        os.kill(_worker_pids(service)[0], signal.SIGKILL)

        eventually(lambda: page_of(service)["model_catalog_worker_exits_total"] == [({}, 1)])


def fill(disk: Path) -> None:
    with open(disk / "fill", "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_under_the_counts_stops_no_worker(tmp_path: Path, small_disk: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(small_disk), WEB_CONCURRENCY="2") as service:
        fill(small_disk)
        # Every series that there is, and then a worker that starts without room.
        assert {service.get(path).status_code for path in (*PATHS, "/metrics") * 20} == {200, 404}
        old = _worker_pids(service)
        os.kill(old[0], signal.SIGKILL)
        eventually(lambda: len(_worker_pids(service)) == 2 and old[0] not in _worker_pids(service))
        assert {service.get(path).status_code for path in (*PATHS, "/metrics") * 20} == {200, 404}

        assert "SIGBUS" not in service.log() and "Traceback" not in service.log()
        assert [line["error"] for line in service.events("metrics_not_shared")] == ["No space left on device"]


def test_a_service_that_starts_without_room_counts_elsewhere(tmp_path: Path, small_disk: Path) -> None:
    fill(small_disk)
    with running_service(tmp_path, TMPDIR=str(small_disk)) as service:
        assert service.get("/livez").status_code == 200
        assert counts(page_of(service))["/livez", "GET", "200"] == 1
        [told] = service.events("metrics_not_shared")
        assert (told["folder"], told["error"]) == (str(small_disk), "No space left on device")

    assert not list(small_disk.glob("model-catalog-run-*"))


def test_where_there_is_room_nowhere_a_worker_counts_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(runtime_folder.VARIABLE, raising=False)
    monkeypatch.setenv(runtime_folder.OWNER, "another")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(runtime_folder, "PARENTS", (str(tmp_path / "none either"),))
    runtime_folder.make_folder()

    assert runtime_folder.folder() is None
    assert runtime_folder.reserve()


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    monkeypatch.setenv(runtime_folder.VARIABLE, str(folder))

    assert not runtime_folder.reserve()
    folder.chmod(0o700)
    assert runtime_folder.reserve()


def test_a_worker_that_ended_leaves_no_more_than_its_counts(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        service.get("/livez")
        [pid] = _worker_pids(service)
        before = counts(page_of(service))
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: _worker_pids(service) not in ([], [pid]))
        files = list(tmp_path.glob(f"model-catalog-run-*/*_{pid}.db"))

        assert {file.name.partition("_")[0] for file in files} == {"counter", "histogram"}
        assert sum(file.stat().st_size for file in files) < runtime_folder.FILE_BYTES
        after = counts(page_of(service))
        assert {key: after[key] for key in before} == before


def _worker_pids(service: Service) -> list[int]:
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


@pytest.mark.skipif(NGINX is None, reason="needs nginx")
def test_a_request_is_followed_by_its_id_from_nginx_to_the_service_and_counted(tmp_path: Path) -> None:
    route, path = "/anthropic/v1/models/<path:model_id>", "/anthropic/v1/models/no-such-model"
    socket = tmp_path / "gunicorn.sock"
    keys = f"test:{KEY},prometheus:scrape-key"
    with (
        running_service(tmp_path, socket=socket, API_KEYS=keys) as service,
        running_nginx(tmp_path / "nginx", socket) as nginx,
    ):
        before = counts(samples(nginx.get("/metrics", "scrape-key").text)).get((route, "GET", "404"), 0)
        request_id = nginx.get(path).headers["request-id"]
        after = counts(samples(nginx.get("/metrics", "scrape-key").text))

        outside = nginx.logged(request_id)
        inside = [line for line in map(json.loads, service.log().splitlines()) if line.get("request_id") == request_id]

    assert (outside["path"], outside["status"], outside["client"]) == (path, 404, "127.0.0.1")
    assert [(line["route"], line["status"], line["client"], line["key"]) for line in inside] == [
        (route, 404, "127.0.0.1", "test")
    ]
    assert after[route, "GET", "404"] == before + 1
