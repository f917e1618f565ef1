"""A broker of Kafka that answers as much as a producer asks, and takes no record."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

API_VERSIONS, METADATA, PRODUCE, INIT_PRODUCER_ID = 18, 3, 0, 22
OFFERED = {PRODUCE: 3, METADATA: 1, API_VERSIONS: 0, INIT_PRODUCER_ID: 0}
"""The one version of each request that this broker knows."""
NOT_ENOUGH_REPLICAS = 19
NODE, PARTITION, PRODUCER_ID, UNSET = 1, 0, 7, -1
END_SECONDS_MAX = 5.0


class RefusingBroker:
    """One broker with one topic of one partition, whose replicas are not in sync."""

    def __init__(self, topic: str, *, answers: bool = True) -> None:
        """Take the topic's name, and whether a Produce request has an answer at all."""
        self.address = ""
        self.connections = self.asked_to_write = 0
        self._topic, self._answers, self._port = topic, answers, 0
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[RefusingBroker]:
        """Serve on a free port of this machine."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self._port = server.sockets[0].getsockname()[1]
            self.address = f"127.0.0.1:{self._port}"
            yield self
        for writer in self._writers:
            writer.transport.abort()
        async with asyncio.timeout(END_SECONDS_MAX):
            while self.connections:  # noqa: ASYNC110  # its tasks end by themselves
                await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
                kind, _, correlation = struct.unpack(">hhi", request[:8])
                self.asked_to_write += kind == PRODUCE
                if kind != PRODUCE or self._answers:
                    answer = _int32(correlation) + self._answer(kind)
                    writer.write(_int32(len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            self._writers.discard(writer)
            writer.close()

    def _answer(self, kind: int) -> bytes:
        if kind == API_VERSIONS:
            known = [struct.pack(">hhh", each, at, at) for each, at in OFFERED.items()]
            return _int16(0) + _array(known)
        if kind == METADATA:
            broker = _int32(NODE) + _text("127.0.0.1") + _int32(self._port) + _int16(UNSET)
            replicas = _array([_int32(NODE)])
            partition = _int16(0) + _int32(PARTITION) + _int32(NODE) + replicas + replicas
            topic = _int16(0) + _text(self._topic) + b"\0" + _array([partition])
            return _array([broker]) + _int32(NODE) + _array([topic])
        if kind == INIT_PRODUCER_ID:
            return struct.pack(">ihqh", 0, 0, PRODUCER_ID, 0)
        refused = struct.pack(">ihqq", PARTITION, NOT_ENOUGH_REPLICAS, UNSET, UNSET)
        return _array([_text(self._topic) + _array([refused])]) + _int32(0)


def _int16(number: int) -> bytes:
    return struct.pack(">h", number)


def _int32(number: int) -> bytes:
    return struct.pack(">i", number)


def _text(text: str) -> bytes:
    return _int16(len(text)) + text.encode()


def _array(items: Sequence[bytes]) -> bytes:
    return _int32(len(items)) + b"".join(items)
