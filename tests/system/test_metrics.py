"""The metrics of a running service: added up over its workers, and where there is no room for them."""

import collections
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from app.server import runtime_dir
from tests.support.builders import KEY
from tests.support.metrics_page import Samples, counts, samples
from tests.support.nginx_server import NGINX, running_nginx
from tests.support.servers import Service, eventually, running_service

PATHS = ("/anthropic/v1/models", "/v1/models", "/anthropic/v1/models/unknown", "/nowhere", "/livez")


def page_of(service: Service) -> Samples:
    answer = service.get("/metrics")
    assert answer.status_code == 200
    return samples(answer.text)


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


def test_the_shared_directory_is_gone_after_the_service(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        files = tmp_path.glob("model-catalog-run-*/*.db")
        assert {file.name.rpartition("_")[0] for file in files} == set(runtime_dir.KINDS)
        os.kill(service.process.pid, signal.SIGHUP)
        eventually(lambda: "Hang up" in service.log() and service.log().count("Booting worker") == 2)
        assert len(list(tmp_path.glob("model-catalog-run-*"))) == 1

    assert not list(tmp_path.glob("model-catalog-run-*"))


def test_a_shared_directory_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        (folder,) = tmp_path.glob("model-catalog-run-*")
        shutil.rmtree(folder)
        assert page_of(service)["model_catalog_up"] == [({}, 1)]

        old = _worker_pids(service)
        os.kill(old[0], signal.SIGKILL)
        eventually(lambda: _worker_pids(service) not in ([], old))
        assert service.get("/livez").status_code == 200

        assert counts(page_of(service))["/livez", "GET", "200"] == 1


def test_a_service_removes_what_one_that_was_killed_left(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        service.process.kill()
        service.process.wait()
        [left] = tmp_path.glob("model-catalog-run-*")
    with running_service(tmp_path, TMPDIR=str(tmp_path)):
        assert left not in list(tmp_path.glob("model-catalog-run-*"))


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
        [disabled] = service.events("metrics_disabled")
        assert (disabled["error"], disabled["consequence"]) == ("No space left on device", "this worker counts nothing")


def test_a_service_that_starts_without_room_counts_elsewhere(tmp_path: Path, small_disk: Path) -> None:
    fill(small_disk)
    with running_service(tmp_path, TMPDIR=str(small_disk)) as service:
        assert service.get("/livez").status_code == 200
        assert counts(page_of(service))["/livez", "GET", "200"] == 1
        [event] = service.events("metrics_not_shared")
        assert (event["folder"], event["error"]) == (str(small_disk), "No space left on device")

    assert not list(small_disk.glob("model-catalog-run-*"))


def test_a_worker_that_ended_leaves_no_more_than_its_counts(tmp_path: Path) -> None:
    with running_service(tmp_path, TMPDIR=str(tmp_path)) as service:
        service.get("/livez")
        [pid] = _worker_pids(service)
        before = counts(page_of(service))
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: _worker_pids(service) not in ([], [pid]))
        files = list(tmp_path.glob(f"model-catalog-run-*/*_{pid}.db"))

        assert {file.name.partition("_")[0] for file in files} == {"counter", "histogram"}
        assert sum(file.stat().st_size for file in files) < runtime_dir.FILE_BYTES
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
