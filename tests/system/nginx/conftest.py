"""One nginx with the shipped configuration for all tests that leave it as it was; none without nginx."""

from collections.abc import Iterator

import pytest

from tests.support.nginx_checks import (
    MODELS,
    OWN_ERRORS,
    UNBUFFERED,
    behind_nginx,
)
from tests.support.nginx_server import NGINX, Nginx, running_nginx
from tests.support.servers import Service, running_service
from tests.support.unix_app import Answer, UnixApp


@pytest.fixture(scope="package", autouse=True)
def needs_nginx() -> None:
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian's package nginx)")


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, UnixApp]]:
    """One nginx for all tests that leave it as it was; it also answers each of its own errors on demand."""
    errors = "".join(
        f"location ~ /nginx-answers/{status}$ {{ return {494 if status == 431 else status}; }}\n"
        for status in sorted(OWN_ERRORS)
    )
    with behind_nginx(
        tmp_path_factory.mktemp("nginx"),
        {"server.conf": {"location / {": f"{errors}location / {{"}, "site.conf": UNBUFFERED},
    ) as both:
        yield both


@pytest.fixture
def nginx(shared: tuple[Nginx, UnixApp]) -> Nginx:
    return shared[0]


@pytest.fixture
def app(shared: tuple[Nginx, UnixApp]) -> UnixApp:
    """The application behind it, which has been asked nothing yet."""
    app = shared[1]
    app.answer = lambda asked: Answer()
    app.asked.clear()
    app.hangs_up = 0
    return app


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A model's URL that no other test asks for."""
    return f"{MODELS}/{request.node.name.split('[')[0]}-{abs(hash(request.node.name))}"


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, Service]]:
    folder = tmp_path_factory.mktemp("service")
    socket_path = folder / "gunicorn.sock"
    with running_service(folder, socket=socket_path) as service, running_nginx(folder / "nginx", socket_path) as nginx:
        yield nginx, service
