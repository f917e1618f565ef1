"""The rows of a table on Kafka, partition by partition: in memory, or in RocksDB on the disk."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
)
from sortedcontainers import SortedList  # type: ignore[import-untyped]  # it ships no types

IN_MEMORY, ON_DISK = "memory", "rocksdb"
"""The two kinds of rows, as the settings name them."""
ROWS_PER_PIECE = 100
"""So many rows are read at once when a table is gone through."""
CACHE_BYTES = 32 * 1024**2
WRITE_BUFFER_BYTES = 16 * 1024**2
WRITE_BUFFERS_MAX = 3
OPEN_FILES_MAX = 256
LOG_FILES_KEPT = 2
BLOOM_BITS_PER_KEY = 10
"""One look-up in a hundred for a key without a row goes to the disk."""

Row = tuple[bytes, bytes | None]
"""A key and its value; None stands for no row."""

logger = logging.getLogger("keshikomi")


class Mark(NamedTuple):
    """How far the rows of a partition follow its changelog: they are all of it up to `offset`."""

    offset: int
    at: int
    """When that was so, in seconds of Unix time."""
    cluster: str
    """Which log that was: Kafka's name for its cluster, and the installation's id."""

    def encode(self) -> bytes:
        """As it stands in RocksDB."""
        return struct.pack(">qq", self.offset, self.at) + self.cluster.encode()


def decode_mark(data: bytes) -> Mark:
    """What `Mark.encode` made."""
    offset, at = struct.unpack_from(">qq", data)
    return Mark(offset, at, data[16:].decode())


class Rows(Protocol):
    """Partitions of a table; each write of one is done as a whole, its mark included."""

    def mark(self, partition: int) -> Mark | None:
        """How far the partition's rows go; None when nothing is known of it."""
        ...

    def apply(self, partition: int, rows: Iterable[Row], mark: Mark) -> None:
        """Write and remove rows; they and the mark stand together or not at all."""
        ...

    def find(self, partition: int, key: bytes) -> bytes | None:
        """The value of a key."""
        ...

    def pieces(self, partition: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """All rows; each piece is what stands there when it is asked for."""
        ...

    def some(
        self, partition: int, first: bytes, until: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows in key order, from a key on and before another."""
        ...

    def leave(self, partition: int) -> None:
        """The partition is another worker's from now on; keep what may be of use later."""
        ...

    def forget(self, partition: int) -> None:
        """Remove the rows of a partition and its mark."""
        ...

    def close(self) -> None:
        """Make everything durable that is to be kept."""
        ...


class MemoryRows:
    """Rows that end with the process, and with its right to their partition."""

    def __init__(self) -> None:
        self._partitions: dict[int, dict[bytes, bytes]] = {}
        self._marks: dict[int, Mark] = {}
        self._in_order: dict[int, SortedList[bytes]] = {}
        """The keys of partitions that were asked for in order once; most tables never are."""

    def mark(self, partition: int) -> Mark | None:
        """See `Rows`."""
        return self._marks.get(partition)

    def apply(self, partition: int, rows: Iterable[Row], mark: Mark) -> None:
        """See `Rows`."""
        there = self._partitions.setdefault(partition, {})
        in_order = self._in_order.get(partition)
        for key, value in rows:
            if in_order is not None and (value is None) == (key in there):
                (in_order.remove if value is None else in_order.add)(key)
            if value is None:
                there.pop(key, None)
            else:
                there[key] = value
        self._marks[partition] = mark

    def find(self, partition: int, key: bytes) -> bytes | None:
        """See `Rows`."""
        return self._partitions.get(partition, {}).get(key)

    def pieces(self, partition: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """See `Rows`."""
        there = self._partitions.get(partition, {})
        keys = list(there)
        for first in range(0, len(keys), ROWS_PER_PIECE):
            some = keys[first : first + ROWS_PER_PIECE]
            yield [(key, there[key]) for key in some if key in there]

    def some(
        self, partition: int, first: bytes, until: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """See `Rows`."""
        there = self._partitions.get(partition, {})
        if partition not in self._in_order:
            self._in_order[partition] = SortedList(there)
        keys = self._in_order[partition].irange(first, until, inclusive=(True, False))
        return [(key, there[key]) for key in islice(keys, limit)]

    def leave(self, partition: int) -> None:
        """Memory is for what this worker has."""
        self.forget(partition)

    def forget(self, partition: int) -> None:
        """See `Rows`."""
        self._partitions.pop(partition, None)
        self._in_order.pop(partition, None)
        self._marks.pop(partition, None)

    def close(self) -> None:
        """There is nothing to be kept."""


class RocksRows:
    """Rows of one table in one RocksDB, which one process has open at a time.

    A write is in the operating system's hands when it returns, so `kill -9` loses none of it. What
    a power failure takes is the newest writes, each with its mark: the changelog has them.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        try:
            self._db = Rdict(str(path), options=_options())
        except Exception:
            logger.critical(
                "the tables in %s cannot be opened: another worker with the same "
                "KESHIKOMI_WORKER_NAME has them, or they are damaged and may be removed",
                path,
            )
            raise

    def mark(self, partition: int) -> Mark | None:
        """See `Rows`."""
        found = self._db.get(_mark_key(partition))
        return None if found is None else decode_mark(found)

    def apply(self, partition: int, rows: Iterable[Row], mark: Mark) -> None:
        """See `Rows`."""
        batch = WriteBatch(raw_mode=True)
        prefix = _prefix(partition)
        for key, value in rows:
            if value is None:
                batch.delete(prefix + key)
            else:
                batch.put(prefix + key, value)
        batch.put(_mark_key(partition), mark.encode())
        self._db.write(batch)

    def find(self, partition: int, key: bytes) -> bytes | None:
        """See `Rows`."""
        found: bytes | None = self._db.get(_prefix(partition) + key)
        return found

    def pieces(self, partition: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """See `Rows`; in the order of keys."""
        prefix, end, after = _prefix(partition), _prefix(partition + 1), b""
        while piece := self._between(prefix, prefix + after, end, ROWS_PER_PIECE):
            yield piece
            after = piece[-1][0] + b"\x00"

    def some(
        self, partition: int, first: bytes, until: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """See `Rows`."""
        prefix = _prefix(partition)
        return self._between(prefix, prefix + first, prefix + until, limit)

    def _between(
        self, prefix: bytes, first: bytes, until: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """An iterator keeps everything readable that was there, so it lives for one piece."""
        rows = self._db.iter()
        rows.seek(first)
        piece: list[tuple[bytes, bytes]] = []
        while rows.valid() and len(piece) < limit:
            key = rows.key()
            if key >= until:
                break
            piece.append((key[len(prefix) :], rows.value()))
            rows.next()
        return piece

    def leave(self, partition: int) -> None:
        """See `Rows`; the rows stay, and the changelog brings them up to date later."""

    def forget(self, partition: int) -> None:
        """See `Rows`."""
        batch = WriteBatch(raw_mode=True)
        batch.delete_range(_prefix(partition), _prefix(partition + 1))
        batch.delete(_mark_key(partition))
        self._db.write(batch)

    def close(self) -> None:
        """See `Rows`; opening is quicker when nothing has to be read back from RocksDB's log."""
        self._db.flush()
        self._db.close()


def _prefix(partition: int) -> bytes:
    return b"r" + partition.to_bytes(4, "big")


def _mark_key(partition: int) -> bytes:
    return b"m" + partition.to_bytes(4, "big")


def _options() -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(CACHE_BYTES))
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, block_based=False)
    blocks.set_cache_index_and_filter_blocks(v=True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(v=True)
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(WRITE_BUFFERS_MAX)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_keep_log_file_num(LOG_FILES_KEPT)
    options.set_compression_type(DBCompressionType.lz4())
    return options
