"""Merchants, keys, accounts and endpoints: a compacted topic that each process holds in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from streams.codecs import decode_directory_message, encode
from streams.domain.delivery import Endpoint
from streams.domain.errors import CorruptState, Malformed, Unavailable
from streams.domain.ids import AccountId, EndpointId, MerchantId
from streams.installations import KEY as INSTALLATION
from streams.messages import (
    AccountSet,
    DirectoryMessage,
    EndpointSet,
    HealthSet,
    KeySet,
    MerchantSet,
    health_key,
)
from streams.paging import records_until
from streams.ports import Appender, Fetched, Record, Tail
from streams.topics import DIRECTORY

FOLLOW_SECONDS = 1.0
"""How long the follower waits for the log's bell before it looks by itself."""
FOLLOW_PAUSE_SECONDS = 0.25
"""The bell rings for every topic; the follower does not look more often than this."""
PARTITION = 0

M = TypeVar("M", MerchantSet, KeySet, AccountSet, EndpointSet, HealthSet)

logger = logging.getLogger(__name__)


class Directory:
    """This process's copy of the directory, and the only way to change it.

    A change is answered when the own copy has it; `catch_up` brings the copy to the end of the
    log, so that what any process answered is seen by the next read on any other.
    """

    def __init__(self, *, appender: Appender, tail: Tail) -> None:
        self._appender, self._tail = appender, tail
        self._rows: dict[str, DirectoryMessage] = {}
        self._keys: dict[str, KeySet] = {}
        self._of_merchant: dict[MerchantId, dict[str, DirectoryMessage]] = {}
        self._position = 0
        self._reading = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._asked: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self.changing = asyncio.Lock()
        """Held while a change is decided from what is known and then written."""

    # -- reading

    def merchant(self, merchant_id: str) -> MerchantSet | None:
        return self._row(merchant_id, MerchantSet)

    def account(self, account_id: str) -> AccountSet | None:
        return self._row(account_id, AccountSet)

    def key(self, key_id: str) -> KeySet | None:
        return self._row(key_id, KeySet)

    def key_with_hash(self, key_hash: str) -> KeySet | None:
        return self._keys.get(key_hash)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        row = self._row(endpoint_id, EndpointSet)
        return row.endpoint if row else None

    def with_health(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint with what its attempts say of it, which is no part of its own record."""
        row = self._row(health_key(endpoint.endpoint_id), HealthSet)
        return endpoint.with_health(row.health) if row else endpoint

    def accounts_of(self, merchant_id: MerchantId) -> list[AccountSet]:
        """A merchant's channel accounts, oldest first."""
        rows = self._rows_of(merchant_id, AccountSet)
        return sorted(rows, key=lambda row: (row.created_at, row.account_id))

    def endpoints_of(self, merchant_id: MerchantId) -> list[Endpoint]:
        """A merchant's endpoints, oldest first."""
        found = [row.endpoint for row in self._rows_of(merchant_id, EndpointSet)]
        return sorted(found, key=lambda endpoint: (endpoint.created_at, endpoint.endpoint_id))

    def keys_of(self, merchant_id: MerchantId) -> list[KeySet]:
        return self._rows_of(merchant_id, KeySet)

    def _row(self, row_id: str, kind: type[M]) -> M | None:
        row = self._rows.get(row_id)
        return row if isinstance(row, kind) else None

    def _rows_of(self, merchant_id: MerchantId, kind: type[M]) -> list[M]:
        rows = self._of_merchant.get(merchant_id, {}).values()
        return [row for row in rows if isinstance(row, kind)]

    # -- writing

    async def set(self, *messages: DirectoryMessage, and_then: Sequence[Record] = ()) -> None:
        """Write rows, wait until they are seen, and then write records for other topics.

        Raises `Unavailable` when either could not be written. What is seen and was not told can be
        written again by whoever sees it.
        """
        await self._write([_record(_id_of(row), encode(row)) for row in messages])
        if and_then:
            await self._appender.append(and_then)

    async def remove(
        self, row_id: AccountId | EndpointId | str, *, but_first: Sequence[Record] = ()
    ) -> None:
        """Remove a row and wait until it is gone, once records for other topics are written.

        Raises `Unavailable` when either could not be written: the row is still there then, so it
        can be removed again.
        """
        if but_first:
            await self._appender.append(but_first)
        await self._write([_record(row_id, b"")])

    async def _write(self, records: Sequence[Record]) -> None:
        known = self._position
        ours = [place.offset for place in await self._appender.append(records)]
        if min(ours) < known:
            await self._read_anew()
        await self._read_to(max(ours) + 1)

    # -- following

    async def catch_up(self) -> None:
        """Read everything that is durable now; those who come at once share a question."""
        if self._next is None:
            self._next = asyncio.create_task(self._catch_up(self._asked), name="catching up")
            self._next.add_done_callback(_told)
        await asyncio.shield(self._next)

    async def _catch_up(self, before: asyncio.Task[None] | None) -> None:
        """Ask after the question before: whoever comes later needs the next answer."""
        if before is not None:
            await asyncio.wait([before])
        self._asked, self._next = self._next, None
        known = self._position
        end = await self._tail.end(DIRECTORY.name, PARTITION)
        if end < known:
            await self._read_anew()
        await self._read_to(end)

    async def start(self) -> None:
        """Read all of the topic and follow it from now on."""
        await self.catch_up()
        self._follower = asyncio.create_task(self._follow(), name="directory")

    async def close(self) -> None:
        """Stop following."""
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower

    @property
    def is_followed(self) -> bool:
        """Whether changes by other processes arrive here by themselves."""
        return self._follower is not None and not self._follower.done()

    async def _follow(self) -> None:
        while True:
            await self._tail.wait(FOLLOW_SECONDS)
            try:
                await self.catch_up()
            except Unavailable as error:
                logger.warning("the directory cannot be read: %s", error)
            await asyncio.sleep(FOLLOW_PAUSE_SECONDS)

    async def _read_anew(self) -> None:
        """Take what the log has, where it has less than was read: it lost its end.

        What comes next would stand where this process has been, and be passed over.
        """
        async with self._reading:
            logger.critical(
                "the log has lost the end of %s, up to which it was read here: what was changed "
                'last is undone, and all that is left is read again (docs/operate.md, "What a '
                'power cut takes")',
                DIRECTORY.name,
            )
            anew = Directory(appender=self._appender, tail=self._tail)
            await anew._catch_up(None)
            self._rows, self._keys, self._of_merchant = anew._rows, anew._keys, anew._of_merchant
            self._position = anew._position

    async def _read_to(self, offset: int) -> None:
        if self._position >= offset:
            return
        async with self._reading:
            first, name = self._position, DIRECTORY.name
            async for record in records_until(self._tail, name, PARTITION, first=first, end=offset):
                self._apply(record)
                self._position = record.place.offset + 1
            self._position = max(self._position, offset)  # compaction may have taken the last ones

    def _apply(self, fetched: Fetched) -> None:
        if fetched.key == INSTALLATION:
            return  # it is of all of us, and of no merchant
        row_id = fetched.key.decode()
        old = self._rows.pop(row_id, None)
        if old is not None:
            self._of_merchant[_merchant_of(old)].pop(row_id, None)
            if isinstance(old, KeySet):
                self._keys.pop(old.key_hash, None)
        if not fetched.value:
            return
        row = _decoded(fetched.value)
        self._rows[row_id] = row
        self._of_merchant.setdefault(_merchant_of(row), {})[row_id] = row
        if isinstance(row, KeySet):
            self._keys[row.key_hash] = row


def _told(asked: asyncio.Task[None]) -> None:
    """It may be that whoever asked has gone: then nobody else looks at what went wrong."""
    if not asked.cancelled():
        asked.exception()


def _decoded(value: bytes) -> DirectoryMessage:
    try:
        return decode_directory_message(value)
    except Malformed as error:  # we wrote these bytes, so it is no caller's fault
        raise CorruptState(f"the directory: {error}") from None


def _record(row_id: str, value: bytes) -> Record:
    return Record(topic=DIRECTORY.name, key=row_id.encode(), value=value)


def _merchant_of(row: DirectoryMessage) -> MerchantId:
    return row.endpoint.merchant_id if isinstance(row, EndpointSet) else row.merchant_id


def _id_of(row: DirectoryMessage) -> str:
    match row:
        case MerchantSet():
            return row.merchant_id
        case KeySet():
            return row.key_id
        case AccountSet():
            return row.account_id
        case EndpointSet():
            return row.endpoint.endpoint_id
        case HealthSet():
            return health_key(row.endpoint_id)
