"""The way of each notice to its webhook: when it was at which stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from loadtests.crediting import of_kind
from loadtests.driving import Course
from loadtests.houses import PAID, UNMATCHED, House, Sent
from loadtests.schedule import CONFIRMED, PRELIMINARY, Schedule
from loadtests.verify import OK, Arrival, Fact

STAGES = ("accepted", "matched", "notified", "first attempt", "received")
CONFIRMED_TOLD = f"payment.{CONFIRMED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One notice and the webhook that tells of it; times are nanoseconds of the monotonic clock.

    `stages` are those that are known. What the product wrote itself is in whole milliseconds of
    its own clock, so that a stage may seem to be a millisecond early.
    """

    fact: Fact
    path: str
    is_living: bool
    intended_ns: int
    stages: Mapping[str, int]

    def ms(self, stage: str) -> float | None:
        """How long after the time at which it was meant to leave, or None when it never was."""
        at_ns = self.stages.get(stage)
        return None if at_ns is None else (at_ns - self.intended_ns) / 1e6


def journeys(
    houses: Mapping[int, House], schedule: Schedule, course: Course, arrivals: Sequence[Arrival]
) -> list[Journey]:
    """Every notice that was taken, in the order in which they were meant to leave."""
    first: dict[tuple[str, str, str], Arrival] = {}
    for arrival in arrivals:
        if arrival.status == OK:
            first.setdefault((arrival.path, arrival.type, arrival.reference), arrival)
    times = _times(schedule, course)
    found = []
    for house in houses.values():
        for reference, sent in house.sent.items():
            for fact, kind in _signals(house, reference, sent):
                intended_ns, answered_ns = times[sent.payment.number, kind]
                webhook = first.get((house.path, *fact))
                stages = {"accepted": answered_ns, **_stages(house, course, webhook)}
                found.append(
                    Journey(
                        fact=fact,
                        path=house.path,
                        is_living=not house.is_dead,
                        intended_ns=intended_ns,
                        stages=stages,
                    )
                )
    return sorted(found, key=lambda journey: journey.intended_ns)


def _signals(house: House, reference: str, sent: Sent) -> Iterator[tuple[Fact, str]]:
    """The webhook that is caused by each kind of notice that was taken of a payment."""
    if sent.accepted:
        begun = PRELIMINARY if PRELIMINARY in sent.accepted else CONFIRMED
        yield (PAID if sent.payment.is_known else UNMATCHED, reference), begun
        if sent.accepted == {PRELIMINARY, CONFIRMED} and CONFIRMED_TOLD in house.types:
            yield (CONFIRMED_TOLD, reference), CONFIRMED


def _times(schedule: Schedule, course: Course) -> dict[tuple[int, str], tuple[int, int]]:
    """When the first accepted sending of a payment's notice was meant to leave and answered."""
    results = of_kind(course.results, "notice")
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for notice in schedule.notices:
        for result in results.get(notice.place, []):
            for number in notice.payments if result.is_good else ():
                found.setdefault((number, notice.kind), (result.intended_ns, result.answered_ns))
    return found


def _stages(house: House, course: Course, webhook: Arrival | None) -> dict[str, int]:
    if webhook is None:
        return {}
    matched_at = webhook.stages.get("matched_at")
    moments = {
        "matched": datetime.fromisoformat(matched_at) if matched_at else None,
        "notified": house.made_at.get(webhook.webhook_id),
        "first attempt": house.first_attempts.get(webhook.webhook_id),
    }
    at_ns = {
        name: int(moment.timestamp() * 1e9) - course.wall_offset_ns
        for name, moment in moments.items()
        if moment
    }
    return at_ns | {"received": webhook.at_ns}
