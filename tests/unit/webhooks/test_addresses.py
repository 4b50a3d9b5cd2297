"""Where a webhook may be sent to."""

from ipaddress import ip_address

import pytest

from app.webhooks.addresses import AddressRefused, HostUnknown, checked_addresses, refusal


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert refusal(ip_address(address), allow_private=False) is None


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "192.0.2.1", "198.18.0.1"),
        *(
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
            "64:ff9b::10.0.0.1",
            "2001:db8::1",
        ),
    ],
)
def test_a_private_address_is_allowed_only_where_the_file_says_so(address: str) -> None:
    assert refusal(ip_address(address), allow_private=False) is not None
    if not address.startswith(("2002:", "64:")):
        assert refusal(ip_address(address), allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "100.100.100.200"),
        *("::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::"),
        *("168.63.129.16", "192.0.0.192", "fd20:ce::254"),
    ],
)
@pytest.mark.parametrize("allow_private", [True, False])
def test_a_metadata_address_is_never_allowed_however_it_is_written(address: str, allow_private: bool) -> None:
    assert refusal(ip_address(address), allow_private=allow_private) is not None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:0.0.0.0"])
def test_an_address_of_no_one_host_is_never_allowed(address: str) -> None:
    assert refusal(ip_address(address), allow_private=True) is not None


def test_only_the_allowed_addresses_of_a_name_are_left_in_their_order() -> None:
    def resolve(host: str, port: int, timeout_s: float) -> list[str]:
        return ["10.0.0.1", "93.184.215.14", "fe80::1%eth0", "1.1.1.1"]

    def check(allow_private: bool) -> tuple[str, ...]:
        return checked_addresses("a", 443, allow_private=allow_private, timeout_s=1, resolve=resolve)

    assert check(False) == ("93.184.215.14", "1.1.1.1")
    assert check(True) == ("10.0.0.1", "93.184.215.14", "fe80::1%eth0", "1.1.1.1")


def test_a_name_with_no_allowed_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="private"):
        checked_addresses("a", 443, allow_private=False, timeout_s=1, resolve=lambda *_: ["10.0.0.1"])


def test_an_address_in_the_place_of_a_name_is_checked_alike() -> None:
    assert checked_addresses("127.0.0.1", 443, allow_private=True, timeout_s=5) == ("127.0.0.1",)
    # Ways to write 127.0.0.1 and 169.254.169.254 that the system's resolver understands.
    for written in ("127.0.0.1", "2130706433", "0x7f.1", "2852039166"):
        with pytest.raises((AddressRefused, HostUnknown)):
            checked_addresses(written, 443, allow_private=False, timeout_s=5)


def test_a_name_that_leads_nowhere_is_unknown() -> None:
    with pytest.raises(HostUnknown):
        checked_addresses("a" * 70 + ".example", 443, allow_private=True, timeout_s=5)
