"""Connections of gunicorn's threaded worker that hold no thread until they have sent a whole request head.

gunicorn's own worker waits in a serving thread for a new connection's first bytes (5 s), for the rest of its head
(without end) and for the rest of a body that the application did not read (5 s), and in its main thread for a client to
close (2 s). Some dozen slow clients stop it that way. Here all but the reading of a body by the application is done by
the main thread's poller.
"""

import re
import resource
import socket
import time
from collections import deque
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

# As nginx's client_header_timeout.
HEAD_TIMEOUT_S = 10.0
# nginx lets 34 KiB through (large_client_header_buffers).
MAX_HEAD_BYTES = 64 << 10
READ_BYTES = 64 << 10
# After its last response, a client gets so long to close, and may send so much of a body that was not read: a
# connection that is closed with bytes unread is reset, and the response may be lost.
LINGER_TIMEOUT_S = 2.0
MAX_LINGER_BYTES = 1 << 20
# What is left of a body is read for the next request's sake if it has come by then.
DRAIN_TIMEOUT_S = 0.05

# A worker's connections take at most half of its descriptors: files, pipes and the discovery child need some, too.
MAX_OPEN_FILES = 4096
MAX_CONNECTIONS = 1000

END_OF_HEAD = b"\r\n\r\n"
# gunicorn refuses such a head where it comes to it, so no end need be waited for.
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


def raise_open_files_limit() -> int:
    """Raise the soft limit of open files, which is 1,024 on most systems; returns the limit that holds then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except OSError:  # A sandbox may forbid it.
        return soft
    return wanted


def max_connections(open_files: int) -> int:
    """The connections of one worker, idle ones included."""
    return min(MAX_CONNECTIONS, open_files // 2)


class Head(Enum):
    """How much of a connection's next request head is here."""

    WHOLE = auto()
    PARTIAL = auto()
    TOO_LARGE = auto()
    CLOSED = auto()


def read_head(connection: Any) -> Head:
    """Move what has come of the next request to the parser's buffer, without waiting."""
    connection.init()
    buffer = connection.parser.unreader.buf
    while True:
        head = buffer.getvalue()
        if END_OF_HEAD in head or BARE_LINE_FEED.search(head):
            return Head.WHOLE
        if len(head) > MAX_HEAD_BYTES:
            return Head.TOO_LARGE
        try:
            data = connection.sock.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return Head.PARTIAL
        except OSError:
            return Head.CLOSED
        if not data:
            return Head.CLOSED
        buffer.seek(0, 2)
        buffer.write(data)


class Connection(TConn):  # type: ignore[misc]
    """A client's connection; a graceful close leaves the waiting for the client to the worker's poller."""

    def __init__(self, worker: "ConnectionsWorker", *arguments: Any) -> None:
        super().__init__(worker.cfg, *arguments)
        self.linger_bytes = MAX_LINGER_BYTES
        self._worker = worker

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self._worker.linger(self)
        else:
            super().close()


class ConnectionsWorker(ThreadWorker):  # type: ignore[misc]
    """Reads request heads and closes connections in the poller, and makes room for new connections."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lingering: deque[Connection] = deque()

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self, client, address, listener.getsockname()))
        if self.nr_conns >= self.worker_connections:
            self._close_longest_idle()

    def enqueue_req(self, conn: Connection) -> None:
        """Give a connection to a thread once a whole request head is here."""
        match read_head(conn):
            case Head.WHOLE:
                super().enqueue_req(conn)
            case Head.PARTIAL:
                conn.timeout = time.monotonic() + HEAD_TIMEOUT_S
                self.pending_conns.append(conn)
                self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))
            case Head.TOO_LARGE:
                is_line = b"\r\n" not in conn.parser.unreader.buf.getvalue()
                error = (LimitRequestLine if is_line else LimitRequestHeaders)("too large")
                refusal = self.tpool.submit(self.handle_error, None, conn.sock, conn.client, error)
                refusal.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))
            case Head.CLOSED:
                self.nr_conns -= 1
                conn.close()

    def on_pending_socket_readable(self, conn: Connection, client: Any) -> None:
        # One that has sent but a part more keeps its place, and with it its deadline.
        if read_head(conn) is not Head.PARTIAL:
            super().on_pending_socket_readable(conn, client)

    def linger(self, conn: Connection) -> None:
        """Close a connection as soon as its client has, without waiting for it here."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        if len(self.lingering) >= self.worker_connections // 4:
            self._end_lingering(self.lingering[0])
        conn.timeout = time.monotonic() + LINGER_TIMEOUT_S
        self.lingering.append(conn)
        self.poller.register(conn.sock, EVENT_READ, lambda _: self._drop_data(conn))

    def _drop_data(self, conn: Connection) -> None:
        size = 0
        with suppress(OSError):
            size = len(conn.sock.recv(READ_BYTES, socket.MSG_DONTWAIT))
        conn.linger_bytes -= size
        if not size or conn.linger_bytes < 0:
            self._end_lingering(conn)

    def _end_lingering(self, conn: Connection) -> None:
        self.lingering.remove(conn)
        self.poller.unregister(conn.sock)
        conn.close()

    def murder_pending(self) -> None:
        super().murder_pending()
        now = time.monotonic()
        while self.lingering and self.lingering[0].timeout <= now:
            self._end_lingering(self.lingering[0])

    def _close_longest_idle(self) -> None:
        idle_since = {}
        for waiting, timeout_s in ((self.pending_conns, HEAD_TIMEOUT_S), (self.keepalived_conns, self.cfg.keepalive)):
            if waiting:
                idle_since[waiting[0].timeout - timeout_s] = waiting
        if idle_since:
            conn = idle_since[min(idle_since)].popleft()
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            conn.close()

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        return keepalive and bool(conn.parser.finish_body(deadline=time.monotonic() + DRAIN_TIMEOUT_S))

    def _cap_keepalive(self, deadline: float) -> None:
        # Of gunicorn's two kinds of idle connections it bounds one; a stopping worker would wait for the other.
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)
