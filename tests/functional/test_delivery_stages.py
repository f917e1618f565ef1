"""An attempt says how long each of its stages took, and connections are kept in bounds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from connectors.connecting import KEPT_PER_HOST_MAX
from streams.domain.delivery import Attempt
from tests.functional.test_delivery_safety import tls_of
from tests.functional.test_delivery_sender import (
    answer_ok,
    attempt_at,
    raw_receiver,
    read_request,
    receiver,
    sender,
)

HANG_SECONDS, HANG_MS_MIN = 0.25, 125
"""Also on a busy machine, more than half of the time is spent in stages."""


def stages_of(attempt: Attempt) -> dict[str, int]:
    """The stages that happened, in milliseconds."""
    every = {
        "waiting": attempt.waiting_ms,
        "dns": attempt.dns_ms,
        "connect": attempt.connect_ms,
        "tls": attempt.tls_ms,
        "first_byte": attempt.first_byte_ms,
    }
    return {name: took for name, took in every.items() if took is not None}


async def ok(request: web.Request) -> web.Response:
    return web.Response()


async def answer_always(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await answer_ok(reader, writer)


# --- which stages there are


@pytest.mark.parametrize(
    ("host", "begun"), [("localhost", ["dns", "connect"]), ("127.0.0.1", ["connect"])]
)
async def test_a_kept_connection_has_no_stages_of_its_own(host: str, begun: list[str]) -> None:
    async with receiver(ok) as url, sender() as webhooks:
        new = await attempt_at(url.replace("127.0.0.1", host), webhooks)
        kept = await attempt_at(url.replace("127.0.0.1", host), webhooks)

    assert list(stages_of(new)) == [*begun, "first_byte"]
    assert list(stages_of(kept)) == ["first_byte"]
    assert (new.address, kept.address) == ("127.0.0.1", "127.0.0.1")
    assert sum(stages_of(new).values()) <= new.duration_ms


def test_tls_is_told_from_connecting_on_both_event_loops(tmp_path: Path) -> None:
    server_side, trusting = tls_of(tmp_path, host="localhost")

    async def two_attempts() -> list[Attempt]:
        async with (
            raw_receiver(answer_always, tls=server_side) as (_, port),
            sender(ssl_context=trusting) as webhooks,
        ):
            return [await attempt_at(f"https://localhost:{port}/", webhooks) for _ in range(2)]

    for run in (asyncio.run, uvloop.run):
        new, kept = run(two_attempts())
        assert new.status_code == 200
        assert list(stages_of(new)) == ["dns", "connect", "tls", "first_byte"]
        assert list(stages_of(kept)) == ["first_byte"]
        assert kept.address == "127.0.0.1"


async def test_an_attempt_that_is_made_again_on_a_new_connection_has_its_stages(
    tmp_path: Path,
) -> None:
    server_side, trusting = tls_of(tmp_path, host="localhost")

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_ok(reader, writer)
        await read_request(reader)
        writer.close()

    async with (
        raw_receiver(once, tls=server_side) as (_, port),
        sender(ssl_context=trusting) as webhooks,
    ):
        await attempt_at(f"https://127.0.0.1:{port}/", webhooks)
        again = await attempt_at(f"https://127.0.0.1:{port}/", webhooks)

    assert again.status_code == 200
    assert list(stages_of(again)) == ["connect", "tls", "first_byte"]


async def test_an_address_that_is_not_allowed_is_not_told() -> None:
    async with sender(allow_private=False) as webhooks:
        attempt = await attempt_at("https://10.0.0.1/", webhooks)

    assert (stages_of(attempt), attempt.address) == ({}, None)


# --- a stage that hangs is the one that took the time, and the last


class SilentDns(AbstractResolver):
    """Never answers."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        pass


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hanging(url: str, *, resolver: AbstractResolver | None = None) -> Attempt:
    """An attempt that ends before anything answers."""
    async with sender(total_seconds=HANG_SECONDS, resolver=resolver) as webhooks:
        return await attempt_at(url, webhooks)


@asynccontextmanager
async def deaf_receiver() -> AsyncIterator[str]:
    """Its queue of connections is full."""
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filler in (first, second):
            filler.setblocking(False)  # noqa: FBT003  # the standard library's own way
            filler.connect_ex(deaf.getsockname())
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/"


async def test_a_name_that_hangs_shows_as_dns() -> None:
    attempt = await hanging("http://shop.example.com/", resolver=SilentDns())

    assert list(stages_of(attempt)) == ["dns"]
    assert stages_of(attempt)["dns"] >= HANG_MS_MIN
    assert attempt.address is None


async def test_a_server_that_hangs_shows_in_the_stage_in_which_it_does() -> None:
    async with deaf_receiver() as url:
        connecting = await hanging(url)
    async with raw_receiver(silent) as (url, port):
        handshaking = await hanging(f"https://127.0.0.1:{port}/")
        answering = await hanging(url)

    assert list(stages_of(connecting)) == ["connect"]
    assert list(stages_of(handshaking)) == ["connect", "tls"]
    assert list(stages_of(answering)) == ["connect", "first_byte"]
    for attempt in (connecting, handshaking, answering):
        # The stage that hangs lasts until the attempt is given up.
        assert HANG_MS_MIN <= sum(stages_of(attempt).values()) <= attempt.duration_ms
    assert connecting.address == handshaking.address == "127.0.0.1"


async def test_waiting_for_a_connection_is_a_stage() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def held(request: web.Request) -> web.Response:
        arrived.set()
        await go.wait()
        return web.Response()

    async with receiver(held) as url, sender(connections_max=1) as webhooks:
        first = asyncio.create_task(attempt_at(url, webhooks))
        await arrived.wait()
        waited = await attempt_at(url, webhooks, timeout_seconds=HANG_SECONDS)
        go.set()
        await first

    assert list(stages_of(waited)) == ["waiting"]
    assert stages_of(waited)["waiting"] >= HANG_MS_MIN


# --- how many connections are kept


async def test_only_so_many_connections_to_one_host_are_kept() -> None:
    together = KEPT_PER_HOST_MAX + 3
    barrier = asyncio.Barrier(together)

    async def all_at_once(request: web.Request) -> web.Response:
        await barrier.wait()
        return web.Response()

    async with receiver(all_at_once) as url, sender() as webhooks:
        rounds = [
            await asyncio.gather(*(attempt_at(url, webhooks) for _ in range(together)))
            for _ in range(2)
        ]

    kept = [["connect" not in stages_of(attempt) for attempt in made] for made in rounds]
    assert [sum(of_round) for of_round in kept] == [0, KEPT_PER_HOST_MAX]


async def test_connections_to_only_so_many_hosts_are_kept() -> None:
    async with receiver(ok) as one, receiver(ok) as other, sender(kept_hosts_max=1) as webhooks:
        attempts = [await attempt_at(url, webhooks) for url in (one, other, one, other)]

    kept = ["connect" not in stages_of(attempt) for attempt in attempts]
    assert kept == [False, False, True, False]
