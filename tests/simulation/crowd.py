"""Endpoints with news at a steady pace and a backlog, told by a process that lives long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from random import Random

from agents.lane import Limits
from agents.step import record
from streams.domain.delivery import Delivery
from streams.domain.ids import EndpointId, MerchantId, NotificationId, delivery_id
from streams.domain.notification import Notification, NotificationType
from streams.domain.sequence import Counter
from streams.messages import EndpointSet, Notified
from streams.topics import NOTIFICATIONS
from tests.builders import NOW, an_endpoint
from tests.simulation.deliveries_world import DeliveriesWorld
from tests.simulation.fake_log import ExactlyOnce
from tests.simulation.network import Request, Temper

BODY = '{"data":"as large as it is"}'


class Crowd:
    """Each endpoint is of a merchant of its own; chances of one depend on no other."""

    def __init__(
        self,
        seed: str,
        tempers: Mapping[EndpointId, Temper],
        *,
        limits: Limits | None = None,
        retry_seconds: tuple[int, ...] = (),
    ) -> None:
        self._seed, self._loop = seed, asyncio.get_running_loop()
        self._told_at: dict[str, float] = {}
        self.world = DeliveriesWorld(
            seed,
            make_durability=ExactlyOnce,
            tempers=tempers,
            limits=limits or Limits(),
            is_hasty=True,
        )
        for endpoint_id in tempers:
            endpoint = an_endpoint(
                endpoint=endpoint_id,
                merchant=MerchantId(endpoint_id),
                url=f"https://{endpoint_id}/hooks",
            )
            endpoint = replace(endpoint, retry_seconds=retry_seconds)
            self._append(endpoint_id, EndpointSet(endpoint=endpoint))

    def leave_pending(self, endpoint_id: EndpointId, count: int) -> None:
        """So many deliveries come to wait, all at one moment, as the step makes them."""
        for number in range(1, count + 1):
            at = NOW - timedelta(days=1) + timedelta(milliseconds=number)
            notification_id = NotificationId(f"old_{number}")
            delivery = Delivery(
                delivery_id=delivery_id(notification_id, endpoint_id),
                endpoint_id=endpoint_id,
                merchant_id=MerchantId(endpoint_id),
                notification_id=notification_id,
                notification_type=NotificationType.INVOICE_PAID,
                body=BODY,
                created_at=at,
                due_at=at,
                sequence=number,
            )
            self.world.pending.put(delivery)
            self.world.lanes.offer(delivery)
        self.world.pending.count(endpoint_id, Counter(last=count))

    def tell(self, endpoint_id: EndpointId, *, per_second: float, begin: float, end: float) -> None:
        """News at this pace, on average, from when until when."""
        chance = Random(f"{self._seed} {endpoint_id} {begin}")  # noqa: S311  # to be repeated
        at = begin + chance.expovariate(per_second)
        while at < end:
            self._loop.call_at(at, self._tell, endpoint_id, f"new_{at}")
            at += chance.expovariate(per_second)

    def _tell(self, endpoint_id: EndpointId, name: str) -> None:
        one = Notification(
            notification_id=NotificationId(name),
            merchant_id=MerchantId(endpoint_id),
            type=NotificationType.INVOICE_PAID,
            at=self.world.clock(),
            body=BODY,
        )
        self._told_at[name] = self._loop.time()
        self._append(endpoint_id, Notified(merchant_id=one.merchant_id, notifications=(one,)))

    def _append(self, endpoint_id: EndpointId, message: object) -> None:
        self.world.append([record(NOTIFICATIONS, endpoint_id, message)])

    # --- what came of it

    def requests_of(self, endpoint_id: EndpointId) -> list[Request]:
        return [one for one in self.world.network.requests if one.endpoint_id == endpoint_id]

    def waits_seconds(self, *endpoint_ids: EndpointId, told_from: float = 0.0) -> list[float]:
        """How long news waited until it was first sent, the shortest first; all of it was sent."""
        first: dict[str, float] = {}
        for one in self.world.network.requests:
            if one.endpoint_id in endpoint_ids and one.webhook_id in self._told_at:
                first.setdefault(one.webhook_id, one.begun - self._told_at[one.webhook_id])
        return sorted(wait for name, wait in first.items() if self._told_at[name] >= told_from)


def p99(sorted_seconds: list[float]) -> float:
    return sorted_seconds[int(len(sorted_seconds) * 0.99)]
