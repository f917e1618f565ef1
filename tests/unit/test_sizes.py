"""What a paid invoice takes is counted from the files, table by table and topic by topic."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from loadtests.sizes import lines, of_database, of_keyspace, of_topics


def a_file(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_the_indexes_of_a_table_are_a_part_of_it_and_nothing_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE notices (name TEXT PRIMARY KEY, at INTEGER)")
        connection.execute("CREATE INDEX by_age ON notices (at)")
        rows = [(f"n{number:090}", number) for number in range(1_000)]
        connection.executemany("INSERT INTO notices VALUES (?, ?)", rows)
        connection.commit()

    sizes = of_database(path)

    assert set(sizes) == {"notices", "sqlite_schema"}
    assert sum(sizes.values()) == path.stat().st_size


def test_the_partitions_of_a_topic_are_added_up_without_their_indexes(tmp_path: Path) -> None:
    a_file(tmp_path / "history-0" / "000.log", 10)
    a_file(tmp_path / "history-11" / "000.log", 5)
    a_file(tmp_path / "history-11" / "000.index", 1_000)
    a_file(tmp_path / "invoice-rows-changelog-0" / "000.log", 7)

    assert of_topics(tmp_path) == {"history": 15, "invoice-rows-changelog": 7}


def test_all_files_of_a_table_count_and_its_snapshots_do_not(tmp_path: Path) -> None:
    a_file(tmp_path / "events-0123" / "na-1-big-Data.db", 10)
    a_file(tmp_path / "events-0123" / "na-1-big-Index.db", 2)
    a_file(tmp_path / "events-0123" / "snapshots" / "old" / "na-1-big-Data.db", 99)

    assert of_keyspace(tmp_path) == {"events": 12}


def test_the_table_has_the_largest_first_and_leaves_out_what_is_next_to_nothing() -> None:
    stores = {"log": {"small": 100, "large": 900, "a few pages": 9}}

    assert lines(stores, 10)[2:] == [
        "| log | all | 101 |",
        "| log | large | 90 |",
        "| log | small | 10 |",
    ]
