"""Which addresses are public: a short list of what is, compared with what others think."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.address_guard import (
    GLOBAL_IPV6,
    NAT64,
    REFUSED_IPV4,
    REFUSED_IPV6,
    is_public,
)


def words(table: str) -> list[str]:
    """The members of a list that is written without quotes."""
    return table.split()


PUBLIC = words("""
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
    191.255.255.255 192.0.1.255 192.0.3.0 192.88.98.255 192.167.255.255 192.169.0.0 198.17.255.255
    198.20.0.0 198.51.99.255 203.0.112.255 203.0.114.0 223.255.255.255
    64:ff9b::808:808 64:ff9b::1.1.1.1 2000::1 2001:200::1 2001:4860:4860::8888
    2400:cb00::1 2606:4700:4700::1111 2620:fe::fe
    2a00:1450:4001::1 3ffe::1
""")
NOT_PUBLIC = words("""
    0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.1
    127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.1
    192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.1 198.19.255.255
    198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::10.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808%eth0 64:ff9b::1:808:808
    64:ff9b:1::1 64:ff9b:1::808:808 100::1 100::ffff 1fff::1 2001::1
    2001:0:4136:e378:8000:63bf:3fff:fdd2
    2001:2::1 2001:10::1 2001:20::1 2001:1ff::1 2001:db8::1 2002::1 2002:7f00:1::1 2002:808:808::1
    3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    localhost 127.1 2130706433 0x7f.0.0.1 1.1.1.1. 01.1.1.1 example.com
""")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_is_not(address: str) -> None:
    assert not is_public(address)


# What is near a border of a special range, or in one, is where a guard errs.
BORDERS = [
    int(border) + step
    for block in (*REFUSED_IPV6, GLOBAL_IPV6, NAT64, IPv6Network("fc00::/7"), IPv6Network("::/96"))
    for border in (block.network_address, block.broadcast_address)
    for step in (-1, 0, 1)
    if 0 <= int(border) + step < 2**128
]
IPV4_BORDERS = [
    (int(border) + step) % 2**32
    for block in REFUSED_IPV4
    for border in (block.network_address, block.broadcast_address)
    for step in (-1, 0, 1)
]


@settings(max_examples=500)
@given(
    st.ip_addresses()
    | st.sampled_from(IPV4_BORDERS).map(IPv4Address)
    | st.sampled_from(BORDERS).map(IPv6Address)
)
def test_nothing_is_public_that_the_standard_library_does_not_call_global(
    address: IPv4Address | IPv6Address,
) -> None:
    assert address.is_global or not is_public(str(address))
    assert not (address.is_multicast and is_public(str(address)))


@given(st.ip_addresses(v=4) | st.sampled_from(IPV4_BORDERS).map(IPv4Address))
def test_an_address_in_another_is_never_more_public_than_itself(address: IPv4Address) -> None:
    inner = int(address)
    wrapped = {
        "mapped": IPv6Address(0xFFFF << 32 | inner),
        "compatible": IPv6Address(inner),
        "6to4": IPv6Address(0x2002 << 112 | inner << 80),
        "teredo": IPv6Address(0x20010000 << 96 | (inner ^ 0xFFFFFFFF)),
        "local nat64": IPv6Address(0x64FF9B0001 << 80 | inner),
    }

    assert [name for name, outer in wrapped.items() if is_public(str(outer))] == []
    assert is_public(str(IPv6Address(0x64FF9B << 96 | inner))) == is_public(str(address))
