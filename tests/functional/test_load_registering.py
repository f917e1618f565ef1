"""A load that registers its invoices in the log writes what the API would have written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson

from loadtests.merchants import Merchant
from loadtests.registering import DUE, issued, registered, terms_of
from streams.codecs import decode_invoice_message
from streams.messages import InvoiceRegistered
from tests.api_shop import Shop, a_shop

NUMBER = "ORD-0000001"


def a_load_merchant(shop: Shop) -> Merchant:
    return Merchant(
        path="/ok/0",
        merchant_id=shop.merchant,
        api_key=shop.key,
        endpoint_id="",
        endpoint_secret="",
        account_id=shop.account,
        notice_path="",
        channel_secret="",
    )


async def test_the_log_holds_the_same_bytes_whichever_way_an_invoice_is_registered(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        now, merchant = shop.world.clock(), a_load_merchant(shop)
        before = len(shop.world.appender.appended)
        request = merchant.invoice_request(NUMBER, (now + DUE).isoformat())
        body = orjson.loads(request.partition(b"\r\n\r\n")[2])
        assert (await shop.api.post("/v1/invoices", body)).status == 201
        over_the_api = shop.world.appender.appended[before:]

    told = decode_invoice_message(over_the_api[0].value)
    assert isinstance(told, InvoiceRegistered)
    terms = replace(terms_of(merchant, NUMBER, now), created_at=told.terms.created_at)
    straight = [registered(terms), *issued([terms])]
    assert [(each.topic, each.key, each.value) for each in straight] == [
        (each.topic, each.key, each.value) for each in over_the_api
    ]
