"""The servers that the benchmarks compare, on loopback."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx

from benchmarks.load import children, nginx_workers, on_cores, server_core
from tests.support.builders import KEY
from tests.support.servers import PROJECT, free_port, running_process, service_environ

START_TIMEOUT_S = 30.0
AUTH = {"x-api-key": KEY}


def wait_until_it_answers(started: "subprocess.Popen[bytes]", url: str, log: Path, *, uds: str | None = None) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    transport = httpx.HTTPTransport(uds=uds)
    with httpx.Client(transport=transport) as client:
        while True:
            try:
                if client.get(url, headers=AUTH, timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-4000:]}")
            time.sleep(0.01)


@contextmanager
def limit(app: str, folder: Path, path: str, *arguments: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """One of the limits on one worker of gunicorn, pinned to one core; its URL and its worker's process."""
    port = free_port()
    log = folder / f"{app}.log"
    command = [
        *on_cores([server_core()]),
        *(sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--threads", "4"),
        *("--keep-alive", "75", "--no-control-socket", *arguments, f"benchmarks.limits:{app}()"),
    ]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "BENCH_BODIES": str(folder / "bodies")}
    # In the project's own folder gunicorn would read the service's configuration.
    with running_process(command, log, environ, cwd=folder) as master:
        wait_until_it_answers(master, f"http://127.0.0.1:{port}{path}", log)
        yield f"http://127.0.0.1:{port}", children(master.pid)


@contextmanager
def service(
    folder: Path, path: str, *, bind: str | None = None, **settings: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The service as it is shipped; its URL (no path for a unix socket) and its master."""
    port = free_port()
    bind = bind or f"127.0.0.1:{port}"
    log = folder / "service.log"
    environ = service_environ(folder, **({"BIND": bind, "WEB_CONCURRENCY": "1"} | settings))
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    with running_process(command, log, environ) as master:
        uds = bind.removeprefix("unix:") if bind.startswith("unix:") else None
        url = "http://service" if uds else f"http://{bind}"
        wait_until_it_answers(master, url + path, log, uds=uds)
        yield url, master


NGINX_STATIC = """
daemon off;
worker_processes 1;
pid {folder}/static.pid;
error_log {folder}/static-error.log;
{user}
events {{ worker_connections 768; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/json;
    etag on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/static-tmp;
    proxy_temp_path {folder}/static-tmp-proxy;
    fastcgi_temp_path {folder}/static-tmp-fastcgi;
    uwsgi_temp_path {folder}/static-tmp-uwsgi;
    scgi_temp_path {folder}/static-tmp-scgi;
    open_file_cache max=100;
    proxy_cache_path {folder}/static-cache keys_zone=bare:1m;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/static;
        location /cached/ {{
            proxy_pass http://127.0.0.1:{port}/;
            proxy_cache bare;
            proxy_cache_key $http_x_api_key$request_uri;
            proxy_cache_valid 1h;
            sendfile off; # As shipped: else a large answer waits 40 ms for an acknowledgement.
        }}
    }}
}}
"""


@contextmanager
def nginx_static(folder: Path, path: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """nginx serving the files of `folder`/static, below /cached/ from its cache; its URL and its worker's process."""
    port = free_port()
    configuration = folder / "static.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(NGINX_STATIC.format(folder=folder, port=port, user=user))
    log = folder / "static.log"
    command = [*on_cores([server_core()]), "nginx", "-p", str(folder), "-c", str(configuration)]
    with running_process(command, log, {"PATH": f"{os.environ['PATH']}:/usr/sbin"}) as master:
        wait_until_it_answers(master, f"http://127.0.0.1:{port}{path}", log)
        yield f"http://127.0.0.1:{port}", nginx_workers(master.pid)
