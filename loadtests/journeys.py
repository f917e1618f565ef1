"""The way of each notice to its webhook: when it was at which stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtests.arrivals import Webhook
from loadtests.crediting import of_kind
from loadtests.driving import Course
from loadtests.houses import House
from loadtests.outcomes import OVERPAID, PAID, PAYING, REOPENED, UNMATCHED, Sent
from loadtests.schedule import CANCELLED, CONFIRMED, PRELIMINARY, Schedule
from loadtests.verify import OK, Fact

STAGES = ("accepted", "matched", "notified", "first attempt", "received")
"""Answered as accepted; read by the settling step; the notification is durable in the log; the
sender began its first attempt; at the merchant's."""
CONFIRMED_TOLD = f"payment.{CONFIRMED}"

Times = Mapping[tuple[int, str], tuple[int, int]]
"""When the first accepted sending of a payment's notice was meant to leave and answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One notice and the webhook that tells of it; times are nanoseconds of the monotonic clock.

    `stages` has a time for each of `STAGES`, where it is known. What the product wrote itself is
    in whole milliseconds of its own clock, so that a stage may seem to be a millisecond early.
    """

    path: str
    is_living: bool
    intended_ns: int
    stages: tuple[int | None, ...]

    @property
    def received_ns(self) -> int | None:
        """When the webhook came, if it did."""
        return self.stages[-1]

    def ms(self, stage: str) -> float | None:
        """How long after the time at which it was meant to leave, or None when it never was."""
        at_ns = self.stages[STAGES.index(stage)]
        return None if at_ns is None else (at_ns - self.intended_ns) / 1e6


def journeys(
    houses: Mapping[int, House],
    schedule: Schedule,
    course: Course,
    arrivals: Sequence[Webhook],
    notified_ms: Mapping[str, float],
) -> list[Journey]:
    """Every notice that was taken, in the order in which they were meant to leave."""
    came = _by_fact(arrivals)
    times = _times(schedule, course)
    found = []
    for house in houses.values():
        for several in house.sent.values():
            for fact, place, (intended_ns, answered_ns) in _signals(house, several, times):
                webhooks = came.get((house.path, *fact), [])
                webhook = webhooks[place] if place < len(webhooks) else None
                stages = _stages(house, course, webhook, notified_ms)
                found.append(
                    Journey(
                        path=house.path,
                        is_living=not house.is_dead,
                        intended_ns=intended_ns,
                        stages=(answered_ns, *stages),
                    )
                )
    return sorted(found, key=lambda journey: journey.intended_ns)


def _by_fact(arrivals: Sequence[Webhook]) -> Mapping[tuple[str, str, str], list[Webhook]]:
    """The webhooks that were answered by success, each id once, in the order in which they came."""
    found: dict[tuple[str, str, str], list[Webhook]] = {}
    for arrival in arrivals:
        if arrival.status == OK:
            of_fact = found.setdefault((arrival.path, arrival.type, arrival.reference), [])
            if all(each.webhook_id != arrival.webhook_id for each in of_fact):
                of_fact.append(arrival)
    return found


Signal = tuple[Fact, int, tuple[int, int]]
"""What is told, the place of its webhook among those of the same fact, and when it was caused."""


def _signals(house: House, several: Sequence[Sent], times: Times) -> Iterator[Signal]:
    """The webhook that is caused by each kind of notice that was taken of an invoice's payments."""
    heard = [sent for sent in several if sent.accepted & PAYING]
    confirmed = []
    for place, sent in enumerate(sorted(heard, key=lambda sent: sent.taken_ns)):
        caused = (OVERPAID if place else PAID) if sent.payment.is_known else UNMATCHED
        if caused in house.types:
            yield (caused, sent.reference), 0, times[_begun(sent)]
        number = sent.payment.number
        if sent.accepted >= PAYING and CONFIRMED_TOLD in house.types:
            confirmed.append((times[number, CONFIRMED], sent.reference))
        if CANCELLED in sent.accepted and sent.is_in_order and REOPENED in house.types:
            yield (REOPENED, sent.reference), 0, times[number, CANCELLED]
    for place, (when, reference) in enumerate(sorted(confirmed)):
        yield (CONFIRMED_TOLD, reference), place, when


def _begun(sent: Sent) -> tuple[int, str]:
    """The notice by which a payment was heard of."""
    kind = PRELIMINARY if PRELIMINARY in sent.accepted else CONFIRMED
    return sent.payment.number, kind


def _times(schedule: Schedule, course: Course) -> Times:
    results = of_kind(course.results, "notice")
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for notice in schedule.notices:
        for result in results.get(notice.place, []):
            for number in notice.payments if result.is_good else ():
                found.setdefault((number, notice.kind), (result.intended_ns, result.answered_ns))
    return found


def _stages(
    house: House, course: Course, webhook: Webhook | None, notified_ms: Mapping[str, float]
) -> tuple[int | None, ...]:
    if webhook is None:
        return (None,) * (len(STAGES) - 1)
    moments = (
        webhook.matched_ms,
        notified_ms.get(webhook.webhook_id),
        house.first_attempts.get(webhook.webhook_id),
    )
    at_ns = [None if ms is None else int(ms * 1e6) - course.wall_offset_ns for ms in moments]
    return (*at_ns, webhook.at_ns)
