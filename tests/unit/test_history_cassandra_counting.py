"""Counting in Cassandra: the whole ring, each row once, in ranges that are halved when too slow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from cassandra import OperationTimedOut  # type: ignore[import-untyped]  # it has no type hints
from cassandra.cluster import NoHostAvailable  # type: ignore[import-untyped]  # as above

from connectors.history.cassandra.counting import counts
from connectors.history.cassandra.ring import HALVINGS_MAX, RANGES, RANGES_AT_ONCE, ranges
from streams.domain.errors import Unavailable

RING = 2**64
TABLES = 4


class Ring:
    """A session whose tables have a row at each of these tokens; too many in a range time out."""

    def __init__(self, tokens: list[int], *, rows_max: int = 1_000) -> None:
        self._tokens, self._rows_max = tokens, rows_max
        self.asked: list[tuple[int, int]] = []
        self.cause: Exception = OperationTimedOut()
        self.now = self.at_once = 0

    async def pages(self, cql: str, first: int, last: int, *_: object) -> AsyncIterator[list[Any]]:
        self.asked.append((first, last))
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        row: tuple[object, ...] = ("delivered", True)
        if "notices" in cql:
            row = ("matched", True, 7)
        elif "FROM events" in cql:
            row = ("payment.confirmed", 7)
        try:
            rows = [row for token in self._tokens if first < token <= last]
            yield rows[: self._rows_max]
            if len(rows) > self._rows_max:
                raise Unavailable("too long") from self.cause
        finally:
            self.now -= 1


def spread(many: int) -> list[int]:
    """So many tokens all over the ring, its last one among them."""
    return [-(2**63) + RING // many * number for number in range(1, many)] + [2**63 - 1]


async def counted(ring: Ring) -> tuple[int, int, int, int]:
    found = await counts(cast("Any", ring), None)
    return found.matched, found.delivered, found.events, found.repeated


async def test_every_row_is_counted_once_in_ranges_that_are_bounded() -> None:
    ring = Ring(spread(5_000))

    assert await counted(ring) == (5_000,) * 4

    assert len(ring.asked) == RANGES * TABLES
    assert max(last - first for first, last in ring.asked) <= RING // RANGES
    assert ring.at_once <= RANGES_AT_ONCE


async def test_a_range_that_takes_too_long_is_halved_and_counted_anew() -> None:
    ring = Ring(spread(5_000), rows_max=20)

    assert await counted(ring) == (5_000,) * 4

    assert len(ring.asked) > RANGES * TABLES


async def test_one_that_takes_too_long_however_small_is_unavailable() -> None:
    ring = Ring([0] * 30, rows_max=20)

    with pytest.raises(Unavailable, match="too long"):
        await counted(ring)

    smallest = min(last - first for first, last in ring.asked)
    assert smallest == RING // RANGES // 2**HALVINGS_MAX
    assert len(ring.asked) < 2 * RANGES + HALVINGS_MAX


async def test_a_cluster_that_is_away_is_not_asked_in_ever_smaller_parts() -> None:
    ring = Ring([0] * 30, rows_max=20)
    ring.cause = NoHostAvailable("away", {})

    with pytest.raises(Unavailable):
        await counted(ring)

    assert {last - first for first, last in ring.asked} <= {RING // RANGES, RING // RANGES - 1}


@pytest.mark.parametrize("parts", [1, 24])
def test_the_parts_of_the_ring_are_all_of_it_and_overlap_nowhere(parts: int) -> None:
    found = [each for part in range(parts) for each in ranges(part, parts)]

    assert len(found) == parts * RANGES
    assert (found[0][0], found[-1][1]) == (-(2**63), 2**63 - 1)
    assert [last for _, last in found[:-1]] == [first for first, _ in found[1:]]
