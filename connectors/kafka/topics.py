"""The topics of a Kafka cluster: made, compared with a plan, and kept for as long as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka.admin import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaAdminClient,
    NewTopic,
)
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]  # it ships no types
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    TopicAlreadyExistsError,
)

from connectors.kafka.admin import an_admin
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.offsets import offsets_faults
from connectors.log.limits import RECORD_BYTES_MAX
from streams.domain.errors import Conflict
from streams.topics import DAY_SECONDS

MIN_IN_SYNC = 2
"""With three replicas one broker may fail, and what was acknowledged still stands on two."""
USABLE_SECONDS_MAX = 30.0
USABLE_PAUSE_SECONDS = 0.05
BATCH_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024
"""What Kafka itself is told: a record with all that it is wrapped in."""
COMPARED = ("cleanup.policy", "min.insync.replicas", "message.timestamp.type")
"""What loses or reorders money when it differs."""
UNCLEAN = "unclean.leader.election.enable"
KEPT = (*("retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes"), UNCLEAN)
"""How long records stay, and how large one may be. More than planned loses nothing; less loses what
was not read in time, or stops the stage that has to write it. And whether a broker may lead that
lacks some of them, which is never planned."""
FOR_EVER = -1
SET_FOR_THE_TOPIC = 1
"""Where Kafka says that a value comes from: not from a default."""


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
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "min.insync.replicas": str(min(MIN_IN_SYNC, self.replication)),
            "message.timestamp.type": "LogAppendTime",
            # Else a broker that was away could lead, and what the others acknowledged be forgotten.
            UNCLEAN: "false",
            "max.message.bytes": str(BATCH_BYTES_MAX),
            **self._kept(),
        }

    def _kept(self) -> dict[str, str]:
        if self.compacted:
            # A copy of a table must hear of each row that was removed: see `partitions`.
            return {"delete.retention.ms": str(DAY_SECONDS * 1000)}
        seconds = self.retention_seconds
        retention_ms = FOR_EVER if seconds is None else seconds * 1000
        # Whatever the brokers' defaults are: what is not read yet must not go by its size.
        return {"retention.ms": str(retention_ms), "retention.bytes": str(FOR_EVER)}


class Kept(NamedTuple):
    """A setting by which records stay shorter or longer, or may be smaller, than planned."""

    topic: str
    key: str
    found: str
    planned: str

    @property
    def is_shorter(self) -> bool:
        """Whether records may go before the plan allows it."""
        if self.key == UNCLEAN:
            return True
        found, planned = int(self.found), int(self.planned)
        return found != FOR_EVER and (planned == FOR_EVER or found < planned)

    def __str__(self) -> str:
        return f"{self.topic} has {self.key} = {self.found}, not {self.planned}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What topics have that is not as planned."""

    faults: list[str] = field(default_factory=list)
    """What cannot be altered without moving or losing what a topic holds."""
    kept: list[Kept] = field(default_factory=list)
    """What can be."""
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """All that is set for each topic itself."""


async def make_topics(
    connection: KafkaConnection, plans: Iterable[TopicPlan], *, exactly: bool = False
) -> list[str]:
    """Create the topics that are missing; returns what was done, in sentences.

    A topic that is there and differs is refused, since what it holds cannot be moved quietly. But
    records that would stay shorter than planned are made to stay as long. That they stay longer is
    changed only where the plan is meant `exactly`: what is forgotten then is gone.

    Raises:
        Conflict: a topic differs, or Kafka refuses to make or alter it.
        Unavailable: the cluster cannot be reached.
    """
    wanted = {plan.name: plan for plan in plans}
    async with an_admin(connection) as admin:
        there = set(await admin.list_topics())
        missing = [plan for name, plan in wanted.items() if name not in there]
        if missing:
            _must_have_none(_unsafe(missing))
        if exactly:
            _must_have_none(await _offsets(admin, there, wanted))
        if missing:
            await _create(admin, missing)
            await _until_usable(admin, [plan.name for plan in missing])
        # Brokers that have not heard of a new topic would say that it has no partitions.
        found = await _differences(admin, {n: p for n, p in wanted.items() if n in there})
        _must_have_none(found.faults)
        altered = [each for each in found.kept if exactly or each.is_shorter]
        if altered:
            await _alter(admin, found.own, altered)
            await _until_altered(admin, altered)
    left = [each for each in found.kept if each not in altered]
    return [
        *(f"the topic {plan.name} is made" for plan in missing),
        *(
            f"{each.topic} has {each.key} = {each.planned} now, not {each.found}"
            for each in altered
        ),
        *(f"{each}: `keshikomi setup` would shorten it" for each in left),
    ]


