"""The whole product on Kafka, Cassandra and Redis: bills, notices, webhooks, and the laws."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import pytest

from ops.demo_product import Product, free_port, start
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
from tests.integration.product_world import World, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

NOTICES = 6
READY_SECONDS_MAX = 60.0
TOLD_SECONDS_MAX = 90.0


def environment(kafka: KafkaServer, history: str, redis: RedisServer) -> dict[str, str]:
    """The engines of a product that nobody used before."""
    return {
        **os.environ,
        "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true",
        "KESHIKOMI_BROKER": kafka.url,
        "KESHIKOMI_KAFKA_REPLICATION": "1",
        "KESHIKOMI_HISTORY": history,
        "KESHIKOMI_CACHE": redis.url,
        "KESHIKOMI_WORKER_NAME": "test",
    }


async def test_what_is_paid_is_told_and_the_laws_hold(
    tmp_path: Path,
    kafka_server: KafkaServer,
    url: str,
    redis_server: RedisServer,
) -> None:
    product = await start(
        tmp_path / "data",
        environment=environment(kafka_server, url, redis_server),
        port=free_port(),
    )
    try:
        await product.wait_ready(READY_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
            world = World(http, product.url, tmp_path / "data")
            async with world.receiver.running():
                await pay_and_add_up(world, product)
    finally:
        await product.stop()


async def pay_and_add_up(world: World, product: Product) -> None:
    merchant = await world.merchant("a")
    numbers = {f"real-{index}" for index in range(NOTICES)}
    for number in numbers:
        await world.bill(merchant, number)
    accepted = [await world.pay(merchant, number) for number in numbers]
    assert len({answer["notice_id"] for answer in accepted}) == NOTICES

    async def all_told() -> bool:
        return merchant.paid_numbers() == numbers

    await until(all_told, TOLD_SECONDS_MAX)
    assert world.receiver.forged == 0
    audit: dict[str, object] = {}

    async def laws_hold() -> bool:
        audit.update(await product.audit())
        counts = audit["counts"]
        assert isinstance(counts, dict)
        return audit["holds"] is True and counts["matched"] == NOTICES

    await until(laws_hold, TOLD_SECONDS_MAX)
