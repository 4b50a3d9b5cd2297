"""What gunicorn logs of a request that breaks a worker's layers."""

from types import SimpleNamespace

import pytest

from app.server.worker import Worker


class Closed:
    """The socket of a client that is gone."""

    def sendall(self, data: bytes) -> None:
        raise OSError


def test_a_request_that_fails_outside_the_application_is_logged_without_its_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(
        "gunicorn.workers.base.Worker.handle_error", lambda self, req, *_: logged.append(getattr(req, "uri", ""))
    )
    worker = object.__new__(Worker)

    for request in (SimpleNamespace(uri="/changes.atom?key=SECRET"), SimpleNamespace(uri="/livez"), None):
        worker.handle_error(request, Closed(), ("", -1), RuntimeError())

    assert logged == ["/changes.atom", "/livez", ""]
