"""Which peers' forwarding headers are believed."""

import pytest

from app.web.proxies import client_address


@pytest.mark.parametrize(
    ("peer", "client"), [("", "203.0.113.9"), ("192.0.2.7", "203.0.113.9"), ("192.0.2.8", "192.0.2.8")]
)
def test_the_client_is_the_one_that_a_trusted_proxy_names(peer: str, client: str) -> None:
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "203.0.113.9"}

    assert client_address(environ, ("unix", "192.0.2.7")) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 192.0.2.8", "203.0.113.9"),
        ("203.0.113.9, ", "203.0.113.9"),
        ("", "192.0.2.7"),
    ],
)
def test_a_client_cannot_forge_what_a_proxy_adds(forwarded: str, client: str) -> None:
    environ = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": forwarded}

    assert client_address(environ, ("192.0.2.7", "192.0.2.8")) == client
