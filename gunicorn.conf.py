"""gunicorn: `gunicorn -c gunicorn.conf.py wsgi:app`."""

import atexit
import gc
import os
import shutil
import sys
import tempfile

from gunicorn.arbiter import Arbiter

from app import logs
from app.pinning import free_core, may_pin
from app.worker import Worker
from config import ConfigError, read_server_settings, read_settings

try:
    settings = read_server_settings(os.environ)
    level = read_settings(os.environ).log_level
except ConfigError as error:
    sys.exit(f"Not started: {error}")

bind = settings.bind
workers = settings.workers or len(os.sched_getaffinity(0))
threads = settings.threads
loglevel = level
# The class, the threads and the pinning are measured (two cores, wrk with 8 connections, a list of 20):
#   gunicorn's threaded worker, unpinned, hands its interpreter lock between cores: 590 us of CPU a request where the
#   same worker kept to one core takes 390. Two workers, pinned or not: 4,500 or 3,500 requests a second on connections
#   that stay open (99 % within 6 or 32 ms), 3,100 or 2,000 on those that close. On a crowded core a pinned worker is
#   the slower one (99 % within 240 ms, not 14), so app/pinning.py lets go there.
#   sync is no quicker (320 us for a bare callable, where threaded takes 290), and one idle connection blocks it; gevent
#   answers 1 % later than 36 ms. Answering on the thread that waits for connections would save 12 %, and let a slow
#   client stop a worker. 2, 4 and 8 threads differ by less than the rounds do; 4 leave room for slow clients.
#   Behind nginx all this counts for one request a second and question.
worker_class = "app.worker.Worker"
logger_class = "app.worker.Logger"
preload_app = True
# nginx keeps its connections open for a minute; the side that waits for requests must not be the first to close.
keepalive = 75
graceful_timeout = 20
timeout = 60
# Ids and ARNs are short; a request line over this is nobody's.
limit_request_line = 8190
control_socket_disable = True
# Who may forward what is for TRUSTED_PROXIES to say, in the application. gunicorn, which would read each peer's address
# for it again, believes nobody: it knows no header that anybody could set.
forwarded_allow_ips = "*"
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


def make_metrics_folder() -> None:
    """The folder where this master's workers count together, gone when it ends.

    A reload reads this file again and keeps the folder; a binary upgrade's new master inherits the variable and takes
    a folder of its own, since the old one's workers still count in theirs.
    """
    me = str(os.getpid())
    if os.environ.get("METRICS_FOLDER_OWNER") == me:
        return
    folder = tempfile.mkdtemp(prefix="model-catalog-metrics-")
    os.environ.update(METRICS_FOLDER_OWNER=me, PROMETHEUS_MULTIPROC_DIR=folder)

    def remove() -> None:
        # Workers inherit what is to happen at the exit.
        if str(os.getpid()) == me:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


# prometheus_client looks for the folder when it is imported, so nothing above may import it.
make_metrics_folder()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Forget what the worker alone could tell; what it counted stays."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Give the worker a core of its own, where there are enough and nobody else is promised a share of them."""
    # What is loaded stays: to look through it for garbage would stop a worker for 24 ms each time.
    gc.freeze()
    if settings.pinning and may_pin():
        taken = [other.core for other in server.WORKERS.values()]
        worker.core = free_core(os.sched_getaffinity(0), taken, workers=server.num_workers)


def post_worker_init(worker: Worker) -> None:
    """Threads started before the fork would be dead after it, so each worker starts its own."""
    worker.wsgi.extensions["key_keeper"].start()
    worker.wsgi.extensions["refresher"].start()
    logs.lines.start()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """End what is under way in the background, and its children with it."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["key_keeper"].stop()
        application.extensions["refresher"].stop()
    logs.lines.stop()
