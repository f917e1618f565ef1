"""Several API processes share one log: what one answered, the next call on another sees."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from api.directory import Directory
from connectors.log.tail import LogTail
from streams.codecs import encode
from streams.installations import KEY, Installation
from streams.ports import Record
from streams.topics import DIRECTORY
from tests.api_harness import ADMIN_KEY, Api, a_world
from tests.api_shop import a_notice_body, a_shop, open_shop
from tests.builders import NOW
from tests.conftest import Eventually


async def test_what_one_process_answered_is_seen_by_the_next_call_on_another(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world, world.api() as one, world.api() as two:
        shop = await open_shop(world, one)
        two.key = shop.key

        body = {"url": "https://shop.example.com/"}
        made = (await one.post("/v1/endpoints", body)).json
        path = f"/v1/endpoints/{made['id']}"
        assert (await two.get(path)).status == 200
        assert (await two.call("PATCH", path, json={"description": "two"})).status == 200
        assert (await one.get(path)).json["description"] == "two"
        assert (await two.call("DELETE", path)).status == 204
        assert (await one.get(path)).status == 404
        assert (await two.notice(shop.account, a_notice_body())).status == 202


async def test_a_new_process_reads_everything_at_its_start(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.log.compact("directory")
        async with shop.world.api() as late:
            late.key = shop.key
            assert (await late.get("/v1/invoices")).status == 200
            assert (await late.notice(shop.account, a_notice_body())).status == 202


async def test_the_record_of_the_installation_is_nobodys_row(tmp_path: Path) -> None:
    made = Installation(installation_id="ins_1", sealed="s1.0.x", made_at=NOW)
    record = Record(topic=DIRECTORY.name, key=KEY, value=encode(made))
    async with a_shop(tmp_path) as shop:
        await shop.world.log.append([record])
        assert (await shop.api.post("/v1/endpoints", {"url": "https://a.example/"})).status == 201
        async with shop.world.api() as late:
            late.key = shop.key
            assert len((await late.get("/v1/endpoints")).json["data"]) == 1


async def test_after_a_start_intake_needs_only_the_log(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.history.is_down = True
        async with shop.world.api() as late:
            answered = await late.notice(shop.account, a_notice_body())
            ready = await late.get("/readyz")

    assert answered.status == 202
    assert ready.status == 200
    assert ready.json["checks"]["history"].startswith("unavailable")


async def test_changes_by_others_arrive_by_themselves(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_world(tmp_path) as world, world.api() as one:
        shop = await open_shop(world, one)
        other = Directory(appender=world.appender, tail=LogTail(world.log))
        await other.start()
        seen = other.key(shop.key_id)
        path = f"/v1/merchants/{shop.merchant}/keys/{shop.key_id}"
        await one.call("DELETE", path, key=ADMIN_KEY)
        await eventually(lambda: other.key(shop.key_id) is None)
        await other.close()

    assert seen is not None
    assert not other.is_followed


async def test_two_processes_that_make_endpoints_at_once_lose_none(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.api() as one, world.api() as two:
        shop = await open_shop(world, one)
        two.key = shop.key
        made = await asyncio.gather(*(_made(api, n) for n in range(5) for api in (one, two)))
        listed = (await two.get("/v1/endpoints")).json["data"]

    assert {each["id"] for each in listed} == {each["id"] for each in made}


async def _made(api: Api, number: int) -> Any:
    return (await api.post("/v1/endpoints", {"url": f"https://s{number}.example.com/"})).json


async def test_when_the_log_is_down_a_change_is_503_and_nothing_changed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.appender.is_down = True
        answered = await shop.api.post("/v1/endpoints", {"url": "https://shop.example.com/"})
        listed = await shop.get("/v1/endpoints")

    assert (answered.status, answered.headers["retry-after"]) == (503, "1")
    assert b"disk" not in answered.body
    assert listed["data"] == []
