"""How many brokers keep how far each stage has read, which Kafka has in a topic that it makes."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # it ships no types
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]  # as above
    ConfigResource,
    ConfigResourceType,
)

OFFSETS = "__consumer_offsets"
COPIES = "offsets.topic.replication.factor"
"""The brokers' setting for that topic, which counts until it is made."""


async def offsets_faults(
    admin: AIOKafkaAdminClient, there: Collection[str], wanted: int
) -> list[str]:
    """What to mend when fewer copies are kept than of our own topics; of the topics `there`.

    What we may not see is no fault.
    """
    if OFFSETS in there:  # asked for by its name, one that is not there might be made
        (topic,) = await admin.describe_topics([OFFSETS])
        found = min((len(each["replicas"]) for each in topic["partitions"]), default=wanted)
        told = f"{OFFSETS} has {found} replicas, not {wanted}"
        mend = "kafka-reassign-partitions.sh gives it more"
    else:
        found = await _planned(admin, wanted)
        told = f"{OFFSETS} would be made with {found} replicas, not {wanted}"
        mend = f"set {COPIES}={wanted} on every broker"
    if found >= wanted:
        return []
    return [f"{told}: a broker that is lost would stop stages, or make them begin anew; {mend}"]


async def _planned(admin: AIOKafkaAdminClient, otherwise: int) -> int:
    """With how many copies the brokers would make it; any of them may."""
    brokers = (await admin.describe_cluster())["brokers"]
    asked = [ConfigResource(ConfigResourceType.BROKER, str(each["node_id"])) for each in brokers]
    answers = await admin.describe_configs(asked)
    entries = [
        entry for answer in answers for resource in answer.resources for entry in resource[4]
    ]
    return min((int(value) for key, value, *_ in entries if key == COPIES), default=otherwise)
