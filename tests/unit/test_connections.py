"""How many connections a worker holds, and what it takes for the end of a request's head."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.http.unreader import SocketUnreader

from app.server.connections import MAX_HEAD_BYTES, Head, max_connections, read_head


@pytest.fixture
def pair() -> Iterator[tuple[SimpleNamespace, socket.socket]]:
    """A connection as gunicorn has it, and its client."""
    server, client = socket.socketpair()
    with server, client:
        parser = SimpleNamespace(unreader=SocketUnreader(server))
        yield SimpleNamespace(sock=server, parser=parser, init=lambda: None), client


@pytest.mark.parametrize(("open_files", "connections"), [(256, 128), (1024, 512), (4096, 1000), (1 << 20, 1000)])
def test_connections_take_at_most_half_of_the_descriptors(open_files: int, connections: int) -> None:
    assert max_connections(open_files) == connections


@pytest.mark.parametrize(
    ("sent", "head"),
    [
        (b"", Head.PARTIAL),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", Head.PARTIAL),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", Head.PARTIAL),
        (b"GET / HTTP/1.1\r\n\r\n", Head.WHOLE),
        (b"POST / HTTP/1.1\r\n\r\nbody", Head.WHOLE),
        (b"GET / HTTP/1.1\n\n", Head.WHOLE),
        (b"GET / HTTP/1.1\r\nHost: a\n", Head.WHOLE),
        (b"\n", Head.WHOLE),
        (b"x" * (MAX_HEAD_BYTES + 1), Head.TOO_LARGE),
    ],
)
def test_a_head_is_whole_when_gunicorn_can_parse_or_refuse_it_without_waiting(
    pair: tuple[SimpleNamespace, socket.socket], sent: bytes, head: Head
) -> None:
    connection, client = pair
    client.sendall(sent)

    assert [read_head(connection), read_head(connection)] == [head, head]
    assert connection.parser.unreader.buf.getvalue() == sent


def test_a_head_that_comes_letter_by_letter_is_whole_at_its_end(pair: tuple[SimpleNamespace, socket.socket]) -> None:
    connection, client = pair
    heads = []
    for letter in b"GET / HTTP/1.1\r\n\r\n":
        client.sendall(bytes([letter]))
        heads.append(read_head(connection))

    assert heads == [Head.PARTIAL] * 17 + [Head.WHOLE]


def test_a_client_that_closed_is_not_waited_for(pair: tuple[SimpleNamespace, socket.socket]) -> None:
    connection, client = pair
    client.sendall(b"GET /")
    client.close()

    assert read_head(connection) is Head.CLOSED
