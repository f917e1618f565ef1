"""On Kafka and Cassandra a wrong keyspace, a wrong key and an empty Kafka are refused in time."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import Signals

import pytest

from connectors.history.opening import open_history
from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection, servers_of
from ops.stack.kafka import KafkaServer
from streams.codecs import encode
from streams.ports import Record
from streams.topics import HISTORY
from tests.builders import MERCHANT, a_notice
from tests.integration.kafka_workers import end_all, start_worker
from tests.integration.product_world import until
from tests.message_builders import a_notice_accepted

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

COMMAND_SECONDS_MAX = 60.0
NOTICES = 5
PARTITIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A data directory and the engines that its settings name."""

    data: Path
    broker: str
    history: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if "KESHIKOMI" not in name}
        named = {"KESHIKOMI_HISTORY": self.history} if self.history else {}
        return {
            **own,
            **named,
            "KESHIKOMI_DATA": str(self.data),
            "KESHIKOMI_BROKER": self.broker,
            "KESHIKOMI_KAFKA_REPLICATION": "1",
            "KESHIKOMI_PARTITIONS": str(PARTITIONS),
            **self.more,
        }

    async def run(self, *command: str) -> tuple[int, str]:
        """A command of the product, how it ended and all that it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", *command),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(COMMAND_SECONDS_MAX):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def must_do(self, *command: str) -> str:
        status, said = await self.run(*command)
        assert status == 0, said
        return said

    async def must_refuse(self, *command: str, status: int = 1, saying: str) -> None:
        ended, said = await self.run(*command)
        assert (ended, saying in said) == (status, True), (command, ended, said)

    async def stored(self) -> int:
        """How many records history has."""
        history = open_history(self.history)
        try:
            ends = [(await history.archived_to(HISTORY.name, n))[0] for n in range(PARTITIONS)]
        finally:
            await history.close()
        return sum(ends)

    async def archive(self, records: int) -> str:
        """Have an archiver store what the log has; all that it said."""
        worker = await start_worker("archiving", "archiver", self.data, self.environment)

        async def all_stored() -> bool:
            return await self.stored() == records

        try:
            await worker.wait_ready()
            await until(all_stored)
            worker.send(Signals.SIGTERM)
            assert await worker.process.wait() == 0
        finally:
            await end_all([worker])
        return worker.log()


async def accept(broker: str) -> None:
    """Records of history, as the API writes them."""
    appender = KafkaAppender(KafkaConnection(servers=servers_of(broker)))
    value = [encode(a_notice_accepted(notice=a_notice(name=f"n{n}"))) for n in range(NOTICES)]
    try:
        await appender.append(
            [Record(topic=HISTORY.name, key=MERCHANT.encode(), value=each) for each in value]
        )
    finally:
        await appender.close()


@pytest.fixture
async def first(tmp_path: Path, own_kafka: KafkaServer, url: str) -> Machine:
    """An installation that stored some notices."""
    machine = Machine(data=tmp_path / "first", broker=own_kafka.url, history=url)
    await machine.must_do("setup")
    await accept(machine.broker)
    await machine.archive(NOTICES)
    return machine


async def test_another_keyspace_is_refused_and_gets_nothing(
    first: Machine, another: Callable[[], str]
) -> None:
    wrong = replace(first, history=another())
    lacks = f"history lacks records 0 to {NOTICES - 1} of partition"

    await wrong.must_refuse("worker", "--stage", "archiving", saying=lacks)
    for command in ("setup", "check", "up", "api"):
        await wrong.must_refuse(command, saying=lacks)
    await wrong.must_refuse("audit", saying="BROKEN history has what its archiver said is stored")

    assert await wrong.stored() == 0
    assert "everything is in order" in await first.must_do("check")
    await first.archive(NOTICES)  # it goes on as before


async def test_a_history_that_nobody_named_is_not_guessed_on_kafka(first: Machine) -> None:
    unnamed = replace(first, history="")
    beside = replace(first, history="sqlite://DATA/history.db")

    await unnamed.must_refuse("worker", "--stage", "archiving", status=2, saying="must be named")
    await beside.must_refuse("worker", "--stage", "archiving", saying="history lacks records 0 to")


async def test_a_new_keyspace_is_filled_again_from_the_log_when_a_person_says_so(
    first: Machine, another: Callable[[], str]
) -> None:
    anew = replace(first, history=another())

    assert "the history is taken" in await anew.must_do("setup", "--take-history")
    assert "it is read again" in await anew.archive(NOTICES)

    assert "holds  history has what" in (await anew.run("audit"))[1]


async def test_a_machine_with_another_key_is_refused_until_it_has_the_right_one(
    first: Machine, tmp_path: Path
) -> None:
    second = replace(first, data=tmp_path / "second")
    tells = "sealed under another master key than the one here: set KESHIKOMI_MASTER_KEY"

    for command in (["setup"], ["check"], ["api"], ["up"], ["worker", "--stage", "resolving"]):
        await second.must_refuse(*command, saying=tells)

    key = (first.data / "master.key").read_text().strip()
    whole = replace(second, more={"KESHIKOMI_MASTER_KEY": key})
    assert "log, history and key are those of ins_" in await whole.must_do("check")


async def test_a_kafka_that_came_back_empty_is_not_begun_anew_beside_its_history(
    first: Machine, own_kafka: KafkaServer, another: Callable[[], str]
) -> None:
    await asyncio.to_thread(own_kafka.kill)
    shutil.rmtree(own_kafka.directory / "data")
    await asyncio.to_thread(own_kafka.start)
    await asyncio.to_thread(own_kafka.wait_usable)
    tells = "has been in use, and the log at kafka://"

    for command in (["check"], ["setup"], ["up"], ["api"], ["worker", "--stage", "settling"]):
        await first.must_refuse(*command, saying=tells)
    await first.must_refuse("audit", saying="has no topics of ours")

    assert not await asyncio.to_thread(own_kafka.ask, lambda client: client.list_topics())
    assert await first.stored() == NOTICES
    anew = replace(first, history=another())
    await anew.must_do("setup")
    assert "everything is in order" in await anew.must_do("check")
