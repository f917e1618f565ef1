"""Writes travel together when, and only when, they go to one partition, or are small."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence

import pytest

from connectors.history.cassandra.gathered import Gathered
from connectors.history.cassandra.grouping import (
    KEY_COLUMNS,
    SMALL,
    SMALL_TOGETHER_MAX,
    TOGETHER_MAX,
    TOGETHER_SIZE_MAX,
    by_partition,
)
from connectors.history.cassandra.session import Request
from ops.cql.files import history_migrations
from streams.domain.errors import Unavailable

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\n?\)(?: WITH .*?)?;", re.DOTALL)
_KEY = re.compile(r"PRIMARY KEY \(\((\w+(?:, \w+)+)\)")


def an_insert(table: str, *values: object) -> Request:
    return f"INSERT INTO {table} (whatever) VALUES (?)", values  # noqa: S608  # our tables


def test_the_partition_keys_are_those_of_the_schema() -> None:
    cql = "\n".join(migration.cql for migration in history_migrations())
    tables = dict(_TABLE.findall(cql))
    keys = {name: _KEY.search(columns) for name, columns in tables.items()}
    of_several = {name: len(key[1].split(", ")) for name, key in keys.items() if key}

    assert of_several == KEY_COLUMNS
    assert tables.keys() >= SMALL


def test_writes_of_one_partition_go_together_in_their_order() -> None:
    notice, raw = an_insert("notices", "ntc_1", 1), an_insert("raw_notices", "ntc_1", 2)
    other, again = an_insert("notices", "ntc_2", 3), an_insert("notices", "ntc_1", 4)

    assert by_partition([notice, raw, other, again]) == [[notice, raw, again], [other]]


def test_a_key_of_two_columns_is_both_of_them() -> None:
    monday, tuesday = (an_insert("deliveries_by_day", "mch_1", day, "dlv") for day in (1, 2))
    invoices = an_insert("invoices_by_day", "mch_1", 1, "inv")

    assert by_partition([monday, tuesday, invoices]) == [[monday, invoices], [tuesday]]


def test_small_rows_of_one_table_go_together_up_to_a_limit() -> None:
    places = [an_insert("event_places", f"evt_{number}") for number in range(12)]

    groups = by_partition(places)

    assert [len(group) for group in groups] == [SMALL_TOGETHER_MAX, 2]
    assert [write for group in groups for write in group] == places


def test_no_request_grows_without_end() -> None:
    writes = [an_insert("events", "mch_1", 7, number) for number in range(TOGETHER_MAX + 1)]

    assert [len(group) for group in by_partition(writes)] == [TOGETHER_MAX, 1]


def test_no_request_carries_more_than_its_bytes_but_for_one_row_that_does() -> None:
    quarter = TOGETHER_SIZE_MAX // 4
    sizes = [quarter - 100] * 6 + [TOGETHER_SIZE_MAX * 3, 1]
    writes = [an_insert("events", "mch_1", 7, "a" * size) for size in sizes[:3]]
    writes += [an_insert("events", "mch_1", 7, b"a" * size) for size in sizes[3:]]

    groups = by_partition(writes)

    assert [len(group) for group in groups] == [4, 2, 1, 1]
    assert [write for group in groups for write in group] == writes


class Library:
    """Answers when it is told to, and keeps what it was asked."""

    def __init__(self, *books: str) -> None:
        self.books = set(books)
        self.asked: list[list[str]] = []
        self.error: Exception | None = None
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def ask(self, keys: Sequence[str]) -> Collection[str]:
        self.asked.append(sorted(keys))
        self.is_asked.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.books & set(keys)


async def test_questions_during_a_question_are_one() -> None:
    library = Library("a", "c")
    gathered = Gathered(library.ask)
    first = asyncio.create_task(gathered.has("a"))
    await library.is_asked.wait()
    others = [asyncio.create_task(gathered.has(key)) for key in ("b", "c", "b")]
    await asyncio.sleep(0)
    library.may_answer.set()

    assert await asyncio.gather(first, *others) == [True, False, True, False]
    assert library.asked == [["a"], ["b", "c"]]
    assert not await gathered.has("d")


async def test_a_question_that_fails_fails_those_who_asked_it_and_nobody_after() -> None:
    library = Library("a")
    gathered = Gathered(library.ask)
    library.may_answer.set()
    library.error = Unavailable("away")
    with pytest.raises(Unavailable):
        await gathered.has("a")

    library.error = None
    assert await gathered.has("a")


async def test_one_who_gives_up_takes_no_answer_from_the_others() -> None:
    library = Library("a")
    gathered = Gathered(library.ask)
    impatient, patient = (asyncio.create_task(gathered.has("a")) for _ in range(2))
    await library.is_asked.wait()
    impatient.cancel()
    await asyncio.sleep(0)
    library.may_answer.set()

    assert await patient
