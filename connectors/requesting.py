"""Writes the requests of webhooks: where they go, and the bytes that go there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from connectors.address_guard import CHECKED_URLS_MAX, parse_url
from streams.domain.errors import Malformed
from streams.domain.headers import fault_of_name, fault_of_value

HEADERS = {"content-type": "application/json", "accept": "*/*", "accept-encoding": "identity"}


class Server(NamedTuple):
    """Whom a connection goes to; requests to the same server share connections."""

    host: str
    port: int
    is_tls: bool


class Place(NamedTuple):
    """What a URL says: the server, and how a request to it begins."""

    server: Server
    beginning: str


@lru_cache(maxsize=CHECKED_URLS_MAX)
def place_of(url: str, *, allow_private: bool) -> Place:
    """The place that a URL names; raises `Malformed` unless webhooks may be sent there."""
    parsed = parse_url(url, allow_private=allow_private)
    host, port = parsed.raw_host, parsed.port
    if host is None or port is None:
        raise Malformed("the URL names no server")
    beginning = f"POST {parsed.raw_path_qs} HTTP/1.1\r\nhost: {parsed.host_port_subcomponent}\r\n"
    must_be_lines(beginning, 2)
    return Place(Server(host=host, port=port, is_tls=parsed.scheme == "https"), beginning)


def request_bytes(
    place: Place, own: Mapping[str, str], ours: Mapping[str, str], body: bytes
) -> bytes:
    """A whole request; raises `Malformed` rather than let a header end its line.

    What an endpoint calls its `own` header and is ours to send is left out; of any other name
    (`Accept`) its own one goes instead of ours.
    """
    lines = {name: f"{name}: {value}\r\n" for name, value in ours.items()}
    for name, value in own.items():
        if fault_of_name(name) is None and fault_of_value(value) is None:
            lines[name.lower()] = f"{name}: {value}\r\n"
    text = "".join(lines.values())
    must_be_lines(text, len(lines))
    return f"{place.beginning}{text}content-length: {len(body)}\r\n\r\n".encode("ascii") + body


def must_be_lines(text: str, count: int) -> None:
    """Raise `Malformed` unless these are so many lines of printable ASCII."""
    is_plain = text.isascii() and text.replace("\r\n", "").isprintable()
    if not is_plain or text.count("\r\n") != count:
        raise Malformed("a header cannot be sent: something in it ends its line")
