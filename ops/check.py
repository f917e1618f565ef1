"""Tries everything that the product stands on, and names all faults at once."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.cache.redis import RedisCache
from connectors.cache.sqlite import SqliteCache
from connectors.history.opening import CASSANDRA
from connectors.kafka.admin import an_admin, compare_topics
from connectors.log.sqlitelog import SqliteLog
from ops.engines import make_topics, open_the_history, partitions_of, topic_plans
from ops.keys import must_not_lack_master_key, with_known_keys
from ops.listening import must_be_free
from ops.lock import owner_of
from ops.setting_values import REDIS_SCHEMES
from ops.settings import BadSettings, Settings
from streams.clock import Clock, monotonic_seconds, system_clock
from streams.domain.errors import KeshikomiError
from streams.ports import Record
from streams.topics import HISTORY, REFERENCES, TOPICS

DISK_FREE_BYTES_MIN = 1024**3
CLOCK_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock before this was never set: this version did not exist then."""
CLOCK_BEHIND_SECONDS_MAX = 5.0
DURABLE_WRITES_TRIED = 20
DURABLE_WRITE_SECONDS_MAX = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; a fault is what must be mended before `up`."""

    name: str
    is_fault: bool
    sentence: str


async def check(settings: Settings, *, clock: Clock = system_clock) -> list[Finding]:
    """Every check, each told whatever the others found."""
    findings = [
        finding
        for part in (_data, _disk, _keys, _port)
        for finding in _tried(part.__name__.strip("_"), part, settings)
    ]
    findings += _tried("clock", lambda given: _clock(given, clock), settings)
    findings += [finding async for finding in _engines(settings)]
    return findings


def _tried(name: str, part: Callable[[Settings], str], settings: Settings) -> Iterator[Finding]:
    try:
        yield Finding(name=name, is_fault=False, sentence=part(settings))
    except BadSettings as error:
        for fault in error.faults:
            yield Finding(name=name, is_fault=True, sentence=fault)
    except (KeshikomiError, OSError, sqlite3.Error) as error:
        yield Finding(name=name, is_fault=True, sentence=str(error))


class Unfit(KeshikomiError):
    """Something that the product needs is not as it must be."""

    code = "unfit"


def _data(settings: Settings) -> str:
    """The directory can be written, and its file system keeps locks."""
    with _scratch(settings.data) as scratch, (scratch / "lock").open("wb") as first:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with (scratch / "lock").open("rb") as second:
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return f"{settings.data} can be written and locked"
    raise Unfit(f"{settings.data} does not keep locks; use a local file system")


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(_nearest(settings.data)).free
    told = f"{free / 1024**3:.1f} GiB are free at {settings.data}"
    if free < DISK_FREE_BYTES_MIN:
        raise Unfit(f"{told}; at least {DISK_FREE_BYTES_MIN / 1024**3:.0f} GiB must be")
    return told


def _keys(settings: Settings) -> str:
    must_not_lack_master_key(settings)
    known = with_known_keys(settings)
    made = [
        path.name
        for path, key in (
            (settings.admin_key_path, known.admin_key),
            (settings.master_key_path, known.master_keys),
        )
        if not key
    ]
    return f"the first start makes {' and '.join(made)}" if made else "both keys are there"


def _port(settings: Settings) -> str:
    owner = owner_of(settings.lock_path)
    if owner is not None:
        return f"keshikomi runs on {settings.data} (pid {owner})"
    must_be_free(settings.host, settings.port)
    return f"port {settings.port} of {settings.host} is free"


def _clock(settings: Settings, clock: Clock) -> str:
    now = clock()
    if now < CLOCK_EARLIEST:
        raise Unfit(f"the clock says {now:%Y-%m-%d}; set it, and keep it set with NTP")
    if settings.log_path.exists():
        # The newest byte in the log cannot be younger than now, unless the clock went back.
        ahead = settings.log_path.stat().st_mtime - now.timestamp()
        if ahead > CLOCK_BEHIND_SECONDS_MAX:
            raise Unfit(f"the clock is {ahead:.0f} s behind the log; webhooks carry its time")
    return f"the clock says {now:%Y-%m-%dT%H:%M:%SZ}"


async def _engines(settings: Settings) -> AsyncIterator[Finding]:
    """The engines in a scratch folder beside the data, then the log that is in use, if any."""
    told = set()
    for name, tried in (
        ("log", _log),
        ("history", _history),
        ("cache", _cache),
        ("topics", _topics),
    ):
        try:
            yield Finding(name=name, is_fault=False, sentence=await tried(settings))
        except (KeshikomiError, OSError, sqlite3.Error) as error:
            if str(error) not in told:  # topics of a Kafka that cannot be used are no second fault
                yield Finding(name=name, is_fault=True, sentence=str(error))
            told.add(str(error))


async def _log(settings: Settings) -> str:
    if settings.kafka is not None:
        async with an_admin(settings.kafka) as admin:
            cluster = await admin.describe_cluster()
        brokers = len(cluster["brokers"])
        if brokers < settings.kafka_replication:
            raise Unfit(
                f"Kafka has {brokers} brokers, and KESHIKOMI_KAFKA_REPLICATION asks for "
                f"{settings.kafka_replication} copies of each record"
            )
        return f"Kafka answers with {brokers} brokers"
    with _scratch(settings.log_path.parent) as scratch:
        log = SqliteLog(scratch / "log.db", on_failure=None)
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


async def _history(settings: Settings) -> str:
    if settings.history.startswith(CASSANDRA):
        return await _read(settings)
    with _scratch(settings.history_path.parent) as scratch:
        await _read(replace(settings, history=f"sqlite://{scratch / 'history.db'}"))
    if settings.history_path.exists():
        return await _read(settings)
    return "a history can be made and read"


async def _cache(settings: Settings) -> str:
    if settings.cache.startswith(REDIS_SCHEMES):
        return await _redis(settings)
    path = settings.cache_path
    if path is None:
        return "answers for an Idempotency-Key are kept until the API ends"
    with _scratch(path.parent) as scratch:
        await _kept(scratch / "cache.db")
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
        await compare_topics(settings.kafka, topic_plans(settings))
        return "the topics on Kafka are as they must be, or not made yet"
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


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder on the file system of another one, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=".check-", dir=_nearest(folder)) as name:
        yield Path(name)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
