"""The timestamps of writes: they, not the time of writing, say which value of a cell holds.

Cassandra keeps of each cell the value with the greatest timestamp. So what is known about a thing
has a rank that grows, and a repeat or an older message arrives with a rank that changes nothing.
"""

from __future__ import annotations

DAY_US = 86_400 * 1_000_000

_FIRST = 1 << 60
REGISTERED = 1 << 41
"""When a registration says when the invoice was made, no message of the log knows better."""
_LOGGED = 1 << 40


def first_said(offset: int) -> int:
    """The smaller offset of a partition holds: what is said once stays as it was first said."""
    return _FIRST - offset


def of_version(version: int, *, registered: bool = False) -> int:
    """The greater version of an invoice holds; of version 0 what the registration itself said."""
    return 2 * version + registered


def creation_of_version(version: int) -> int:
    """The earliest version that is known says when an invoice without registration was made."""
    return _LOGGED - version


def of_standing(standing: int, *, started: bool = False) -> int:
    """The greater standing of a delivery holds; of equal ones what started the round."""
    return 2 * standing + started


def of_age(created_us: int, rank: int) -> int:
    """The greater rank of a delivery holds, in rows that time windows keep with their age.

    A rank is small beside a window: one more round adds two seconds.
    """
    return created_us + rank


def day_of(moment_us: int) -> int:
    """The day of a list that a time falls into."""
    return moment_us // DAY_US
