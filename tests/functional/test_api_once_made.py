"""What is made under an `Idempotency-Key` is made once, whatever becomes of the first answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.cache.memory import MemoryCache
from connectors.cache.sqlite import SqliteCache
from streams.domain.errors import Unavailable
from streams.topics import NOTIFICATIONS
from tests.api_harness import ADMIN_KEY, PARTITIONS, Answered, Api
from tests.api_shop import CONFIGS, Shop, a_shop, an_invoice
from tests.log_helpers import all_of

KEY = {"Idempotency-Key": "first-try"}
ENDPOINT = {"url": "https://shop.example.com/"}

Post = Callable[[Api], Awaitable[Answered]]


def calls_of(shop: Shop) -> dict[str, tuple[str, dict[str, Any], str]]:
    """Every call that makes a new thing: its path, its body and whose key it needs."""
    account = {
        "merchant_id": shop.merchant,
        "channel": "konbini_digital",
        "format": "gmo",
        "config": CONFIGS["gmo"],
    }
    return {
        "merchant": ("/v1/merchants", {"name": "書店"}, ADMIN_KEY),
        "key": (f"/v1/merchants/{shop.merchant}/keys", {}, ADMIN_KEY),
        "account": ("/v1/channel-accounts", account, ADMIN_KEY),
        "endpoint": ("/v1/endpoints", ENDPOINT, shop.key),
    }


def post_of(shop: Shop, thing: str) -> Post:
    path, body, key = calls_of(shop)[thing]
    return lambda api: api.post(path, body, key=key, headers=KEY)


every_thing = pytest.mark.parametrize("thing", ["merchant", "key", "account", "endpoint"])


@asynccontextmanager
async def two_processes(shop: Shop, path: Path, *, share: bool) -> AsyncIterator[tuple[Api, Api]]:
    caches = [SqliteCache(path / f"cache{0 if share else number}.db") for number in range(2)]
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(shop.world.api(cache=cache)) for cache in caches
        ]
        yield one, other
    for cache in caches:
        await cache.close()


class KilledCache(MemoryCache):
    """The process ends before it can remember an answer; what it claimed is there."""

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        if await self.get(key) is not None:
            raise Unavailable("cache: the process was killed")
        await super().put(key, value, seconds=seconds, owner=owner)


@every_thing
@pytest.mark.parametrize("cache_is_kept", [True, False])
async def test_a_repeat_after_a_crash_answers_what_was_made(
    tmp_path: Path, thing: str, *, cache_is_kept: bool
) -> None:
    async with a_shop(tmp_path) as shop:
        post, cache = post_of(shop, thing), KilledCache()
        async with shop.world.api(cache=cache) as api:
            first = await post(api)
        shop.world.clock.move(hours=23)
        async with shop.world.api(cache=cache if cache_is_kept else MemoryCache()) as api:
            again = await post(api)

    assert (again.status, again.body) == (first.status, first.body) == (201, first.body)


@every_thing
async def test_two_processes_answer_equal_calls_at_once_alike(tmp_path: Path, thing: str) -> None:
    async with (
        a_shop(tmp_path) as shop,
        two_processes(shop, tmp_path, share=True) as processes,
    ):
        post = post_of(shop, thing)
        answers = await asyncio.gather(*(post(api) for api in processes * 4))

    assert {(answered.status, answered.body) for answered in answers} == {(201, answers[0].body)}


@every_thing
async def test_two_processes_without_a_cache_in_common_make_one_thing(
    tmp_path: Path, thing: str
) -> None:
    async with (
        a_shop(tmp_path) as shop,
        two_processes(shop, tmp_path, share=False) as processes,
    ):
        post = post_of(shop, thing)
        answers = await asyncio.gather(*(post(api) for api in processes))
        listed = await shop.get("/v1/endpoints")

    assert len({answered.json["id"] for answered in answers}) == 1
    for shown_once in ("secret", "api_key"):
        assert len({answered.json.get(shown_once) for answered in answers}) == 1
    assert len(listed["data"]) == (thing == "endpoint")


async def test_a_key_of_a_crashed_call_that_is_shown_again_is_good(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        async with shop.world.api(cache=KilledCache()) as api:
            await post_of(shop, "merchant")(api)
        shown = (await post_of(shop, "merchant")(shop.api)).json
        answered = await shop.api.get("/v1/endpoints", key=shown["api_key"])

    assert answered.status == 200


async def test_an_endpoint_that_the_agent_was_not_told_of_is_told_by_the_repeat(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        async with shop.world.api(cache=KilledCache()) as api:
            await post_of(shop, "endpoint")(api)
        before = _told(shop)
        await post_of(shop, "endpoint")(shop.api)

        assert _told(shop) == before + 1


def _told(shop: Shop) -> int:
    log = shop.world.log
    return sum(len(all_of(log, NOTIFICATIONS.name, number)) for number in range(PARTITIONS))


async def test_after_a_day_a_key_makes_something_new_though_the_first_is_there(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        ids = []
        for hours in (0, 23, 2):
            shop.world.clock.move(hours=hours)
            async with shop.world.api(cache=MemoryCache()) as api:
                ids.append((await post_of(shop, "endpoint")(api)).json["id"])

    assert ids[0] == ids[1] != ids[2]


async def test_one_of_another_body_at_once_in_another_process_is_409(tmp_path: Path) -> None:
    bodies = ({**ENDPOINT, "description": text} for text in ("a", "b"))
    async with (
        a_shop(tmp_path) as shop,
        two_processes(shop, tmp_path, share=True) as processes,
    ):
        answers = await asyncio.gather(
            *(
                api.post("/v1/endpoints", body, key=shop.key, headers=KEY)
                for api, body in zip(processes, bodies, strict=True)
            )
        )

    assert sorted(answered.status for answered in answers) == [201, 409]


async def test_what_was_refused_may_come_again_in_a_better_shape(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        bad = await shop.api.post("/v1/endpoints", {"url": "nothing"}, headers=KEY)
        good = await shop.api.post("/v1/endpoints", ENDPOINT, headers=KEY)

    assert (bad.status, good.status) == (422, 201)


async def test_what_may_have_been_done_may_not_come_again_with_another_body(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.appender.is_down = True
        down = await shop.api.post("/v1/invoices", an_invoice(shop.account, "A"), headers=KEY)
        shop.world.appender.is_down = False
        other = await shop.api.post("/v1/invoices", an_invoice(shop.account, "B"), headers=KEY)
        same = await shop.api.post("/v1/invoices", an_invoice(shop.account, "A"), headers=KEY)

    assert (down.status, other.status, same.status) == (503, 409, 200)


async def test_equal_calls_wait_for_the_first_also_while_the_cache_is_asked(
    tmp_path: Path,
) -> None:
    cache = SqliteCache(tmp_path / "cache.db")
    async with a_shop(tmp_path, cache=cache) as shop:
        answers = await asyncio.gather(*(post_of(shop, "merchant")(shop.api) for _ in range(8)))
    await cache.close()

    assert {(answered.status, answered.body) for answered in answers} == {(201, answers[0].body)}
    assert sum("idempotent-replayed" in answered.headers for answered in answers) == 7
