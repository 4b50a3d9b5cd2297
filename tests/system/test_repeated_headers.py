"""A key header that is sent twice is judged alike by gunicorn and through nginx."""

from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.builders import KEY
from tests.support.nginx_server import NGINX, running_nginx
from tests.support.servers import running_service

PATHS = ("/v1/models?limit=1", "/livez/no")  # Cached by nginx, and not.


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian's package nginx)")
def test_of_two_api_keys_the_first_counts_with_and_without_nginx(tmp_path: Path) -> None:
    pairs = [(KEY, "wrong"), ("wrong", KEY), (KEY, KEY), ("wrong", "wrong")]
    where = tmp_path / "gunicorn.sock"
    with running_service(tmp_path, socket=where) as service, running_nginx(tmp_path / "nginx", where) as nginx:
        statuses = {
            url: [
                httpx.get(url + path, headers=[("x-api-key", key) for key in pair], timeout=10).status_code
                for path in PATHS
                for pair in pairs * 2
            ]
            for url in (service.url, nginx.url)
        }

    assert statuses[service.url] == [200, 401, 200, 401] * 2 + [404, 401, 404, 401] * 2
    assert statuses[nginx.url] == statuses[service.url]
