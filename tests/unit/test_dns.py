"""Host names are looked up beside everything else, and each answer is kept for its TTL."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from connectors.dns import ANSWER_SECONDS_MAX, ANSWER_SECONDS_MIN, Answers, Resolver
from tests.name_server import NameServer, a_name_server

LIMIT_SECONDS = 0.2
SLOW, QUICK = "slow.example.com", "quick.example.com"


@dataclass
class Names:
    """A name server, and resolvers that ask it."""

    server: NameServer

    def times_asked(self, host: str) -> int:
        return self.server.asked.count(host)

    @asynccontextmanager
    async def resolver(self, **more: Any) -> AsyncIterator[Resolver]:
        made = Resolver(name_servers=[f"127.0.0.1:{self.server.port}"], **more)
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture(name="names")
async def _names() -> AsyncIterator[Names]:
    async with a_name_server() as server:
        yield Names(server)


async def test_a_name_that_hangs_does_not_hold_up_another(names: Names) -> None:
    async with names.resolver() as resolver:
        slow = [f"slow{number}.example.com" for number in range(200)]
        waiting = [asyncio.create_task(resolver.resolve(host, 443)) for host in slow]
        quick = await resolver.resolve(QUICK, 443)
        is_waiting = not any(task.done() for task in waiting)
        threads = threading.active_count()
        for task in waiting:
            task.cancel()

    assert (quick[0]["hostname"], quick[0]["host"], quick[0]["port"]) == (QUICK, "192.0.2.1", 443)
    assert is_waiting
    assert threads < 20


async def test_whoever_asks_for_the_same_name_meanwhile_waits_for_the_same_answer(
    names: Names,
) -> None:
    async with names.resolver() as resolver:
        found = await asyncio.gather(*(resolver.resolve(QUICK, 443) for _ in range(20)))

    assert [each[0]["host"] for each in found] == ["192.0.2.1"] * 20
    assert names.times_asked(QUICK) == 1


async def test_a_name_that_hangs_is_given_up_in_time_and_its_late_answer_is_used(
    names: Names,
) -> None:
    async with names.resolver(seconds_max=LIMIT_SECONDS) as resolver:
        with pytest.raises(socket.gaierror) as given_up:
            await resolver.resolve(SLOW, 443)
        names.server.answers_all = True
        late = await until_found(resolver, SLOW)

    assert given_up.value.errno == socket.EAI_AGAIN
    assert late[0]["hostname"] == SLOW


async def until_found(resolver: Resolver, host: str) -> list[ResolveResult]:
    """Ask until there is an answer: it comes with the next try of the question."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await resolver.resolve(host, 443)
            except socket.gaierror:
                continue


async def test_so_many_names_and_no_more_are_looked_up_at_a_time(names: Names) -> None:
    async with names.resolver(running_max=2) as resolver:
        waiting = [
            asyncio.create_task(resolver.resolve(f"slow{number}.example.com", 443))
            for number in range(2)
        ]
        await asyncio.wait(waiting, timeout=0)
        with pytest.raises(socket.gaierror, match="too many"):
            await resolver.resolve(QUICK, 443)
        for task in waiting:
            task.cancel()


async def test_a_name_is_asked_for_again_when_the_ttl_of_its_answer_is_over(names: Names) -> None:
    names.server.ttl_seconds = 1
    async with names.resolver() as resolver:
        for _ in range(3):
            await resolver.resolve(QUICK, 443)
        asked_at_first = names.times_asked(QUICK)
        async with asyncio.timeout(10):
            while names.times_asked(QUICK) == 1:
                await resolver.resolve(QUICK, 443)
                await asyncio.to_thread(lambda: None)

    assert asked_at_first == 1


@pytest.mark.parametrize(
    ("ttl_seconds", "held_seconds"),
    [(0, ANSWER_SECONDS_MIN), (60, 60), (10**6, ANSWER_SECONDS_MAX)],
)
def test_an_answer_is_kept_for_its_ttl_within_bounds(
    ttl_seconds: float, held_seconds: float
) -> None:
    now = [100.0]
    answers = Answers(names_max=2, monotonic=lambda: now[0])
    answers.remember((QUICK, 443, 0), [], seconds=ttl_seconds)

    now[0] += held_seconds - 0.1
    assert answers.recall((QUICK, 443, 0)) == []
    now[0] += 0.2

    assert answers.recall((QUICK, 443, 0)) is None


@pytest.mark.parametrize(
    ("host", "code"),
    [("unknown.example.com", socket.EAI_NONAME), ("broken.example.com", socket.EAI_AGAIN)],
)
async def test_a_failure_is_named_and_not_kept(names: Names, host: str, code: int) -> None:
    async with names.resolver() as resolver:
        for times in (1, 2):
            with pytest.raises(socket.gaierror) as failed:
                await resolver.resolve(host, 443)
            assert failed.value.errno == code
            assert names.times_asked(host) >= times


def test_only_so_many_answers_are_kept() -> None:
    answers = Answers(names_max=2, monotonic=lambda: 0.0)
    found: list[ResolveResult] = []

    for host in ("a", "b", "a", "c"):
        answers.remember((host, 443, 0), found, seconds=9)

    assert [answers.recall((host, 443, 0)) is not None for host in "abc"] == [True, False, True]
    assert len(answers) == 2


async def test_closing_ends_the_wait_for_a_name(names: Names) -> None:
    async with names.resolver() as resolver:
        waiting = asyncio.create_task(resolver.resolve(SLOW, 443))
        async with asyncio.timeout(5):
            while not names.server.asked:
                await asyncio.to_thread(lambda: None)
        await resolver.close()
        with pytest.raises((asyncio.CancelledError, socket.gaierror)):
            await waiting


async def test_the_file_of_hosts_comes_first_and_what_cannot_be_a_name_is_named() -> None:
    resolver = Resolver()

    found = await resolver.resolve("localhost", 80, socket.AF_INET)
    for host in ("a" * 64 + ".example.com", "a..b"):
        with pytest.raises(socket.gaierror):
            await resolver.resolve(host, 80)
    await resolver.close()

    assert found[0]["host"] == "127.0.0.1"
    assert found[0]["port"] == 80
