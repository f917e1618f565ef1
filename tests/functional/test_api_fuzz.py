"""Whatever comes in, the API answers as it says it does, and never by a 5xx."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.call import Body, Route, Who
from api.openapi import public_path
from api.ports import ApiLimits
from api.routes import ROUTES
from tests.api_harness import ADMIN_KEY
from tests.api_shop import Shop, a_shop

LIMITS = ApiLimits(
    requests_per_second=10_000, requests_burst=100_000, failures_burst=10_000,
    effect_seconds_max=0.01,
)  # fmt: skip
ROUNDS = 80
CALLS_PER_ROUND = 3
WITH_BODIES = [route for route in ROUTES if route.body_kind is not Body.NONE]

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "2026-12-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "*", "\x00", "ca_x"]),
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bodies(draw: st.DrawFn, route: Route) -> bytes:
    """Bytes, JSON, or an object with the names that the route knows."""
    if route.body is None or draw(st.booleans()):
        return draw(st.one_of(st.binary(max_size=50), values.map(_json)))
    members = {
        name: draw(values) for name in route.body.model_fields if draw(st.integers(0, 3)) != 0
    }
    return _json(members)


def _json(value: object) -> bytes:
    return orjson.dumps(value, default=str) if _is_plain(value) else repr(value).encode()


def _is_plain(value: object) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


@st.composite
def calls(draw: st.DrawFn) -> tuple[Route, bytes, str]:
    route = draw(st.sampled_from(WITH_BODIES))
    query = "&".join(
        f"{quote(draw(texts))}={quote(draw(texts))}" for _ in range(draw(st.integers(0, 2)))
    )
    return route, draw(bodies(route)), query


@settings(max_examples=ROUNDS, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(calls(), min_size=CALLS_PER_ROUND, max_size=CALLS_PER_ROUND))
def test_no_body_and_no_query_makes_a_5xx(asked: list[tuple[Route, bytes, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_all_answered(Path(directory), asked))


async def _all_answered(directory: Path, asked: list[tuple[Route, bytes, str]]) -> None:
    async with a_shop(directory, limits=LIMITS) as shop:
        invoice = await shop.invoice()
        for route, body, query in asked:
            answered = await _answered(shop, invoice, route, body, query)
            assert answered.status < 500 or answered.status == 503, (route.path, body)


async def _answered(shop: Shop, invoice: str, route: Route, body: bytes, query: str) -> Any:
    ids = {"invoice_id": invoice, "account_id": shop.account, "merchant_id": shop.merchant}
    path = public_path(route.path)
    for name in ("invoice_id", "account_id", "merchant_id", "endpoint_id", "notice_id"):
        path = path.replace(f"{{{name}}}", ids.get(name, "x"))
    path = path.replace("{delivery_id}", "x")
    key = ADMIN_KEY if route.who is Who.ADMIN else shop.key
    headers = {"Content-Type": "application/json"}
    if route.who is Who.PROVIDER:
        return await shop.api.notice(shop.account, body)
    url = f"{path}?{query}" if query else path
    return await shop.api.call(route.method, url, data=body, key=key, headers=headers)
