"""The installation: whether log, history and master key belong together, asked at every start.

One record of the directory says which installation a log is of, and is sealed under its master key.
History has the same id in a row of its own. A log without the record, or a history without the row,
gets it where nothing speaks against it; whatever contradicts ends the process before it has written
anything (ops/decisions/0015).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from connectors.history.opening import CASSANDRA
from connectors.kafka.admin import has_topics
from connectors.log.sqlitelog import SqliteLog
from connectors.sealing import Sealer
from ops.belonging import (
    looked_at,
    must_be_ours,
    must_be_unused,
    must_be_whole,
    name_of,
    take_history,
)
from ops.engines import Log, open_log, open_the_history, setup
from ops.keys import must_not_lack_master_key, with_known_keys
from ops.lacking import lacking, must_lack_none, told_of
from ops.settings import Settings
from streams.clock import system_clock
from streams.codecs import decode_directory_message, decode_installation, encode
from streams.domain.errors import CorruptState, NotOurs, Sealed, Unavailable
from streams.installations import KEY, Installation
from streams.messages import AccountSet
from streams.paging import records_until
from streams.ports import Fetched, History, Record, Tail
from streams.topics import DIRECTORY

PLAIN = b"keshikomi"
WRITES_MAX = 10
"""Each but the last was overtaken by another process."""
ACCOUNTS_MAX = 100
"""So many accounts, the newest ones, are tried where there is no canary yet."""

logger = logging.getLogger("keshikomi")


# --- the log's side


@dataclass(slots=True)
class Directory:
    """What the directory says of the installation that the log is of."""

    end: int = 0
    records: list[Installation] = field(default_factory=list)
    accounts: deque[bytes] = field(default_factory=lambda: deque(maxlen=ACCOUNTS_MAX))
    """Secrets that were sealed before there was a canary, if any."""

    @property
    def installation(self) -> Installation | None:
        """The first that was written, as it was sealed last by those who knew what was there.

        All who read the log find the same one, however many wrote at once.
        """
        holds: Installation | None = None
        for each in self.records:
            if holds is None or each.follows(holds):
                holds = each
        return holds

    @property
    def is_settled(self) -> bool:
        """Whether compaction, which keeps the last record, would keep the one that holds."""
        return not self.records or self.records[-1] == self.installation

    def take(self, fetched: Fetched) -> None:
        """Take in the next record."""
        if fetched.value is None:
            return
        if fetched.key == KEY:
            self.records.append(decode_installation(fetched.value))
        elif b'"sealed_config"' in fetched.value:
            self.accounts.append(fetched.value)


async def read_directory(tail: Tail) -> Directory:
    """Read all of it, which the API does as well at each start; raises `Unavailable`."""
    found = Directory(end=await tail.end(DIRECTORY.name, 0))
    async for each in records_until(tail, DIRECTORY.name, 0, first=0, end=found.end):
        found.take(each)
    return found


def must_open(found: Directory, settings: Settings) -> None:
    """Raise `NotOurs` unless this machine has the key that secrets of this log are sealed under."""
    canary = found.installation
    tries = [_canary(canary)] if canary else [_account(row) for row in found.accounts]
    for sealed, owner in tries if settings.master_keys else ():
        with suppress(Sealed):
            Sealer(settings.master_keys).unseal(sealed, owner)
            return
    if tries:
        raise NotOurs(
            f"the secrets in {settings.broker} are sealed under another master key than the one "
            f"here: set KESHIKOMI_MASTER_KEY to the key of the installation's other machines, or "
            f"copy their master.key to {settings.master_key_path}"
        )


def _canary(installation: Installation) -> tuple[str, str]:
    return installation.sealed, installation.installation_id


def _account(row: bytes) -> tuple[str, str]:
    message = decode_directory_message(row)
    if not isinstance(message, AccountSet):
        raise CorruptState("the directory: a sealed configuration is no account's")
    return message.sealed_config, message.account_id


async def found_or_made(log: Log, settings: Settings) -> Installation:
    """The log's installation; its record is made, or sealed under the newest key, if need be.

    Several processes may do so at once, also under keys of their own, so whoever wrote reads again.
    Behind a record that came too late goes a copy of the one that holds, for which no key is
    needed; who cannot open that one is refused then. Raises `NotOurs` and `Unavailable`.
    """
    sealer, has_written = Sealer(settings.master_keys), False
    for _ in range(WRITES_MAX):
        found = await read_directory(log.tail)
        if found.is_settled or not has_written:
            must_open(found, settings)
        holds = found.installation
        if holds and found.is_settled and sealer.seals_so(holds.sealed):
            return holds
        wanted = _sealed(sealer, holds) if found.is_settled else holds
        value = encode(wanted)
        await log.appender.append([Record(topic=DIRECTORY.name, key=KEY, value=value)])
        has_written = True
    raise Unavailable(
        "the directory: other processes seal its record under other keys all the time"
    )


def _sealed(sealer: Sealer, before: Installation | None) -> Installation:
    installation_id = before.installation_id if before else f"ins_{uuid4().hex}"
    return Installation(
        installation_id=installation_id,
        sealed=sealer.seal(PLAIN, installation_id),
        made_at=system_clock(),
        replaces=before.sealed if before else "",
    )


async def has_directory(settings: Settings) -> bool:
    """Whether the log has the topic at all; nothing is made by asking."""
    if settings.kafka is not None:
        return await has_topics(settings.kafka, [DIRECTORY.name])
    if not settings.log_path.exists():
        return False
    log = SqliteLog(settings.log_path, on_failure=None)
    try:
        return log.catalog.find(DIRECTORY.name) is not None
    finally:
        log.close()


async def look(settings: Settings) -> str:
    """What is known of the installation, in a sentence; nothing is made.

    Raises `NotOurs`, `BadSettings` for keys that cannot be read, and what the engines raise.
    """
    if not await has_directory(settings):
        async with looked_at(settings) as history:
            await must_be_unused(history, settings)
        return "the first start makes the installation's record"
    log = open_log(settings)
    try:
        found = await read_directory(log.tail)
        must_not_lack_master_key(settings)
        must_open(found, with_known_keys(settings))
        if found.installation:
            await must_lack_none(settings)
        async with looked_at(settings) as history:
            return await _look_at_both(history, log, found.installation, settings)
    finally:
        await log.close()


async def _look_at_both(
    history: History | None, log: Log, known: Installation | None, settings: Settings
) -> str:
    if known is None:
        if history is not None and (owner := await history.installation()):
            raise NotOurs(f"{name_of(settings)} belongs to {owner}, and the log to nobody")
        return "the next start makes the installation's record"
    told = f"log, history and key are those of {known.installation_id}"
    if history is None:
        return told
    await must_be_ours(history, log, known, settings, claims=False)
    behind = [each for each in await must_be_whole(history, log, settings) if each.is_behind]
    return "; ".join([told, *map(str, behind)])


# --- what each start does first


def begin(
    settings: Settings,
    *,
    with_history: bool = False,
    takes_history: bool = False,
    exactly: bool = False,
    say: Callable[[str], object] = logger.info,
) -> Installation:
    """Make the topics, and see that the log and the key, and the history, are one installation's.

    `exactly` is for `keshikomi setup`, which alone makes topics that a log in use lacks on Kafka.
    Blocks, also where a loop runs. Raises `NotOurs`, and what the engines raise; a history that is
    away is looked at later, by those who use it, unless the log is new.
    """
    work = _begin(
        settings, with_history=with_history, takes_history=takes_history, exactly=exactly, say=say
    )
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _begin(
    settings: Settings,
    *,
    with_history: bool,
    takes_history: bool,
    exactly: bool,
    say: Callable[[str], object],
) -> Installation:
    if not (had_directory := await has_directory(settings)):
        await _history_must_be_new(settings)
    elif names := await lacking(settings):
        await _may_make(names, settings, is_setup=exactly, say=say)
    setup(settings, exactly=exactly, say=say)
    log = open_log(settings)
    try:
        if had_directory and not await log.tail.end(DIRECTORY.name, 0):
            await _history_must_be_new(settings)
        installation = await found_or_made(log, settings)
        if takes_history:
            for sentence in await take_history(log, installation, settings):
                say(f"the history is taken: {sentence}")
        if with_history:
            await _look_at_history(log, installation, settings)
    finally:
        await log.close()
    return installation


async def _may_make(
    names: Sequence[str], settings: Settings, *, is_setup: bool, say: Callable[[str], object]
) -> None:
    """Refuse to make topics of a log in use, which would forget what they held without a word."""
    log = open_log(settings)
    try:
        found = await read_directory(log.tail)
    finally:
        await log.close()
    if found.installation is None:
        return  # another process begins it at this moment, or did so and ended
    if is_setup:
        say(told_of(names))
    else:
        await must_lack_none(settings)


async def _history_must_be_new(settings: Settings) -> None:
    if not settings.history.startswith(CASSANDRA) and not settings.history_path.exists():
        return
    history = open_the_history(settings)
    try:
        await must_be_unused(history, settings)
    finally:
        await history.close()


async def _look_at_history(log: Log, installation: Installation, settings: Settings) -> None:
    history = open_the_history(settings)
    try:
        await must_be_ours(history, log, installation, settings)
    except Unavailable as error:
        logger.warning("whose history it is will be seen when it answers: %s", error)
    finally:
        await history.close()
