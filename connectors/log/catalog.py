"""The topics of the log: their partitions, and what may be forgotten of them."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass

from connectors.log.gate import Gate
from streams.domain.errors import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it stands in the file; `partition_ids` is indexed by partition number."""

    name: str
    partition_ids: tuple[int, ...]
    compacted: bool
    retention_seconds: int | None
    is_table: bool = False
    """Of its records only the newest of each key is kept, and that not in the log."""

    @property
    def partitions(self) -> int:
        """How many partitions the topic has, for ever."""
        return len(self.partition_ids)


class Catalog:
    """Topics by name, remembered once seen: a topic never changes its partitions."""

    def __init__(self, connection: sqlite3.Connection, gate: Gate) -> None:
        self._connection, self._gate = connection, gate
        self._topics: dict[str, Topic] = {}
        self.table_partitions: set[int] = set()
        """The partitions of tables among the topics seen so far; nobody writes to others."""
        self._lock = threading.Lock()

    def find(self, name: str) -> Topic | None:
        """The topic, if anyone has created it."""
        known = self._topics.get(name)
        return known if known is not None else self._read(name)

    def get(self, name: str) -> Topic:
        """The topic, which must exist."""
        topic = self.find(name)
        if topic is None:
            message = f"there is no topic {name!r} in the log"
            raise LookupError(message)
        return topic

    def all(self) -> list[Topic]:
        """Every topic in the file, with the rules that hold now, whoever set them."""
        with self._lock:
            names = self._connection.execute("SELECT name FROM topics ORDER BY id").fetchall()
        return [topic for (name,) in names if (topic := self._read(name)) is not None]

    def create(
        self,
        name: str,
        partitions: int,
        *,
        compacted: bool,
        retention_seconds: int | None,
        is_table: bool = False,
    ) -> Topic:
        """Create the topic, or take over new rules for one that exists.

        Raises `Conflict` for another number of partitions, since keys would change theirs, and
        when a topic would become a table or a table a topic.
        """
        if partitions < 1:
            message = f"topic {name!r} needs at least one partition"
            raise ValueError(message)
        known = self.find(name)
        wanted = compacted, retention_seconds
        if known is None or (known.compacted, known.retention_seconds) != wanted:
            if known is None or (known.partitions, known.is_table) == (partitions, is_table):
                self._write(name, partitions, compacted, retention_seconds, is_table)
                self._topics.pop(name, None)
            known = self.get(name)
        if known.partitions != partitions:
            message = f"topic {name!r} has {known.partitions} partitions, not {partitions}"
            raise Conflict(message)
        if known.is_table != is_table:
            message = f"{name!r} is {'a table' if known.is_table else 'a topic and no table'}"
            raise Conflict(message)
        return known

    def rewind(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Have a group read again from an offset, which commits alone never do."""
        partition_id = self.get(topic).partition_ids[partition]
        with self._lock, self._gate.held(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "UPDATE positions SET next_offset = min(next_offset, ?)"
                " WHERE group_name = ? AND partition_id = ?",
                (offset, group, partition_id),
            )

    def _write(
        self,
        name: str,
        partitions: int,
        compacted: bool,
        retention_seconds: int | None,
        is_table: bool,
    ) -> None:
        with self._lock, self._gate.held(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()
            if row is not None:
                connection.execute(
                    "UPDATE topics SET compacted = ?, retention_seconds = ? WHERE id = ?",
                    (compacted, retention_seconds, row[0]),
                )
                return
            topic_id = connection.execute(
                "INSERT INTO topics (name, partitions, compacted, retention_seconds, is_table)"
                " VALUES (?, ?, ?, ?, ?)",
                (name, partitions, compacted, retention_seconds, is_table),
            ).lastrowid
            connection.executemany(
                "INSERT INTO partitions (topic_id, number) VALUES (?, ?)",
                [(topic_id, number) for number in range(partitions)],
            )

    def _read(self, name: str) -> Topic | None:
        with self._lock:
            row = self._connection.execute(
                "SELECT id, compacted, retention_seconds, is_table FROM topics WHERE name = ?",
                (name,),
            ).fetchone()
            if row is None:
                return None
            ids = self._connection.execute(
                "SELECT id FROM partitions WHERE topic_id = ? ORDER BY number", (row[0],)
            ).fetchall()
        topic = Topic(
            name=name,
            partition_ids=tuple(partition_id for (partition_id,) in ids),
            compacted=bool(row[1]),
            retention_seconds=row[2],
            is_table=bool(row[3]),
        )
        if topic.is_table:
            self.table_partitions.update(topic.partition_ids)
        self._topics[name] = topic
        return topic
