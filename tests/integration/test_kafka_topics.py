"""Topics on a real Kafka are as planned, or are refused; how long they keep records is mended."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    TopicPartition,
)
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]  # it ships no types
    ConfigResource,
    ConfigResourceType,
)

from connectors.kafka.connection import KafkaConnection
from connectors.kafka.topics import TopicPlan, compare_topics, make_topics
from ops.stack.kafka import KafkaCluster, KafkaServer
from streams.domain.errors import Conflict
from streams.topics import DAY_SECONDS
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration

DAY_MS = DAY_SECONDS * 1000
OWN = {"segment.bytes": "7340032"}
"""Something that an operator set for the topic, which is none of our business."""


class Topic:
    """One topic that was made for seven days, and what is asked of it."""

    def __init__(self, kafka: KafkaServer) -> None:
        self.kafka, self.connection = kafka, KafkaConnection(servers=(kafka.address,))
        self.plan = TopicPlan(
            name=fresh_name("kept"), partitions=1, replication=1, retention_seconds=7 * DAY_SECONDS
        )
        self.name = self.plan.name

    async def there(self, **config: str) -> None:
        """Let it be there, with some settings that are not as planned."""
        settings = self.plan.config | OWN | config
        await asyncio.to_thread(self.kafka.create_topic, self.name, 1, config=settings)

    def for_days(self, days: int) -> TopicPlan:
        return replace(self.plan, retention_seconds=days * DAY_SECONDS)

    async def make(self, plan: TopicPlan, *, exactly: bool = False) -> list[str]:
        return await make_topics(self.connection, [plan], exactly=exactly)

    async def compare(self, plan: TopicPlan) -> list[str]:
        return await compare_topics(self.connection, [plan])

    async def config(self) -> dict[str, str]:
        """The settings that it has."""
        resource = ConfigResource(ConfigResourceType.TOPIC, self.name)
        (answer,) = await asyncio.to_thread(
            self.kafka.ask, lambda admin: admin.describe_configs([resource])
        )
        return {key: value for key, value, *_ in answer.resources[0][4]}


@pytest.fixture
def topic(kafka_server: KafkaServer) -> Topic:
    return Topic(kafka_server)


async def test_a_topic_is_made_once_and_is_then_as_planned(topic: Topic) -> None:
    assert await topic.compare(topic.plan) == [f"`keshikomi setup` makes {topic.name}"]
    assert await topic.make(topic.plan) == [f"the topic {topic.name} is made"]
    assert await topic.make(topic.plan, exactly=True) == []
    assert await topic.compare(topic.plan) == []
    assert topic.plan.config.items() <= (await topic.config()).items()


async def test_records_that_would_go_too_soon_stay_for_longer_and_all_else_is_left(
    topic: Topic,
) -> None:
    await topic.there(**{"retention.bytes": "1000", "unclean.leader.election.enable": "true"})
    plan = topic.for_days(14)
    longer = f"{topic.name} has retention.ms = {7 * DAY_MS}, not {14 * DAY_MS}"
    larger = f"{topic.name} has retention.bytes = 1000, not -1"
    with pytest.raises(Conflict) as differs:
        await topic.compare(plan)
    assert longer in str(differs.value)
    assert larger in str(differs.value)
    assert "unclean.leader.election.enable = true, not false (`keshikomi" in str(differs.value)

    assert set(await topic.make(plan)) == {
        f"{topic.name} has retention.ms = {14 * DAY_MS} now, not {7 * DAY_MS}",
        f"{topic.name} has retention.bytes = -1 now, not 1000",
        f"{topic.name} has unclean.leader.election.enable = false now, not true",
    }

    assert (plan.config | OWN).items() <= (await topic.config()).items()
    assert await topic.compare(plan) == []


async def test_records_stay_for_less_time_only_when_that_is_meant(topic: Topic) -> None:
    await topic.there()
    plan = topic.for_days(2)
    told = f"{topic.name} has retention.ms = {7 * DAY_MS}, not {2 * DAY_MS}"

    assert await topic.make(plan) == [f"{told}: `keshikomi setup` would shorten it"]
    assert await topic.compare(plan) == [told]
    assert (await topic.config())["retention.ms"] == str(7 * DAY_MS)

    assert await topic.make(plan, exactly=True) == [
        f"{topic.name} has retention.ms = {2 * DAY_MS} now, not {7 * DAY_MS}"
    ]
    assert await topic.compare(plan) == []


async def test_what_cannot_be_altered_without_loss_is_refused_and_nothing_is(topic: Topic) -> None:
    await topic.there(**{"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"})
    plan = replace(topic.for_days(14), partitions=2, replication=3)

    for call in (topic.compare, topic.make):
        with pytest.raises(Conflict) as refused:
            await call(plan)
        for fault in (
            "1 partitions, not 2",
            "1 replicas, not 3",
            "cleanup.policy = compact, not delete",
            "min.insync.replicas = 1, not 2",
            "message.timestamp.type = CreateTime, not LogAppendTime",
        ):
            assert f"{topic.name} has {fault}" in str(refused.value)
    assert (await topic.config())["retention.ms"] == str(7 * DAY_MS)


async def test_a_changelog_tells_for_a_day_that_a_row_was_removed(topic: Topic) -> None:
    plan = replace(topic.plan, compacted=True, retention_seconds=None)
    topic.plan = plan
    await topic.there(**{"delete.retention.ms": "1000"})

    with pytest.raises(Conflict, match=r"delete\.retention\.ms = 1000, not 86400000"):
        await topic.compare(plan)
    await topic.make(plan)

    assert (await topic.config())["delete.retention.ms"] == str(DAY_MS)


async def test_two_copies_are_not_made_since_one_dead_broker_would_stop_intake(
    topic: Topic,
) -> None:
    two = replace(topic.plan, replication=2)

    for call in (topic.compare, topic.make):
        with pytest.raises(Conflict, match="one broker that is down stops intake"):
            await call(two)

    assert topic.name not in await asyncio.to_thread(topic.kafka.ask, lambda a: a.list_topics())


@pytest.mark.allows_errors  # the client calls a group that is not there yet an error
async def test_how_far_each_stage_is_has_as_many_copies_as_the_log(own_kafka: KafkaServer) -> None:
    topic = Topic(own_kafka)
    three = replace(topic.plan, replication=3)
    with pytest.raises(Conflict, match=r"would be made with 1 replicas, not 3: .*set offsets\.t"):
        await topic.compare(three)
    with pytest.raises(Conflict, match=r"would be made with 1 replicas, not 3"):
        await topic.make(three, exactly=True)
    assert await topic.make(topic.plan) == [f"the topic {topic.name} is made"]

    await commit(own_kafka, topic.name)

    with pytest.raises(Conflict, match=r"__consumer_offsets has 1 replicas, not 3: .*reassign"):
        await topic.compare(three)
    assert await topic.compare(topic.plan) == []


@pytest.mark.allows_errors  # as above
@pytest.mark.timeout(180)
async def test_on_a_cluster_that_keeps_three_copies_of_all_nothing_is_missing(
    kafka_cluster: KafkaCluster,
) -> None:
    broker, *_ = kafka_cluster.brokers
    topic = Topic(broker)
    three = replace(topic.plan, replication=3)
    assert await topic.compare(three) == [f"`keshikomi setup` makes {topic.name}"]
    assert await topic.make(three, exactly=True) == [f"the topic {topic.name} is made"]

    await commit(broker, topic.name)

    assert await topic.compare(three) == []


async def commit(kafka: KafkaServer, topic: str) -> None:
    """Say how far a group is, by which Kafka makes the topic for it."""
    group = AIOKafkaConsumer(bootstrap_servers=kafka.address, group_id=topic)
    await group.start()
    try:
        group.assign([TopicPartition(topic, 0)])
        await group.commit({TopicPartition(topic, 0): 0})
    finally:
        await group.stop()
