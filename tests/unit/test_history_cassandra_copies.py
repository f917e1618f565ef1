"""What Cassandra keeps too few copies of, or for too short a time, is told with what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from connectors.history.cassandra.address import address_of
from connectors.history.cassandra.lives import FOR_EVER, difference, excess, is_shorter
from connectors.history.cassandra.replicating import copies_fault

ONE = {"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "datacenter1": "1"}
SIMPLE = {"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}


class OneKeyspace:
    """What is asked of a cluster here: how many copies a keyspace keeps, if it is there."""

    def __init__(self, replication: Mapping[str, str] | None) -> None:
        self._replication = replication

    def execute(self, _: str, __: object) -> OneKeyspace:
        return self

    def one(self) -> Any:
        return None if self._replication is None else (self._replication,)


def fault(replication: Mapping[str, str] | None, *, asked: str = "", nodes: int) -> str | None:
    return copies_fault(
        OneKeyspace(replication), address_of(f"cassandra://db/history{asked}"), nodes=nodes
    )


@pytest.mark.parametrize("found", [ONE, SIMPLE, None])
def test_a_single_copy_on_several_nodes_must_be_meant(found: Mapping[str, str] | None) -> None:
    told = fault(found, nodes=3)

    assert told is not None
    assert "one copy of each row, on 3 nodes: with any of them answers stop" in told
    assert told.endswith("let KESHIKOMI_HISTORY ask for ?replication=3, or for 1 if that is meant")
    assert fault(found, nodes=1) is None


def test_copies_that_are_as_they_were_asked_for_are_no_fault() -> None:
    assert fault(ONE, asked="?replication=1", nodes=3) is None
    assert fault(None, asked="?replication=3", nodes=3) is None
    assert fault({**ONE, "datacenter1": "3"}, nodes=3) is None
    assert fault({**SIMPLE, "replication_factor": "3"}, nodes=3) is None
    mend = fault(ONE, asked="?replication=3", nodes=3)
    assert mend is not None
    assert "'datacenter1': 3}" in mend


def test_lives_are_compared_from_the_shortest_to_for_ever() -> None:
    assert not is_shorter({10}, 10)
    assert is_shorter({10, 9}, 10)
    assert is_shorter({10}, FOR_EVER)
    assert not is_shorter({FOR_EVER}, 10)
    assert (excess({15, 10}, 10), excess({9}, 10), excess({10}, FOR_EVER)) == (5, 0, 0)
    assert excess({FOR_EVER, 15}, 10) is None
    assert difference("history", {86_400, FOR_EVER}, 2 * 86_400) == (
        "the keyspace history keeps events and attempts for ever or 1 days, and "
        "KESHIKOMI_HISTORY_RETENTION_DAYS says 2 days"
    )
