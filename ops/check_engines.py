"""Tries each engine that the settings name; what is there already is looked at and not changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.cache.redis import RedisCache
from connectors.cache.sqlite import SqliteCache
from connectors.history.opening import CASSANDRA, look_at
from connectors.kafka.admin import an_admin
from connectors.kafka.topics import compare_topics
from connectors.log.sqlitelog import SqliteLog
from ops.checking import Part, Unfit, scratch
from ops.cql.files import history_migrations
from ops.engines import make_topics, open_the_history, partitions_of, topic_plans
from ops.installation import look
from ops.setting_values import REDIS_SCHEMES
from ops.settings import Settings
from streams.clock import monotonic_seconds
from streams.ports import Record
from streams.topics import HISTORY, REFERENCES, TOPICS

DURABLE_WRITES_TRIED = 20
DURABLE_WRITE_SECONDS_MAX = 0.1


async def _log(settings: Settings) -> str:
    if settings.kafka is not None:
        async with an_admin(settings.kafka) as admin:
            cluster = await admin.describe_cluster()
        brokers = len(cluster["brokers"])
        if brokers < settings.kafka_replication:
            raise Unfit(
                f"Kafka has {_brokers(brokers)}, and KESHIKOMI_KAFKA_REPLICATION asks for "
                f"{settings.kafka_replication} copies of each record"
            )
        return f"Kafka answers with {_brokers(brokers)}"
    with scratch(settings.log_path.parent) as folder:
        log = SqliteLog(folder / "log.db", on_failure=None)
        try:
            make_topics(log, settings)
            record = Record(topic=REFERENCES.name, key=b"check", value=b"{}")
            (place,) = await log.append([record])
            began = monotonic_seconds()
            for _ in range(DURABLE_WRITES_TRIED):
                await log.append([record])
            took = (monotonic_seconds() - began) / DURABLE_WRITES_TRIED
            if not log.fetch(place.topic, place.partition, place.offset, 1):
                raise Unfit("the log does not give back what was written to it")
        finally:
            log.close()
    told = f"a durable write takes {took * 1000:.1f} ms"
    if took > DURABLE_WRITE_SECONDS_MAX:
        raise Unfit(f"{told}, which is too slow: each payment needs several in a row")
    return told


def _brokers(count: int) -> str:
    return f"{count} broker{'' if count == 1 else 's'}"


async def _history(settings: Settings) -> str:
    if settings.history.startswith(CASSANDRA):
        days = settings.history_retention_days
        return look_at(settings.history, history_migrations(), retention_days=days)
    with scratch(settings.history_path.parent) as folder:
        await _read(replace(settings, history=f"sqlite://{folder / 'history.db'}"))
    if settings.history_path.exists():
        return await _read(settings)
    return "a history can be made and read"


async def _cache(settings: Settings) -> str:
    if settings.cache.startswith(REDIS_SCHEMES):
        return await _redis(settings)
    path = settings.cache_path
    if path is None:
        return "answers for an Idempotency-Key are kept until the API ends"
    with scratch(path.parent) as folder:
        await _kept(folder / "cache.db")
    if path.exists():
        cache = SqliteCache(path)
        try:
            await cache.get("check")
        finally:
            await cache.close()
    return "a cache can be made and read"


async def _redis(settings: Settings) -> str:
    cache = RedisCache(settings.cache, password=settings.cache_password)
    try:
        version = await cache.version()
        began = monotonic_seconds()
        await cache.put("check", b"check", seconds=60)
        found = await cache.get("check")
        took = monotonic_seconds() - began
    finally:
        await cache.close()
    if found != b"check":
        raise Unfit("the cache on Redis does not give back what was put into it; see the log")
    return f"Redis {version} keeps and gives back in {took * 1000:.1f} ms"


async def _kept(path: Path) -> None:
    cache = SqliteCache(path)
    try:
        await cache.put("check", b"check", seconds=60)
        if await cache.get("check") != b"check":
            raise Unfit("the cache does not give back what was put into it")
    finally:
        await cache.close()


async def _read(settings: Settings) -> str:
    """One row is asked for: to count them would take as long as there are many."""
    history = open_the_history(settings)
    try:
        stored_to, _ = await history.archived_to(HISTORY.name, 0)
        return f"history answers, and has {stored_to} records of its first partition"
    finally:
        await history.close()


async def _topics(settings: Settings) -> str:
    if settings.kafka is not None:
        remarks = await compare_topics(settings.kafka, topic_plans(settings))
        return "; ".join(["the topics on Kafka are as they must be", *remarks])
    if not settings.log_path.exists():
        return "the first start makes the topics"
    log = SqliteLog(settings.log_path, on_failure=None)
    try:
        found = await asyncio.to_thread(partitions_of, log)
    finally:
        log.close()
    for topic in TOPICS:
        wanted = 1 if topic.single_partition else settings.partitions
        if found.get(topic.name, wanted) != wanted:
            raise Unfit(
                f"the topic {topic.name} has {found[topic.name]} partitions and "
                f"KESHIKOMI_PARTITIONS says {wanted}; the number of a log cannot change"
            )
    return f"{len(found)} topics are in the log"


def _in_a_loop(part: Callable[[Settings], Coroutine[Any, Any, str]]) -> Part:
    return lambda settings: asyncio.run(part(settings))


ENGINES: dict[str, Part] = {
    "log": _in_a_loop(_log),
    "history": _in_a_loop(_history),
    "cache": _in_a_loop(_cache),
    "topics": _in_a_loop(_topics),
    "installation": _in_a_loop(look),
}
"""Every check of an engine, by the name of its findings; the embedded ones are tried in a folder
of their own beside the data, and then the log that is in use, if any."""
