"""The table store: what is not durable yet is seen, taken back and merged; memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from faust.types.tuples import TP, Message

from connectors.log.rowcache import RowCache
from connectors.log.store import ROWS_PER_PIECE
from streams.domain.errors import Conflict
from streams.ports import Record
from tests.log_helpers import a_log, all_of, count
from tests.store_world import a_world

PARTITIONS = 4

CHANGELOG = "log-worker-totals-changelog"
CURRENT_EVENT = "connectors.log.recordstore.current_event"


async def test_a_table_of_large_rows_is_not_read_whole_at_its_first_look_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [b"%04d" % number for number in range(400)]
    async with a_world(tmp_path) as world:
        for key in keys:
            world.table[key] = key * 25_000
        await world.durable()
    read = []
    async with a_world(tmp_path) as world:
        each = world.log.rows.each

        def counted(ids: Sequence[int]) -> Generator[tuple[bytes, bytes], None, None]:
            with closing(each(ids)) as rows:
                for row in rows:
                    read.append(row)
                    yield row

        monkeypatch.setattr(world.log.rows, "each", counted)
        assert b"other" not in world.store
        assert 100 < len(read) < 200
        assert not world.store.cache.complete
        assert all(key in world.store for key in keys)


@pytest.mark.parametrize("rows", [3, 4])
async def test_a_table_is_known_as_a_whole_only_while_it_fits(tmp_path: Path, rows: int) -> None:
    keys = [b"%d" % number for number in range(rows)]
    async with a_world(tmp_path) as world:
        for key in keys:
            world.table[key] = key
        await world.durable()
    async with a_world(tmp_path) as world:
        world.store.cache = RowCache(rows_max=3)
        assert b"other" not in world.store
        assert world.reads == rows - 3  # the file is asked only when rows were left there
        assert [world.store.find(key) for key in keys] == keys


async def test_a_step_writes_rows_with_its_unit_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = Message("notices", 2, 0, 0, 0, [], b"k", b"v", None, tp=TP("notices", 2))
    async with a_world(tmp_path) as world:
        store = world.store
        assert not store.write_with_step(b"k", b"outside")  # a unit and an event are needed
        monkeypatch.setattr(CURRENT_EVENT, lambda: SimpleNamespace(message=message))
        world.table[b"k"] = b"0"
        await world.durable()
        with world.app.producer.unit(message):
            assert store.write_with_step(b"new", b"1")
            assert store.find(b"new") == b"1"
        await world.durable()
        assert (store.find(b"new"), store.dirty) == (b"1", {})
        ids = world.log.catalog.get(CHANGELOG).partition_ids
        assert world.log.rows.some(ids[2], b"", 9) == [(b"new", b"1")]

        def failing() -> None:
            with world.app.producer.unit(message):
                store.write_with_step(b"new", b"2")
                store.write_with_step(b"new", None)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            failing()
        assert (store.find(b"new"), store.dirty) == (b"1", {})


async def test_a_row_is_seen_before_and_after_it_is_durable(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        with world.held():
            world.table[b"k"] = b"1"
            world.table[b"k"] = b"2"
            assert (world.table[b"k"], len(world.store.dirty), len(world.table)) == (b"2", 1, 1)
            assert (
                world.log.rows.some(world.log.catalog.get(CHANGELOG).partition_ids[0], b"", 9) == []
            )
        await world.durable()

        assert (world.table[b"k"], world.store.dirty, len(world.table)) == (b"2", {}, 1)
        assert count(world.log, CHANGELOG) == 2


async def test_an_older_record_that_became_durable_does_not_hide_a_newer_row(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        first = world.store.write((1, b"k", b"1", None))
        second = world.store.write((1, b"k", b"2", None))
        first.settle()
        assert world.store[b"k"] == b"2"
        second.settle()
        assert (world.store[b"k"], world.store.dirty) == (b"2", {})


async def test_a_deletion_hides_the_row_before_and_after_it_is_durable(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.table[b"k"] = b"1"
        await world.durable()
        with world.held():
            del world.table[b"k"]
            assert (b"k" in world.table, len(world.table), list(world.table)) == (False, 0, [])
        await world.durable()
        world.store.cache.clear()

        assert (b"k" in world.table, len(world.table)) == (False, 0)


async def test_many_deletions_in_one_transaction_leave_the_others(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for number in range(300):
            world.table[b"%d" % number] = b"1"
        await world.durable()
        for number in range(1, 300):
            del world.table[b"%d" % number]
        await world.durable()

        assert list(world.table) == [b"0"]


async def test_a_step_that_fails_brings_back_what_was_there(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.table[b"durable"] = b"1"
        await world.durable()
        with world.held():
            world.table[b"dirty"] = b"1"
            world.failing_step(durable=b"2", dirty=b"2", new=b"2")
            assert dict(world.table.items()) == {b"durable": b"1", b"dirty": b"1"}
            assert set(world.store.dirty) == {b"dirty"}
            assert b"new" not in world.table
        await world.durable()

        assert dict(world.table.items()) == {b"durable": b"1", b"dirty": b"1"}
        assert world.table[b"durable"] == b"1"


async def test_what_is_not_there_is_looked_for_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        assert [b"k" in world.table for _ in range(3)] == [False] * 3
        assert world.reads == 1
        world.table[b"k"] = b"1"
        await world.durable()
        assert (world.table[b"k"], world.reads) == (b"1", 1)


async def test_iteration_is_in_key_order_and_merges_what_is_not_durable(tmp_path: Path) -> None:
    keys = [b"%05d" % number for number in range(ROWS_PER_PIECE * 5)]
    async with a_world(tmp_path) as world:
        for key in keys[::2]:
            world.table[key] = b"file"
        await world.durable()
        with world.held():
            for key in keys[1::4]:
                world.table[key] = b"new"
            for key in keys[::10]:
                world.table[key] = b"changed"
            for key in keys[::20]:
                del world.table[key]
            wanted = dict.fromkeys(keys[::2], b"file") | dict.fromkeys(keys[1::4], b"new")
            wanted |= dict.fromkeys(keys[::10], b"changed")
            for key in keys[::20]:
                del wanted[key]
            seen = list(world.table.items())
            pieces = list(world.store.pieces())

            assert dict(seen) == wanted
            assert len(seen) == len(world.table) == len(wanted)
            assert list(world.table.values()) == [value for _, value in seen]
            assert list(world.table.keys()) == [key for key, _ in seen]
            assert all(piece == sorted(piece) for piece in pieces)
        await world.durable()
        assert dict(world.table.items()) == wanted


async def test_a_table_may_change_while_it_is_gone_through(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for number in range(ROWS_PER_PIECE * 8):
            world.table[b"%05d" % number] = b"1"
        await world.durable()
        pieces = world.store.pieces()
        first = next(pieces)
        for key in tuple(world.table):
            del world.table[key]
        assert (len(first), [row for piece in pieces for row in piece]) == (ROWS_PER_PIECE, [])
        assert len(world.table) == 0


async def test_the_next_process_finds_the_rows_and_replays_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.table[b"k"] = b"1"
        await world.durable()
    async with a_world(tmp_path) as world:
        ends = [world.log.end(CHANGELOG, number) for number in range(4)]
        offsets = [world.table.persisted_offset(TP(CHANGELOG, number)) for number in range(4)]

        assert (world.table[b"k"], sum(ends)) == (b"1", 1)
        assert offsets == [end - 1 for end in ends]
        assert [all_of(world.log, CHANGELOG, number) for number in range(4)] == [[]] * 4


async def test_what_another_process_wrote_meanwhile_is_seen_when_the_group_is_ours_again(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.table[b"k"] = b"1"
        await world.durable()
        await world.log.append([Record(topic=CHANGELOG, key=b"k", value=b"2")])
        await world.store.on_rebalance(set(), set(), set(), 1)

        assert world.table[b"k"] == b"2"


async def test_a_store_refuses_what_no_record_carries(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        world.table[b"k"] = b"1"
        store = world.store
        changes: tuple[Callable[[], object], ...] = (
            lambda: store.__setitem__(b"k", b"2"),
            lambda: store.__delitem__(b"k"),
            lambda: store.update({b"other": b"1"}),
            store.clear,
        )
        for change in changes:
            with pytest.raises(RuntimeError, match="change the table"):
                change()
        with pytest.raises(TypeError, match="no key"):
            world.store.write((1, None, b"1", None))
        with pytest.raises(TypeError, match="bytes"):
            _ = world.app.Table("typed", key_type=str, value_type=bytes).data


async def test_the_rows_of_a_table_are_in_no_topic_and_a_topic_becomes_no_table(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("rows", 1, is_table=True)
        await log.append([Record(topic="rows", key=b"k", value=b"1")])
        assert (all_of(log, "rows", 0), log.end("rows", 0)) == ([], 1)
        log.maintain()
        for name, is_table in (("rows", False), ("notices", True)):
            partitions = log.catalog.get(name).partitions
            with pytest.raises(Conflict, match="table"):
                log.create_topic(name, partitions, is_table=is_table)
