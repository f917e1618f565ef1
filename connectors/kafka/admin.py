"""Questions to a Kafka cluster: a client for one errand, and where everything stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # no types
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]  # it ships no types

from connectors.kafka.connection import KafkaConnection
from connectors.kafka.ending import end_consumer
from connectors.kafka.reaching import farewell, reached
from streams.domain.errors import Unavailable

REWIND_SECONDS_MAX = 10.0


@asynccontextmanager
async def an_admin(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for one errand; raises `Unavailable` when the cluster cannot be reached."""
    client = AIOKafkaAdminClient(**(await reached(connection)).client_options())
    try:
        await client.start()
        yield client
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka cannot be reached: {error!r}") from error
    finally:
        await farewell(client.close())


async def has_topics(connection: KafkaConnection, names: Iterable[str]) -> bool:
    """Whether all of these were made; raises `Unavailable`."""
    return not await missing_topics(connection, names)


async def missing_topics(connection: KafkaConnection, names: Iterable[str]) -> list[str]:
    """Those of them that nobody made; raises `Unavailable`."""
    async with an_admin(connection) as admin:
        there = set(await admin.list_topics())
    return [name for name in names if name not in there]


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where every partition begins and ends and how far each group is, at one moment."""

    begins: Mapping[tuple[str, int], int]
    ends: Mapping[tuple[str, int], int]
    taken: Mapping[tuple[str, str, int], int] = field(default_factory=dict)

    def end(self, topic: str, partition: int) -> int:
        """The offset that the partition's next record will have."""
        return self.ends[topic, partition]

    def earliest(self, topic: str, partition: int) -> int:
        """The offset of the oldest record still kept."""
        return self.begins[topic, partition]

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The next offset that the group will read, if it has ever committed one."""
        return self.taken.get((group, topic, partition))


async def read_positions(
    admin: AIOKafkaAdminClient,
    consumer: AIOKafkaConsumer,
    partitions: Mapping[str, int],
    groups: Mapping[str, str],
) -> Positions:
    """Positions of these topics, and of the group that reads each; a few round trips."""
    all_of_them = [
        TopicPartition(name, number) for name, many in partitions.items() for number in range(many)
    ]
    taken = {}
    for group in sorted(set(groups.values())):
        for place, stored in (await admin.list_consumer_group_offsets(group)).items():
            if stored.offset >= 0:
                taken[group, place.topic, place.partition] = stored.offset
    begins = await consumer.beginning_offsets(all_of_them)
    ends = await consumer.end_offsets(all_of_them)
    return Positions(begins=dict(begins), ends=dict(ends), taken=taken)


async def rewind(
    connection: KafkaConnection, group: str, offsets: Mapping[tuple[str, int], int]
) -> None:
    """Have a group without members read again from these offsets; raises `Unavailable`."""
    options = (await reached(connection)).client_options()
    consumer = AIOKafkaConsumer(**options, group_id=group, enable_auto_commit=False)
    places = {TopicPartition(*place): offset for place, offset in offsets.items()}
    try:
        await consumer.start()
        consumer.assign(list(places))
        async with asyncio.timeout(REWIND_SECONDS_MAX):
            await consumer.commit(places)
    except (KafkaError, TimeoutError, OSError) as error:
        raise Unavailable(
            f"{group} cannot be told to read again, which it can while no worker of it runs, or "
            f"ran within the last seconds: {error!r}"
        ) from error
    finally:
        await end_consumer(consumer)
