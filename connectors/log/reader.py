"""The read side of the log: durable records, ends and positions, by partition id."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import NamedTuple

from connectors.log.places import offset_of, place_of

_FETCH = (
    "SELECT place, timestamp_ms, key, value, headers FROM log"
    " WHERE place >= ? AND place < ? ORDER BY place LIMIT ?"
)


class Stored(NamedTuple):
    """One durable record as it stands in a partition."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: bytes | None


class Reader:
    """One connection that sees what is committed; SQLite shows a commit only after its fsync."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def fetch(self, partition_id: int, offset: int, limit: int) -> list[Stored]:
        """Up to `limit` records from `offset` on, in order; compaction may have left gaps."""
        first = place_of(partition_id, offset)
        last = place_of(partition_id + 1, 0)
        with self._lock:
            rows = self._connection.execute(_FETCH, (first, last, limit)).fetchall()
        base = place_of(partition_id, 0)
        return [Stored(row[0] - base, *row[1:]) for row in rows]

    def ends(self) -> dict[int, int]:
        """The next offset of every partition that has ever had a record."""
        with self._lock:
            text = self._connection.execute(
                "SELECT json_group_object(partition_id, next_offset) FROM ends"
            ).fetchone()[0]
        return {int(partition_id): offset for partition_id, offset in json.loads(text).items()}

    def end(self, partition_id: int) -> int:
        """The offset that the partition's next record will have."""
        row = self._one("SELECT next_offset FROM ends WHERE partition_id = ?", partition_id)
        return row if row is not None else 0

    def earliest(self, partition_id: int) -> int:
        """The offset of the oldest record still kept, or the end when there is none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT min(place) FROM log WHERE place >= ? AND place < ?",
                (place_of(partition_id, 0), place_of(partition_id + 1, 0)),
            ).fetchone()
        return offset_of(row[0]) if row[0] is not None else self.end(partition_id)

    def committed(self, group: str, partition_id: int) -> int | None:
        """The next offset that the group will read, if it has ever read the partition."""
        return self._one(
            "SELECT next_offset FROM positions WHERE partition_id = ? AND group_name = ?",
            partition_id,
            group,
        )

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._connection.close()

    def _one(self, statement: str, *values: object) -> int | None:
        with self._lock:
            row = self._connection.execute(statement, values).fetchone()
        return None if row is None else int(row[0])
