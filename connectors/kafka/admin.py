"""Topics and positions of a Kafka cluster: made, compared, and read for lag and audits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaAdminClient,
    NewTopic,
)
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]  # it ships no types
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    KafkaError,
    TopicAlreadyExistsError,
)

from connectors.kafka.connection import KafkaConnection
from connectors.kafka.reaching import farewell, reached
from streams.domain.errors import Conflict, Unavailable

MIN_IN_SYNC = 2
"""With three replicas one broker may fail, and what was acknowledged still stands on two."""
USABLE_SECONDS_MAX = 30.0
USABLE_PAUSE_SECONDS = 0.05
COMPARED = ("cleanup.policy", "min.insync.replicas", "message.timestamp.type")
"""What loses or reorders money when it differs; retention may be an operator's own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """A topic as it must be."""

    name: str
    partitions: int
    replication: int
    compacted: bool = False
    retention_seconds: int | None = None

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings, as Kafka names them."""
        retention_ms = -1 if self.retention_seconds is None else self.retention_seconds * 1000
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(retention_ms),
            "min.insync.replicas": str(min(MIN_IN_SYNC, self.replication)),
            "message.timestamp.type": "LogAppendTime",
        }


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


async def make_topics(connection: KafkaConnection, plans: Iterable[TopicPlan]) -> list[str]:
    """Create the topics that are missing; returns their names. Raises `Conflict` and `Unavailable`.

    A topic that is there and differs is refused, since what it holds cannot be moved quietly.
    """
    wanted = {plan.name: plan for plan in plans}
    async with an_admin(connection) as admin:
        there = set(await admin.list_topics())
        missing = [plan for name, plan in wanted.items() if name not in there]
        if missing:
            await _create(admin, missing)
            await _until_usable(admin, [plan.name for plan in missing])
        # Brokers that have not heard of a new topic would say that it has no partitions.
        await _must_agree(admin, {n: p for n, p in wanted.items() if n in there})
    return [plan.name for plan in missing]


async def compare_topics(connection: KafkaConnection, plans: Iterable[TopicPlan]) -> None:
    """Raise `Conflict` when a topic that exists differs from what it must be."""
    wanted = {plan.name: plan for plan in plans}
    async with an_admin(connection) as admin:
        there = set(await admin.list_topics())
        await _must_agree(admin, {n: p for n, p in wanted.items() if n in there})


async def _must_agree(admin: AIOKafkaAdminClient, wanted: Mapping[str, TopicPlan]) -> None:
    if faults := await _differences(admin, wanted):
        raise Conflict("topics differ from what they must be: " + "; ".join(faults))


async def _create(admin: AIOKafkaAdminClient, plans: Iterable[TopicPlan]) -> None:
    topics = [
        NewTopic(plan.name, plan.partitions, plan.replication, topic_configs=plan.config)
        for plan in plans
    ]
    answer = await admin.create_topics(topics)
    for name, code, *message in answer.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:  # another process may make them too
            text = message[0] if message and message[0] else f"error {code}"
            raise Conflict(f"topic {name!r} cannot be created: {text}")


async def _until_usable(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """The cluster agrees to a topic before its brokers know of it."""
    async with asyncio.timeout(USABLE_SECONDS_MAX):
        while not all(  # noqa: ASYNC110  # the cluster sets no event of ours
            topic["partitions"] and all(each["leader"] >= 0 for each in topic["partitions"])
            for topic in await admin.describe_topics(names)
        ):
            await asyncio.sleep(USABLE_PAUSE_SECONDS)


async def _differences(admin: AIOKafkaAdminClient, wanted: Mapping[str, TopicPlan]) -> list[str]:
    described = {topic["topic"]: topic for topic in await admin.describe_topics(list(wanted))}
    configs = await _configs(admin, wanted)
    faults = []
    for name, plan in wanted.items():
        partitions = described[name]["partitions"]
        replication = min((len(each["replicas"]) for each in partitions), default=0)
        if len(partitions) != plan.partitions:
            faults.append(f"{name} has {len(partitions)} partitions, not {plan.partitions}")
        if replication < plan.replication:
            faults.append(f"{name} has {replication} replicas, not {plan.replication}")
        faults += [
            f"{name} has {key} = {configs[name].get(key)}, not {plan.config[key]}"
            for key in COMPARED
            if configs[name].get(key) != plan.config[key]
        ]
    return faults


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


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
