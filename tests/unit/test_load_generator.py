"""The generator of loads answers everyone who waits, also when its connections end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from loadtests.generator import Client, http_request, offer
from loadtests.report import generator_figures
from tests.conftest import Eventually

REQUEST = http_request("GET", "/")
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def a_server(handle: Handle, port: int = 0) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(handle, "127.0.0.1", port)
    return server, server.sockets[0].getsockname()[1]


async def answer_two(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(2):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")


async def test_those_who_wait_are_told_when_the_last_connection_is_lost() -> None:
    lost, is_asked = asyncio.Event(), asyncio.Event()

    async def breaks(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_asked.set()
        await lost.wait()
        writer.close()

    server, port = await a_server(breaks)
    client = Client(port, connections_max=1)
    asked = [asyncio.create_task(client.ask(REQUEST)) for _ in range(3)]
    await is_asked.wait()
    server.close()
    lost.set()

    told = await asyncio.wait_for(asyncio.gather(*asked), 10)

    assert [status for status, _ in told] == [0, 0, 0]


async def test_those_who_wait_are_served_by_a_new_connection() -> None:
    first, is_asked = asyncio.Event(), asyncio.Event()

    async def breaks_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_asked.is_set():
            await answer_two(reader, writer)
        is_asked.set()
        await first.wait()
        writer.close()

    server, port = await a_server(breaks_once)
    client = Client(port, connections_max=1)
    asked = [asyncio.create_task(client.ask(REQUEST)) for _ in range(3)]
    await is_asked.wait()
    first.set()

    told = await asyncio.wait_for(asyncio.gather(*asked), 10)

    assert [status for status, _ in told] == [0, 204, 204]
    await client.close()
    server.close()


async def test_a_503_that_does_not_say_when_to_come_again_is_counted() -> None:
    said = [
        b"200 OK",
        b"503 No\r\nRetry-After: 10",
        b"503 No",
        b"503 No\r\nretry-after: 0",
        b"503 No\r\nretry-after: soon",
    ]

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in said:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + line + b"\r\ncontent-length: 2\r\n\r\nso")
        writer.close()

    server, port = await a_server(refuses)
    client = Client(port, connections_max=1)

    told = [await client.ask(REQUEST) for _ in said]

    assert told == [(200, b"so"), *[(503, b"so")] * 4]
    assert client.curt == 3
    await client.close()
    server.close()


@pytest.mark.parametrize(("connections", "starved"), [(3, 0), (1, 2)])
async def test_requests_that_find_all_connections_in_use_are_counted_and_judged(
    connections: int, starved: int, eventually: Eventually
) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3 // connections):
            await reader.readuntil(b"\r\n\r\n")
            await eventually(lambda: client.starved >= starved)  # and so the others have left
            writer.write(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server, port = await a_server(answers)
    client = Client(port, connections_max=connections)

    offered = await asyncio.wait_for(offer(client, [REQUEST] * 3, 1e6), 10)

    assert offered.statuses == [204] * 3
    figures = generator_figures(offered)
    assert figures["generator_starved"] == starved
    assert figures["generator_was_the_bottleneck"] is (starved > 0)
    await client.close()
    server.close()
