"""A topic that lost its end, as by a power cut without a sync, loses no new record beyond that."""

from __future__ import annotations

import asyncio
import logging
import shutil

import pytest
from faust.types.tuples import TP

from connectors.kafka.cut import Cut
from connectors.kafka.rows import IN_MEMORY
from connectors.kafka.store import url_of
from ops.stack.kafka import KafkaServer
from tests.conftest import Eventually
from tests.integration.test_kafka_forgotten import RECORDS, Notices, a_worker
from tests.log_kafka import KafkaEngine, a_kafka_engine

pytestmark = [pytest.mark.integration, pytest.mark.allows_errors]

TOPICS = ("notices", "counts", "quarantine")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]


async def test_a_position_behind_the_end_is_told_once_and_all_that_is_left_is_handled(
    kafka_server: KafkaServer, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    with a_kafka_engine(kafka_server.url, replication=1) as engine:
        for topic in TOPICS:
            engine.create_topic(topic, 4)
        notices = Notices(kafka_server, engine)
        await notices.append(0, 1)
        await notices.read({0: RECORDS + 95, 1: RECORDS})
        await notices.forget({0: 2})

        async with a_worker(engine) as app:
            await eventually(lambda: sum(engine.ends("counts")) == RECORDS - 2)
            await eventually(lambda: notices.positions() == [RECORDS, RECORDS, 0, 0])
            await app.consumer.perform_seek()  # as after each rebalance
            await notices.append(0)
            await eventually(lambda: notices.positions() == [2 * RECORDS, RECORDS, 0, 0])

        assert told(caplog) == [str(Cut(TP(notices.name, 0), notices.group, RECORDS + 95, 2))]
        assert app.stopped == []


async def test_of_a_topic_that_begins_anew_under_a_worker_every_record_is_read(
    own_kafka: KafkaServer, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    with a_kafka_engine(own_kafka.url, replication=1) as engine:
        engine.store = url_of(IN_MEMORY)  # files of the first worker may be locked for a while
        for topic in TOPICS:
            engine.create_topic(topic, 4)
        notices = Notices(own_kafka, engine)
        await notices.append(0)

        async with a_worker(engine) as app:
            await eventually(lambda: notices.positions() == [RECORDS, 0, 0, 0])
            await asyncio.to_thread(lose, own_kafka, engine)
            await notices.append(0, many=RECORDS - 2)
            # Where the group was shared out anew first, it has gone back without a stop.
            await eventually(lambda: bool(app.stopped or told(caplog)))
            said = [*map(str, app.stopped), *told(caplog)]
            assert said[0] == str(Cut(TP(notices.name, 0), notices.group, RECORDS, 0))
            await notices.append(0, many=RECORDS)  # it passes where the group was

        async with a_worker(engine) as app:
            await eventually(lambda: notices.positions() == [2 * RECORDS - 2, 0, 0, 0])
            assert sum(engine.ends("counts")) >= RECORDS + 2 * RECORDS - 2
            assert app.stopped == []


def lose(kafka: KafkaServer, engine: KafkaEngine) -> None:
    """Let the broker come back without anything of the first partition."""
    kafka.kill()
    shutil.rmtree(kafka.directory / "data" / f"{engine.prefix}notices-0")
    kafka.start()
    kafka.wait_usable()
