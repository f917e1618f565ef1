"""Lanes, sender and real receivers together: one that hangs, one that refuses, one that works."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from agents.delivery import DeliveryLanes
from agents.flights import Outside
from connectors.signing import format_secret
from streams.clock import monotonic_seconds, system_clock
from streams.domain.delivery import Target
from streams.domain.signing import SigningKey
from streams.messages import AttemptMade
from tests.functional.test_delivery_sender import SECRET, raw_receiver, receiver, sender
from tests.functional.test_delivery_world import SECONDS_MAX, a_delivery, an_endpoint
from tests.pending_rows import PendingDicts


async def test_a_receiver_that_works_gets_everything_while_others_hang_and_refuse() -> None:
    verified: list[str] = []
    told: list[AttemptMade] = []
    stops: list[str] = []
    is_complete, is_hanging = asyncio.Event(), asyncio.Event()

    async def works(request: web.Request) -> web.Response:
        Webhook(format_secret(SECRET)).verify(await request.read(), dict(request.headers))
        verified.append(request.headers["webhook-id"])
        return web.Response()

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_hanging.set()
        await reader.read()

    async def publish(message: AttemptMade) -> None:
        told.append(message)
        if sum(each.attempt.status_code == 200 for each in told) == 100:
            is_complete.set()

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with receiver(works) as good, raw_receiver(hangs) as (bad, _), sender() as webhooks:
            outside = Outside(
                send=webhooks.send,
                open_target=lambda endpoint: Target(url=endpoint.url, keys=[SigningKey(SECRET)]),
                publish=publish,
                fraction=lambda: 0.5,
                observe=lambda _delivery, _attempt: None,
                monotonic=monotonic_seconds,
                fail_stop=stops.append,
            )
            lanes = DeliveryLanes(outside, pending=PendingDicts(), clock=system_clock)
            refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            for name, url in (("good", good), ("bad", bad), ("gone", refusing)):
                lanes.set_endpoint(replace(an_endpoint(name), url=url))
            await lanes.start()
            for number in range(100):
                for name in ("bad", "gone", "good"):
                    lanes.offer(replace(a_delivery(name, number), due_at=system_clock()))
            await asyncio.wait_for(is_complete.wait(), SECONDS_MAX)
            await asyncio.wait_for(is_hanging.wait(), SECONDS_MAX)
            await lanes.stop(seconds_max=0.01)

    assert sorted(verified) == sorted(f"evt_{number}" for number in range(100))
    errors = {each.attempt.error for each in told if each.delivery_id.startswith("gone/")}
    assert errors == {"connection_refused"}
    assert not [each for each in told if each.delivery_id.startswith("bad/")]
    assert stops == []
