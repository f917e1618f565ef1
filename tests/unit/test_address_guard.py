"""No webhook goes to an address that is not public, however it is written or resolved."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from connectors.address_guard import (
    URL_CHARACTERS_MAX,
    AddressNotAllowed,
    GuardedResolver,
    check_url,
    guarded_socket,
)
from streams.domain.errors import Malformed
from tests.unit.test_public_addresses import words


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "https://shop.example.com/hooks?shop=7&empty=",
        "HTTPS://Shop.Example.COM:443/",
        "https://shop.example.com:80/",
        "https://shop.example.com./",
        "https://例え.jp/通知",
        "https://xn--r8jz45g.jp/",
        "https://XN--R8JZ45G.jp/",
        "https://xn--strae-oqa.example.com/",
        "https://a_b.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://[2606:4700:4700::1111]:443/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://shop.example.com/@user:name",
        "https://shop.example.com/a//b?u=//x@y",
        "https://3com.example/",
    ],
)
def test_a_public_https_url_is_accepted(url: str) -> None:
    check_url(url, allow_private=False)
    check_url(url, allow_private=True)


LOOPBACK_SPELLINGS = words("""
    127.0.0.1 127.1 127.0.1 0 2130706433 017700000001 0x7f000001 0x7f.0x0.0x0.0x1 0177.0.0.1
    127.0.0.1. 0x7f.1 127.0.0.0x1 0X7F.1 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1]
    [0:0:0:0:0:0:0:1] [64:ff9b::7f00:1] [2002:7f00:1::] １２７.0.0.1 127。0。0。1 ①②⑦.0.0.1
    127.0.0.1:443 127.1:443 169.254.169.254 [fd00:ec2::254] [fe80::1%25eth0] [fe80::1%eth0]
    [::1%251] 127%2e0%2e0%2e1 localhost localhost. LOCALHOST shop.localhost intranet
    ｌｏｃａｌｈｏｓｔ 0x 1.2.3.4.5 256.1.1.1 [::ffff:0x7f.1] [v1.x] %31%32%37.0.0.1 008.8.8.8
""")


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_no_spelling_of_a_private_address_is_accepted(host: str) -> None:
    with pytest.raises(Malformed):
        check_url(f"https://{host}/hook", allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example.com/hook",
        "//shop.example.com/",
        "http://shop.example.com/",
        "ftp://shop.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:",
        "https:///hook",
        "https:shop.example.com",
        "https://user:password@shop.example.com/",
        "https://user@shop.example.com/",
        "https://@shop.example.com/",
        "https://:@shop.example.com/",
        "https://8.8.8.8@127.0.0.1/",
        "https://shop.example.com\\@127.0.0.1/",
        "https://127.0.0.1\\.example.com/",
        "https://shop.example.com/#fragment",
        "https://shop.example.com/#",
        "https://127.0.0.1#@shop.example.com/",
        "https://shop.example.com:8443/",
        "https://shop.example.com:22/",
        "https://shop.example.com:0/",
        "https://shop.example.com:/",
        "https://shop.example.com:65536/",
        "https://shop.example.com:-1/",
        "https://shop.example.com:٤٤٣/",
        "https://shop.example.com:443:443/",
        "https://shop.example.com:4_43/",
        "https://[::1/",
        "https://]/",
        "https://shop..example.com/",
        "https://.example.com/",
        "https://-shop.example.com/",
        "https://shop-.example.com/",
        "https://shop.exa mple.com/",
        "https://shop.example.com/a b",
        "https://shop.example.com/\r\nX-Injected: 1",
        "https://shop.example.com/\x00",
        "https://shop.example.com/\x7f",
        "https://shop.example.com/\x85",
        "https://shop.example.com/\u2028",
        "https://shop\t.example.com/",
        " https://shop.example.com/",
        "https://shop,example.com/",
        "https://xn--.example.com/",
        "https://xn--a.example.com/",
        "https://xn--99999999.example.com/",
        "https://shop.xn--a-b/",
        "https://a\u0378b.example.com/",
        "https://\u202emoc.example.com/",
        "https://shop.example.com../",
        "https://shop.example.com%00.evil.example/",
        "https://" + "a" * 64 + ".example.com/",
        "https://" + "a." * 127 + "example/",
        "https://shop.example.com/" + "a" * URL_CHARACTERS_MAX,
    ],
)
def test_a_url_that_is_odd_in_any_way_is_refused(url: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_url(url, allow_private=False)

    assert str(refused.value)[0].islower()
    assert " " in str(refused.value)


def test_the_longest_url_is_accepted() -> None:
    start = "https://shop.example.com/"

    check_url(start + "a" * (URL_CHARACTERS_MAX - len(start)), allow_private=False)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9000/hook", "http://localhost:8080/", "http://[::1]:1/", "http://sink"],
)
def test_development_may_use_http_and_private_addresses(url: str) -> None:
    check_url(url, allow_private=True)
    with pytest.raises(Malformed):
        check_url(url, allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://user@localhost/",
        "http://localhost/#x",
        "http://127.1/",
        "ftp://localhost/",
        "http://[fe80::1%25lo]/",
    ],
)
def test_development_does_not_make_odd_urls_acceptable(url: str) -> None:
    with pytest.raises(Malformed):
        check_url(url, allow_private=True)


# --- the resolver and the socket


class FakeDns(AbstractResolver):
    """Answers each question with the next of its answers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.is_closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        self.is_closed = True


async def test_a_name_that_turns_private_is_refused_from_then_on() -> None:
    dns = FakeDns(["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8"])
    resolver = GuardedResolver(dns, allow_private=False)

    first = await resolver.resolve("rebind.example.com", 443)
    with pytest.raises(AddressNotAllowed):
        await resolver.resolve("rebind.example.com", 443)
    third = await resolver.resolve("rebind.example.com", 443)

    assert [entry["host"] for entry in (*first, *third)] == ["8.8.8.8", "8.8.8.8"]


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    resolver = GuardedResolver(FakeDns(["8.8.8.8", "10.0.0.1"]), allow_private=False)

    with pytest.raises(AddressNotAllowed):
        await resolver.resolve("mixed.example.com", 443)


async def test_the_guard_lets_private_addresses_through_where_they_are_allowed() -> None:
    dns = FakeDns(["127.0.0.1"])
    resolver = GuardedResolver(dns, allow_private=True)

    found = await resolver.resolve("sink", 80)
    await resolver.close()

    assert found[0]["host"] == "127.0.0.1"
    assert dns.is_closed


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "192.168.1.1"])
def test_no_socket_is_made_for_a_private_address(address: str) -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443))

    with pytest.raises(AddressNotAllowed):
        guarded_socket(info, allow_private=False)
    with guarded_socket(info, allow_private=True) as made:
        assert made.gettimeout() == 0
