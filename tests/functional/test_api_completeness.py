"""A merchant asks which of an endpoint's numbers were delivered, and gets the others again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from api import completeness
from streams.domain.delivery import Delivery
from tests.api_shop import Shop, a_shop, open_shop
from tests.builders import NOW
from tests.functional.test_api_endpoint_secrets import made
from tests.functional.test_api_told import attempted


async def told(shop: Shop, count: int, **options: Any) -> str:
    """An endpoint that was sent `count` webhooks, of as many invoices; the path to ask at."""
    endpoint = await made(shop, **{"types": ["invoice.paid"], **options})
    for number in range(1, count + 1):
        await shop.invoice(f"ORD-{number}")
        await shop.notice(f"n-{number}", reference=f"ORD-{number}")
        await shop.world.settle()
    return f"/v1/endpoints/{endpoint['id']}/completeness"


def offered(shop: Shop, sequence: int) -> Delivery:
    """What is on its way with this number."""
    (found,) = [each for each in shop.world.lanes.offered.values() if each.sequence == sequence]
    return found


async def test_each_number_is_told_by_what_became_of_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 5)
        failed = offered(shop, 3)
        for sequence in (1, 2, 5):
            await attempted(shop, offered(shop, sequence).delivery_id, status_code=204)
        await attempted(shop, failed.delivery_id, is_last=True, status_code=500)
        found = await shop.get(path)
        some = await shop.get(f"{path}?from=1&to=2")
        whole = await shop.get(f"{path}?from=1&to=3&deliveries=all")

    assert (found["range"], found["last"], found["complete"]) == ([1, 5], 5, False)
    assert (found["delivered"], found["pending"], found["failed"]) == (
        [[1, 2], [5, 5]],
        [[4, 4]],
        [[3, 3]],
    )
    assert (found["superseded"], found["unknown"], found["next"]) == ([], [], None)
    assert [(row["sequence"], row["status"]) for row in found["deliveries"]] == [
        (3, "failed"),
        (4, "pending"),
    ]
    row = found["deliveries"][0]
    assert (row["delivery_id"], row["event_id"], row["event_type"]) == (
        failed.delivery_id,
        failed.notification_id,
        "invoice.paid",
    )
    assert (some["range"], some["complete"], some["deliveries"]) == ([1, 2], True, [])
    assert [(each["sequence"], each["status"]) for each in whole["deliveries"]] == [
        (1, "delivered"),
        (2, "delivered"),
        (3, "failed"),
    ]


async def test_what_is_missing_is_sent_again_and_then_nothing_is_missing(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 2)
        first, second = (offered(shop, sequence) for sequence in (1, 2))
        await attempted(shop, first.delivery_id, status_code=204)
        await attempted(shop, second.delivery_id, is_last=True, status_code=500)
        (missing,) = (await shop.get(path))["deliveries"]
        async with shop.world.worker():
            await shop.api.post(f"/v1/deliveries/{missing['delivery_id']}/resend")
        again = offered(shop, 2)
        meanwhile = await shop.get(path)
        await attempted(shop, again.delivery_id, status_code=204)
        complete = await shop.get(path)

    assert (again.round, again.body, again.previous_id) == (
        1,
        second.body,
        first.notification_id,
    )
    body = orjson.loads(again.body)
    assert (body["sequence"], body["previous_id"]) == (2, first.notification_id)
    assert (meanwhile["complete"], meanwhile["pending"]) == (False, [[2, 2]])
    assert (complete["complete"], complete["delivered"]) == (True, [[1, 2]])


async def test_a_resend_is_refused_when_its_body_cannot_be_made_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 2)
        first, second = (offered(shop, sequence).delivery_id for sequence in (1, 2))
        await attempted(shop, first, status_code=204)
        await shop.world.history.expire(NOW.replace(year=NOW.year + 1))
        refused = await shop.api.post(f"/v1/deliveries/{second}/resend")
        found = await shop.get(path)

    assert (refused.status, "byte for byte" in refused.json["detail"]) == (409, True)
    assert (found["unknown"], found["pending"], found["complete"]) == ([[1, 1]], [[2, 2]], False)


async def test_numbers_that_history_does_not_know_are_named(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 2)
        beyond = await shop.get(f"{path}?from=2&to=900000000000")
        nothing_new = await shop.get(f"{path}?from=3")
        later = await shop.get(f"{path}?from=7")

    assert (beyond["range"], beyond["last"]) == ([2, 900_000_000_000], 2)
    assert (beyond["unknown"], beyond["next"]) == ([[3, 900_000_000_000]], None)
    for empty, start in ((nothing_new, 3), (later, 7)):
        assert (empty["range"], empty["complete"], empty["unknown"]) == (
            [start, start - 1],
            True,
            [],
        )


async def test_an_endpoint_that_was_sent_nothing_lacks_nothing(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        found = await shop.get(await told(shop, 0))

    assert (found["range"], found["last"], found["complete"]) == ([1, 0], 0, True)


async def test_many_numbers_come_in_several_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completeness, "KNOWN_MAX", 2)
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 4)
        first = await shop.get(path)
        second = await shop.get(f"{path}?from={first['next']}")
        wider = await shop.get(f"{path}?from={first['next']}&to=9")
        rest = await shop.get(f"{path}?from={wider['next']}&to=9")

    assert (first["range"], first["pending"], first["next"]) == ([1, 2], [[1, 2]], 3)
    assert (second["range"], second["pending"], second["next"]) == ([3, 4], [[3, 4]], None)
    assert (wider["range"], wider["unknown"], wider["next"]) == ([3, 4], [], 5)
    assert (rest["range"], rest["unknown"], rest["next"]) == ([5, 9], [[5, 9]], None)


async def test_a_state_that_was_skipped_for_a_newer_one_is_listed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 1, types=["invoice.*"], supersede=True)
        skipped = offered(shop, 1)
        await shop.notice("n-1", reference="ORD-1", kind="preliminary_cancelled")
        await shop.world.settle()
        found = await shop.get(path)
        (listed,) = (await shop.get("/v1/deliveries?status=superseded"))["data"]

    assert (listed["id"], listed["sequence"]) == (skipped.delivery_id, 1)
    assert listed["next_attempt_at"] is None
    assert (found["superseded"], found["pending"], found["complete"]) == (
        [[1, 1]],
        [[2, 2]],
        False,
    )
    assert [row["status"] for row in found["deliveries"]] == ["superseded", "pending"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=0", "/from"),
        ("from=-1", "/from"),
        ("from=1000000000000000", "/from"),
        ("to=x", "/to"),
        ("to=2026-11-24T01:15:00Z", "/to"),
        ("from=3&to=2", "/to"),
        ("deliveries=none", "/deliveries"),
        ("first=1", "/first"),
    ],
)
async def test_what_is_no_range_of_numbers_is_refused(
    tmp_path: Path, query: str, pointer: str
) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 0)
        refused = await shop.api.get(f"{path}?{query}")

    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)


NO_NUMBER = "must be a number of `sequence`, whole and from 1 to 999999999999999"
BESIDE_TIMES = "; for a time, GET /v1/deliveries?endpoint_id=... shows created_at beside sequence"


@pytest.mark.parametrize("given", ["0", "1000000000000000", "x", "1.5", "", "１"])
async def test_what_is_no_number_is_told_what_a_number_is(tmp_path: Path, given: str) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 0)
        refused = await shop.api.get(f"{path}?from={given}")

    (error,) = refused.json["errors"]
    assert error == {"pointer": "/from", "detail": f"in the query: {NO_NUMBER}"}


@pytest.mark.parametrize("given", ["2026-11-24T01:15:00Z", "2026-11-24", "01:15"])
async def test_a_time_is_told_where_numbers_stand_beside_times(tmp_path: Path, given: str) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 0)
        asked = await shop.api.get(f"{path}?to={given}")
        replays = path.replace("completeness", "replays")
        replayed = await shop.api.post(replays, {"from": given})

    (of_query,), (of_body,) = asked.json["errors"], replayed.json["errors"]
    said = {"detail": NO_NUMBER + BESIDE_TIMES}
    assert of_query == {"pointer": "/to", "detail": f"in the query: {said['detail']}"}
    assert of_body == {"pointer": "/from", **said}


async def test_nobody_else_learns_of_it_and_a_removed_endpoint_is_gone(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await told(shop, 1)
        key = shop.api.key
        await open_shop(shop.world, shop.api)
        of_other = await shop.api.get(path)
        shop.api.key = key
        await shop.api.call("DELETE", path.removesuffix("/completeness"))
        removed = await shop.api.get(path)

    assert (of_other.status, removed.status) == (404, 404)
