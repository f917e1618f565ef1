"""Rows of one partition of a table, in order, whoever asks for them and whatever is under way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from faust.types.tuples import TP, Message

from connectors.log.places import partition_of
from tests.store_world import a_world

PARTITIONS = 4


@pytest.mark.parametrize("partition", [0, PARTITIONS - 1])
async def test_rows_of_one_partition_are_read_in_order_with_those_that_are_not_durable(
    tmp_path: Path, partition: int
) -> None:
    every = [b"k/%05d" % number for number in range(400)]
    keys = [key for key in every if partition_of(key, PARTITIONS) == partition]
    async with a_world(tmp_path) as world:
        for key in keys[::2]:
            world.table[key] = b"file"
        await world.durable()
        with world.held():
            for key in keys[1::4]:
                world.table[key] = b"new"
            for key in keys[:20:2]:
                del world.table[key]
            wanted = sorted((keys[20::2]) + keys[1::4])
            assert [key for key, _ in world.store.some(b"k/", b"k0", len(keys))] == wanted
            seen: list[bytes] = []
            while rows := world.store.some(seen[-1] + b"\x00" if seen else b"k/", b"k0", 7):
                seen += [key for key, _ in rows]
            assert seen == wanted
            assert world.store.some(b"l/", b"l0", 7) == []
        await world.durable()
        assert world.store.some(wanted[3], wanted[5], 7) == [
            (key, b"new" if key in keys[1::4] else b"file") for key in wanted[3:5]
        ]


async def test_what_a_step_leads_to_later_sees_rows_of_every_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [b"k/%d" % number for number in range(20)]
    step = Message("notices", 2, 0, 0, 0, [], b"k", b"v", None, tp=TP("notices", 2))
    elsewhere = next(key for key in keys if partition_of(key, PARTITIONS) != step.partition)
    async with a_world(tmp_path) as world:
        world.table[elsewhere] = b"1"
        await world.durable()
        # As in a timer that the step has set: the step is over, its event is not forgotten.
        monkeypatch.setattr(
            "connectors.log.recordstore.current_event", lambda: SimpleNamespace(message=step)
        )
        assert world.store.some(b"k/", b"k0", 1) == [(elsewhere, b"1")]
        world.store.cache.clear()
        assert world.store.find(elsewhere) == b"1"
        with world.app.producer.unit(step):
            assert world.store.some(b"k/", b"k0", 1) == []  # no other partition is looked at
