"""Writes that go to the same partition travel together: the node applies them as one mutation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from connectors.history.cassandra.session import Request

TOGETHER_MAX = 64
"""Statements for one partition in one request; most notifications are some 3 KB."""
TOGETHER_SIZE_MAX = 1_000_000
"""Characters and bytes of values in one request, unless a single row has more and goes alone.

A character takes up to four bytes. Cassandra refuses a request, or a mutation, of 16 MiB.
"""
SMALL_TOGETHER_MAX = 10
"""Small rows of different partitions in one request; Cassandra warns of more."""

SMALL = frozenset({"event_places", "deliveries_by_event"})
"""Tables with a small row for each event: what a request of its own costs is more than the row."""

KEY_COLUMNS = {
    "invoices_by_day": 2,
    "waiting_by_day": 2,
    "deliveries_by_day": 2,
    "deliveries_by_event": 2,
    "deliveries_by_sequence": 3,
    "replays_by_endpoint": 2,
    "unacknowledged_by_day": 2,
    "events": 2,
    "stretches": 2,
    "archived": 2,
    "claims": 2,
}
"""How many columns the partition key of a table has, if not one."""

_INTO = re.compile(r"INSERT INTO (\w+)")


def by_partition(writes: Iterable[Request]) -> list[list[Request]]:
    """Groups of inserts with the same partition key, which comes first among their values.

    Tables of one keyspace count as the same partition when their keys are the same, so all that
    is said of a notice, or of a delivery, is one request.
    """
    groups: list[list[Request]] = []
    open_groups: dict[tuple[object, ...], list[Request]] = {}
    sizes: dict[tuple[object, ...], int] = {}
    for cql, values in writes:
        table = _table(cql)
        is_small = table in SMALL
        key = (table,) if is_small else tuple(values[: KEY_COLUMNS.get(table, 1)])
        count_max = SMALL_TOGETHER_MAX if is_small else TOGETHER_MAX
        size = _size(values)
        group = open_groups.get(key)
        if group is None or len(group) == count_max or sizes[key] + size > TOGETHER_SIZE_MAX:
            group, sizes[key] = [], 0
            open_groups[key] = group
            groups.append(group)
        group.append((cql, values))
        sizes[key] += size
    return groups


def _size(values: Sequence[object]) -> int:
    return sum(len(value) for value in values if isinstance(value, str | bytes))


@cache
def _table(cql: str) -> str:
    match = _INTO.match(cql)
    assert match is not None, "only inserts are grouped"
    return match[1]
