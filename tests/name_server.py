"""A name server on a port of this machine: it answers, keeps silent, or knows no such name."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

TYPE_A = 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
RESPONSE = 0x8180


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Names that begin with `slow` get no answer until `answers_all`, `unknown` ones are none."""

    ttl_seconds: int = 60
    answers_all: bool = False
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Called by the loop with a question."""
        name, end = _name(data, 12)
        kind = struct.unpack_from(">H", data, end)[0]
        if kind == TYPE_A:
            self.asked.append(name)
        if name.startswith("slow") and not self.answers_all:
            return
        code = SERVER_FAILURE if name.startswith("broken") else NO_ERROR
        code = NO_SUCH_NAME if name.startswith("unknown") else code
        has_address = code == NO_ERROR and kind == TYPE_A
        head = data[:2] + struct.pack(">HHHHH", RESPONSE | code, 1, int(has_address), 0, 0)
        answer = b"\xc0\x0c" + struct.pack(">HHIH", TYPE_A, 1, self.ttl_seconds, 4) + b"\xc0\0\2\1"
        self._transport.sendto(head + data[12 : end + 4] + answer * has_address, addr)

    def close(self) -> None:
        """Answer nothing more."""
        self._transport.close()


def _name(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), at + 1


@asynccontextmanager
async def a_name_server() -> AsyncIterator[NameServer]:
    """One that listens."""
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        server.close()
