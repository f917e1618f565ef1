"""What every engine of the log owes its users, on a file, on one broker and on three."""

from __future__ import annotations

import asyncio
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]  # no types

from connectors.log.limits import RECORD_BYTES_MAX
from streams.domain.errors import OverLimit
from streams.ports import Record
from tests.conftest import Eventually
from tests.log_engines import Engine, a_sqlite_engine
from tests.log_helpers import a_record, end, start
from tests.log_kafka import a_kafka_engine
from tests.log_worker import LARGE_CHANGE, LARGE_OUTPUT, LARGE_ROW, POISON

pytestmark = [
    pytest.mark.integration,
    pytest.mark.allows_errors,  # aiokafka calls a coordinator that is not elected yet an error
]

GROUP = "counting"
LARGE = b" " * 3_000_000
"""More than Kafka takes unless it is asked to; an invoice with many payments may be as large."""


def an_engine(request: pytest.FixtureRequest, directory: Path) -> AbstractContextManager[Engine]:
    """The engine of a parameter; servers are started once for the whole session."""
    match request.param:
        case "sqlitelog":
            return a_sqlite_engine(directory)
        case "kafka":
            return a_kafka_engine(request.getfixturevalue("kafka_server").url, replication=1)
        case _:
            return a_kafka_engine(request.getfixturevalue("kafka_cluster").url, replication=3)


