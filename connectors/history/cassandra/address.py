"""The URL of a Cassandra history: `cassandra://user:password@host1,host2:9042/keyspace?dc=tokyo`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from connectors.urls import QUOTING, has_lone_percent, is_an_address, is_cut_short

SCHEME = "cassandra://"
PORT_DEFAULT = 9042
REPLICATION_MAX = 9

_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLACE = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[^:]*))?"
)
_OPTIONS = {"dc", "replication", "tls", "ca"}
_SHAPE = f"{SCHEME}[USER:PASSWORD@]HOST[,HOST...][:PORT]/KEYSPACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a history is and how to get in.

    A keyspace is made with `replication` copies of each row, or one when none are asked for; one
    that was made before is to have as many, unless none are asked for.
    With `tls` the certificate of every node is verified, against the authorities in the file
    `ca` or against those that the machine trusts.
    """

    hosts: tuple[str, ...]
    port: int
    keyspace: str
    dc: str
    replication: int | None
    user: str | None
    password: str | None = field(repr=False)
    tls: bool
    ca: str | None

    @property
    def has_names(self) -> bool:
        """Whether a host is named, so that it may be another address tomorrow."""
        return not all(map(is_an_address, self.hosts))


def address_of(url: str) -> Address:
    """Read the URL; raise `ValueError`, which never shows the password, when it is no such URL."""
    if not url.startswith(SCHEME):
        raise ValueError(f"a Cassandra history is {_SHAPE}")
    if has_lone_percent(url):
        raise ValueError(QUOTING)
    try:
        return _read(url)
    except ValueError:
        if is_cut_short(url):  # what is wrong with the rest is no host, and may be of the password
            raise ValueError(f"a Cassandra history is {_SHAPE}; {QUOTING}") from None
        raise


def _read(url: str) -> Address:
    rest, _, query = url.removeprefix(SCHEME).partition("?")
    authority, _, keyspace = rest.partition("/")
    userinfo, has_user, location = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    hosts, port = _hosts(location)
    if not hosts or not all(map(_is_a_host, hosts)) or not _KEYSPACE.fullmatch(keyspace):
        raise ValueError(f"a Cassandra history is {_SHAPE}; the keyspace is a-z, 0-9 and _")
    options = _options(query)
    return Address(
        hosts=hosts,
        port=port,
        keyspace=keyspace,
        dc=options.get("dc", "datacenter1"),
        replication=(
            _whole(options["replication"], "replication", REPLICATION_MAX)
            if "replication" in options
            else None
        ),
        user=unquote(user) if has_user else None,
        password=unquote(password) if has_user else None,
        tls=options.get("tls", "false") == "true",
        ca=options.get("ca"),
    )


def _hosts(location: str) -> tuple[tuple[str, ...], int]:
    """The hosts and the one port of all of them, which may stand behind each or the last."""
    hosts: list[str] = []
    ports: set[str] = set()
    for place in map(_PLACE.fullmatch, location.split(",")):
        if place is None:
            raise ValueError(
                f"a Cassandra history is {_SHAPE}; an address of IPv6 stands in brackets, as [::1]"
            )
        hosts.append(place["ipv6"] or place["name"])
        if place["port"] is not None:
            ports.add(place["port"])
    if len(ports) > 1:
        raise ValueError("every node of a Cassandra history has the same port")
    port = ports.pop() if ports else str(PORT_DEFAULT)
    return tuple(hosts), _whole(port, "the port", 65_535)


def _is_a_host(host: str) -> bool:
    if ":" in host:
        return is_an_address(host)
    return _NAME.fullmatch(host) is not None


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(options) - _OPTIONS):
        raise ValueError(f"a Cassandra history has no option {', '.join(unknown)}")
    if options.get("tls", "false") not in {"true", "false"}:
        raise ValueError("tls is true or false")
    if not _NAME.fullmatch(options.get("dc", "datacenter1")):
        raise ValueError("dc is the name of a data centre")
    if "ca" in options and options.get("tls") != "true":
        raise ValueError("ca is of use with tls=true only")
    return options


def _whole(text: str, name: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
        raise ValueError(f"{name} is a whole number from 1 to {largest}")
    return int(text)
