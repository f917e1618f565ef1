"""Rows of tables on Kafka: what both kinds owe, and what stays on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka.rows import ROWS_PER_PIECE, Mark, MemoryRows, RocksRows, Rows, decode_mark

MARK = Mark(offset=7, at=1_790_000_000, cluster="cluster-1")


@pytest.fixture(params=["memory", "rocksdb"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rows]:
    made: Rows = MemoryRows() if request.param == "memory" else RocksRows(tmp_path / "rows")
    yield made
    made.close()


def content(rows: Rows, partition: int) -> dict[bytes, bytes]:
    return dict(row for piece in rows.pieces(partition) for row in piece)


def test_rows_and_mark_are_written_together(rows: Rows) -> None:
    assert rows.mark(3) is None
    rows.apply(3, [(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"c", b"3")], MARK)

    assert content(rows, 3) == {b"b": b"2", b"c": b"3"}
    assert rows.mark(3) == MARK
    assert (rows.find(3, b"a"), rows.find(3, b"b")) == (None, b"2")


def test_partitions_do_not_see_each_other(rows: Rows) -> None:
    for partition in (0, 1, 255, 256):
        rows.apply(partition, [(b"key", b"%d" % partition)], MARK)
    rows.forget(255)

    assert [rows.find(partition, b"key") for partition in (0, 1, 255, 256)] == [
        *(b"0", b"1", None, b"256")
    ]
    assert content(rows, 255) == {}
    assert rows.mark(255) is None
    assert content(rows, 256) == {b"key": b"256"}


def test_every_row_is_in_one_piece(rows: Rows) -> None:
    wanted = {b"key-%05d" % n: b"%d" % n for n in range(3 * ROWS_PER_PIECE + 1)}
    rows.apply(0, wanted.items(), MARK)
    rows.apply(1, [(b"key-00000", b"other")], MARK)

    pieces = list(rows.pieces(0))

    assert [len(piece) for piece in pieces] == [ROWS_PER_PIECE] * 3 + [1]
    assert content(rows, 0) == wanted


def test_rows_are_read_in_the_order_of_their_keys_within_bounds(rows: Rows) -> None:
    rows.apply(0, [(b"b/%d" % number, b"%d" % number) for number in (3, 1, 2)], MARK)
    rows.apply(0, [(b"a/9", b""), (b"b0", b"")], MARK)
    rows.apply(1, [(b"b/0", b"other")], MARK)

    assert rows.some(0, b"b/", b"b0", 2) == [(b"b/1", b"1"), (b"b/2", b"2")]
    rows.apply(0, [(b"b/0", b"0"), (b"b/2", None), (b"b/3", b"new"), (b"b/7", None)], MARK)

    assert rows.some(0, b"b/", b"b0", 9) == [(b"b/0", b"0"), (b"b/1", b"1"), (b"b/3", b"new")]
    assert rows.some(0, b"b/1\x00", b"b0", 9) == [(b"b/3", b"new")]
    assert rows.some(0, b"c", b"d", 9) == []
    rows.forget(0)
    assert rows.some(0, b"b/", b"b0", 9) == []


def test_a_piece_is_what_stands_there_when_it_is_asked_for(rows: Rows) -> None:
    keys = [b"key-%05d" % n for n in range(2 * ROWS_PER_PIECE)]
    rows.apply(0, [(key, b"old") for key in keys], MARK)

    pieces = rows.pieces(0)
    next(pieces)
    rows.apply(0, [(keys[-1], None), (keys[-2], b"new")], MARK)

    assert dict(next(pieces)) == dict.fromkeys(keys[ROWS_PER_PIECE:-2], b"old") | {keys[-2]: b"new"}


def test_memory_ends_with_the_right_to_a_partition_and_the_disk_keeps_its_rows(
    tmp_path: Path,
) -> None:
    memory, disk = MemoryRows(), RocksRows(tmp_path / "rows")
    for each in (memory, disk):
        each.apply(0, [(b"a", b"1")], MARK)
        each.leave(0)

    assert (memory.mark(0), memory.find(0, b"a")) == (None, None)
    assert (disk.mark(0), disk.find(0, b"a")) == (MARK, b"1")
    disk.close()


@pytest.mark.allows_errors  # that of the second owner
def test_rows_on_disk_are_there_after_a_restart_and_have_one_owner(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = RocksRows(tmp_path / "rows")
    first.apply(0, [(b"a", b"1")], MARK)
    with pytest.raises(Exception, match="lock"):
        RocksRows(tmp_path / "rows")
    first.close()

    second = RocksRows(tmp_path / "rows")

    assert (second.mark(0), second.find(0, b"a")) == (MARK, b"1")
    second.close()
    assert "KESHIKOMI_WORKER_NAME" in caplog.text


@pytest.mark.parametrize("offset", [-1, 0, 2**62])
def test_a_mark_comes_back_as_it_was(offset: int) -> None:
    mark = Mark(offset, 0, "クラスタ")

    assert decode_mark(mark.encode()) == mark