@pytest.fixture(params=["sqlitelog", "kafka", "kafka of three"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with an_engine(request, tmp_path) as made:
        for topic in ("notices", "counts", "quarantine"):
            made.create_topic(topic, 4)
        yield made


@contextmanager
def a_worker(engine: Engine, mode: str = "unit") -> Iterator[subprocess.Popen[bytes]]:
    worker = start("tests.log_worker", engine.broker, engine.store, mode, engine.prefix)
    try:
        yield worker
    finally:
        end([worker])


def numbers(engine: Engine, topic: str) -> list[int]:
    return [int((seen.value or b"").split(b":")[0]) for seen in engine.read(topic)]


def has_counted(engine: Engine, wanted: int) -> bool:
    return sum(engine.ends("counts")) >= wanted


def notices(count: int) -> list[Record]:
    return [a_record(key=f"k{n % 50}", value=str(n)) for n in range(count)]


async def test_places_are_consecutive_and_tell_where_each_record_stands(engine: Engine) -> None:
    records = notices(40)

    places = await engine.appender.append(records)

    seen = {(s.partition, s.offset): s for s in engine.read("notices")}
    for record, place in zip(records, places, strict=True):
        assert seen[place.partition, place.offset].value == record.value
    for partition in range(4):
        offsets = [place.offset for place in places if place.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_records_of_one_call_keep_their_order_within_a_key(engine: Engine) -> None:
    await engine.appender.append(notices(200))

    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for seen in engine.read("notices"):
        by_key[seen.key].append(int(seen.value or b""))
    assert all(found == sorted(found) for found in by_key.values())
    assert len(by_key) == 50


async def test_a_key_has_the_partition_that_it_has_on_kafka(engine: Engine) -> None:
    places = await engine.appender.append(notices(50))

    partitioner, all_partitions = DefaultPartitioner(), list(range(4))
    expected = [partitioner(b"k%d" % n, all_partitions, all_partitions) for n in range(50)]
    assert [place.partition for place in places] == expected


async def test_bytes_and_headers_come_back_as_they_were(engine: Engine) -> None:
    record = Record(
        topic="notices",
        key=bytes(range(256)),
        value=b"\x00\xff" * 5_000 + LARGE,
        headers=(("traceparent", b"00-1"), ("同じ", b""), ("同じ", b"\x00")),
    )

    await engine.appender.append([record])

    (seen,) = engine.read("notices")
    assert (seen.key, seen.value, seen.headers) == (record.key, record.value, record.headers)


async def test_the_largest_record_is_taken_and_a_larger_one_refused(engine: Engine) -> None:
    room = RECORD_BYTES_MAX - len(b"key") - len(b"traceparent" + b"00-1")
    headers = (("traceparent", b"00-1"),)
    largest = Record(topic="notices", key=b"key", value=b"v" * room, headers=headers)
    larger = replace(largest, value=b"v" * (room + 1))

    with pytest.raises(OverLimit, match=r"8388609 bytes for .*notices .* 8388608"):
        await engine.appender.append([a_record(), larger])
    await engine.appender.append([largest])

    assert [seen.value == largest.value for seen in engine.read("notices")] == [True]


async def test_what_was_appended_is_readable_when_the_call_returns(engine: Engine) -> None:
    async def append(n: int) -> bool:
        await engine.appender.append([a_record(key=f"k{n}", value=str(n))])
        return n in numbers(engine, "notices")

    assert all(await asyncio.gather(*(append(n) for n in range(5))))


@pytest.mark.parametrize("mode", ["unit", "plain"])
async def test_a_stage_handles_every_record_and_moves_its_group_to_the_end(
    engine: Engine, mode: str, eventually: Eventually
) -> None:
    await engine.appender.append(notices(500))

    with a_worker(engine, mode):
        await eventually(lambda: sum(engine.ends("counts")) == 500)
        await engine.appender.append([a_record(key="late", value=LARGE.decode() + "500")])
        await eventually(lambda: sum(engine.ends("counts")) == 501)
        await eventually(lambda: engine.positions(GROUP, "notices") == engine.ends("notices"))

    assert sorted(numbers(engine, "counts")) == list(range(501))
    for seen in engine.read("counts"):
        assert seen.key is not None
    totals: dict[bytes | None, list[int]] = defaultdict(list)
    for seen in engine.read("counts"):
        totals[seen.key].append(int((seen.value or b"").split(b":")[1]))
    assert all(found == list(range(1, len(found) + 1)) for found in totals.values())


@pytest.mark.parametrize("mode", ["unit", "plain"])
async def test_a_killed_stage_loses_nothing(
    engine: Engine, mode: str, eventually: Eventually
) -> None:
    await engine.appender.append(notices(6_000))

    for threshold in (1_000, 3_000):
        with a_worker(engine, mode):
            await eventually(partial(has_counted, engine, threshold))
    with a_worker(engine, mode):
        await eventually(lambda: engine.positions(GROUP, "notices") == engine.ends("notices"))
        await eventually(lambda: sum(engine.ends("counts")) >= 6_000)

    found = numbers(engine, "counts")
    assert set(found) == set(range(6_000))
    if mode == "unit" and not engine.repeats_after_a_crash:
        assert len(found) == 6_000


async def test_a_unit_left_by_an_exception_sends_nothing(
    engine: Engine, eventually: Eventually
) -> None:
    """Also where the exception is the log's own, which takes no record of that size."""
    spoilt = [value.decode() for value in (POISON, LARGE_OUTPUT, LARGE_CHANGE, LARGE_ROW)]
    values = ("1", *spoilt[:2], "2", *spoilt[2:], "3")
    await engine.appender.append([a_record(value=value) for value in values])

    with a_worker(engine):
        await eventually(partial(has_counted, engine, 3))
        await eventually(lambda: engine.positions(GROUP, "notices") == engine.ends("notices"))

    assert [seen.value for seen in engine.read("counts")] == [b"1:1", b"2:2", b"3:3"]
    assert [(seen.value or b"").decode() for seen in engine.read("quarantine")] == spoilt
    assert engine.rows("log-worker-totals-changelog") == {b"k": b"3"}
    assert sum(engine.ends("log-worker-totals-changelog")) == 3


async def test_a_stopped_stage_finishes_what_it_began_and_the_next_goes_on(
    engine: Engine, eventually: Eventually
) -> None:
    await engine.appender.append(notices(300))
    with a_worker(engine) as worker:
        await eventually(lambda: sum(engine.ends("counts")) >= 100)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 20) == 0
    await engine.appender.append(notices(300))
    with a_worker(engine):
        await eventually(lambda: engine.positions(GROUP, "notices") == engine.ends("notices"))

    assert sorted(numbers(engine, "counts")) == sorted([*range(300), *range(300)])
