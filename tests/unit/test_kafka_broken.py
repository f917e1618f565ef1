"""A connection to a broker that has gone says so in aiokafka's words, also on uvloop."""

from __future__ import annotations

import asyncio

import pytest
import uvloop
from aiokafka import client as aiokafka_client  # type: ignore[import-untyped]  # no types
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]  # no types
from aiokafka.protocol.admin import ApiVersionRequest  # type: ignore[import-untyped]  # no types

from connectors.kafka.broken import Connection


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_request_on_a_connection_that_broke_is_a_connection_error(loop: str) -> None:
    run = uvloop.run if loop == "uvloop" else asyncio.run

    run(ask_on_a_broken_connection())


async def ask_on_a_broken_connection() -> None:
    closed: list[object] = []
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        connection = Connection("127.0.0.1", port, on_close=lambda _, why: closed.append(why))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # As it stands after `connect`, at the moment when the broker has died.
        connection._reader, connection._writer = reader, writer  # noqa: SLF001  # no broker here
        connection._read_task = asyncio.ensure_future(asyncio.sleep(0))  # noqa: SLF001  # as above
        writer.transport.abort()

        with pytest.raises(KafkaConnectionError, match=rf"127\.0\.0\.1:{port} is broken"):
            connection.send(ApiVersionRequest())

    assert len(closed) == 1, "its client makes a new one"
    assert not connection.connected()


def test_clients_make_their_connections_of_ours() -> None:
    made_by = aiokafka_client.create_conn.__globals__

    assert made_by["AIOKafkaConnection"] is Connection
