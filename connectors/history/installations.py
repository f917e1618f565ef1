"""Whose history the file is: one row, which the first installation that claims it writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from connectors.history.rows import Row
from connectors.history.sql import Insert
from streams.installations import Claim

INSTALLATION = """
CREATE TABLE installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    installation_id TEXT NOT NULL
);
"""

ARCHIVED = Insert(
    into="archived (topic, partition, next_offset, recorded_us)",
    columns=4,
    conflict="""(topic, partition) DO UPDATE SET
        next_offset = excluded.next_offset, recorded_us = excluded.recorded_us
        WHERE excluded.next_offset > next_offset""",
)


def begin_rows(claim: Claim) -> list[Row]:
    """How far partitions count as stored; nobody knows up to what time, so from the beginning."""
    return [(topic, number, offset, 0) for (topic, number), offset in claim.begins.items()]


def installation(connection: sqlite3.Connection) -> str:
    """The id in the row, or nothing."""
    row = connection.execute("SELECT installation_id FROM installation").fetchone()
    return "" if row is None else str(row[0])


def claim(connection: sqlite3.Connection, claims: Sequence[Claim]) -> Sequence[str]:
    """Write the row unless it is there, and what goes with the claim of whoever has it."""
    for each in claims:
        connection.execute(
            "INSERT INTO installation (one, installation_id) VALUES (1, ?) ON CONFLICT DO NOTHING",
            [each.installation_id],
        )
    owner = installation(connection)
    rows = [row for each in claims if each.installation_id == owner for row in begin_rows(each)]
    ARCHIVED.run(connection, rows)
    return [owner] * len(claims)
