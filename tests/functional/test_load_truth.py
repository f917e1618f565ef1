"""What a profile of load must come to is what the product makes of it, and nothing else passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from loadtests.crediting import credit
from loadtests.formats import FORMATS
from loadtests.houses import House, open_houses
from loadtests.orders import Orders
from loadtests.profiles.reading import named, read_profile
from loadtests.results import Result
from loadtests.schedule import Notice, Schedule
from loadtests.verify import Event, check_feed, event_of
from loadtests.world import World as LoadWorld
from tests.api_harness import ADMIN_KEY, Api, World, a_world

RATE, SECONDS, MERCHANTS = 6, 8, 5
SECOND = 1_000_000_000


class Registering:
    """The part of a load's world that registers, over the API of the tests."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def call(
        self, method: str, path: str, body: object = None, *, key: str = ADMIN_KEY
    ) -> Any:
        answered = await self._api.call(method, path, json=body, key=key)
        assert answered.status // 100 == 2, (path, answered.body)
        return answered.json

    async def add_account(
        self, merchant_id: str, channel: str, form: str, config: Mapping[str, str]
    ) -> Any:
        body = {"merchant_id": merchant_id, "channel": channel, "format": form, "config": config}
        return await self.call("POST", "/v1/channel-accounts", body)

    async def add_endpoint(
        self, path: str, api_key: str, *, types: Iterable[str], **options: object
    ) -> Any:
        body = {"url": f"https://shop.example{path}", "types": sorted(types), **options}
        return await self.call("POST", "/v1/endpoints", body, key=api_key)


def some_orders(world: World, profile: str) -> Orders:
    return Orders(
        folder=Path(),
        port=1,
        profile=read_profile(profile),
        rate=RATE,
        seconds=SECONDS,
        merchants=MERCHANTS,
        seed=3,
        workers=1,
        paid_from=world.clock() - timedelta(hours=1),
        due_at=world.clock() + timedelta(days=30),
        accounts={},
        readings=(),
    )


async def sent(api: Api, orders: Orders, schedule: Schedule, notice: Notice) -> Result:
    """Send a notice as its provider does."""
    path, headers, body = orders.request(schedule, notice)
    answered = await api.call("POST", path, data=body, headers=headers, key="")
    form = schedule.format_of(notice)
    return Result(
        what="notice",
        number=notice.place,
        intended_ns=int(notice.at_seconds * SECOND),
        sent_ns=int(notice.at_seconds * SECOND),
        answered_ns=int(notice.at_seconds * SECOND),
        status=answered.status,
        is_good=FORMATS[form].is_taken(answered.status, answered.body),
    )


async def registered(api: Api, orders: Orders, schedule: Schedule) -> list[Result]:
    """Register every invoice; those of shops are told as results, as long ago."""
    results = []
    for payment in sorted([*schedule.early, *schedule.live], key=lambda each: each.number):
        key = orders.account(payment).api_key
        answered = await api.post("/v1/invoices", orders.invoice(payment), key=key)
        assert answered.status == 201, answered.body
        if payment.is_live:
            result = Result(
                what="invoice",
                number=payment.number,
                intended_ns=-1,
                sent_ns=-1,
                answered_ns=-1,
                status=201,
                is_good=True,
            )
            results.append(result)
    return results


async def a_run(world: World, api: Api, profile: str) -> tuple[Schedule, dict[int, House]]:
    """A whole profile with its feeds read, without Locust and without any time."""
    orders = some_orders(world, profile)
    schedule = orders.schedule()
    registering = cast("LoadWorld", Registering(api))
    houses = await open_houses(registering, schedule, orders.profile, MERCHANTS)
    accounts = {
        f"{rank} {form}": account
        for rank, house in houses.items()
        for form, account in house.accounts.items()
    }
    orders = orders.for_houses(accounts=accounts, readings=())
    results = await registered(api, orders, schedule)
    await world.settle()
    for notice in schedule.notices:
        results.append(await sent(api, orders, schedule, notice))
    await world.settle()
    credit(houses, orders, schedule, results)
    for house in houses.values():
        house.events = await feed(api, house.api_key)
    return schedule, houses


async def feed(api: Api, key: str) -> list[Event]:
    events: list[Event] = []
    after = ""
    while True:
        page = (await api.get(f"/v1/events?limit=250{after}", key=key)).json
        events += map(event_of, page["data"])
        if not page["data"]:
            return events
        after = f"&after={page['next']}"


@pytest.mark.parametrize("profile", named())
async def test_a_profile_comes_to_exactly_what_must_be_told(profile: str, tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.api() as api:
        schedule, houses = await a_run(world, api, profile)

    found = [
        fault
        for house in houses.values()
        for fault in check_feed(house.expected(), house.events, [])
    ]
    assert found == []
    told = sum(len(house.events) for house in houses.values())
    assert told > len(schedule.payments)
    types = {event.type for house in houses.values() for event in house.events}
    has_both = {"invoice.overpaid", "invoice.reopened"} <= types
    assert has_both or profile != "late_confirmations"
    assert sum(house.notices[0] for house in houses.values()) >= len(schedule.payments)


async def test_a_notice_that_was_taken_in_secret_would_be_found(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.api() as api:
        _, houses = await a_run(world, api, "steady")

    house = next(house for house in houses.values() if house.sent)
    (sent, *_) = next(iter(house.sent.values()))
    sent.accepted = frozenset()

    found = list(check_feed(house.expected(), house.events, []))
    assert any(sent.reference in fault and "nobody caused" in fault for fault in found)