async def compare_topics(connection: KafkaConnection, plans: Iterable[TopicPlan]) -> list[str]:
    """What is to be made, and what stays longer than planned, in sentences.

    Raises `Conflict` for all other differences.
    """
    wanted = {plan.name: plan for plan in plans}
    async with an_admin(connection) as admin:
        there = set(await admin.list_topics())
        found = await _differences(admin, {n: p for n, p in wanted.items() if n in there})
        offsets = await _offsets(admin, there, wanted)
    shorter = [f"{each} (`keshikomi setup` alters it)" for each in found.kept if each.is_shorter]
    _must_have_none([*_unsafe(wanted.values()), *found.faults, *shorter, *offsets])
    missing = [f"`keshikomi setup` makes {name}" for name in wanted if name not in there]
    return [*missing, *map(str, found.kept)]


def _must_have_none(faults: list[str]) -> None:
    if faults:
        raise Conflict("topics are not as they must be: " + "; ".join(faults))


def _unsafe(plans: Iterable[TopicPlan]) -> list[str]:
    """What is wrong with the plans themselves, whatever the cluster has."""
    if all(plan.replication != MIN_IN_SYNC for plan in plans):
        return []
    told = "with 2 copies of each (KESHIKOMI_KAFKA_REPLICATION=2) one broker that is down stops "
    told += "intake, since both must have what is accepted; have 3, on three brokers"
    return [told]


async def _offsets(
    admin: AIOKafkaAdminClient, there: Collection[str], wanted: Mapping[str, TopicPlan]
) -> list[str]:
    copies = max((plan.replication for plan in wanted.values()), default=1)
    return await offsets_faults(admin, there, copies)


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


async def _alter(
    admin: AIOKafkaAdminClient, own: Mapping[str, Mapping[str, str]], altered: Iterable[Kept]
) -> None:
    changes: dict[str, dict[str, str]] = {}
    for each in altered:
        # What is not named goes back to its default, so all that the topic has is said again.
        changes.setdefault(each.topic, dict(own[each.topic]))[each.key] = each.planned
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, configs=config)
        for name, config in changes.items()
    ]
    for answer in await admin.alter_configs(resources):
        for code, message, _, name in answer.resources:
            if code:
                raise Conflict(f"topic {name!r} cannot be altered: {message or f'error {code}'}")


async def _until_altered(admin: AIOKafkaAdminClient, altered: Collection[Kept]) -> None:
    """The cluster agrees to a change before its brokers know of it."""
    topics = {each.topic for each in altered}
    async with asyncio.timeout(USABLE_SECONDS_MAX):
        while True:
            values, _ = await _configs(admin, topics)
            if all(values[each.topic][each.key] == each.planned for each in altered):
                return
            await asyncio.sleep(USABLE_PAUSE_SECONDS)


async def _differences(admin: AIOKafkaAdminClient, wanted: Mapping[str, TopicPlan]) -> Differences:
    if not wanted:
        return Differences()
    described = {topic["topic"]: topic for topic in await admin.describe_topics(list(wanted))}
    values, own = await _configs(admin, wanted)
    found = Differences(own=own)
    for name, plan in wanted.items():
        found.faults.extend(_faults(plan, described[name]["partitions"], values[name]))
        found.kept.extend(
            Kept(name, key, values[name][key], plan.config[key])
            for key in KEPT
            if plan.config.get(key, values[name][key]) != values[name][key]
        )
    return found


def _faults(
    plan: TopicPlan, partitions: Sequence[Mapping[str, Any]], config: Mapping[str, str]
) -> Iterator[str]:
    replication = min((len(each["replicas"]) for each in partitions), default=0)
    if len(partitions) != plan.partitions:
        yield f"{plan.name} has {len(partitions)} partitions, not {plan.partitions}"
    if replication < plan.replication:
        yield f"{plan.name} has {replication} replicas, not {plan.replication}"
    for key in COMPARED:
        if config.get(key) != plan.config[key]:
            yield f"{plan.name} has {key} = {config.get(key)}, not {plan.config[key]}"


Configs = dict[str, dict[str, str]]
"""Settings by topic."""


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> tuple[Configs, Configs]:
    """All settings of each topic, and those that are set for it itself."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: Configs = {}
    own: Configs = {}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            found[name] = {key: value for key, value, *_ in entries}
            own[name] = {
                key: value for key, value, _, source, *_ in entries if source == SET_FOR_THE_TOPIC
            }
    return found, own
