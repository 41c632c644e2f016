from __future__ import annotations

import pytest

from pvtt.crawl.guard import HostPolicy, address_fault


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",  # cloud metadata
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "2002:0a00:0001::1",
        "64:ff9b::a00:1",
    ],
)
def test_addresses_outside_the_public_internet_are_refused(address: str) -> None:
    assert address_fault(address, allow_loopback=True) is not None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_only_by_permission(address: str) -> None:
    assert address_fault(address, allow_loopback=False) is not None
    assert address_fault(address, allow_loopback=True) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses_pass(address: str) -> None:
    assert address_fault(address, allow_loopback=False) is None


POLICY = HostPolicy(
    ("shop.example", "*.cdn.example", "other.example:8443", "[::1]:81"), allow_loopback=False, start_port=8080
)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "https://SHOP.example./a?b#c",
        "http://shop.example:8080/",
        "https://eu.cdn.example/x.mp4",
        "https://other.example:8443/",
    ],
)
def test_listed_hosts_pass(url: str) -> None:
    assert POLICY.fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/",
        "http://shop.example.evil.example/",
        "http://notshop.example/",
        "http://shop.example:22/",
        "https://other.example/",
        "https://cdn.example/",
        "https://evilcdn.example/",
        "http://user:secret@shop.example/",
        "http://shop.example@evil.example/",
        "ftp://shop.example/x.mp4",
        "file:///etc/passwd",
        "//shop.example/",
        "http:///x",
        "http://shop.example:port/",
        "http://[broken/",
        "http://[::1]:81/",
        "not a url",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    assert POLICY.fault(url) is not None


def test_a_loopback_shop_does_not_open_other_ports_of_this_machine() -> None:
    policy = HostPolicy(("127.0.0.1",), allow_loopback=True, start_port=8765)
    assert policy.fault("http://127.0.0.1:8765/x") is None
    assert policy.fault("http://127.0.0.1:6379/") is not None
