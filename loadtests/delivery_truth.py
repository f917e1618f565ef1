"""Decides whether the delivery engine told each endpoint exactly what it should, in its order.

The receiver's arrivals are compared with what was written to the log: ids, bodies, numbers without
a gap and signatures of each, how often it was answered by success, and the order within an invoice.
What the engine wrote to history is compared with both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from connectors.log.sqlitelog import SqliteLog
from loadtests.arrivals import Arrival, is_signed
from loadtests.busy import OK
from loadtests.shops import Shop
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import delivery_id
from streams.topics import HISTORY, QUARANTINE

PAGE = 1_000


@dataclass(slots=True)
class Heard:
    """What came to one endpoint, judged in the order in which it came."""

    shop: Shop
    successes: dict[int, int] = field(default_factory=dict)
    """How often each notification was answered by success, by its number."""

    @property
    def repeats(self) -> int:
        """Webhooks that came again after they had been answered by success."""
        return sum(self.successes.values()) - len(self.successes)

    def judge(self, arrivals: Sequence[Arrival], *, repeats_allowed: bool) -> Iterator[str]:
        """Everything that is wrong with them."""
        for arrival in arrivals:
            yield from self._judge_one(arrival)
        if not repeats_allowed and self.repeats:
            again = [number for number, times in self.successes.items() if times > 1]
            yield f"{self.shop.path}: {self.repeats} came again, the first is #{again[0]}"
        missing = [n for n in range(self.shop.count) if n not in self.successes]
        if self.shop.is_complete and missing:
            yield f"{self.shop.path}: {len(missing)} never arrived, the first is #{missing[0]}"

    def _judge_one(self, arrival: Arrival) -> Iterator[str]:
        shop = self.shop
        text = arrival.reference.rpartition("#")[2]
        number = int(text) if text.isdigit() else -1
        if not 0 <= number < shop.count or arrival.reference != shop.reference(number):
            yield f"{shop.path}: told of {arrival.reference}, which was not to be told here"
            return
        if arrival.webhook_id != shop.id_of(number):
            yield f"{shop.path}: #{number} came under the id {arrival.webhook_id}"
        if arrival.body != numbered(shop, number):
            yield f"{shop.path}: #{number} ends with {arrival.body[-80:]}"
        if not is_signed(arrival, shop.secret):
            yield f"{shop.path}: #{number} has no valid signature"
        before = shop.before(number)
        if before is not None and before not in self.successes:
            yield f"{shop.path}: #{number} overtook #{before} of the same invoice"
        if arrival.status == OK:
            self.successes[number] = self.successes.get(number, 0) + 1


def numbered(shop: Shop, number: int) -> str:
    """The body as it must arrive: numbers from 1 on without a gap, and the id of the one before."""
    previous = f'"{shop.id_of(number - 1)}"' if number else "null"
    return f'{shop.body(number)[:-1]},"sequence":{number + 1},"previous_id":{previous}}}'


def check_arrivals(
    shops: Iterable[Shop], arrivals: Iterable[Arrival], *, repeats_allowed: bool
) -> tuple[dict[str, Heard], list[str]]:
    """What came to each endpoint, by path, and everything that is wrong with it."""
    by_path: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        by_path.setdefault(arrival.path, []).append(arrival)
    heard: dict[str, Heard] = {}
    faults: list[str] = []
    for shop in shops:
        heard[shop.path] = Heard(shop)
        came = by_path.pop(shop.path, [])
        faults += heard[shop.path].judge(came, repeats_allowed=repeats_allowed)
    faults += [f"{path}: no shop has this server" for path in by_path]
    return heard, faults


@dataclass(slots=True)
class Recorded:
    """What the engine has written to history, read on from where the last reading ended."""

    log: SqliteLog
    numbers: dict[str, int] = field(default_factory=dict)
    """The number that each delivery was given when it was started, by its id."""
    delivered: set[str] = field(default_factory=set)
    quarantined: list[str] = field(default_factory=list)
    """Why records could not be used."""
    _next: dict[tuple[str, int], int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what is new."""
        for topic in (HISTORY.name, QUARANTINE.name):
            for partition in range(self.log.catalog.get(topic).partitions):
                offset = self._next.get((topic, partition), 0)
                while stored := self.log.fetch(topic, partition, offset, PAGE):
                    for record in stored:
                        self._take(orjson.loads(record.value or b"{}"))
                    offset = stored[-1].offset + 1
                self._next[topic, partition] = offset

    def _take(self, said: Mapping[str, object]) -> None:
        if "quarantine_id" in said:
            self.quarantined.append(str(said["reason"]))
        if said.get("type") == "attempted" and said["status"] == DeliveryStatus.DELIVERED:
            self.delivered.add(str(said["delivery_id"]))
        rows = said.get("deliveries")
        for row in rows if isinstance(rows, list) else ():
            # A step that is made again for a finished delivery says 0.
            self.numbers[row["delivery_id"]] = row["sequence"] or self.numbers.get(
                row["delivery_id"], 0
            )

    def judge(self, heard: Iterable[Heard]) -> Iterator[str]:
        """What history says otherwise than the log and the receiver."""
        yield from (f"quarantine: {reason}" for reason in self.quarantined)
        left = set(self.numbers)
        for each in heard:
            shop = each.shop
            for number in range(shop.count):
                made = delivery_id(shop.id_of(number), shop.endpoint_id)
                left.discard(made)
                found = self.numbers.get(made)
                if found != number + 1:
                    yield f"history: {shop.path} #{number} has the sequence {found}"
                if shop.is_complete and (number in each.successes) != (made in self.delivered):
                    yield f"history: {shop.path} #{number} is not told of as it was answered"
        if left:
            yield f"history: {len(left)} deliveries that nobody caused"
