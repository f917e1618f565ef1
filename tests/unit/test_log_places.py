"""A key has one partition, whichever engine is asked."""

from __future__ import annotations

from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st

from connectors.log.places import partition_of

PARTITIONS = 1_000_003
"""So many that two hashes that differ hardly ever meet in one."""


@given(st.binary(max_size=100))
def test_the_partition_of_a_key_is_that_of_kafkas_own_clients(key: bytes) -> None:
    assert partition_of(key, PARTITIONS) == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
