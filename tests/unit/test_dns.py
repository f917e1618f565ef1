"""Host names are looked up on threads of their own, and no name delays another."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from connectors.dns import (
    ANSWER_SECONDS,
    SLOW_SECONDS,
    SLOW_THREADS_MAX,
    Remembered,
    SystemResolver,
)

LIMIT_SECONDS = 0.2
SLOW, QUICK = "slow.example.com", "quick.example.com"


class Names:
    """Stands for the system: names that begin with `slow` get no answer until `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self.now = 1_000.0

    def look_up(self, host: str, port: int, family: int) -> list[ResolveResult]:
        self.asked.append((host, threading.current_thread().name))
        if host.startswith("slow"):
            self.go.wait()
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            ResolveResult(
                hostname=host, host="192.0.2.1", port=port, family=family, proto=0, flags=0
            )
        ]

    def times_asked(self, host: str) -> int:
        return [asked for asked, _ in self.asked].count(host)

    @asynccontextmanager
    async def resolver(self, **more: Any) -> AsyncIterator[SystemResolver]:
        made = SystemResolver(look_up=self.look_up, monotonic=lambda: self.now, **more)
        try:
            yield made
        finally:
            self.go.set()
            await made.close()


@pytest.fixture(name="names")
def _names() -> Names:
    return Names()


async def test_a_name_that_hangs_does_not_hold_up_another(names: Names) -> None:
    async with names.resolver(threads_max=2) as resolver:
        waiting = [asyncio.create_task(resolver.resolve(SLOW, 443)) for _ in range(20)]
        quick = await resolver.resolve(QUICK, 443)
        is_waiting = not any(task.done() for task in waiting)
        names.go.set()
        slow = await asyncio.gather(*waiting)

    assert quick[0]["hostname"] == QUICK
    assert is_waiting
    assert [found[0]["hostname"] for found in slow] == [SLOW] * 20
    assert names.times_asked(SLOW) == 1


async def test_the_threads_are_few_and_not_those_of_the_event_loop(names: Names) -> None:
    async with names.resolver(threads_max=3) as resolver:
        hosts = [f"slow{number}.example.com" for number in range(6)]
        waiting = [asyncio.create_task(resolver.resolve(host, 443)) for host in hosts]
        async with asyncio.timeout(5):
            while len(names.asked) < 3:
                await asyncio.to_thread(lambda: None)  # others' threads are free meanwhile
        begun = list(names.asked)
        names.go.set()
        await asyncio.gather(*waiting)

    assert len(begun) == 3
    assert {thread[:4] for _, thread in names.asked} == {"dns_"}
    assert len({thread for _, thread in names.asked}) == 3


async def test_a_name_that_hangs_is_given_up_in_time_and_its_late_answer_is_used(
    names: Names,
) -> None:
    async with names.resolver(seconds_max=LIMIT_SECONDS) as resolver:
        with pytest.raises(socket.gaierror) as given_up:
            await resolver.resolve(SLOW, 443)
        with pytest.raises(socket.gaierror):
            await resolver.resolve(SLOW, 443)
        names.go.set()
        late = await until_found(resolver, SLOW)

    assert given_up.value.errno == socket.EAI_AGAIN
    assert late[0]["hostname"] == SLOW
    assert names.times_asked(SLOW) == 1


async def until_found(resolver: SystemResolver, host: str) -> list[ResolveResult]:
    """Ask until there is an answer: a busy machine may need longer than the limit."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await resolver.resolve(host, 443)
            except socket.gaierror:
                continue


async def test_names_that_hung_share_a_few_threads_of_their_own(names: Names) -> None:
    async with names.resolver(threads_max=1, seconds_max=LIMIT_SECONDS) as resolver:
        with pytest.raises(socket.gaierror):
            await resolver.resolve(SLOW, 443)
        names.go.set()
        await until_found(resolver, SLOW)
        names.go.clear()
        names.now += ANSWER_SECONDS  # the answer is too old, the suspicion is not
        with pytest.raises(socket.gaierror):
            await resolver.resolve(SLOW, 443)
        quick = await until_found(resolver, QUICK)  # on the one thread that there is

    assert quick[0]["hostname"] == QUICK
    assert [thread[:8] for host, thread in names.asked if host == SLOW] == ["dns_0", "dns-slow"]
    assert SLOW_THREADS_MAX > 0
    assert SLOW_SECONDS > ANSWER_SECONDS


async def test_a_name_that_only_waited_for_a_thread_is_not_suspected(names: Names) -> None:
    async with names.resolver(threads_max=1, seconds_max=LIMIT_SECONDS) as resolver:
        with pytest.raises(socket.gaierror):
            await resolver.resolve(SLOW, 443)
        with pytest.raises(socket.gaierror):
            await resolver.resolve(QUICK, 443)
        names.go.set()
        await until_found(resolver, QUICK)
        names.now += ANSWER_SECONDS
        await until_found(resolver, QUICK)

    assert {thread[:5] for host, thread in names.asked if host == QUICK} == {"dns_0"}


async def test_an_answer_is_kept_for_a_while_and_a_failure_is_not(names: Names) -> None:
    async with names.resolver() as resolver:
        for _ in range(3):
            await resolver.resolve(QUICK, 443)
            with pytest.raises(socket.gaierror):
                await resolver.resolve("unknown.example.com", 443)
        names.now += ANSWER_SECONDS
        await resolver.resolve(QUICK, 443)

    assert names.times_asked(QUICK) == 2
    assert names.times_asked("unknown.example.com") == 3


async def test_only_so_many_answers_are_kept(names: Names) -> None:
    hosts = ["a.example.com", "b.example.com", "c.example.com"]
    async with names.resolver(names_max=2) as resolver:
        for host in (*hosts, *reversed(hosts)):
            await resolver.resolve(host, 443)

    assert [names.times_asked(host) for host in hosts] == [2, 1, 1]


def test_what_is_remembered_twice_is_remembered_from_the_second_time_on() -> None:
    now = [0.0]
    monotonic: Callable[[], float] = lambda: now[0]  # noqa: E731  # a clock that tests set
    remembered: Remembered[str] = Remembered(seconds=10, names_max=2, monotonic=monotonic)

    remembered.remember((QUICK, 443, 0), "first")
    now[0] = 9.0
    remembered.remember((QUICK, 443, 0), "second")
    now[0] = 18.0

    assert remembered.recall((QUICK, 443, 0)) == "second"
    assert remembered.recall((SLOW, 443, 0)) is None
    assert len(remembered) == 1


async def test_closing_ends_the_wait_for_a_name(names: Names) -> None:
    async with names.resolver() as resolver:
        waiting = asyncio.create_task(resolver.resolve(SLOW, 443))
        async with asyncio.timeout(5):
            while not names.asked:
                await asyncio.to_thread(lambda: None)
        await resolver.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_the_system_answers_and_names_what_cannot_be_a_name() -> None:
    resolver = SystemResolver(threads_max=1)

    found = await resolver.resolve("localhost", 80, socket.AF_INET)
    with pytest.raises(socket.gaierror):
        await resolver.resolve("a" * 64 + ".example.com", 80)
    await resolver.close()

    assert found[0]["host"] == "127.0.0.1"
    assert found[0]["port"] == 80
