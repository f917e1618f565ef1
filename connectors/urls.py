"""What stands in URLs: addresses for hosts, and passwords that must be written so and so."""

from __future__ import annotations

import re
from ipaddress import ip_address

QUOTING = (
    "in a password within a URL write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25"
)
_HOSTS_END = re.compile(r"[/?#]|$")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_an_address(host: str) -> bool:
    """Whether a host is an IP address, without brackets, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_cut_short(url: str) -> bool:
    """Whether an @ stands behind what ends the hosts, as it does when a password has a / or ?."""
    rest = url.partition("://")[2]
    return "@" in rest[_ends_at(rest) :]


def has_lone_percent(url: str) -> bool:
    """Whether the user or the password has a % that begins no escape, so meant itself."""
    rest = url.partition("://")[2]
    userinfo = rest[: _ends_at(rest)].rpartition("@")[0]
    return _LONE_PERCENT.search(userinfo) is not None


def _ends_at(rest: str) -> int:
    found = _HOSTS_END.search(rest)
    return found.start() if found else len(rest)
