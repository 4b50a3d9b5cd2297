"""gunicorn: `gunicorn -c gunicorn.conf.py wsgi:app`."""

import gc
import os
import sys

from gunicorn.arbiter import Arbiter

from app.server import runtime_dir
from app.server.connections import max_connections, raise_open_files_limit
from app.server.cpu_affinity import pin_worker
from app.server.worker import Worker
from app.telemetry import logs
from config import ConfigError, read_server_settings, read_settings

try:
    settings = read_server_settings(os.environ)
    application_settings = read_settings(os.environ)
except ConfigError as error:
    sys.exit(f"Not started: {error}")

bind = settings.bind
loglevel = application_settings.log_level
workers = settings.workers or len(os.sched_getaffinity(0))
threads = settings.threads
# The class, the threads and the pinning are measured (two cores, wrk with 8 connections, a list of 20):
#   gunicorn's threaded worker, unpinned, hands its interpreter lock between cores: 590 us of CPU a request where the
#   same worker kept to one core takes 390. Two workers, pinned or not: 4,500 or 3,500 requests a second on connections
#   that stay open (99 % within 6 or 32 ms), 3,100 or 2,000 on those that close. On a crowded core a pinned worker is
#   the slower one (99 % within 240 ms, not 14), so app/server/cpu_affinity.py releases it there.
#   sync is no quicker (320 us for a bare callable, where threaded takes 290), and one idle connection blocks it; gevent
#   answers 1 % later than 36 ms. Answering on the thread that waits for connections would save 12 %, and let a slow
#   client stop a worker. 2, 4 and 8 threads differ by less than the rounds do; 4 leave room for slow clients.
#   Behind nginx all this counts for a few requests a second, key and URL.
worker_class = "app.server.worker.Worker"
logger_class = "app.server.worker.Logger"
preload_app = True
worker_connections = max_connections(raise_open_files_limit())
# nginx keeps its connections open for a minute; the side that waits for requests must not be the first to close.
keepalive = 75
graceful_timeout = 20
timeout = 60
# No less than nginx lets through (large_client_header_buffers; it may add a space to a header).
limit_request_line = 8190
limit_request_field_size = 8200
control_socket_disable = True
# A unix socket is its owner's and group's alone (`--group www-data` for nginx): its peers are trusted proxies.
umask = 0o117
# TRUSTED_PROXIES decides, in the application, whose headers count. gunicorn itself uses no such header;
# `*` only spares it a look at each peer.
forwarded_allow_ips = "*"
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


# prometheus_client looks for the directory when it is imported, so nothing above may import it.
logs.configure(application_settings.log_format, loglevel)
runtime_dir.create()


def pre_request(worker: Worker, request: object) -> None:
    """In place of gunicorn's own, which logs each path in `debug`: an ARN in it has an account's id."""


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Drop the worker's gauges; what it counted stays."""
    from app.telemetry import metrics

    metrics.forget(worker.pid)
    runtime_dir.truncate_unused(worker.pid)


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Freeze what is loaded, and choose the worker's core."""
    # It stays loaded: each garbage collection over it would stop a worker for 24 ms.
    gc.freeze()
    if settings.pinning:
        worker.pin = pin_worker([other.pin for other in server.WORKERS.values()], workers=server.num_workers)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Make room for the worker's metrics."""
    from app.telemetry import metrics

    if not runtime_dir.preallocate():
        metrics.disable()


def post_worker_init(worker: Worker) -> None:
    """Threads started before the fork would be dead after it, so each worker starts its own."""
    from app.services import services_of

    services_of(worker.wsgi).start()
    logs.lines.start()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """End what is under way in the background, and its children with it."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        from app.services import services_of

        services_of(application).stop()
    logs.lines.stop()
