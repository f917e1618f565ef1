"""What happens to the deliveries of some merchants: news, moody endpoints, clocks set, crashes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from random import Random

import orjson

from agents.lane import Limits
from agents.step import record
from streams.domain.delivery import Endpoint, EndpointStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId
from streams.domain.ids import delivery_id as delivery_id_of
from streams.domain.notification import Notification, NotificationType, Told
from streams.domain.sequence import Source
from streams.messages import EndpointSet, Notified, ResendRequested
from streams.ports import Record
from streams.topics import NOTIFICATIONS
from tests.builders import an_endpoint
from tests.simulation.deliveries_world import DeliveriesWorld
from tests.simulation.fake_log import AtLeastOnce, ExactlyOnce
from tests.simulation.network import Mood, Outage, Temper
from tests.simulation.virtual_time import passes

HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0
DAYS_MAX = 6
"""The last retry of all comes within three days, its wait is one day at most, and so is a wish."""
MERCHANTS = (MerchantId("mer_a"), MerchantId("mer_b"))
INVOICES_PER_MERCHANT = 4
SMALL = Limits(
    all_in_flight_max=7,
    in_flight_max=6,
    fresh_in_flight_max=2,
    slow_in_flight_max=2,
    sick_in_flight_max=2,
    lane_in_flight_max=4,
    slow_lane_in_flight_max=2,
    held_max=12,
    lane_held_max=6,
    lane_held_min=2,
)
"""Nothing fits, so everything that has a limit meets it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A notification that an endpoint is to be told."""

    endpoint_id: EndpointId
    notification: Notification

    @property
    def delivery_id(self) -> DeliveryId:
        return delivery_id_of(self.notification.notification_id, self.endpoint_id)


class DeliveriesStory:
    """Everything is drawn before it begins, and happens when its time comes."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._random = Random(f"story of {name}")  # noqa: S311  # to be repeated
        self.span_seconds = self._random.choice([10.0, 600.0, 3 * HOUR_SECONDS])
        self._endpoints = [
            self._endpoint(merchant, number)
            for merchant in MERCHANTS
            for number in range(self._random.randint(1, 3))
        ]
        self.world = DeliveriesWorld(
            name,
            make_durability=ExactlyOnce if name.startswith("exactly-once") else AtLeastOnce,
            tempers={one.endpoint_id: self._temper() for one in self._endpoints},
            limits=self._random.choice([SMALL, Limits()]),
        )
        self.wanted: list[Wanted] = []
        self.resent: set[DeliveryId] = set()
        self._sources: dict[MerchantId, int] = defaultdict(int)
        self._told: dict[tuple[MerchantId, str], list[Told]] = defaultdict(list)
        self._latest: dict[MerchantId, list[Record]] = defaultdict(list)

    # --- what is drawn

    def _endpoint(self, merchant: MerchantId, number: int) -> Endpoint:
        endpoint_id = EndpointId(f"ep_{merchant}_{number}")
        endpoint = an_endpoint(
            endpoint=endpoint_id,
            merchant=merchant,
            url=f"https://{endpoint_id}/hooks",
        )
        return replace(
            endpoint,
            supersede=self._random.random() < 0.3,
            retry_seconds=self._random.choice([(), (), (5, 60), (600,) * 12]),
            timeout_seconds=self._random.choice([None, None, 1, 30]),
        )

    def _temper(self) -> Temper:
        random = self._random
        badness = random.choice([0.0, 0.1, 0.5, 0.9])
        moods = {mood: badness * random.random() for mood in Mood}
        begin = random.uniform(0, self.span_seconds)
        length = random.choice([0.0, 30.0, HOUR_SECONDS])
        mood = random.choice([Mood.RESET, Mood.HANG, Mood.UNAVAILABLE])
        return Temper(
            latency_seconds=random.choice([0.002, 0.05, 0.4, 2.0]),
            moods={**moods, Mood.WELL: 1.0 - badness + 0.01},
            capacity=random.choice([1, 2, 5, 1_000]),
            is_slowed=random.random() < 0.5,
            outages=(Outage(begin=begin, end=begin + length, mood=mood),),
            gone_from=begin if random.random() < 0.1 else float("inf"),
        )

    def _acts(self) -> list[Callable[[], None]]:
        random, merchants = self._random, MERCHANTS
        news = random.randint(5, 40)
        acts: list[Callable[[], None]] = []
        acts += [lambda: self.tell(random.choice(merchants)) for _ in range(news)]
        acts += [lambda: self.rush(random.choice(merchants))] * random.randint(0, 3)
        acts += [lambda: self.tell_again(random.choice(merchants))] * random.randint(0, 3)
        acts += [
            partial(self.set_clock, h) for h in random.sample([-1, 0, 1], random.randint(0, 3))
        ]
        acts += [self.switch] * random.randint(0, 3)
        acts += [self.resend] * random.randint(0, 4)
        acts += [self.crash] * random.choice([0, 0, 1, 3, 6])
        acts += [self.stop] * random.randint(0, 1)
        acts += [self.move] * random.choice([0, 0, 0, 1, 4])
        return acts

    # --- how it goes

    async def live(self) -> None:
        """All of it, and then peace until nothing more is to be expected."""
        for endpoint in self._endpoints:
            self._set(endpoint)
        for act in self._acts():
            # Much of it at nearly the same time, so that it meets.
            when = self._random.choice([0.1, 1.0, 1.0]) * self._random.uniform(0, self.span_seconds)
            self._loop.call_later(when, act)
        await passes(self.span_seconds + HOUR_SECONDS)
        await self._rest()

    async def _rest(self) -> None:
        self.world.network.is_well = True
        self.world.clock.set_ahead(0.0)
        await passes(2 * HOUR_SECONDS)  # the clock is past all that it has ever shown
        for endpoint in self.world.known_endpoints():
            self._set(replace(endpoint, status=EndpointStatus.ENABLED, enabled_at=self._now()))
        for _ in range(DAYS_MAX):
            await passes(DAY_SECONDS)
            if not self.world.rows_pending():
                return

    def _now(self) -> datetime:
        return self.world.clock()

    def _append(self, merchant: MerchantId, message: object) -> None:
        self.world.append([record(NOTIFICATIONS, merchant, message)])

    # --- acts

    def _set(self, endpoint: Endpoint) -> None:
        self._append(endpoint.merchant_id, EndpointSet(endpoint=endpoint))

    def rush(self, merchant: MerchantId) -> None:
        """Much happens to one invoice in a short time."""
        invoice = f"inv_{self._random.randrange(INVOICES_PER_MERCHANT)}"
        for _ in range(self._random.randint(3, 6)):
            self._loop.call_later(self._random.random(), self.tell, merchant, invoice)

    def tell(self, merchant: MerchantId, invoice: str = "") -> None:
        """Tell one or two things of an invoice, or of none; of any, if it is not given."""
        number = self._sources[merchant] = self._sources[merchant] + 1
        known = [f"inv_{number}" for number in range(INVOICES_PER_MERCHANT)]
        invoice = invoice or self._random.choice([*known, ""])
        told = self._told[merchant, invoice]
        news = tuple(
            Notification(
                notification_id=NotificationId(f"evt_{merchant}_{number}_{part}"),
                merchant_id=merchant,
                type=NotificationType.INVOICE_PAID,
                at=self._now(),
                body=orjson.dumps({"invoice": invoice, "event": number}).decode(),
            )
            for part in range(self._random.choice([1, 1, 2]))
        )
        source = Source(topic="invoices", partition=0, offset=number, at=self._now())
        earlier = tuple(reversed(told)) if invoice else ()
        message = Notified(merchant_id=merchant, notifications=news, source=source, earlier=earlier)
        told += [Told(notification_id=one.notification_id, at=one.at) for one in news]
        mine = [one.endpoint_id for one in self._endpoints if one.merchant_id == merchant]
        self.wanted += [Wanted(endpoint_id, one) for endpoint_id in mine for one in news]
        self._latest[merchant].append(record(NOTIFICATIONS, merchant, message))
        self.world.append(self._latest[merchant][-1:])

    def tell_again(self, merchant: MerchantId) -> None:
        """The settling step was made again after a crash, and says the same at another place."""
        self.world.append(self._latest[merchant][-self._random.randint(1, 3) :])

    def set_clock(self, hours: int) -> None:
        self.world.clock.set_ahead(hours * HOUR_SECONDS)

    def switch(self) -> None:
        """A person disables an endpoint, and enables it a while later."""
        endpoint = self._random.choice(self._endpoints)
        self._set(replace(endpoint, status=EndpointStatus.DISABLED))
        back = replace(endpoint, enabled_at=self._now())
        self._loop.call_later(self._random.uniform(0, HOUR_SECONDS / 2), self._set, back)

    def resend(self) -> None:
        """A person wants a delivery made once more, at best one that is under way."""
        rows = self.world.rows_pending()
        under_way = self.world.network.ids_under_way()
        if rows:
            row = self._random.choice([r for r in rows if r.delivery_id in under_way] or rows)
            again = replace(
                row,
                round=row.round + 1,
                attempts=0,
                first_attempt_at=None,
                due_at=self._now(),
                after="",
                then="",
            )
            self.resent.add(row.delivery_id)
            self._append(row.merchant_id, ResendRequested(delivery=again))

    def crash(self) -> None:
        if not self.world.life.is_over:
            self.world.kill()
            self._return()

    def stop(self) -> None:
        if not self.world.life.is_over:
            self.world.stop(self._return)

    def move(self) -> None:
        """A merchant's partition goes to another worker, and comes back while much is under way."""
        merchant = self._random.choice(MERCHANTS)
        self.world.move(merchant, away=True)
        back = partial(self.world.move, merchant, away=False)
        self._loop.call_later(self._random.choice([0.1, 3.0, 60.0]), back)

    def _return(self) -> None:
        self.world.standings.is_forgotten = self._random.random() < 0.5
        self._loop.call_later(self._random.choice([0.1, 5.0, 60.0]), self.world.begin)


async def told(name: str) -> DeliveriesStory:
    """The whole story of this name, which is its seed."""
    story = DeliveriesStory(name)
    await story.live()
    return story
