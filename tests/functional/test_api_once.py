"""Once only, and not too often: `Idempotency-Key`, rate limits, failed authentications."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api.ports import ApiLimits
from connectors.cache.memory import MemoryCache
from connectors.cache.sqlite import SqliteCache
from connectors.sealing import Sealer
from streams.domain.errors import Unavailable
from tests.api_harness import ADMIN_KEY
from tests.api_shop import a_notice_body, a_shop, an_invoice, open_shop

KEY = {"Idempotency-Key": "first-try"}


async def test_the_same_key_and_body_answer_the_first_answer_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = {"url": "https://shop.example.com/"}
        first = await shop.api.post("/v1/endpoints", body, headers=KEY)
        again = await shop.api.post("/v1/endpoints", body, headers=KEY)
        listed = await shop.get("/v1/endpoints")

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(listed["data"]) == 1


async def test_the_same_key_with_another_body_is_409(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        url = "/v1/invoices"
        await shop.api.post(url, an_invoice(shop.account, "A"), headers=KEY)
        other = await shop.api.post(url, an_invoice(shop.account, "B"), headers=KEY)

    assert other.status == 409


async def test_of_many_at_once_with_one_key_one_is_made(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = {"url": "https://shop.example.com/"}
        answers = await asyncio.gather(
            *(shop.api.post("/v1/endpoints", body, headers=KEY) for _ in range(8))
        )
        listed = await shop.get("/v1/endpoints")

    assert {answered.body for answered in answers} == {answers[0].body}
    assert len(listed["data"]) == 1


async def test_keys_are_remembered_for_a_day_and_per_merchant_and_path(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = {"url": "https://shop.example.com/"}
        first = await shop.api.post("/v1/endpoints", body, headers=KEY)
        path = f"/v1/endpoints/{first.json['id']}/ping"
        ping = await shop.api.post(path, {}, headers=KEY)
        shop.world.seconds.seconds += 86_401
        shop.world.clock.move(seconds=86_401)
        later = await shop.api.post("/v1/endpoints", body, headers=KEY)
        other = await open_shop(shop.world, shop.api)
        theirs = await other.api.post("/v1/endpoints", body, headers=KEY)

    assert ping.status == 200
    assert len({first.json["id"], later.json["id"], theirs.json["id"]}) == 3


async def test_a_failed_try_is_not_remembered(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = an_invoice(shop.account)
        shop.world.appender.is_down = True
        down = await shop.api.post("/v1/invoices", body, headers=KEY)
        shop.world.appender.is_down = False
        up = await shop.api.post("/v1/invoices", body, headers=KEY)

    # The number was claimed at the first try, and the second one told the log.
    assert (down.status, up.status) == (503, 200)


@pytest.mark.parametrize("key", ["", "x" * 256, "ü"])
async def test_a_strange_key_is_400(tmp_path: Path, key: str) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.api.post(
            "/v1/invoices", an_invoice(shop.account), headers={"Idempotency-Key": key}
        )

    assert answered.status == 400


async def test_calls_with_one_key_are_limited_and_those_with_another_are_not(
    tmp_path: Path,
) -> None:
    limits = ApiLimits(requests_per_second=2, requests_burst=3)
    async with a_shop(tmp_path, limits=limits) as shop:
        answers = [await shop.api.get("/v1/invoices") for _ in range(4)]
        shop.world.seconds.seconds += 10  # the operator's calls count as well
        path = f"/v1/merchants/{shop.merchant}/keys"
        other = (await shop.api.post(path, key=ADMIN_KEY)).json["api_key"]
        limited = [await shop.api.get("/v1/invoices") for _ in range(4)][-1]
        free = await shop.api.get("/v1/invoices", key=other)
        shop.world.seconds.seconds += 0.5
        refilled = await shop.api.get("/v1/invoices")

    assert [answered.status for answered in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert (limited.status, free.status, refilled.status) == (429, 200, 200)


async def test_guessing_keys_is_slowed_down_and_right_keys_still_work(tmp_path: Path) -> None:
    async with a_shop(tmp_path, limits=ApiLimits(failures_burst=3)) as shop:
        answers = [await shop.api.get("/v1/invoices", key=f"ksk_{n}") for n in range(5)]
        right = await shop.api.get("/v1/invoices")

    assert [answered.status for answered in answers] == [401, 401, 401, 429, 429]
    assert "retry-after" in answers[-1].headers
    assert right.status == 200


async def test_notices_are_not_limited_by_the_keys_of_merchants(tmp_path: Path) -> None:
    limits = ApiLimits(requests_per_second=1, requests_burst=3)
    async with a_shop(tmp_path, limits=limits) as shop:
        answers = [await shop.notice(f"n-{number}") for number in range(20)]

    assert {answered.status for answered in answers} == {202}


async def test_answers_outlive_the_process_and_calls_without_a_key_leave_no_trace(
    tmp_path: Path,
) -> None:
    body, path = {"url": "https://shop.example.com/"}, tmp_path / "cache.db"
    async with a_shop(tmp_path) as shop:
        cache = SqliteCache(path)
        async with shop.world.api(cache=cache) as one:
            one.key = shop.key
            await one.post("/v1/endpoints", body)
            await one.get("/v1/endpoints", headers=KEY)
            await one.notice(shop.account, a_notice_body())
            without = _files(tmp_path)
            first = await one.post("/v1/endpoints", body, headers=KEY)
        await cache.close()
        cache = SqliteCache(path)
        async with shop.world.api(cache=cache) as two:
            two.key = shop.key
            again = await two.post("/v1/endpoints", body, headers=KEY)
            other = await two.post("/v1/endpoints", {**body, "types": ["*"]}, headers=KEY)
        await cache.close()

    assert without == []
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status == 409
    assert first.json["secret"].encode() not in path.read_bytes()


def _files(directory: Path) -> list[Path]:
    return list(directory.glob("cache.db*"))


async def test_a_cache_that_fails_is_503_before_the_work_and_no_matter_after_it(
    tmp_path: Path,
) -> None:
    body = {"url": "https://shop.example.com/"}
    async with a_shop(tmp_path) as shop:
        for failing, status in (("claim", 503), ("put", 201)):
            cache = FailingCache(failing)
            async with shop.world.api(cache=cache) as api:
                api.key = shop.key
                answered = await api.post("/v1/endpoints", body, headers=KEY)
                assert answered.status == status
        listed = await shop.get("/v1/endpoints")

    assert len(listed["data"]) == 1


class FailingCache(MemoryCache):
    def __init__(self, failing: str) -> None:
        super().__init__()
        self._failing = failing

    async def claim(
        self, key: str, value: bytes, *, seconds: float, owner: str = ""
    ) -> bytes | None:
        if self._failing == "claim":
            raise Unavailable("cache: disk I/O error")
        return None

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        raise Unavailable("cache: disk I/O error")


async def test_an_answer_under_a_master_key_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    body, cache = {"url": "https://shop.example.com/"}, MemoryCache()
    answers = []
    async with a_shop(tmp_path) as shop:
        for master in (b"m" * 32, b"n" * 32):
            async with shop.world.api(cache=cache, sealer=Sealer([master])) as api:
                api.key = shop.key
                answers.append(await api.post("/v1/endpoints", body, headers=KEY))

    assert [answered.status for answered in answers] == [201, 201]


async def test_of_equal_notices_at_once_one_is_new(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        answers = await asyncio.gather(*(shop.notice() for _ in range(24)))
        metrics = (await shop.api.get("/metrics")).body.decode()

    assert {answered.status for answered in answers} == {202}
    assert sorted(answered.json["duplicate"] for answered in answers) == [False] + [True] * 23
    assert 'keshikomi_notices_accepted_total{format="generic"} 1.0' in metrics
    assert 'keshikomi_notices_repeated_total{format="generic"} 23.0' in metrics


async def test_a_notice_that_could_not_be_kept_is_new_when_it_comes_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.appender.is_down = True
        down = await asyncio.gather(*(shop.notice() for _ in range(4)))
        shop.world.appender.is_down = False
        up = await shop.notice()

    assert {answered.status for answered in down} == {503}
    assert up.json["duplicate"] is False


async def test_of_equal_registrations_at_once_one_is_201(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        answers = await asyncio.gather(*(shop.register() for _ in range(24)))

    assert sorted(answered.status for answered in answers) == [200] * 23 + [201]
    assert len({answered.json["id"] for answered in answers}) == 1
