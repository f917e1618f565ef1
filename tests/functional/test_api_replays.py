"""A merchant has a range of an endpoint's deliveries sent again, follows it, and cancels it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from agents import replay_course
from agents.replaying import Replaying
from streams.domain.delivery import Delivery
from streams.domain.ids import MerchantId, ReplayId
from tests.api_shop import Shop, a_shop
from tests.builders import NOW
from tests.functional.test_api_completeness import offered, told
from tests.functional.test_api_told import attempted


def a_runner(shop: Shop) -> Replaying:
    """What works on replays beside the archiving step; each look is a while after the last one."""
    return Replaying(
        history=shop.world.history,
        publish=shop.world.log.append,
        is_ours=lambda _: True,
        clock=shop.world.clock,
        monotonic=itertools.count(0.0, 60.0).__next__,
    )


async def turns(shop: Shop, runner: Replaying, count: int = 8) -> None:
    """So many turns, and all that follows from each."""
    for _ in range(count):
        await runner.turn()
        await shop.world.settle()


async def failed(shop: Shop, *sequences: int) -> dict[int, Delivery]:
    """These deliveries used up their attempts; they are returned by number."""
    found = {sequence: offered(shop, sequence) for sequence in sequences}
    for delivery in found.values():
        await attempted(shop, delivery.delivery_id, is_last=True, status_code=500)
    return found


async def asked(shop: Shop, path: str, **body: Any) -> Any:
    async with shop.world.worker():
        answered = await shop.api.post(path, body)
    assert answered.status == 202, answered.body
    return answered.json


def replays_of(completeness: str) -> str:
    return completeness.replace("/completeness", "/replays")


async def test_what_failed_in_a_range_is_sent_again_byte_for_byte(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 5))
        await attempted(shop, offered(shop, 1).delivery_id, status_code=204)
        before = await failed(shop, 2, 3, 5)
        begun = await asked(shop, path, to=4)
        await turns(shop, a_runner(shop))
        again = {sequence: offered(shop, sequence) for sequence in (2, 3)}
        done = await shop.get(f"{path}/{begun['id']}")
        listed = await shop.get(path)
        for delivery in again.values():
            await attempted(shop, delivery.delivery_id, status_code=204)
        shown = await shop.get("/v1/deliveries?status=delivered")
        left = await shop.get("/v1/deliveries?status=failed")

    assert (begun["status"], begun["range"], begun["position"]) == ("running", [1, 4], 0)
    assert begun["statuses"] == ["failed", "superseded"]
    assert (done["status"], done["position"], done["reason"]) == ("done", 4, None)
    assert done["finished_at"] >= done["created_at"]
    assert (done["found"], done["resent"], listed["data"]) == (2, 2, [done])
    for sequence, delivery in again.items():
        assert (delivery.round, delivery.body) == (1, before[sequence].body)
        assert delivery.previous_id == before[sequence].previous_id
    causes = {row["sequence"]: (row["cause"], row["replay_id"]) for row in shown["data"]}
    assert causes == {1: ("event", None), 2: ("replay", begun["id"]), 3: ("replay", begun["id"])}
    assert [row["sequence"] for row in left["data"]] == [5]


async def test_what_was_delivered_is_sent_again_where_that_is_asked_for(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 3))
        await attempted(shop, offered(shop, 1).delivery_id, status_code=204)
        await failed(shop, 2)
        begun = await asked(shop, path, statuses=["delivered", "failed"], **{"from": 2})
        await turns(shop, a_runner(shop))
        rounds = [row["round"] for row in (await shop.get("/v1/deliveries"))["data"]]
        second = await asked(shop, path, statuses=["delivered"])
        other = await shop.get(f"{path}/{second['id']}")
        await turns(shop, a_runner(shop))
        rounds_then = [row["round"] for row in (await shop.get("/v1/deliveries"))["data"]]

    # Number 3 is under way: nobody has to send it again.
    assert (rounds, rounds_then) == ([0, 1, 0], [0, 1, 1])
    assert begun["id"] != second["id"]
    assert other["range"] == [1, 3]


async def test_a_single_resend_after_a_replay_is_recorded_as_one(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 1))
        delivery = (await failed(shop, 1))[1]
        await asked(shop, path)
        await turns(shop, a_runner(shop))
        await failed(shop, 1)
        async with shop.world.worker():
            resent = await shop.api.post(f"/v1/deliveries/{delivery.delivery_id}/resend")

    shown = resent.json
    assert (shown["round"], shown["cause"], shown["replay_id"]) == (2, "resend", None)


async def test_a_cancelled_replay_sends_nothing_more(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 1))
        await failed(shop, 1)
        begun = await asked(shop, path)
        async with shop.world.worker():
            cancelled = await shop.api.post(f"{path}/{begun['id']}/cancel")
            again = await shop.api.post(f"{path}/{begun['id']}/cancel")
        await turns(shop, a_runner(shop))
        unchanged = await shop.get("/v1/deliveries")

    assert (cancelled.json["status"], cancelled.json["reason"]) == ("cancelled", "asked")
    assert (again.status, again.json) == (200, cancelled.json)
    assert unchanged["data"][0]["status"] == "failed"


async def test_a_replay_that_is_done_cannot_be_cancelled(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 1))
        begun = await asked(shop, path)
        await turns(shop, a_runner(shop))
        refused = await shop.api.post(f"{path}/{begun['id']}/cancel")

    assert refused.status == 409


async def test_one_replay_of_an_endpoint_runs_at_a_time(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 1))
        begun = await asked(shop, path)
        refused = await shop.api.post(path, {})
        await turns(shop, a_runner(shop))
        second = await asked(shop, path)

    assert (refused.status, begun["id"] in refused.json["detail"]) == (409, True)
    assert second["id"] != begun["id"]


async def test_the_same_call_again_is_the_same_replay(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "once"}
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 1))
        async with shop.world.worker():
            first = await shop.api.post(path, {}, headers=key)
        # Another process, whose cache knows nothing of the first answer.
        async with shop.world.api() as other:
            other.key = shop.key
            again = await other.post(path, {}, headers=key)

    assert (first.status, again.status) == (202, 202)
    assert again.json["id"] == first.json["id"]


async def test_a_range_without_numbers_and_other_merchants_are_refused(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 2))
        beyond = await shop.api.post(path, {"from": 3})
        backwards = await shop.api.post(path, {"from": 2, "to": 1})
        under_way = await shop.api.post(path, {"statuses": ["pending"]})
        nowhere = await shop.api.get(f"{path}/rpl_none")
        elsewhere = await shop.api.get("/v1/endpoints/ep_none/replays")

    refused = [beyond.status, backwards.status, under_way.status]
    assert refused == [422, 422, 422]
    assert [beyond.json["errors"][0]["pointer"], backwards.json["errors"][0]["pointer"]] == [
        "/from",
        "/to",
    ]
    assert (nowhere.status, elsewhere.status) == (404, 404)


async def test_a_removed_endpoint_ends_its_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_course, "RESENDS_PER_PORTION_MAX", 1)
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 4))
        await failed(shop, 1, 2, 3, 4)
        begun = await asked(shop, path)
        await shop.api.call("DELETE", path.removesuffix("/replays"))
        await turns(shop, a_runner(shop))
        history = shop.world.history
        row = await history.replay(MerchantId(shop.merchant), ReplayId(begun["id"]))
        running = await history.running_replays()

    # The first resend found the endpoint gone; what was said meanwhile is one portion at most.
    assert (row.status, row.reason, running) == ("cancelled", "endpoint_removed", [])
    assert row.resent == 1


async def test_no_more_than_a_window_is_under_way_and_news_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_course, "RESENDS_PER_PORTION_MAX", 1)
    monkeypatch.setattr(replay_course, "UNFINISHED_MAX", 2)
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 4))
        before = await failed(shop, 1, 2, 3, 4)
        begun = await asked(shop, path)
        runner = a_runner(shop)
        await turns(shop, runner)
        waits = await shop.get(f"{path}/{begun['id']}")
        # The process is started again: what is under way counts, whoever began it.
        runner = a_runner(shop)
        await turns(shop, runner)
        waits_on = await shop.get(f"{path}/{begun['id']}")
        await attempted(shop, before[1].delivery_id, status_code=204)
        await turns(shop, runner)
        goes_on = await shop.get(f"{path}/{begun['id']}")

    assert (waits["status"], waits["resent"], waits["position"]) == ("running", 2, 2)
    assert waits_on == waits
    assert (goes_on["status"], goes_on["resent"]) == ("running", 3)


async def test_what_is_no_longer_kept_is_found_and_not_resent(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 3))
        await attempted(shop, offered(shop, 1).delivery_id, status_code=204)
        await shop.world.history.expire(NOW.replace(year=NOW.year + 1))
        await failed(shop, 2, 3)
        begun = await asked(shop, path)
        await turns(shop, a_runner(shop))
        done = await shop.get(f"{path}/{begun['id']}")

    # Number 1 is gone, so what number 2 said of it is not known any more.
    assert (done["found"], done["resent"], done["status"]) == (2, 1, "done")
