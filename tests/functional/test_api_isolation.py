"""One merchant never sees, changes or guesses another's things: every route, from the table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.call import Body, Route, Who
from api.openapi import public_path
from api.requests import AssignRequest, FileQuery
from api.routes import ROUTES
from tests.api_harness import ADMIN_KEY
from tests.api_shop import Shop, a_shop, open_shop

OF_MERCHANTS = [route for route in ROUTES if route.who is Who.MERCHANT]
OF_ONE_THING = [route for route in OF_MERCHANTS if "{" in route.path]
LISTS = [
    route
    for route in OF_MERCHANTS
    if route not in OF_ONE_THING and route.query and "after" in route.query.model_fields
]
OF_THE_OPERATOR = [route for route in ROUTES if route.who is Who.ADMIN]


def named(routes: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda route: route.name)


@asynccontextmanager
async def two_shops(directory: Path) -> AsyncIterator[tuple[Shop, dict[str, str]]]:
    """The ids of one merchant's things, and another merchant who has nothing but an invoice."""
    async with a_shop(directory) as theirs:
        endpoint = await theirs.api.post("/v1/endpoints", {"url": "https://shop.example.com/"})
        invoice = await theirs.invoice()
        await theirs.notice()
        unmatched = await theirs.notice("n-2", reference="UNKNOWN")
        await theirs.world.settle()
        async with theirs.world.worker():
            replay = await theirs.api.post(f"/v1/endpoints/{endpoint.json['id']}/replays", {})
        ids = {
            "invoice_id": invoice,
            "replay_id": replay.json["id"],
            "endpoint_id": endpoint.json["id"],
            "event_id": (await theirs.get("/v1/events"))["data"][0]["id"],
            "delivery_id": (await theirs.get("/v1/deliveries"))["data"][0]["id"],
            "notice_id": unmatched.json["notice_id"],
            "account_id": theirs.account,
        }
        mine = await open_shop(theirs.world, theirs.api)
        mine.account = theirs.account
        yield mine, ids


def path_of(route: Route, ids: dict[str, str]) -> str:
    path = re.sub(r"{(\w+)}", lambda name: ids[name[1]], public_path(route.path))
    return f"{path}?account={ids['account_id']}" if route.query is FileQuery else path


def body_of(route: Route, ids: dict[str, str]) -> Any:
    if route.body_kind is not Body.JSON:
        return None
    return {"invoice_id": ids["invoice_id"], "reason": "x"} if route.body is AssignRequest else {}


@named(OF_ONE_THING)
async def test_anothers_thing_is_404_as_if_it_did_not_exist(tmp_path: Path, route: Route) -> None:
    async with two_shops(tmp_path) as (mine, ids):
        written = len(mine.world.appender.appended)
        unknown = {name: f"{name[:3]}_unknown" for name in ids}
        theirs = await mine.api.call(route.method, path_of(route, ids), json=body_of(route, ids))
        nothing = await mine.api.call(
            route.method, path_of(route, unknown), json=body_of(route, ids)
        )

    assert (theirs.status, nothing.status) == (404, 404)
    assert theirs.json["detail"] == nothing.json["detail"]
    assert len(mine.world.appender.appended) == written


@named(LISTS)
async def test_a_list_holds_ones_own_things_only(tmp_path: Path, route: Route) -> None:
    async with two_shops(tmp_path) as (mine, _):
        assert (await mine.get(route.path))["data"] == []


async def test_a_file_for_anothers_account_is_404(tmp_path: Path) -> None:
    async with two_shops(tmp_path) as (mine, ids):
        path = f"/v1/files?account={ids['account_id']}"
        assert (await mine.api.call("POST", path, data=b"x")).status == 404


async def test_anothers_waiting_notice_is_not_assigned_to_ones_own_invoice(tmp_path: Path) -> None:
    async with two_shops(tmp_path) as (mine, ids):
        mine.account = await mine.new_account("generic", "konbini_slip")
        own = await mine.invoice("MINE-1")
        answered = await mine.api.post(
            f"/v1/unmatched/{ids['notice_id']}/assign", {"invoice_id": own, "reason": "x"}
        )

    assert answered.status == 404


@named(OF_MERCHANTS)
async def test_a_merchants_route_needs_a_merchants_key(tmp_path: Path, route: Route) -> None:
    async with two_shops(tmp_path) as (mine, ids):
        for key in ("", "ksk_unknown", ADMIN_KEY):
            answered = await mine.api.call(
                route.method, path_of(route, ids), json=body_of(route, ids), key=key
            )
            assert answered.status == 401


@named(OF_THE_OPERATOR)
async def test_an_operators_route_needs_the_admin_key(tmp_path: Path, route: Route) -> None:
    async with two_shops(tmp_path) as (mine, ids):
        path = path_of(route, {**ids, "merchant_id": mine.merchant, "key_id": mine.key_id})
        for key in ("", mine.key):
            answered = await mine.api.call(route.method, path, json=body_of(route, ids), key=key)
            assert answered.status == 401
        assert (await mine.api.get("/v1/invoices")).status == 200
