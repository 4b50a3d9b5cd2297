"""gunicorn: `gunicorn -c gunicorn.conf.py wsgi:app`."""

import os

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY") or len(os.sched_getaffinity(0)))
worker_class = "app.worker.Worker"
threads = int(os.environ.get("WEB_THREADS") or 4)
preload_app = True
# nginx keeps its connections open for a minute; the side that waits for requests must not be the first to close.
keepalive = 75
graceful_timeout = 20
timeout = 60
# Ids and ARNs are short; a request line over this is nobody's.
limit_request_line = 8190
control_socket_disable = True


def post_worker_init(worker: Worker) -> None:
    """Threads started before the fork would be dead after it, so each worker starts its own."""
    worker.wsgi.extensions["refresher"].start()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """End the refresh under way, and its child with it."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["refresher"].stop()
