"""Keeps webhooks away from addresses that are not public: in the URL, in the DNS, at connecting."""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streams.domain.errors import Malformed

URL_CHARACTERS_MAX = 2_048
HOST_CHARACTERS_MAX = 253
PUBLIC_PORTS = (443, 80)
CHECKED_URLS_MAX = 8_192

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REFUSED_IPV4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT, and a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's own services under a public address
        "169.254.0.0/16",  # link-local, and the clouds' metadata at 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# All that is public in IPv6 lies in here. Outside: loopback, IPv4-mapped and -compatible, discard,
# unique local (with a cloud's metadata at fd00:ec2::254), link-local, site-local, multicast.
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
REFUSED_IPV6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: the IPv4 address inside may be private
        "3fff::/20",  # documentation
    )
)
# Where there is only IPv6, the DNS gives hosts that have only IPv4 such an address. A network's own
# prefix for it, 64:ff9b:1::/48, does not tell where in it the IPv4 address stands: refused.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
IDNA_PREFIX = "xn--"
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
BAD_CHARACTERS = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
PORT = re.compile(r"[0-9]{1,5}")


class AddressNotAllowed(OSError):
    """A host has an address that is not public; an `OSError`, as connecting raises them."""


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is one that anybody on the internet may be told."""
    try:
        parsed: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_public_ipv4(parsed)
    if parsed.scope_id is None and parsed in NAT64:
        return _is_public_ipv4(ipaddress.IPv4Address(parsed.packed[-4:]))
    return parsed in GLOBAL_IPV6 and not any(parsed in block for block in REFUSED_IPV6)


def _is_public_ipv4(address: ipaddress.IPv4Address) -> bool:
    return not any(address in block for block in REFUSED_IPV4)


def check_url(url: str, *, allow_private: bool) -> None:
    """Raise `Malformed`, with a sentence, unless webhooks may be sent there."""
    parse_url(url, allow_private=allow_private)


@lru_cache(maxsize=CHECKED_URLS_MAX)
def parse_url(url: str, *, allow_private: bool) -> URL:
    """The URL as the HTTP client reads it, checked; two readers would not always agree."""
    if not 0 < len(url) <= URL_CHARACTERS_MAX:
        raise Malformed(f"the URL must have 1 to {URL_CHARACTERS_MAX} characters")
    if BAD_CHARACTERS.search(url):
        raise Malformed("the URL contains a space, a backslash or a control character")
    if "#" in url:
        raise Malformed("the URL must not have a fragment")
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        raise Malformed("the URL cannot be read") from None
    _check_scheme(parsed, allow_private=allow_private)
    authority = re.split(r"[/?]", url.partition("//")[2], maxsplit=1)[0]
    _check_authority(authority, parsed.raw_host)
    _check_host(parsed.raw_host, allow_private=allow_private)
    if not port or (port not in PUBLIC_PORTS and not allow_private):
        raise Malformed("the URL must use port 443 or 80")
    if not url.isascii():
        return parsed
    # Byte for byte as it was registered: some receivers sign their own query strings.
    path, mark, query = url.partition("//")[2][len(authority) :].partition("?")
    return URL.build(
        scheme=parsed.scheme,
        authority=parsed.raw_authority,
        path=path or "/",
        query_string=query if mark else "",
        encoded=True,
    )


def _check_scheme(url: URL, *, allow_private: bool) -> None:
    if url.scheme == "https" or (url.scheme == "http" and allow_private):
        return
    raise Malformed("the URL must begin with https://")


def _check_authority(authority: str, host: str | None) -> None:
    if "@" in authority:
        raise Malformed("the URL must not contain a user name or a password")
    if "[" in authority and ":" not in (host or ""):
        raise Malformed("the URL cannot be read")  # an address form of the future
    _, colon, port = authority[authority.rfind("]") + 1 :].partition(":")
    if colon and not PORT.fullmatch(port):
        raise Malformed("the port of the URL is not a number")


def _check_host(host: str | None, *, allow_private: bool) -> None:
    if not host:
        raise Malformed("the URL must name a host")
    if ":" in host or _is_numeric(host):
        _check_literal(host, allow_private=allow_private)
        return
    name = host.removesuffix(".")
    if len(host) > HOST_CHARACTERS_MAX or not all(map(_is_label, name.split("."))):
        raise Malformed("the host name of the URL is not valid")
    if not allow_private and ("." not in name or name.endswith(".localhost")):
        raise Malformed("the host name of the URL must be public, such as shop.example.com")


def _is_label(label: str) -> bool:
    if not label.startswith(IDNA_PREFIX):
        return LABEL.fullmatch(label) is not None
    try:
        decoded = label.removeprefix(IDNA_PREFIX).encode("ascii").decode("punycode")
    except UnicodeError:
        return False
    return LABEL.fullmatch(label) is not None and decoded.isprintable()


def _is_numeric(host: str) -> bool:
    """Whether a resolver would take the host for an IPv4 address in one of its many spellings."""
    return NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


def _check_literal(host: str, *, allow_private: bool) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise Malformed(
            "the IP address of the URL must be written plainly, such as 198.51.100.7"
        ) from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise Malformed("the IP address of the URL must not name a network interface")
    if not allow_private and not is_public(host):
        raise Malformed("the IP address of the URL is not public")


def guarded_socket(
    info: tuple[int, int, int, str, tuple[object, ...]], *, allow_private: bool
) -> socket.socket:
    """Make the socket for one connection: the last moment at which an address can be refused.

    Every way to an address ends here: a literal, a fresh answer of the DNS, a remembered one.
    """
    family, kind, protocol, _, address = info
    if not allow_private and not is_public(str(address[0])):
        raise AddressNotAllowed("address_not_allowed")
    made = socket.socket(family, kind, protocol)
    made.settimeout(0)  # asyncio wants it so
    return made


class GuardedResolver(AbstractResolver):
    """Refuses a host as soon as one of its addresses is not public, at each resolution."""

    def __init__(self, inner: AbstractResolver, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private and not all(is_public(entry["host"]) for entry in found):
            raise AddressNotAllowed("address_not_allowed")
        return found

    async def close(self) -> None:
        await self._inner.close()
